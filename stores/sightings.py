"""What a viewer's window has on one post: for whoever asks why, and must change nothing."""

from pathlib import Path

import msgspec
from redis.asyncio import Redis

from runtime.functions import Functions
from stores.epochs import Epochs, Generations
from stores.feed_keys import both_keys, names_of

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


async def sight(cache: Redis, log: Redis, viewer_id: int, post_id: int, author_id: int) -> Sighting:
    """By the names of this moment: of the cache's present run and the feeds' generation."""
    names = names_of(await Epochs(cache).read(), await Generations(log).read())
    keys = both_keys(names, viewer_id)
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
