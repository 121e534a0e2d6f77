"""What handlers work with: the open engines of one worker process."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import asyncpg

from events.log import Log
from stores.archive import Archive
from stores.feeds import Feeds
from stores.objects import Objects
from stores.outboxes import Outboxes
from stores.progress import Fanouts
from workers.courtesy import Courtesy
from workers.imaging.decoders import Decoders

# Two push while a third reads whom to push to: the cache never waits, and Postgres is hardly used.
LARGE_AT_ONCE = 3
PULL_ABOVE = 100_000


class Keys(Protocol):
    """What a fold may ask of the log; it appends nothing, whoever runs it."""

    @property
    def partitions(self) -> int: ...

    async def wrapped_keys(self, account_ids: list[int]) -> dict[int, bytes | None]: ...


class Folding(Protocol):
    """What a handler works with that only folds events into rows: a site's worker, or a replay."""

    @property
    def log(self) -> Keys: ...

    @property
    def database(self) -> "asyncpg.Pool[Any]": ...


@dataclass(frozen=True, slots=True)
class KeysAlone:
    """The log as a replay has it: there is nothing here to announce with."""

    partitions: int
    wrapped_keys: Callable[[list[int]], Awaitable[dict[int, bytes | None]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaying:
    """For replayed handlers, which fold the past into a schema of their choice."""

    log: KeysAlone
    database: "asyncpg.Pool[Any]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """For projection roles, which fold events into state. The database is the primary."""

    log: Log
    database: "asyncpg.Pool[Any]"
    feeds: Feeds
    pull_above: int = PULL_ABOVE
    """Active followers; see docs/decisions/0014."""
    large: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LARGE_AT_ONCE))
    """Turns of what is large and in no hurry: of all partitions so much is under way at once, and
    what is small finds connections, and a cache that has time for it."""
    courtesy: Courtesy = field(default_factory=Courtesy)
    """What is large gives way to others on a machine whose cores are all in use."""

    @property
    def outboxes(self) -> Outboxes:
        return Outboxes(self.feeds)

    @property
    def fanouts(self) -> Fanouts:
        return Fanouts(self.feeds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Darkroom:
    """For the role `renditions`, which touches the world outside and never opens Postgres."""

    log: Log
    objects: Objects
    decoders: Decoders


@dataclass(frozen=True, slots=True, kw_only=True)
class Storeroom:
    """For the collector, which compares what is stored with what is shown. No role's handler."""

    log: Log
    database: "asyncpg.Pool[Any]"
    objects: Objects


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """For the role `archive`, which copies topics into segments. It has no handlers either."""

    log: Log
    archive: Archive
