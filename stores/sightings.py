"""What window and outbox have on one post: for whoever asks why, and must change nothing."""

from pathlib import Path
from typing import Any

import msgspec
from redis.asyncio import Redis

from runtime.functions import Functions
from stores.epochs import Epochs, Generations
from stores.feed_keys import both_keys, list_key, names_of, outbox_keys

FUNCTIONS = Functions(Path(__file__).with_name("sightings.lua"))


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """One window as of one moment."""

    key: str
    state: str
    """absent, building or window."""
    floor: int
    ms: int | None
    """Under which moment of publication the post stands in it."""
    hidden: bool | None
    """Whether the window hides the author; None: its set is lost, so the next read drops it."""
    entries: int
    seconds_to_live: int


class Outbox(msgspec.Struct, frozen=True, kw_only=True):
    """Where readers look for what an author's followers pull, and whether one of them does."""

    box: Sighting
    on_roll: bool | None
    """None: there is no roll, and the next reader makes one."""
    followed: bool | None
    """By the viewer's list; None: there is none that is new enough, and the next read makes one."""


async def sight(cache: Redis, log: Redis, viewer_id: int, post_id: int, author_id: int) -> Sighting:
    """By the names of this moment: of the cache's present run and the feeds' generation."""
    names = names_of(await Epochs(cache).read(), await Generations(log).read())
    return await _look(cache, both_keys(names, viewer_id), post_id, author_id)


async def sight_outbox(
    cache: Redis, log: Redis, viewer_id: int, post_id: int, author_id: int
) -> Outbox:
    """What the author's outbox has on the post, and whether this viewer looks there."""
    names = names_of(await Epochs(cache).read(), await Generations(log).read())
    box = await _look(cache, outbox_keys(names, author_id), post_id, author_id)
    found: list[Any] = await cache.hmget(names.roll, ["id", str(author_id)])
    text: Any = await cache.get(list_key(names, viewer_id)) or b""
    roll_id, entry = found
    head, _, ids = text.partition(b":")
    list_id, _, as_of = head.partition(b".")
    joined = int(entry.partition(b",")[0]) if entry else None
    is_new = joined is not None and list_id == roll_id and int(as_of or 0) >= joined
    return Outbox(
        box=box,
        on_roll=None if roll_id is None else joined is not None,
        followed=b"%d" % author_id in ids.split(b",") if is_new else None,
    )


async def _look(cache: Redis, keys: list[bytes], post_id: int, author_id: int) -> Sighting:
    reply = await FUNCTIONS.call(cache, "look", keys, [post_id, author_id])
    holder, floor, ms, hidden, entries, seconds = reply
    return Sighting(
        key=keys[0].decode(),
        state={b"": "absent", b"floor": "window"}.get(holder, "building"),
        floor=int(floor or 0),
        ms=int(ms) if ms else None,
        hidden={b"": False, b"1": True}.get(hidden),
        entries=int(entries),
        seconds_to_live=int(seconds),
    )
