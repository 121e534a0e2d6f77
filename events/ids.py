"""Ids, positions and shards: when something was recorded, by whom, and where it lives.

An id is 63 bits, `40 ms since 2026 | 13 shard | 10 sequence`. It is never generated apart: it is
the log position of the event that created the thing, with the shard of the account that acted.
"""

from hashlib import blake2b
from typing import NamedTuple

EPOCH_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z; 40 bits of milliseconds last until 2060
SHARDS = 8_192
SEQUENCES = 1_024
MAX_ID = 2**63 - 1
MAX_PART = 2**63  # of a position; beyond it the server does not take it for an entry's id


class Position(NamedTuple):
    """Where an event stands in its partition: its stream entry's id, `<unix ms>-<sequence>`."""

    ms: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.ms}-{self.sequence}"

    @classmethod
    def parse(cls, text: str | bytes) -> "Position":
        """Read `<ms>-<sequence>`; ValueError when it is anything else."""
        ms, dash, sequence = (text.decode() if isinstance(text, bytes) else text).partition("-")
        if not (
            dash and ms.isascii() and ms.isdigit() and sequence.isascii() and sequence.isdigit()
        ):
            message = f"not a position: {text!r}"
            raise ValueError(message)
        position = cls(int(ms), int(sequence))
        if max(position) >= MAX_PART:
            message = f"no stream has this position: {text!r}"
            raise ValueError(message)
        return position


START = Position(0, 0)
"""What the first entry of a topic comes after."""
END = Position(MAX_PART - 1, MAX_PART - 1)
"""Behind whatever a stream can hold."""


class Address(NamedTuple):
    """Where an event stands in the log, as clients see it: `<topic>.<partition>.<position>`."""

    topic: str
    partition: int
    position: Position

    def __str__(self) -> str:
        return f"{self.topic}.{self.partition}.{self.position}"

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read what `str` wrote; ValueError when it is anything else."""
        topic, partition, position = text.split(".")
        if not (partition.isascii() and partition.isdigit()):
            message = f"not an address: {text!r}"
            raise ValueError(message)
        return cls(topic, int(partition), Position.parse(position))


def position_before(position: Position) -> Position:
    """The last position that comes before this one, whether anything stands there or not."""
    ms, sequence = position
    if sequence:
        return Position(ms, sequence - 1)
    return Position(ms - 1, END.sequence) if ms else START


def shard_of_username(username: str) -> int:
    """The shard an account of this name is born in, and stays in for life."""
    return int.from_bytes(blake2b(username.lower().encode(), digest_size=2).digest()) % SHARDS


def make_id(position: Position, shard: int) -> int:
    """The id of what the event at this position created."""
    return (position.ms - EPOCH_MS) << 23 | shard << 10 | position.sequence


def position_of(some_id: int) -> Position:
    """The position of the event that created this id."""
    return Position((some_id >> 23) + EPOCH_MS, some_id & (SEQUENCES - 1))


def shard_of(some_id: int) -> int:
    """The shard in which the account behind this id lives."""
    return some_id >> 10 & (SHARDS - 1)


def created_ms(some_id: int) -> int:
    """When the thing was created, in Unix milliseconds."""
    return (some_id >> 23) + EPOCH_MS
