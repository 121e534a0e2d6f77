"""What the log lets go: entries that are done or archived, consumers that are gone.

Each decision is one step of the log server, for between looking and dropping things move.
"""

import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from events.dead_letters import DEAD, DROPPED, kept_key, order_key
from events.ids import Position
from events.log import Log, stream_key
from runtime.functions import Functions

KEPT_SECONDS = 3_600
"""How long entries stay that nobody needs: gateways may have been away, people ask what became of a
command, and clocks differ."""
LOOKED_AT = 200  # entries in one step; the log server does nothing else for a millisecond

FUNCTIONS = Functions(Path(__file__).with_name("trimming.lua"))


class Trim(NamedTuple):
    """What became of one topic's stream."""

    state: str
    """within its budget, held, unarchived, groupless, needed, or trimmed."""
    bytes: int
    """What it took before."""
    dropped: int
    stops: tuple[str, ...]
    """Who must move before more can go: holds, roles, the archive, or the age of entries."""
    unlisted: tuple[str, ...]
    """Groups that no role of the map is behind: they are not waited for."""


async def trim_topic(
    log: Log, topic: str, partition: int, roles: Collection[str], *, budget_bytes: int
) -> Trim:
    """Drop entries of a topic that is over its budget, the oldest first, as far as may be.

    What goes is an hour old, archived, and done by each of the roles, which must all have a group.
    An entry that a dead or dropped letter names stays, alone: it may be retried.
    """
    keys = [
        stream_key(topic, partition),
        order_key(DEAD, partition),
        order_key(DROPPED, partition),
        archived_key(partition),
        holds_key(partition),
    ]
    state, size_bytes, dropped, position = "trimmed", 0, 0, b"-"
    while state == "trimmed":
        arguments = [topic, KEPT_SECONDS * 1000, budget_bytes, position, LOOKED_AT, *roles]
        reply = await FUNCTIONS.call(log.client, "trim_topic", keys, arguments)
        state, (now_bytes, more, position) = reply[0].decode(), reply[1:4]
        size_bytes, dropped = size_bytes or now_bytes, dropped + more
    stops, unlisted = (tuple(sorted(name.decode() for name in names)) for names in reply[4:])
    return Trim("trimmed" if dropped else state, size_bytes, dropped, stops, unlisted)


async def record_archived(log: Log, topic: str, partition: int, position: Position) -> None:
    """Say that everything up to there is archived, which trimming trusts; never set back."""
    arguments = [topic, str(position)]
    await FUNCTIONS.call(log.client, "archived", [archived_key(partition)], arguments)


async def archived(log: Log, topic: str, partition: int) -> Position | None:
    """What was last recorded of a topic's archive; None when nothing was."""
    position = await log.client.hget(archived_key(partition), topic)
    return Position.parse(position) if position else None


async def hold(log: Log, name: str, seconds: float) -> None:
    """Have no topic trimmed for so long, or until `release`; the same name again prolongs it."""
    for partition in range(log.partitions):
        arguments = [name, int(seconds * 1000)]
        await FUNCTIONS.call(log.client, "hold", [holds_key(partition)], arguments)


async def release(log: Log, name: str) -> None:
    """End a hold; harmless when it has ended."""
    for partition in range(log.partitions):
        await log.client.zrem(holds_key(partition), name)


async def is_held(log: Log) -> bool:
    """Whether anybody holds up the trim just now."""
    now_ms = time.time_ns() // 1_000_000
    return bool(await log.client.zcount(holds_key(0), now_ms, "+inf"))


async def trim_applied(log: Log, trimmed: str, roles: Mapping[str, Iterable[str]]) -> None:
    """Drop entries of `trimmed` older than an hour whose effect stands in every role's topics.

    A notice stands in for a row until the row is written: it outlives any backlog, and a burial.
    One step a partition: between looking and dropping, a letter could become an entry again. Groups
    that this process does not know of, of a newer version perhaps, count as well. The notice of
    what was dropped is kept for as long as that may still be retried; it holds up no other.
    """
    pairs = [(role, topic) for role, topics in roles.items() for topic in topics]
    for partition in range(log.partitions):
        keys = [stream_key(trimmed, partition), order_key(DEAD, partition), kept_key(partition)]
        keys += [stream_key(topic, partition) for _, topic in pairs]
        names = [name for pair in pairs for name in pair]
        await FUNCTIONS.call(log.client, "trim", keys, [KEPT_SECONDS * 1000, *names])


async def retire_consumers(
    log: Log, group: str, topics: Iterable[str], silent_seconds: float
) -> list[str]:
    """Forget consumers of a group that were not heard of for so long and hold nothing: who."""
    retired = set()
    for topic in topics:
        for partition in range(log.partitions):
            stream, arguments = stream_key(topic, partition), [group, int(silent_seconds * 1000)]
            retired.update(await FUNCTIONS.call(log.client, "retire", [stream], arguments))
    return sorted(name.decode() for name in retired)


def archived_key(partition: int) -> str:
    """The hash of a partition's topics: how far each is archived."""
    return f"archived:{{{partition}}}"


def holds_key(partition: int) -> str:
    """The sorted set of what holds up the trim, by when it ends."""
    return f"holds:{{{partition}}}"
