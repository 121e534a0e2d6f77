"""A consumer of one stream for one group: claim, attempt, settle.

In flight is bounded, a dead engine pauses the reading, and what is active at shutdown is finished.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from events.claims import Claims
from events.delivering import Done, Handler, Later, Outcome, Poison, attempt
from events.doubts import Doubts
from events.entries import Entry, Unreadable, open_entries
from events.envelope import Delivery, Event
from events.log import Log
from events.settling import Settling
from runtime import metrics
from runtime.functions import Client
from runtime.health import stop_watching
from runtime.loglines import log as log_line
from runtime.outages import is_outage

BLOCK_MS = 1_000  # also the longest an idle reader delays a shutdown
OUTAGE_SECONDS = 1.0


class Limits(NamedTuple):
    """How much a reader holds, for how long, and how often it tries."""

    batch: int
    in_flight: int
    """Entries held at once, those that wait included: far more than a batch, for they only wait."""
    lease_seconds: float
    attempts: int


class Reader:
    """One group's consumer of one topic's partition. `run` it, or `step` it in tests."""

    def __init__(
        self,
        log: Log,
        blocking: Client,
        *,
        group: str,
        consumer: str,
        topic: str,
        partition: int,
        handlers: Mapping[type[Event], Handler],
        site: Any,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        state: Callable[[], str] = lambda: "ready",
        depends_on: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """`state`: what `runtime.health` says of this process; not ready, it reads nothing.

        `depends_on`: roles whose effects these handlers may have to wait for, and their topics.
        """
        self.claims = Claims(
            log,
            blocking,
            group=group,
            consumer=consumer,
            topic=topic,
            partition=partition,
            lease_seconds=limits.lease_seconds,
            most_held=limits.in_flight,
            clock=clock,
        )
        self.log, self.site, self.handlers, self.limits = log, site, handlers, limits
        self._clock = clock
        self._settling = Settling(
            self.claims, attempts=limits.attempts, depends_on=depends_on or {}, clock=clock
        )
        self._state = state
        self._doubts = Doubts(lambda: state() == "ready")
        self._paused_until = 0.0
        self._due_came_last = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Step until told to stop; what is not attempted by then stays for the next life."""
        async with asyncio.TaskGroup() as tasks:
            name = f"renew {self.claims.group} {self.claims.stream}"
            renewing = tasks.create_task(self._keep_leases(), name=name)
            while not stopping.is_set():
                if self._state() != "not ready":
                    await self.step(block_ms=BLOCK_MS)
                    await _rest(stopping, self._paused_until - self._clock())
                else:
                    await _rest(stopping, OUTAGE_SECONDS)
            await stop_watching(renewing)

    async def step(self, *, block_ms: int | None = None) -> int:
        """Attempt one batch; how many deliveries it settled. Without a block it never waits."""
        active = self.claims.leases.active
        try:
            entries = await self._claim(block_ms)
            active.update(entry_id for entry_id, _ in entries)
            return await self._deliver(entries) if entries else 0
        except Exception as error:
            if not is_outage(error):
                raise
            await self._pause(error)
            return 0
        finally:
            active.clear()

    async def _claim(self, block_ms: int | None) -> list[Entry]:
        """By turns what is held and due, and what is new: neither may hold up the other."""
        await self.claims.catch_up()
        leases, now = self.claims.leases, self._clock()
        due = leases.due(now, self.limits.batch)
        self._due_came_last = bool(due) and not self._due_came_last
        if self._due_came_last:
            return await self._unless_deadly(await self.claims.fetch(due))
        if due:
            block_ms = None
        elif block_ms is not None and (wait := leases.next_due()) is not None:
            block_ms = max(1, min(block_ms, int((wait - now) * 1000)))
        room = min(self.limits.in_flight - len(leases.held), self.limits.batch)
        if room > 0:
            new = await self.claims.read_new(room, block_ms)
            return new or await self._unless_deadly(await self.claims.fetch(due))
        await asyncio.sleep((block_ms or 0) / 1000)
        return await self._unless_deadly(await self.claims.fetch(due))

    async def _unless_deadly(self, entries: Sequence[Entry]) -> list[Entry]:
        """Bury what has outlived its attempts: it never failed, its workers died of it."""
        spared = []
        for entry in entries:
            if self.claims.leases.held[entry[0]].attempts > self.limits.attempts:
                await self._settling.bury(entry[0], "worker-died", "")
            else:
                spared.append(entry)
        return spared

    async def _deliver(self, entries: Sequence[Entry]) -> int:
        claims = self.claims
        opened = await open_entries(self.log, claims.topic, claims.partition, entries)
        readable = [each for each in opened if isinstance(each, Delivery)]
        settled = await self._settling.set_aside([e for e in opened if isinstance(e, Unreadable)])
        unheard = [each for each in readable if type(each.event) not in self.handlers]
        settled += await self._settling.settle([Done(each) for each in unheard])
        for kind, handler in self.handlers.items():
            batch = [each for each in readable if type(each.event) is kind]
            if batch:
                settled += await self._settling.settle(await self._attempt(handler, batch))
                suspect = self._doubts.went_well()
                if suspect and str(suspect.delivery.position).encode() in claims.leases.held:
                    settled += await self._settling.settle([suspect])
        return settled

    async def _attempt(self, handler: Handler, batch: Sequence[Delivery[Any]]) -> list[Outcome]:
        started = time.perf_counter()
        try:
            outcomes = await attempt(handler, self.site, batch)
        except Exception as error:
            self._doubts.outage(batch, error)
            raise
        seconds = time.perf_counter() - started
        event_type = type(batch[0].event).__name__
        metrics.handler_seconds.labels(self.claims.group, event_type).observe(seconds)
        metrics.batch_deliveries.labels(self.claims.group).observe(len(batch))
        log_line().info(
            "batch.attempted",
            role=self.claims.group,
            event_type=event_type,
            partition=self.claims.partition,
            count=len(batch),
            event_id=str(batch[0].id),
            cause=batch[0].cause,
            request=batch[0].request,
            later=sum(isinstance(each, Later) for each in outcomes),
            poison=sum(isinstance(each, Poison) for each in outcomes),
            ms=round(seconds * 1000, 2),
        )
        return outcomes

    async def _pause(self, error: Exception) -> None:
        leases, now = self.claims.leases, self._clock()
        active = leases.active & leases.held.keys()
        for entry_id in active:
            leases.after_outage(entry_id, now, OUTAGE_SECONDS, alone=self._state() == "ready")
        self._paused_until = now + OUTAGE_SECONDS
        log_line().warning(
            "reading.paused",
            role=self.claims.group,
            stream=self.claims.stream,
            reason=f"{type(error).__name__}: {error}",
        )
        try:
            await self.claims.excuse(active)
        except Exception as second:
            if not is_outage(second):  # of the log itself: then they were not counted for nothing
                raise

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self.limits.lease_seconds / 3)
            try:
                await self.claims.renew()
            except Exception as error:
                if not is_outage(error):
                    raise


async def _rest(stopping: asyncio.Event, seconds: float) -> None:
    if seconds > 0:
        try:
            await asyncio.wait_for(stopping.wait(), seconds)
        except TimeoutError:
            return
