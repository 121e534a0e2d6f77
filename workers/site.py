"""What handlers work with: the open engines of one worker process."""

from dataclasses import dataclass
from typing import Any

import asyncpg

from events.log import Log
from stores.feeds import Feeds
from stores.objects import Objects
from workers.imaging.decoders import Decoders


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """For projection roles, which fold events into state. The database is the primary."""

    log: Log
    database: "asyncpg.Pool[Any]"
    feeds: Feeds


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
