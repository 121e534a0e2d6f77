"""Replay: history once more, through handlers that only fold, into a target of one's choice.

Role after role, each to its end before the next begins, for rows wait for those of earlier roles;
inside a role partition beside partition. What is folded may be folded again, so a replay that was
broken off goes on from its last checkpoint.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from events.catalogue import BY_TAG, tag_of
from events.delivering import Handler, Later, Outcome, Poison, attempt
from events.entries import TYPE, Entry, Unreadable, open_entries
from events.envelope import Delivery
from events.ids import END, START, Position, position_before
from events.log import Log
from events.pacing import Pace
from events.tally import Fault, Tally
from events.wanted import EVERYTHING, Roles, Stream, Wanted, streams_of, tags_of
from runtime.errors import HeliographError

# Of each batch many accounts are locked, and again by the next: 2,000 were a fifth slower.
BATCH = 5_000
AT_ONCE = 2  # more wait for each other: who folds follows locks the accounts of both sides
MOST_WAITING = 5_000
TELL_SECONDS = 0.2

KNOWN = frozenset(tag.encode() for tag in BY_TAG)


class Pages(Protocol):
    """`events.history.History`, as far as a replay needs it."""

    def pages(
        self, topic: str, partition: int, *, after: Position = ..., until: Position | None = ...
    ) -> AsyncIterator[list[Entry]]: ...


class Checkpoints(Protocol):
    """Where a target remembers what it holds."""

    async def kept(self) -> Mapping[Stream, Position]: ...

    async def keep(self, stream: Stream, position: Position) -> None: ...


class Stopped(HeliographError):
    """A replay that was to stop at its first fault met it."""


class Replay:
    """`run` it to the heads of its streams, and again to later heads: it goes on from there."""

    def __init__(
        self,
        log: Log,
        history: Pages,
        roles: Roles,
        site: Any,
        checkpoints: Checkpoints,
        *,
        wanted: Wanted = EVERYTHING,
        rate: float | None = None,
        strict: bool = False,
        at_once: int = AT_ONCE,
        batch: int = BATCH,
    ) -> None:
        self.log, self.history, self.roles, self.site = log, history, roles, site
        self.checkpoints, self.wanted, self.strict = checkpoints, wanted, strict
        self.streams = streams_of(roles, log.partitions)
        self.at: dict[Stream, Position] = {}
        self.waiting: dict[str, list[Delivery[Any]]] = {role: [] for role in roles}
        self.tally = Tally()
        self._begun: dict[Stream, Position] = {}
        self._first_passed: dict[Stream, Position] = {}
        """Of each stream the first entry that could not be folded."""
        self._pace = Pace(rate)
        self._batch = min(batch, max(1, int(rate))) if rate else batch
        self._at_once = at_once
        self._heard = {role: tags_of(handlers) for role, handlers in roles.items()}

    async def run(self, heads: Mapping[Stream, Position]) -> AsyncIterator[Tally]:
        """Fold everything up to these; tells now and then how far it is.

        An outage ends it, and a history that is broken; run again, it goes on from a checkpoint.
        """
        if not self.at:
            kept = await self.checkpoints.kept()
            self.at = {each: max(kept.get(each, START), self.wanted.after) for each in self.streams}
        for role in self.roles:
            work = asyncio.create_task(self._fold_role(role, heads), name=f"replay {role}")
            try:
                while not work.done():
                    await asyncio.wait({work}, timeout=TELL_SECONDS)
                    yield self.tally
                work.result()
            finally:
                work.cancel()
                with suppress(BaseException):
                    await work

    def expected(self, heads: Mapping[Stream, Position]) -> int:
        """How many events there will have been, if the rest comes as the part that is read did."""
        shares = [
            (self.at[each].ms - begun.ms) / (heads[each].ms - begun.ms)
            for each, begun in self._begun.items()
            if heads[each].ms > begun.ms
        ]
        streams = sum(heads[each] > START for each in self.streams)
        return int(self.tally.read * streams / share) if (share := sum(shares)) else 0

    @property
    def without_effect(self) -> int:
        """How many wait in vain, or were given up."""
        return self.tally.given_up + sum(map(len, self.waiting.values()))

    async def _fold_role(self, role: str, heads: Mapping[Stream, Position]) -> None:
        turns = asyncio.Semaphore(self._at_once)
        mine = [each for each in self.streams if each.role == role]
        try:
            async with asyncio.TaskGroup() as tasks:
                for stream in mine:
                    name = f"replay {role} {stream.topic}.{stream.partition}"
                    tasks.create_task(self._fold_stream(stream, heads[stream], turns), name=name)
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        await self._try_again(role, mine)

    async def _try_again(self, role: str, streams: Sequence[Stream]) -> None:
        again, self.waiting[role] = self.waiting[role], []
        if not again:
            return
        try:
            for start in range(0, len(again), self._batch):
                await self._deliver(role, again[start : start + self._batch])
        except BaseException:
            self.waiting[role] = again
            raise
        for stream in streams:
            await self._keep(stream)

    async def _fold_stream(self, stream: Stream, head: Position, turns: asyncio.Semaphore) -> None:
        async with turns:
            until = self.wanted.end(head)
            if self.at[stream] >= until:
                return
            pages = self.history.pages(
                stream.topic, stream.partition, after=self.at[stream], until=until
            )
            async for run in runs(pages, self._batch):
                self._begun.setdefault(stream, Position.parse(run[0][0]))
                await self._pace.take(len(run))
                await self._fold(stream, run)
                self.at[stream] = Position.parse(run[-1][0])
                await self._keep(stream)

    async def _fold(self, stream: Stream, run: Sequence[Entry]) -> None:
        self.tally.read += len(run)
        heard = self._heard[stream.role]
        mine = [
            entry
            for entry in run
            if ((tag := entry[1].get(TYPE, b"")) in heard or tag not in KNOWN)
            and self.wanted.admits(entry)
        ]
        opened = await open_entries(self.log, stream.topic, stream.partition, mine)
        for each in opened:
            if isinstance(each, Unreadable):
                self._fault(Fault(stream, each.position, each.type, each.reason))
        await self._deliver(stream.role, [e for e in opened if isinstance(e, Delivery)])

    async def _deliver(self, role: str, opened: Sequence[Delivery[Any]]) -> None:
        by_kind: dict[type, list[Delivery[Any]]] = defaultdict(list)
        for each in opened:
            by_kind[type(each.event)].append(each)
        for kind, handler in self.roles[role].items():
            if batch := by_kind.get(kind):
                self._judge(role, await self._attempt(handler, batch))

    async def _attempt(self, handler: Handler, batch: list[Delivery[Any]]) -> list[Outcome]:
        return await attempt(handler, self.site, batch)

    def _judge(self, role: str, outcomes: Sequence[Outcome]) -> None:
        waiting, tag = self.waiting[role], tag_of(type(outcomes[0].delivery.event))
        for outcome in outcomes:
            match outcome:
                case Later(delivery) if len(waiting) < MOST_WAITING:
                    waiting.append(delivery)
                case Later(delivery):
                    self.tally.given_up += 1
                    stream = Stream(role, delivery.topic, delivery.partition)
                    self._passed_over(stream, delivery.position)
                case Poison(delivery, reason, _):
                    stream = Stream(role, delivery.topic, delivery.partition)
                    self._fault(Fault(stream, delivery.position, tag, reason))
                case _:
                    self.tally.folded[role, tag] += 1

    def _fault(self, fault: Fault) -> None:
        self.tally.add(fault)
        self._passed_over(fault.stream, fault.position)
        if self.strict:
            raise Stopped("replay-stopped", f"{fault.address} ({fault.tag}): {fault.reason}")

    def reached(self, stream: Stream) -> Position:
        """Up to where the target holds everything: not past what still waits."""
        waiting = [
            Position.parse(each.after)
            for each in self.waiting[stream.role]
            if (each.topic, each.partition) == stream[1:]
        ]
        return min([self.at[stream], *waiting])

    def _passed_over(self, stream: Stream, position: Position) -> None:
        self._first_passed[stream] = min(self._first_passed.get(stream, END), position)

    async def _keep(self, stream: Stream) -> None:
        """Not past what was passed over: whoever goes on is to meet it, and tell it, again."""
        passed = self._first_passed.get(stream)
        reached = self.reached(stream)
        await self.checkpoints.keep(
            stream, min(reached, position_before(passed)) if passed else reached
        )


async def runs(pages: AsyncIterator[list[Entry]], size: int) -> AsyncIterator[list[Entry]]:
    """The same entries, so many at a time."""
    held: list[Entry] = []
    async for page in pages:
        held += page
        while len(held) >= size:
            yield held[:size]
            held = held[size:]
    if held:
        yield held
