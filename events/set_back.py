"""Consumer groups set back to where a rebuilt target is, so that they give again what came after.

Repeats change nothing, gaps would. What is to be done once the target has become the site's own is
written down in the log before it does: whoever finds that it has, does it.
"""

from collections.abc import Iterable, Mapping

import msgspec
from redis.exceptions import ResponseError

from events.ids import START, Position, position_before
from events.log import Log, stream_key
from events.undone import undone
from events.wanted import Stream


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """What follows a swap."""

    target: int
    """What tells that the swap took place: see who wrote it."""
    generation: int = 0
    """Of feeds, to be raised to; 0 where it stays."""
    groups: tuple[tuple[str, str, int, str], ...] = ()
    """Role, topic, partition, position."""


def intent_of(target: int, positions: Mapping[Stream, Position], *, generation: int = 0) -> Intent:
    groups = tuple((*stream, str(position)) for stream, position in positions.items())
    return Intent(target=target, generation=generation, groups=groups)


async def write_down(log: Log, name: str, intent: Intent) -> None:
    await log.ask(lambda: log.client.set(_key(name), msgspec.json.encode(intent)))


async def written_down(log: Log, name: str) -> Intent | None:
    found = await log.ask(lambda: log.client.get(_key(name)))
    return msgspec.json.decode(found, type=Intent) if found else None


async def strike_out(log: Log, name: str) -> None:
    await log.ask(lambda: log.client.delete(_key(name)))


async def set_back(log: Log, intent: Intent) -> int:
    """Every group that is further than its position goes back to it; how many were.

    What is pending below stays pending. A group is never set forward.
    """
    moved = 0
    for role, topic, partition, text in intent.groups:
        stream = stream_key(topic, partition)
        given = await _given(log, stream, role)
        if given is not None and given > Position.parse(text):
            await log.client.xgroup_setid(stream, role, text)
            moved += 1
    return moved


async def undone_from(log: Log, streams: Iterable[Stream]) -> dict[Stream, Position]:
    """Before the first entry of each stream that its role may still have to do.

    As the group's position, it would give that entry again, and all after it.
    """
    found = {}
    for stream in streams:
        role, topic, partition = stream
        # In this order: what is given and done between the two looks comes after `given`.
        given = await _given(log, stream_key(topic, partition), role) or START
        since = (await undone(log, role, topic, partition)).since
        found[stream] = min(given, position_before(since)) if since else given
    return found


async def _given(log: Log, stream: str, role: str) -> Position | None:
    """The last entry that was given to a group; None without one."""
    try:
        groups = await log.client.xinfo_groups(stream)
    except ResponseError:  # no stream yet
        return None
    for each in groups:
        if each["name"] == role.encode():
            return Position.parse(each["last-delivered-id"])
    return None


def _key(name: str) -> str:
    return f"rebuild:{name}"
