"""Deliveries that could not be done: each has a letter until it is retried or dropped.

One delivery to one role has one letter, however often it fails. It is written in the same step as
the acknowledgement, so a delivery is pending or buried, never both and never neither.
"""

from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from events.ids import Address, Position
from runtime.functions import Client, Functions

DEAD, DROPPED = "dead", "dropped"

FUNCTIONS = Functions(Path(__file__).with_name("dead_letters.lua"))


class Undelivered(NamedTuple):
    """One event's delivery to one role."""

    role: str
    topic: str
    partition: int
    position: Position

    @property
    def name(self) -> str:
        """Its letter's name; names sort by role, topic and position."""
        ms, sequence = self.position
        return f"{kin(self.role, self.topic)}{ms:013d}-{sequence:04d}"

    @property
    def address(self) -> Address:
        return Address(self.topic, self.partition, self.position)

    @classmethod
    def named(cls, name: bytes, partition: int) -> Self:
        role, topic, position = name.decode().split(" ")
        return cls(role, topic, partition, Position.parse(position))


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """Why a delivery could not be done, and the entry itself, as it is stored."""

    reason: str
    traceback: str
    attempts: int
    buried_ms: int
    entry: dict[bytes, bytes]


def letters_key(shelf: str, partition: int) -> str:
    """The hash of a partition's letters, by name."""
    return f"{shelf}:{{{partition}}}"


def order_key(shelf: str, partition: int) -> str:
    """The sorted set of their names."""
    return f"{shelf}_order:{{{partition}}}"


async def bury(
    client: Client, what: Undelivered, letter: Letter, *, stream: str, consumer: str
) -> bool:
    """Move a delivery that this consumer holds to the dead letters; False when it no longer is."""
    keys = [letters_key(DEAD, what.partition), order_key(DEAD, what.partition), stream]
    encoded = msgspec.msgpack.encode(letter)
    arguments = [what.role, consumer, str(what.position), what.name, encoded]
    return bool(await FUNCTIONS.call(client, "bury", keys, arguments))


async def oldest_standing(client: Client, role: str, topic: str, partition: int) -> Position | None:
    """The first delivery of a topic to a role whose letter waits for somebody to decide."""
    low, high = _range(kin(role, topic))
    names = await client.zrangebylex(order_key(DEAD, partition), low, high, 0, 1)
    return Undelivered.named(names[0], partition).position if names else None


def kin(role: str, topic: str) -> str:
    """What the names of a role's letters of one topic begin with."""
    return f"{role} {topic} "


def _range(prefix: str) -> tuple[str, str]:
    """The lexical bounds of every name with this prefix; names are ASCII."""
    return f"[{prefix}", f"({prefix}\x7f"
