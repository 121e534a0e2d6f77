"""A role's first start on a log that was trimmed: what left the stream comes from the archive.

Only then its groups are made, behind the last entry that is gone: at the beginning of what is left
they would pass over all that came before. What is given here is an hour old and done by all other
roles, so whatever it depends on is there by the end, or will never be.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from events.catalogue import ARCHIVED
from events.claims import ensure_group
from events.dead_letters import Letter, Undelivered, bury_archived
from events.delivering import Later, Poison, attempt
from events.entries import Entry, Unreadable, open_entries
from events.envelope import Delivery
from events.history import History, Segments, trimmed_until
from events.ids import START, Address, Position
from events.log import Log, stream_key
from events.trimming import hold, release
from runtime.loglines import log as log_line
from runtime.outages import is_outage
from workers.site import Site
from workers.subscriptions import EFFECTS, SUBSCRIPTIONS, topics_of

HOLD_SECONDS = 600.0
OUTAGE_SECONDS = 1.0

OpenArchive = Callable[[], AbstractAsyncContextManager[Segments]]


class Place(NamedTuple):
    """A stream without the role's group, and the last position that is gone from it."""

    topic: str
    partition: int
    until: Position


class Limits(NamedTuple):
    batch: int
    attempts: int


async def begin(
    site: Site,
    role: str,
    open_archive: OpenArchive,
    limits: Limits,
    stopping: asyncio.Event,
    *,
    state: Callable[[], str] = lambda: "ready",
) -> None:
    """Give the role what it missed, from where it was last broken off; then make its groups.

    What cannot be done becomes a dead letter. When it is told to stop it makes no group.
    """
    while not stopping.is_set():
        try:
            places = await unbegun(site.log, role)
            if not places:
                return
            if state() == "not ready":  # tables of another version would make all of it poison
                await asyncio.sleep(OUTAGE_SECONDS)
                continue
            log_line().info("role.begins", role=role, streams=len(places))
            async with open_archive() as archive:
                await _Beginning(site, role, archive, limits, stopping).run(places)
        except Exception as error:
            if not is_outage(error):
                raise
            log_line().warning("beginning.postponed", role=role, reason=str(error))
            await asyncio.sleep(OUTAGE_SECONDS)


async def unbegun(log: Log, role: str) -> list[Place]:
    """Every trimmed stream on which a projection's group is still to be made.

    Effect roles have none: they work for the present, and do nothing about what is an hour old.
    """
    places = []
    for topic in sorted(ARCHIVED & set(topics_of(role))) if role not in EFFECTS else ():
        for partition in range(log.partitions):
            if not await _has_group(log, role, topic, partition):
                place = Place(topic, partition, await trimmed_until(log, topic, partition))
                places += [place] if place.until > START else []
    return places


async def in_time(
    sources: Sequence[AsyncIterator[tuple[Place, list[Entry]]]],
) -> AsyncIterator[tuple[Place, list[Entry]]]:
    """Batches of many streams in the order in which they began: causes before what they caused."""

    async def following(number: int) -> list[tuple[Position, int, Place, list[Entry]]]:
        batch = await anext(sources[number], None)
        return [(Position.parse(batch[1][0][0]), number, *batch)] if batch else []

    heap = [each for number in range(len(sources)) for each in await following(number)]
    heapify(heap)
    while heap:
        _, number, place, entries = heappop(heap)
        yield place, entries
        for each in await following(number):
            heappush(heap, each)


class _Beginning:
    def __init__(
        self,
        site: Site,
        role: str,
        archive: Segments,
        limits: Limits,
        stopping: asyncio.Event,
    ) -> None:
        self.site, self.role, self.limits, self.stopping = site, role, limits, stopping
        self.log, self.history = site.log, History(site.log, archive)
        self.waiting: list[Delivery[Any]] = []
        """Those that depend on what was not given yet; few, for all is given as it happened."""
        self.stored: dict[str, dict[bytes, bytes]] = {}
        """The entries of these, and of what is being given, by their addresses."""

    async def run(self, places: Sequence[Place]) -> None:
        name, hold_until = f"{self.role} begins {os.getpid()}", 0.0
        try:
            await hold(self.log, name, HOLD_SECONDS)
            async for place, entries in in_time([self._batches(each) for each in places]):
                if self.stopping.is_set():
                    return
                if time.monotonic() > hold_until - HOLD_SECONDS / 2:
                    await hold(self.log, name, HOLD_SECONDS)
                    hold_until = time.monotonic() + HOLD_SECONDS
                await self._give(place, entries)
            await self._give_up()
            for place in places:
                await self._make_group(place)
        finally:
            await release(self.log, name)

    async def _batches(self, place: Place) -> AsyncIterator[tuple[Place, list[Entry]]]:
        """The stream's history from the checkpoint on, as much at once as handlers get."""
        reached = await self.log.client.hget(begun_key(place.partition), self._name_of(place))
        pages = self.history.pages(
            place.topic,
            place.partition,
            after=Position.parse(reached) if reached else START,
            until=place.until,
        )
        async for page in pages:
            for start in range(0, len(page), self.limits.batch):
                yield place, page[start : start + self.limits.batch]

    async def _give(self, place: Place, entries: Sequence[Entry]) -> None:
        opened = await open_entries(self.log, place.topic, place.partition, entries)
        self.stored = {each.address: self.stored[each.address] for each in self.waiting}
        for each, (_, fields) in zip(opened, entries, strict=True):
            address = Address(place.topic, place.partition, each.position)
            self.stored[str(address)] = fields
            if isinstance(each, Unreadable):
                await self._bury(address, each.reason)
        await self._attempt([each for each in opened if isinstance(each, Delivery)])
        waiting = {(each.topic, each.partition) for each in self.waiting}
        if (place.topic, place.partition) not in waiting:
            key, last = begun_key(place.partition), entries[-1][0]
            await self.log.client.hset(key, self._name_of(place), last)

    async def _attempt(self, deliveries: Sequence[Delivery[Any]], tried: int = 1) -> None:
        failed = []
        for kind, handler in SUBSCRIPTIONS[self.role].items():
            batch = [each for each in deliveries if type(each.event) is kind]
            for outcome in await attempt(handler, self.site, batch) if batch else ():
                match outcome:
                    case Later(delivery):
                        self.waiting.append(delivery)
                    case Poison(delivery, reason, trace) if tried == self.limits.attempts:
                        await self._bury(Address.parse(delivery.address), reason, trace)
                    case Poison(delivery):
                        failed.append(delivery)
        if failed:
            await self._attempt(failed, tried + 1)

    async def _give_up(self) -> None:
        """Everything was given: what still waits is tried as long as any of it can be done."""
        before = len(self.waiting) + 1
        while 0 < len(self.waiting) < before:
            before, again = len(self.waiting), self.waiting
            self.waiting = []
            await self._attempt(again)
        for delivery in self.waiting:
            await self._bury(Address.parse(delivery.address), "dependency-missing")

    async def _bury(self, address: Address, reason: str, trace: str = "") -> None:
        letter = Letter(
            reason=reason,
            traceback=trace,
            attempts=self.limits.attempts,
            buried_ms=time.time_ns() // 1_000_000,
            entry=self.stored[str(address)],
        )
        await bury_archived(self.log.client, Undelivered(self.role, *address), letter)
        log_line().error(
            "delivery.buried",
            role=self.role,
            position=str(address.position),
            topic=address.topic,
            reason=reason,
        )

    async def _make_group(self, place: Place) -> None:
        stream = stream_key(place.topic, place.partition)
        await ensure_group(self.log.client, stream, self.role, after=place.until)
        await self.log.client.hdel(begun_key(place.partition), self._name_of(place))

    def _name_of(self, place: Place) -> str:
        return f"{self.role} {place.topic}"


async def _has_group(log: Log, role: str, topic: str, partition: int) -> bool:
    try:
        groups = await log.client.xinfo_groups(stream_key(topic, partition))
    except ResponseError:  # no stream yet
        return False
    return any(each["name"] == role.encode() for each in groups)


def begun_key(partition: int) -> str:
    """The hash of how far roles have come that begin: role and topic → position."""
    return f"begun:{{{partition}}}"
