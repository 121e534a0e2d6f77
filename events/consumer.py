"""A consumer of one stream for one group: claim, attempt, settle. Nothing else acknowledges.

In flight is bounded, a dead engine pauses the reading, and what is active at shutdown is finished.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from events.claims import Claims
from events.delivering import Done, Handler, Later, Outcome, Poison, attempt
from events.entries import Entry, Unreadable, open_entries
from events.envelope import Delivery, Event
from events.log import Log
from runtime import metrics
from runtime.functions import Client
from runtime.loglines import log as log_line
from runtime.outages import is_outage

BLOCK_MS = 1_000  # also the longest an idle reader delays a shutdown
UNKNOWN_TYPE_SECONDS = 3_600  # a newer worker may be on its way
MISSING_SECONDS = 3_600  # what an event depends on is buried itself, or was never recorded
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
        may_read: Callable[[], bool] = lambda: True,
    ) -> None:
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
        self._may_read = may_read
        self._paused_until = 0.0
        self._due_came_last = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Step until told to stop; what is not attempted by then stays for the next life."""
        async with asyncio.TaskGroup() as tasks:
            name = f"renew {self.claims.group} {self.claims.stream}"
            renewing = tasks.create_task(self._keep_leases(), name=name)
            while not stopping.is_set():
                if self._may_read():
                    await self.step(block_ms=BLOCK_MS)
                    await _rest(stopping, self._paused_until - self._clock())
                else:
                    await _rest(stopping, OUTAGE_SECONDS)
            renewing.cancel()

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
                await self._bury(entry[0], "worker-died", "")
            else:
                spared.append(entry)
        return spared

    async def _deliver(self, entries: Sequence[Entry]) -> int:
        claims = self.claims
        opened = await open_entries(self.log, claims.topic, claims.partition, entries)
        readable = [each for each in opened if isinstance(each, Delivery)]
        settled = await self._set_aside([e for e in opened if isinstance(e, Unreadable)])
        unheard = [each for each in readable if type(each.event) not in self.handlers]
        settled += await self._settle([Done(each) for each in unheard])
        for kind, handler in self.handlers.items():
            batch = [each for each in readable if type(each.event) is kind]
            if batch:
                settled += await self._settle(await self._attempt(handler, batch))
        return settled

    async def _attempt(self, handler: Handler, batch: Sequence[Delivery[Any]]) -> list[Outcome]:
        started = time.perf_counter()
        outcomes = await attempt(handler, self.site, batch)
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

    async def _settle(self, outcomes: Sequence[Outcome]) -> int:
        """The one place where a delivery ends: acknowledged, buried, or kept for another try."""
        leases, now = self.claims.leases, self._clock()
        done, later, buried = [], [], 0
        for outcome in outcomes:
            entry_id = str(outcome.delivery.position).encode()
            match outcome:
                case Done():
                    done.append(entry_id)
                case Later() if leases.waits(entry_id, now) > MISSING_SECONDS:
                    await self._bury(entry_id, "dependency-missing", "")
                    buried += 1
                case Later():
                    leases.look_again(entry_id, now)
                    later.append(entry_id)
                case Poison() if leases.held[entry_id].attempts < self.limits.attempts:
                    leases.failed(entry_id, now)
                case Poison(_, reason, trace):
                    await self._bury(entry_id, reason, trace)
                    buried += 1
        await self.claims.acknowledge(done)
        await self.claims.excuse(later)
        return len(done) + buried

    async def _set_aside(self, unreadable: Sequence[Unreadable]) -> int:
        """What we cannot open is left to a newer worker, or is buried at once when it is broken."""
        young, buried = [], 0
        for each in unreadable:
            entry_id = str(each.position).encode()
            age_seconds = time.time() - each.position.ms / 1000
            if not each.known and age_seconds < UNKNOWN_TYPE_SECONDS:
                young.append(entry_id)
            else:
                await self._bury(entry_id, each.reason, "")
                buried += 1
        await self.claims.hand_back(young)
        return buried

    async def _bury(self, entry_id: bytes, reason: str, trace: str) -> None:
        if not await self.claims.bury(entry_id, reason, trace):
            return
        log_line().error(
            "delivery.buried",
            role=self.claims.group,
            position=entry_id.decode(),
            topic=self.claims.topic,
            reason=reason,
        )

    async def _pause(self, error: Exception) -> None:
        leases, now = self.claims.leases, self._clock()
        active = leases.active & leases.held.keys()
        for entry_id in active:
            leases.again(entry_id, now, wait_seconds=OUTAGE_SECONDS)
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
