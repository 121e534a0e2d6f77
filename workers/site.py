"""What handlers work with: the open engines of one worker process."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from events.log import Log
from stores.archive import Archive
from stores.feeds import Feeds
from stores.objects import Objects
from workers.imaging.decoders import Decoders

LARGE_AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """For projection roles, which fold events into state. The database is the primary."""

    log: Log
    database: "asyncpg.Pool[Any]"
    feeds: Feeds
    large: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LARGE_AT_ONCE))
    """Turns of what is large and in no hurry: of all partitions so much is under way at once, and
    what is small finds connections, and a cache that has time for it."""


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
