"""Pulled posts join the pages of whoever follows their authors, out of this process's memory.

Who has an outbox is asked once a second, and an outbox again only when the roll says that something
was put into it: whoever follows nobody on the roll pays nothing, and a post is read once for all.
`join` is all of a page whose outboxes are known; `with_outboxes` first learns what is not.
"""

import asyncio
import time
from collections.abc import Collection, Sequence

from aiohttp import web

from gateway.answers import degrade
from gateway.keys import FEEDS, READER, READER_REACH, viewer_of
from gateway.pulling import turn
from gateway.timelines import Box, Timeline, joined, timeline_of
from runtime.errors import Unavailable
from stores import pulled_posts
from stores.database import reading
from stores.feeds import Feeds, Place
from stores.lru import Lru
from stores.outboxes import Outboxes, Roll, listed
from stores.slices import Slice

FRESH_SECONDS = 1.0
# About 100 bytes each. Beyond it all are forgotten, and those that are read come back.
MOST_PLACES = 1_000_000

TIMELINES_BYTES = 16 * 2**20
# When somebody joins the roll, everybody's list is older than that, whoever they follow.
RENEWALS_AT_ONCE = 2

POSTGRES_AWAY = ("metadata-unavailable", "overloaded")

NOBODY = Roll(b"", 0, 0, {}, {})


class Remembered:
    """The roll of a moment ago, and every outbox on it that anybody's page asked for."""

    def __init__(self, feeds: Feeds) -> None:
        self.store = Outboxes(feeds)
        self.boxes: dict[int, Box] = {}
        self.timelines: Lru[bytes, Timeline] = Lru(TIMELINES_BYTES)
        self._places = 0
        self._roll: Roll | None = None
        self._until = 0.0
        self._asking, self._reading = asyncio.Lock(), asyncio.Lock()
        self.renewals = asyncio.Semaphore(RENEWALS_AT_ONCE)

    def roll(self) -> Roll | None:
        """The roll, if it was asked for within a second."""
        return self._roll if time.monotonic() < self._until else None

    async def ask(self, app: web.Application) -> Roll:
        """The roll as of now; `NOBODY` where only a Postgres that is away could tell."""
        async with self._asking:
            return self.roll() or await self._ask(app)

    async def renew(self, app: web.Application) -> None:
        """Ask before the roll is too old, for those who will have no time to."""
        async with self._asking:
            await self._ask(app)

    async def _ask(self, app: web.Application) -> Roll:
        began = time.monotonic()
        try:
            self._roll = await self.store.roll(self._roll) or await self._make(app)
        except Unavailable as away:
            if away.code not in POSTGRES_AWAY:
                raise
            self._roll = NOBODY
        self._until = began + FRESH_SECONDS
        return self._roll

    def box(self, roll: Roll, author_id: int) -> Box | None:
        """The author's outbox as of this roll or later; None when it is not known."""
        box = self.boxes.get(author_id)
        if box is None or box.roll_id != roll.id or box.changed < roll.changed[author_id]:
            return None
        return box

    async def read(self, app: web.Application, roll: Roll, author_ids: Sequence[int]) -> list[Box]:
        """These outboxes, as of this roll or later."""
        async with self._reading:  # who waited may find them read
            found = {each: self.box(roll, each) for each in author_ids}
            unknown = [each for each, box in found.items() if box is None]
            slices = await self.store.slices(unknown) if unknown else []
            for author_id, known in zip(unknown, slices, strict=True):
                read = known or await self._build(app, author_id)
                changed, places = roll.changed[author_id], read.entries[::-1]
                found[author_id] = box = Box(roll.id, changed, read.floor, places)
                self._remember(author_id, box)
        return [box for box in found.values() if box is not None]

    def keep(self, followed: bytes, line: Timeline) -> None:
        """Remember a timeline for who has this very list; its places are the boxes' own."""
        self.timelines.put(followed, line, len(followed) + 8 * len(line.places))

    def _remember(self, author_id: int, box: Box) -> None:
        if self._places > MOST_PLACES:
            self.boxes.clear()
            self._places = 0
        self._places += len(box.places)
        self.boxes[author_id] = box

    async def _make(self, app: web.Application) -> Roll:
        """A new roll, from the rows; for this second alone when somebody else is making it."""
        token = await self.store.begin_roll()
        async with turn(app), reading(app[READER], app[READER_REACH]) as db:
            author_ids = await pulled_posts.authors_who_pull(db)
        if token is not None:
            await self.store.finish_roll(token, author_ids)
        made = await self.store.roll(None)
        if made is not None:
            return made
        moment = time.monotonic_ns()
        once = dict.fromkeys(author_ids, moment)
        return Roll(b"%d" % moment, 0, 1, once, once)

    async def _build(self, app: web.Application, author_id: int) -> Slice:
        token = await self.store.begin_build(author_id)
        cap = app[FEEDS].cap
        async with turn(app), reading(app[READER], app[READER_REACH]) as db:
            entries = await pulled_posts.pulled_of_author(db, author_id, cap + 1)
        floor = entries[cap - 1][0] if len(entries) > cap else 0
        entries = [each for each in entries if each[0] > floor]
        if token is not None:
            await self.store.finish_build(author_id, token, entries, floor)
        return Slice(floor, entries, frozenset())


OUTBOXES: web.AppKey[Remembered] = web.AppKey("outboxes", Remembered)


def join(
    remembered: Remembered, roll: Roll, window: Slice, before: Place | None, count: int
) -> Slice | None:
    """A window's slice of up to `count`, and what is pulled there; None: that is not known yet.

    It reaches down no further than any outbox does.
    """
    line = remembered.timelines.get(window.followed)
    if line is not None and line.roll is roll:
        page = joined(window, line, before, count)
        if page is not None:
            return page
    as_of, author_ids = listed(window.followed, roll)
    if as_of < roll.newest:
        return None
    boxes = []
    for author_id in author_ids:
        if author_id in roll.changed:  # else they are erased, and all of theirs with them
            box = remembered.box(roll, author_id)
            if box is None:
                return None
            boxes.append(box)
    line = timeline_of(roll, boxes, window, count)
    remembered.keep(window.followed, line)
    page = joined(window, line, before, count)
    return page or joined(window, timeline_of(roll, boxes, window, count, before), before, count)


async def with_outboxes(
    request: web.Request, roll: Roll, window: Slice, before: Place | None, count: int
) -> Slice:
    """As `join`, finding out what is not known; without, where only an absent Postgres knows it.

    `roll` is that of before the window was read.
    """
    app, viewer_id = request.app, viewer_of(request).account_id
    try:
        author_ids = await followed_authors(app, roll, viewer_id, window.followed)
        present = [each for each in author_ids if each in roll.changed]
        boxes = await app[OUTBOXES].read(app, roll, present)
    except Unavailable as away:
        if away.code not in POSTGRES_AWAY:
            raise
        degrade(request, "metadata")
        return window
    line = timeline_of(roll, boxes, window, count, before)
    return joined(window, line, before, count) or window


async def followed_authors(
    app: web.Application, roll: Roll, viewer_id: int, known: bytes
) -> Collection[int]:
    """Whom of the roll the viewer follows: as their list says, or else the rows.

    Of a list that is older than the roll's last comers only these are asked for, and by a few at a
    time: for the others what these pull comes a little later.
    """
    remembered = app[OUTBOXES]
    as_of, author_ids = listed(known, roll)
    if as_of >= roll.newest or (as_of and remembered.renewals.locked()):
        return author_ids
    if not as_of:
        return await listed_anew(app, roll, viewer_id, known)
    async with remembered.renewals:
        return await listed_anew(app, roll, viewer_id, known)


async def listed_anew(
    app: web.Application, roll: Roll, viewer_id: int, known: bytes
) -> Collection[int]:
    store = app[OUTBOXES].store
    as_of, author_ids = listed(known, roll)
    token = await store.begin_list(viewer_id, known)
    if token is None:  # changed since it was read: so may be what it said
        as_of, author_ids = 0, []
    comers = [each for each, joined_at in roll.joined.items() if joined_at > as_of]
    async with turn(app), reading(app[READER], app[READER_REACH]) as db:
        author_ids = author_ids + await pulled_posts.followed_among(db, viewer_id, comers)
    if token is not None:
        await store.finish_list(viewer_id, token, roll, author_ids)
    return author_ids
