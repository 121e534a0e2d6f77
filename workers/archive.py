"""Role `archive`: every topic goes into object storage, and what is archived may leave the log.

It reads by position, without a group: its manifests say how far it has come. It alone trims topics,
for what it has not archived may not be trimmed: while it is away, both wait.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from events.catalogue import ARCHIVED
from events.trimming import Trim, trim_topic
from runtime import metrics
from runtime.connections import open_log
from runtime.loglines import log as log_line
from runtime.outages import is_outage
from runtime.settings import Settings
from stores.archive import Archive
from stores.objects import Objects
from workers.archiving import Keeper
from workers.house import workers_of
from workers.process import log_of
from workers.site import Library

ROUND_SECONDS = 5.0  # beside the half minute that entries may wait
TRIM_SECONDS = 10.0
UNREADY_SECONDS = 1.0
AT_ONCE = 4  # partitions: storage takes its time to answer, and each has a segment in memory
MEBIBYTE = 1024 * 1024


@asynccontextmanager
async def open_library(settings: Settings) -> AsyncIterator[Library]:
    """The log and the archive; neither needs to be up yet."""
    async with AsyncExitStack() as stack:
        yield Library(
            log=log_of(settings, await stack.enter_async_context(open_log(settings))),
            archive=Archive(await stack.enter_async_context(Objects(settings.objects_url))),
        )


async def keep_archive(
    settings: Settings, stopping: asyncio.Event, may_work: Callable[[], bool]
) -> None:
    """Archive and trim until told to stop; an engine that is away only postpones it."""
    async with open_library(settings) as library:
        partitions = range(library.log.partitions)
        keepers = [Keeper(library, n, lease_seconds=settings.lease_seconds) for n in partitions]
        trimmer = Trimmer(settings.log_budget_mebibytes * MEBIBYTE)
        while not stopping.is_set():
            wait_seconds = UNREADY_SECONDS
            if may_work():
                wait_seconds = await one_round(keepers, trimmer)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), wait_seconds)
        with suppress(Exception):  # a lease that stays ends by itself
            for keeper in keepers:
                await keeper.leave()


async def one_round(keepers: Sequence[Keeper], trimmer: "Trimmer") -> float:
    """A segment of every topic and partition that has one; how long there is nothing more to do."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def step(keeper: Keeper) -> bool:
        async with turns:
            return await keeper.step()

    try:
        # All come to an end, whatever becomes of the others.
        told = await asyncio.gather(*map(step, keepers), return_exceptions=True)
        publish(keepers)
        more = _unless_failed(told)
        if not more:
            await trimmer.trim(keepers)
    except Exception as error:
        if not is_outage(error):
            raise
        log_line().warning("archive.postponed", reason=f"{type(error).__name__}: {error}")
        return UNREADY_SECONDS
    return 0.0 if more else ROUND_SECONDS


def _unless_failed(told: Sequence[bool | BaseException]) -> bool:
    for each in told:
        if isinstance(each, BaseException):
            raise each
    return any(told)


def publish(keepers: Sequence[Keeper]) -> None:
    """Set the metrics of the partitions that are ours: the worst age, and how many stand still."""
    for topic in ARCHIVED:
        shelves = [keeper.shelves[topic] for keeper in keepers]
        oldest = min((shelf.waits_since for shelf in shelves if shelf.waits_since), default=0.0)
        metrics.archive_lag_seconds.labels(topic).set(time.time() - oldest if oldest else 0.0)
        metrics.archive_stopped.labels(topic).set(sum(bool(shelf.stopped) for shelf in shelves))


class Trimmer:
    """Keeps topics within their budget, and tells once what is in the way."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._at = 0.0
        self._told: dict[tuple[str, int, str], tuple[str, ...]] = {}

    async def trim(self, keepers: Sequence[Keeper]) -> None:
        """Every topic of the partitions that are ours, unless its archive stands still."""
        if time.monotonic() < self._at:
            return
        self._at = time.monotonic() + TRIM_SECONDS
        budget_bytes = self._budget_bytes // (len(ARCHIVED) * len(keepers))
        for topic in sorted(ARCHIVED):
            roles, trims = sorted(workers_of(topic)), []
            for keeper in keepers:
                if keeper.shelves[topic].stopped or not await keeper.owns():
                    continue
                log, partition = keeper.library.log, keeper.partition
                found = await trim_topic(log, topic, partition, roles, budget_bytes=budget_bytes)
                self._tell(topic, partition, found)
                trims.append(found)
            metrics.topic_bytes.labels(topic).set(sum(each.bytes for each in trims))
            metrics.topic_trimmed.labels(topic).inc(sum(each.dropped for each in trims))
            unlisted = {group for each in trims for group in each.unlisted}
            metrics.unlisted_groups.labels(topic).set(len(unlisted))

    def _tell(self, topic: str, partition: int, found: Trim) -> None:
        if found.dropped:
            log_line().info("topic.trimmed", topic=topic, partition=partition, count=found.dropped)
        if self._is_news((topic, partition, "unlisted"), found.unlisted):
            log_line().warning("groups.unlisted", topic=topic, groups=found.unlisted)
        if self._is_news((topic, partition, "stops"), found.stops):
            log_line().warning(
                "topic.over_budget",
                topic=topic,
                partition=partition,
                state=found.state,
                stops=found.stops,
                bytes=found.bytes,
            )

    def _is_news(self, of: tuple[str, int, str], names: tuple[str, ...]) -> bool:
        told = self._told.get(of, ())
        self._told[of] = names
        return bool(names) and names != told
