"""One look at what differs between the live tables and windows and what they are held against."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from redis.asyncio import Redis

from events.history import History
from events.ids import shard_of
from events.log import Log
from events.model import Model
from events.model_decided import FEEDS, decided_by
from events.model_feeds import Due, Wrong
from events.model_reading import Reading
from events.model_rows import edge_in, rows_of
from stores import pulled_posts
from stores.differences import Difference, differences, lay_out
from stores.digests import LAID_OUT, NOTHING, TABLES, digests_of, total
from stores.feed_keys import Names, both_keys, outbox_keys
from stores.windows import KeysOf, Window, current_names, windows, windows_of

MOST_DIFFERENCES = 5_000
"""Of one table: with so many, what they are matters more than how many more there are."""

PROJECTIONS = (*TABLES, FEEDS)

Seen = dict[tuple[str, tuple[str, ...]], Difference]
"""By table and key."""


class Ground(NamedTuple):
    """What verifying works with."""

    log: Log
    history: History
    connection: Any
    """A session of the database that is nobody else's: a model's rows are laid out in it."""
    cache: Redis


class Other(Protocol):
    """What a live site is held against."""

    schema: str

    def go_on(self) -> AsyncIterator[int]:
        """Come as far as the log is now; tells how many events that were."""
        ...

    async def lay_out(self, table: str, owners: Collection[int] | None) -> None: ...

    def decided_by(self, difference: Difference, /) -> list[str]: ...


class OtherSchema:
    """Another schema of the same database, and what keeps it up with the log."""

    def __init__(self, schema: str, catch_up: Callable[[], Awaitable[None]]) -> None:
        self.schema, self._catch_up = schema, catch_up

    async def go_on(self) -> AsyncIterator[int]:
        await self._catch_up()
        yield 0

    async def lay_out(self, table: str, owners: Collection[int] | None) -> None: ...

    def decided_by(self, _difference: Difference) -> list[str]:
        return []


class Modelled:
    """The model of all history, laid out in our own session."""

    def __init__(self, ground: Ground, shards: Collection[int], like: str) -> None:
        self.schema, self.like = LAID_OUT, like
        self.shards = frozenset(shards)
        self.model = Model(lambda owner: not self.shards or shard_of(owner) in self.shards)
        self.reading = Reading(ground.log, ground.history, self.model)
        self._connection = ground.connection
        self._partitions = ground.log.partitions

    def go_on(self) -> AsyncIterator[int]:
        return self.reading.go_on()

    async def lay_out(self, table: str, owners: Collection[int] | None) -> None:
        rows = rows_of(self.model, table, owners=owners, shards=self.shards)
        await lay_out(self._connection, table, rows, like=self.like)

    def decided_by(self, difference: Difference) -> list[str]:
        table, key = difference.table, difference.key
        found = decided_by(self.model, self._partitions, table, key, difference.columns)
        return [str(each) for each in found]


async def look_everywhere(
    ground: Ground, live: str, other: Other, table: str, shards: Collection[int]
) -> tuple[int, Seen]:
    """How many rows a table has, and which differ: bucket by bucket, those whose digests differ."""
    await other.lay_out(table, None)
    one = await digests_of(ground.connection, live, table, shards)
    two = await digests_of(ground.connection, other.schema, table, shards)
    buckets = {
        each for each in one.keys() | two.keys() if one.get(each, NOTHING) != two.get(each, NOTHING)
    }
    found = []
    if buckets:
        found = await differences(
            ground.connection,
            table,
            live,
            other.schema,
            buckets=buckets,
            shards=shards,
            limit=MOST_DIFFERENCES,
        )
    return total(one.values()).rows, by_key(found)


async def look_again(
    ground: Ground, live: str, other: Other, table: str, owners: Collection[int]
) -> Seen:
    """Which rows of these owners differ now."""
    await other.lay_out(table, owners)
    return by_key(
        await differences(
            ground.connection,
            table,
            live,
            other.schema,
            owners=owners,
            limit=MOST_DIFFERENCES,
        )
    )


async def look_at_windows(
    ground: Ground, model: Model, viewer_ids: Collection[int] | None = None
) -> tuple[int, Seen]:
    """How many entries windows hold, and which they lack or have too many; of all, or of some.

    Outboxes too, as windows of their authors, of whose posts they lack some.
    """
    names = await current_names(ground.cache, ground.log.client)
    pulled = await pulled_posts.all_pulled(ground.connection)
    due = await asyncio.to_thread(Due, model, pulled)  # seconds, of a large site
    entries, found = 0, []
    async for window in _windows(ground.cache, names, viewer_ids, both_keys):
        entries += len(window.entries)
        found += [_difference(model, window, each) for each in due.wrong_with(*window)]
    async for outbox in _windows(ground.cache, names, viewer_ids, outbox_keys):
        entries += len(outbox.entries)
        lacking = due.lacking_in_outbox(*outbox[:3])
        found += [_difference(model, outbox, each) for each in lacking]
    return entries, by_key(found[:MOST_DIFFERENCES])


async def _windows(
    cache: Redis, names: Names, ids: Collection[int] | None, keys_of: KeysOf
) -> AsyncIterator[Window]:
    if ids is not None:
        for each in await windows_of(cache, names, sorted(ids), keys_of):
            yield each
        return
    async for page in windows(cache, names, keys_of):
        for each in page:
            yield each


def _difference(model: Model, window: Window, wrong: Wrong) -> Difference:
    follow = edge_in(model, (wrong.viewer_id, wrong.author_id))
    shown: dict[str, str | None] = {
        "published_ms": str(wrong.published_ms),
        "floor": str(window.floor),
        "follow_version": str(max(each.event for each in follow.values())),
    }
    key = tuple(map(str, (wrong.viewer_id, wrong.post_id, wrong.author_id)))
    if wrong.lacks:
        return Difference(FEEDS, key, None, shown)
    return Difference(FEEDS, key, shown, None)


def by_key(found: Iterable[Difference]) -> Seen:
    return {(each.table, each.key): each for each in found}


def owners_of(seen: Mapping[Any, Difference], table: str) -> set[int]:
    return {each.owner for each in seen.values() if each.table == table}
