"""What the cache's reply adds to a page: a window's entries, joined by what is pulled there."""

from typing import Any, NamedTuple

from aiohttp import web
from redis.exceptions import ConnectionError as RedisConnectionError

from gateway.keys import CACHE_REACH, READER_REACH
from gateway.outboxes import OUTBOXES, join
from runtime.functions import is_unknown_function
from stores.feeds import Place
from stores.outboxes import Roll, listed
from stores.pages import Found, found_in
from stores.slices import Slice


class Part(NamedTuple):
    """What one question adds; `last` is the last entry, where there is more below it."""

    ids: list[int]
    last: Place | None
    hidden: frozenset[int]


class Parts:
    """Takes replies as they come. None of them is a part while an engine is known to be away."""

    def __init__(self, app: web.Application) -> None:
        self._cache_reach, self._database_reach = app[CACHE_REACH], app[READER_REACH]
        self._outboxes = app[OUTBOXES]
        self.unknown = True
        """Whether the cache may never have heard of the function."""

    def of(
        self, reply: Any, roll: Roll, before: Place | None, count: int, asked_at: float
    ) -> Part | None:
        """Up to `count` entries below `before`; None: `gateway/feed.py` knows what to do."""
        found = self._found_in(reply, asked_at)
        if found is None:
            return None
        if not roll.changed:
            return whole(found.floor, found.ids, found.last, found.hidden)
        if found.moments is not None:
            return self._joined(found, found.moments, roll, before, count)
        as_of, _ = listed(found.followed, roll)
        # Older than the roll: somebody joined it since, perhaps one whom the viewer follows.
        old = as_of < roll.newest
        return None if old else whole(found.floor, found.ids, found.last, found.hidden)

    def _found_in(self, reply: Any, asked_at: float) -> Found | None:
        if isinstance(reply, RedisConnectionError):
            self._cache_reach.lost(reply, asked_at)
        elif isinstance(reply, Exception):
            self.unknown = is_unknown_function(reply)
        elif reply is not None and not self._is_away():
            return found_in(reply)
        return None

    def _is_away(self) -> bool:
        return self._cache_reach.is_away() or self._database_reach.is_away()

    def _joined(
        self, found: Found, moments: list[int], roll: Roll, before: Place | None, count: int
    ) -> Part | None:
        entries = list(zip(moments, found.ids, strict=True))
        window = Slice(found.floor, entries, found.hidden, found.followed)
        joined = join(self._outboxes, roll, window, before, count + 1)
        if joined is None:
            return None
        last = joined.entries[count - 1] if len(joined.entries) > count else None
        ids = [post_id for _, post_id in joined.entries[:count]]
        return whole(joined.floor, ids, last, found.hidden)


def whole(floor: int, ids: list[int], last: Place | None, hidden: frozenset[int]) -> Part | None:
    """None where the page runs on in Postgres."""
    return None if last is None and floor else Part(ids, last, hidden)
