"""Feed windows in the cache: the newest entries of each active member's feed, down to a floor.

Fan-out pushes into them, the feed route reads slices of them, and builds those that are absent from
Postgres. What each server-side function does, and what a window looks like, stands in feeds.lua.
"""

import secrets
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from redis.asyncio import Redis

from runtime.functions import Functions, is_unknown_function
from runtime.reach import Reach
from stores.epochs import SECONDS_BELIEVED, Epochs, Generations
from stores.feed_keys import Names, all_keys, both_keys, grouped, names_of, window_key
from stores.link import Link
from stores.pushes import Push, Pushed
from stores.slices import Slice, flat_of, slice_of
from stores.trips import Call, Trips

FUNCTIONS = Functions(Path(__file__).with_name("feeds.lua"))

# 20 bytes an entry, and inserting into a longer listpack costs the server four times as much.
CAP = 256
BUILD_SECONDS = 30
# A cache that hangs is as good as gone: whoever waits can be answered from Postgres.
CALL_SECONDS = 0.5
# Fan-out has nobody waiting, and may keep the cache busy for a while.
TRIPS_SECONDS = 10.0

Place = tuple[int, int]
"""Where an entry stands: (publication in Unix ms, post id). Feeds run from high to low."""


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
        """`link`: for whoever reads or pushes all the time; it goes to the same server as `cache`.

        `reach`: that of everybody in the process who asks this cache.
        """
        self.cap = cap
        self._link = link
        self._cache = cache
        self._epochs = Epochs(cache)
        self._names: Names | None = None
        self._generations = Generations(log)
        self._due = 0.0
        self._trips = Trips(FUNCTIONS, cache, link)
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

    async def skeleton(
        self, viewer_id: int, before: Place | None, count: int, *, followed: bool = False
    ) -> Slice | None:
        """Up to `count` entries below `before`, fewer where the window ends; None: ask Postgres.

        `followed`: with the viewer's list of followed authors, for whoever joins outboxes to it.
        """
        names = self._names
        if names is None or time.monotonic() >= self._due:
            names = await self.current_names()
        keys = all_keys(names, viewer_id) if followed else both_keys(names, viewer_id)
        reply = await self._ask("skeleton", keys, [*(before or (b"", b"")), count])
        return None if reply is None else slice_of(reply, count)

    def known_names(self, now: float) -> Names | None:
        """Those of the moment, for whoever cannot wait; None while they have to be asked for."""
        return None if now >= self._due or self._reach.is_away() else self._names

    async def begin_build(self, viewer_id: int) -> str | None:
        """A token to build the viewer's window under; None when that is done or being done.

        Postgres is to be read after this, never before: from now on pushes land.
        """
        token, keys = secrets.token_hex(8), both_keys(await self.current_names(), viewer_id)
        begun = await self._ask("begin_build", keys, [token, BUILD_SECONDS])
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
        return bool(await self._ask("merge", [window_key(names, viewer_id)], arguments))

    async def give_up_build(self, viewer_id: int, token: str) -> None:
        """It failed: let the next reader begin at once, and not when the token has died of age."""
        await self._ask("give_up", [window_key(await self.current_names(), viewer_id)], [token])

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

    def server(self) -> tuple[Redis, Reach]:
        """The cache and whether it answers, for what stands there beside the windows."""
        return self._cache, self._reach

    async def current_names(self) -> Names:
        """How keys of the present epoch and generation begin."""
        if self._names is None or time.monotonic() >= self._due:
            return await self.renew()
        return self._names

    async def renew(self) -> Names:
        """Learn them, before or after they are too old; the log may be away."""
        async with self._reach.bounded():
            epoch = await self._epochs.read()
        return self._adopt(epoch, await self._generations.believed())

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

    async def trips(self, calls: Iterable[Call]) -> list[Any]:
        """Many calls, a bounded number of them in flight; every one may be repeated."""
        async with self._reach.bounded(TRIPS_SECONDS):
            return await self._trips.replies(calls)

    def _lost(self) -> None:
        self._epochs.doubt()
        self._due = 0.0
