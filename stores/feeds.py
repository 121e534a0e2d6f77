"""Feed windows in the cache: the newest entries of each active member's feed, down to a floor.

Fan-out pushes into them, the feed route reads slices of them, and builds those that are absent from
Postgres. What each server-side function does, and what a window looks like, stands in feeds.lua.
"""

import secrets
import time
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from runtime.functions import Functions, is_unknown_function
from runtime.reach import Reach
from stores.epochs import SECONDS_BELIEVED, Epochs, Generations
from stores.feed_keys import Names, both_keys, grouped, names_of, window_key
from stores.link import Link
from stores.pushes import Push, Pushed

FUNCTIONS = Functions(Path(__file__).with_name("feeds.lua"))

# 20 bytes an entry, and inserting into a longer listpack costs the server four times as much.
CAP = 256
CALLS_PER_TRIP = 64
BUILD_SECONDS = 30
_numbers = msgspec.json.Decoder(list[int]).decode
# A cache that hangs is as good as gone: whoever waits can be answered from Postgres.
CALL_SECONDS = 0.5
# Fan-out has nobody waiting, and may keep the cache busy for a while.
TRIPS_SECONDS = 10.0

Place = tuple[int, int]
"""Where an entry stands: (publication in Unix ms, post id). Feeds run from high to low."""


class Slice(NamedTuple):
    """A part of a window, newest first. What lies at `floor` or below is in Postgres alone."""

    floor: int
    entries: list[Place]
    hidden: frozenset[int]
    """Authors whose posts may still stand here and are not to be shown."""


class Merge(NamedTuple):
    """What Postgres holds of an author's, for the window of one new follower."""

    viewer_id: int
    entries: Sequence[Place]
    floor: int
    """The lowest ms read when there was more, else 0."""


class Feeds:
    """Windows on the cache server. Every call raises `Unavailable` when the cache is away."""

    def __init__(
        self,
        cache: Redis,
        log: Redis,
        *,
        cap: int = CAP,
        link: Link | None = None,
        reach: Reach | None = None,
    ) -> None:
        """`link`: for whoever reads slices all the time; it goes to the same server as `cache`.

        `reach`: that of everybody in the process who asks this cache.
        """
        self.cap = cap
        self._link = link
        self._cache = cache
        self._epochs = Epochs(cache)
        self._names: Names | None = None
        self._generations = Generations(log)
        self._due = 0.0
        self._reach = reach or Reach("cache-unavailable", CALL_SECONDS)
        self._reach.when_lost(self._lost)

    async def refresh(self) -> None:
        """Learn the cache's epoch and the generation of feeds.

        Who changes windows because of a row calls this after reading the row: a window under any
        later name is then built from a Postgres that has the row.
        """
        async with self._reach.bounded(TRIPS_SECONDS):
            epoch = await self._epochs.read()
        self._adopt(epoch, await self._generations.read())

    async def skeleton(self, viewer_id: int, before: Place | None, count: int) -> Slice | None:
        """Up to `count` entries below `before`, fewer where the window ends; None: ask Postgres."""
        names = self._names
        if names is None or time.monotonic() >= self._due:
            names = await self.current_names()
        keys = both_keys(names, viewer_id)
        reply = await self._ask("skeleton", keys, [*(before or (b"", b"")), count])
        if reply is None:
            return None
        # One text read at once: number by number it would take ten times as long.
        floor, flat, hidden = reply[0], _numbers(b"[%b]" % reply[1]), _numbers(b"[%b]" % reply[2])
        places = sorted(zip(flat[::2], flat[1::2], strict=True), reverse=True)
        return Slice(int(floor), places[:count], frozenset(hidden))

    async def begin_build(self, viewer_id: int) -> str | None:
        """A token to build the viewer's window under; None when that is done or being done.

        Postgres is to be read after this, never before: from now on pushes land.
        """
        token = secrets.token_hex(8)
        keys = both_keys(await self.current_names(), viewer_id)
        begun = await self._call("begin_build", keys, [token, BUILD_SECONDS])
        return token if begun else None

    async def finish_build(
        self, viewer_id: int, token: str, entries: Sequence[Place], *, truncated: bool
    ) -> bool:
        """Make a window of what was read and what was pushed meanwhile, if the token still stands.

        `truncated`: Postgres has more than `entries`, which are its newest.
        """
        names = await self.current_names()
        floor = min(entries)[0] if truncated else 0
        arguments = [token, floor, self.cap, *flat_of(entries)]
        return bool(await self._call("merge", [window_key(names, viewer_id)], arguments))

    async def give_up_build(self, viewer_id: int, token: str) -> None:
        """It failed: let the next reader begin at once, and not when the token has died of age."""
        await self._call("give_up", [window_key(await self.current_names(), viewer_id)], [token])

    async def push(self, pushes: Iterable[Push]) -> list[Pushed]:
        """Put posts into the windows that reach that far down; what became of each push."""
        names, pushed = await self.current_names(), []
        for ms, post_id, follower_ids in pushes:
            replies = await self.trips(
                ("push", windows, [self.cap, ms, post_id])
                for windows in grouped(names, follower_ids)
            )
            counts = (sum(each) for each in zip((0, 0, 0), *replies, strict=True))
            pushed.append(Pushed(len(follower_ids), *counts))
        return pushed

    async def floors(self, viewer_ids: Sequence[int]) -> list[int | None]:
        """How far down each viewer's window reaches; None where there is none."""
        names = await self.current_names()
        replies = await self.trips(
            ("floors", [window_key(names, viewer_id)], []) for viewer_id in viewer_ids
        )
        return [int(floor) if floor else None for (floor,) in replies]

    async def merge(self, merges: Iterable[Merge]) -> None:
        """Add authors' posts to the windows of their new followers, where there is a window."""
        names = await self.current_names()
        await self.trips(
            (
                "merge",
                [window_key(names, each.viewer_id)],
                [b"", each.floor, self.cap, *flat_of(each.entries)],
            )
            for each in merges
        )

    async def hide(self, edges: Iterable[tuple[int, int]]) -> None:
        """Of each (viewer, author): the viewer's window shows nothing of the author any more."""
        names = await self.current_names()
        await self.trips(("hide", both_keys(names, each), [author]) for each, author in edges)

    async def unhide(self, edges: Iterable[tuple[int, int]]) -> None:
        """Of each (viewer, author): the viewer's window shows the author again."""
        names = await self.current_names()
        await self.trips(("unhide", both_keys(names, each), [author]) for each, author in edges)

    async def current_names(self) -> Names:
        """How keys of the present epoch and generation begin."""
        if self._names is None or time.monotonic() >= self._due:
            async with self._reach.bounded():
                epoch = await self._epochs.read()
            return self._adopt(epoch, await self._generations.believed())
        return self._names

    def _adopt(self, epoch: str, generation: int) -> Names:
        self._due = time.monotonic() + SECONDS_BELIEVED
        self._names = names_of(epoch, generation)
        return self._names

    async def _ask(self, function: str, keys: list[bytes], arguments: list[Any]) -> Any:
        """As `_call`, over the link where there is one."""
        if self._link is None or self._reach.is_away():
            return await self._call(function, keys, arguments)
        started = time.monotonic()
        try:
            return await self._link.call(
                "FCALL", FUNCTIONS.name(function), len(keys), *keys, *arguments
            )
        except Exception as error:
            if is_unknown_function(error):
                return await self._call(function, keys, arguments)
            refusal = self._reach.lost(error, started)
            if refusal is error:
                raise
            raise refusal from error

    async def _call(self, function: str, keys: list[bytes], arguments: list[Any]) -> Any:
        async with self._reach.bounded():
            return await FUNCTIONS.call(self._cache, function, keys, arguments)

    async def trips(self, calls: Iterable[tuple[str, list[bytes], list[Any]]]) -> list[Any]:
        """Many calls, a bounded number of them in flight; every one of them may be repeated."""
        remaining, replies = iter(calls), []
        async with self._reach.bounded(TRIPS_SECONDS):
            while trip := list(islice(remaining, CALLS_PER_TRIP)):
                answered = await self._trip(trip)
                if any(isinstance(each, ResponseError) for each in answered):
                    await FUNCTIONS.load(self._cache)
                    answered = await self._trip(trip)
                replies += answered
        return replies

    async def _trip(self, calls: list[tuple[str, list[bytes], list[Any]]]) -> list[Any]:
        async with self._cache.pipeline(transaction=False) as pipeline:
            for function, keys, arguments in calls:
                name = FUNCTIONS.name(function)
                pipeline.execute_command("FCALL", name, len(keys), *keys, *arguments)
            replies = await pipeline.execute(raise_on_error=False)
        for each in replies:
            if isinstance(each, Exception) and not is_unknown_function(each):
                raise each
        return replies

    def _lost(self) -> None:
        self._epochs.doubt()
        self._due = 0.0


def flat_of(entries: Iterable[Place]) -> list[int]:
    return [number for place in entries for number in place]
