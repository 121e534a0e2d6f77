"""What a worker process does beside its readers: lag, trimming, consumers, sweeps, swaps to finish.

Any process may do any of it at any time; doing it twice changes nothing.
"""

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

from events.ids import Address
from events.lag import publish_lag
from events.log import Log
from events.posts import PostSubmitted
from events.trimming import is_held, retire_consumers, trim_applied
from events.undone import undone
from events.work import FanoutChunk
from runtime.loglines import log as log_line
from runtime.outages import is_outage
from workers.refilling import finish_feeds
from workers.site import Darkroom, Site, Storeroom
from workers.subscriptions import SUBSCRIPTIONS, topics_of
from workers.swapping import finish_swap

ROUND_SECONDS = 10.0
SWEEP_SECONDS = 600.0
STAGED_SECONDS = 6 * 3600.0  # far beyond the slowest upload that is still accepted
SILENT_LEASES = 10
LEAST_SILENT_SECONDS = 300.0  # a reader that runs is heard of in every second


async def keep_house(
    site: Site | Darkroom | Storeroom, role: str, stopping: asyncio.Event, *, lease_seconds: float
) -> None:
    """Until told to stop; an engine that is away only postpones it."""
    roles = {each: topics_of(each) for each in SUBSCRIPTIONS}
    silent_seconds = max(SILENT_LEASES * lease_seconds, LEAST_SILENT_SECONDS)
    sweep_at = 0.0
    while not stopping.is_set():
        try:
            await publish_lag(site.log, role, roles[role])
            await trim_applied(site.log, "notices", roles)
            if not await is_held(site.log):  # by whoever is going to set groups back
                await trim_applied(site.log, FanoutChunk.TOPIC, workers_of(FanoutChunk.TOPIC))
            if retired := await retire_consumers(site.log, role, roles[role], silent_seconds):
                log_line().info("consumers.retired", role=role, consumers=retired)
            if isinstance(site, Site):
                await finish_swap(site.log, site.database)
                await finish_feeds(site.log)
            elif isinstance(site, Darkroom) and time.monotonic() >= sweep_at:
                sweep_at = time.monotonic() + SWEEP_SECONDS
                await sweep(site, role)
        except Exception as error:
            if not is_outage(error):
                raise
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), ROUND_SECONDS)


def workers_of(topic: str) -> dict[str, list[str]]:
    """The roles that read a topic, each with that topic alone."""
    return {role: [topic] for role in SUBSCRIPTIONS if topic in topics_of(role)}


async def sweep(site: Darkroom, role: str) -> None:
    """Remove what clients that went away left in staging, nothing that a post may still need."""
    needed = await still_needed(site.log, role)
    swept = await site.objects.sweep_staging(
        STAGED_SECONDS, unfinished_since=needed.since, needed=needed.keys
    )
    if swept:
        log_line().info("staging.swept", objects=swept)


class Needed(NamedTuple):
    """Staged bytes that a role has not used yet."""

    since: datetime | None
    """When the oldest post was submitted that waits; what was staged after it is needed."""
    keys: frozenset[str]
    """Of posts whose delivery is buried, and may be retried long after: they hold up no others."""


async def still_needed(log: Log, role: str) -> Needed:
    since, keys = [], set()
    for partition in range(log.partitions):
        found = await undone(log, role, PostSubmitted.TOPIC, partition)
        since += [found.since] if found.since else []
        for position in found.buried:
            delivery = await log.event_at(Address(PostSubmitted.TOPIC, partition, position))
            if delivery is None:
                since.append(position)  # whatever it needs
            elif isinstance(delivery.event, PostSubmitted):
                keys |= {photo.key for photo in delivery.event.photos}
    oldest = datetime.fromtimestamp(min(since).ms / 1000, UTC) if since else None
    return Needed(oldest, frozenset(keys))
