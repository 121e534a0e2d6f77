"""What was announced so long ago that no record tells of it: found in the topic itself.

A record stops a second announcement for its lifetime. A cause may be older than that, in a backlog
of days or when a dead letter is retried: then whoever would announce looks here first.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from events.catalogue import tag_of
from events.entries import CAUSE, TYPE, Entry
from events.envelope import Delivery, Event
from events.idempotency import IDEMPOTENCY_SECONDS
from events.ids import Address, Position

if TYPE_CHECKING:
    from events.history import History
    from events.log import Log

# An hour less than records live: clocks differ, and between a look and an append time passes.
SURELY_RECORDED_MS = (IDEMPOTENCY_SECONDS - 3_600) * 1_000
PAGE = 1_000
MOST_REMEMBERED = 20_000  # answers of one stream, about 4 MB; more than a page may hold


@dataclass(slots=True)
class Stretch:
    """One stream, read from a cause on: every answer in it to that cause or a later one."""

    since: Position
    until: Position
    answers: dict[bytes, bytes] = field(default_factory=dict)
    """From a cause's address to the position of the first answer."""
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)


class Precedents:
    """Looks for answers: announcements that exclude each other, see `Event.ANSWERS`.

    What was read is remembered, so that a backlog of days costs one pass, not one for each cause.
    """

    def __init__(self, log: "Log") -> None:
        self._log = log
        self.history: History | None = None
        """Reaches back behind what was trimmed: an answer may have left the stream while its cause
        was kept for a letter. Set by who has object storage at hand."""
        self._stretches: dict[tuple[int, tuple[type[Event], ...]], Stretch] = {}

    async def answer(self, cause: Delivery[Any], *kinds: type[Event]) -> Delivery[Any] | None:
        """The one answer to a cause, of whichever kind, however long ago its actor was given it."""
        for kind in kinds:
            if recorded := await self._log.announced(kind, cause=cause):
                return recorded
        until = Position(time.time_ns() // 1_000_000 - SURELY_RECORDED_MS, 0)
        if cause.position > until:
            return None
        stretch = self._stretches.setdefault(
            (cause.partition, kinds), Stretch(cause.position, cause.position)
        )
        async with stretch.reading:
            found = await self._read(stretch, cause, kinds, until)
        if found is None:
            return None
        address = Address(kinds[0].TOPIC, cause.partition, Position.parse(found))
        answer = await self._log.event_at(address)
        return answer or (await self.history.event_at(address) if self.history else None)

    async def _read(
        self,
        stretch: Stretch,
        cause: Delivery[Any],
        kinds: tuple[type[Event], ...],
        until: Position,
    ) -> bytes | None:
        """Go on reading until the answer is found, or anything later would still be recorded."""
        topic, wanted = kinds[0].TOPIC, cause.address.encode()
        if not stretch.since <= cause.position <= stretch.until:
            stretch.since = stretch.until = cause.position
            stretch.answers.clear()
        tags = {tag_of(kind).encode() for kind in kinds}
        if wanted in stretch.answers:
            return stretch.answers[wanted]
        async for run in self._runs(topic, cause.partition, stretch.until, until):
            for start in range(0, len(run), PAGE):
                page = run[start : start + PAGE]
                _remember(stretch, page, tags)
                stretch.until = Position.parse(page[-1][0])
                if wanted in stretch.answers:
                    return stretch.answers[wanted]
        stretch.until = max(stretch.until, until)
        return None

    async def _runs(
        self, topic: str, partition: int, after: Position, until: Position
    ) -> AsyncIterator[list[Entry]]:
        """What was recorded between, or of that what is still in the stream."""
        if self.history:
            async for run in self.history.pages(topic, partition, after=after, until=until):
                yield run
            return
        while page := await self._log.page(topic, partition, after, until, PAGE):
            yield page
            after = Position.parse(page[-1][0])


def _remember(stretch: Stretch, page: list[Entry], tags: set[bytes]) -> None:
    for entry_id, fields in page:
        if fields.get(TYPE) in tags and CAUSE in fields:
            stretch.answers.setdefault(fields[CAUSE], entry_id)
    while len(stretch.answers) > MOST_REMEMBERED:
        forgotten = next(iter(stretch.answers))
        del stretch.answers[forgotten]
        # Whoever asks for that cause again reads again from there.
        ms, sequence = Address.parse(forgotten.decode()).position
        stretch.since = max(stretch.since, Position(ms, sequence + 1))
