"""The express way: a page of the feed of which every part is at hand, without a task.

Each connection offers its requests here first (`listening.py`). One question goes to the cache; its
reply calls the rest, which waits for nothing. What is not all at hand, and whatever is to be
refused, is left to the ordinary way, which is the whole truth and answers the same bytes.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, TypeAlias

import msgspec
from aiohttp import hdrs, web
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader
from multidict import CIMultiDictProxy, istr

from gateway.answers import JSON
from gateway.canonical import REQUEST_ID_FORM, lines
from gateway.cursors import encode_cursor
from gateway.feed import SLICES
from gateway.guarding import accepts
from gateway.heads import Heads, RequestIds
from gateway.inflight import REQUESTS
from gateway.keys import FEEDS, NOTICES, PAGES, TOKENS
from gateway.limits import LIMITS
from gateway.memory import items_at_once, memory_of
from gateway.outboxes import NOBODY, OUTBOXES
from gateway.parts import Parts
from gateway.plain import PATH, Asked, asked_of
from gateway.telling import Page, Telling
from runtime.errors import Unauthenticated
from runtime.health import stop_watching
from runtime.metrics import express_pages
from runtime.outages import is_outage
from stores.feeds import Place
from stores.outboxes import Roll
from stores.rates import Allowance, Left

LEFT = express_pages.labels("left")

Finish = Callable[[bytes | None], None]
"""Gets the answer's bytes, or None: the ordinary way is to answer."""
Headers: TypeAlias = "CIMultiDictProxy[str]"
BEARER = "Bearer "
REQUEST_ID_HEADER = istr("X-Request-Id")
OPENING = b'{"items":['
RENEWED_SECONDS = 0.4  # well before FRESH_SECONDS of outboxes are over
AGAIN = b""
"""Too much of the slice is hidden; another one was asked for."""


class Reading(msgspec.Struct):
    """One page on its way."""

    asked: Asked
    viewer_id: int
    request_id: str
    allowance: Allowance
    left: Left
    entered: float
    finish: Finish
    roll: Roll
    """Who pulls, as of before the window is read."""
    before: Place | None
    items: list[bytes]
    slices: int = 1


class Express:
    """What pages are made of in one process."""

    def __init__(self, app: web.Application) -> None:
        self._app, self._renew_at = app, 0.0
        self._renewing: asyncio.Task[None] | None = None
        self._pages, self._parts = app[PAGES], Parts(app)
        self._tokens, self._notices, self._feeds = app[TOKENS], app[NOTICES], app[FEEDS]
        self._places, self._rates = app[REQUESTS], app[LIMITS].rates
        self._limit = app[LIMITS].by_name["reads"]
        self._memory, self._outboxes = memory_of(app), app[OUTBOXES]
        self._heads, self._ids, self.telling = Heads(), RequestIds(), Telling(PATH)

    def take(self, message: RawRequestMessage, payload: StreamReader, finish: Finish) -> bool:
        """Whether this request goes the express way: `finish` is then called, later and once."""
        asked = asked_of(message, payload)
        headers = message.headers
        viewer_id = self._viewer_of(headers) if asked is not None else None
        roll = self._outboxes.roll()
        if asked is None or viewer_id is None or roll is None or roll is NOBODY:
            return False
        if self._places.is_full() or not takes_json(headers):
            return False
        allowance = Allowance(viewer_id, self._limit.most, self._limit.seconds)
        left = self._rates.take_one_here(allowance)
        if left.wait:
            return False  # none was taken
        reading = Reading(
            asked=asked,
            viewer_id=viewer_id,
            request_id=id_in(headers) or self._ids.next(),
            allowance=allowance,
            left=left,
            entered=self._places.enter(),
            finish=finish,
            roll=roll,
            before=asked.before,
            items=[],
        )
        if self._ask(reading):
            if reading.entered >= self._renew_at:
                self.renew(reading.entered)
            return True
        self._undo(reading)
        return False

    def renew(self, now: float) -> None:
        """What is believed for a second or two is asked again before; a crowd would wait for it."""
        self._renew_at = now + RENEWED_SECONDS
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew(), name="express.renew")

    async def _renew(self) -> None:
        try:
            if self._parts.unknown:
                await self._pages.load()
                self._parts.unknown = False
            await self._feeds.renew()
            await self._outboxes.renew(self._app)
        except Exception as error:  # noqa: BLE001 - whoever needs it asks for it, and says so
            if not is_outage(error):
                lines.error("express.failed", exc_info=error)

    async def close(self) -> None:
        self.telling.flush()
        if self._renewing is not None:
            await stop_watching(self._renewing)

    def _viewer_of(self, headers: Headers) -> int | None:
        """As `guarding.authenticate`; None for whoever is to be refused, in words."""
        given = headers.get(hdrs.AUTHORIZATION)
        if given is None or not given.startswith(BEARER) or hdrs.EXPECT in headers:
            return None
        try:
            viewer = self._tokens.verify(given[len(BEARER) :], time.time())
        except Unauthenticated:
            return None
        if not self._notices.ready or self._notices.is_revoked(viewer.account_id, viewer.token_id):
            return None
        return viewer.account_id

    def _ask(self, reading: Reading) -> bool:
        count = reading.asked.limit - len(reading.items)
        return self._pages.ask(
            reading.viewer_id,
            reading.before,
            count,
            partial(self._go_on, reading),
            followed=bool(reading.roll.changed),
        )

    def _go_on(self, reading: Reading, reply: Any) -> None:
        """Called with the cache's reply. Never raises: other readings' replies come after it."""
        try:
            answer = self._answer(reading, reply)
        except Exception as error:  # noqa: BLE001 - whatever it was, the ordinary way says it again
            lines.error("express.failed", request=reading.request_id, exc_info=error)
            answer = None
        if answer is None:
            LEFT.inc()
            if self._parts.unknown:
                self.renew(time.monotonic())
            self._undo(reading)
            reading.finish(None)
        elif answer is not AGAIN:
            reading.finish(answer)
            self._places.leave(reading.entered)
            ended = time.monotonic()
            self.telling.served(
                Page(reading.request_id, reading.viewer_id, reading.entered, ended, reading.slices)
            )

    def _undo(self, reading: Reading) -> None:
        """The ordinary way takes a place and one of the allowance for itself."""
        self._places.leave(reading.entered)
        self._rates.give_back_here(reading.allowance)

    def _answer(self, reading: Reading, reply: Any) -> bytes | None:
        """The whole answer, `AGAIN`, or None when not all of it is at hand."""
        count = reading.asked.limit - len(reading.items)
        part = self._parts.of(reply, reading.roll, reading.before, count, reading.entered)
        if part is None:
            return None
        items = items_at_once(self._memory, reading.viewer_id, part.ids, part.hidden, time.time())
        if items is None:
            return None
        reading.items += items
        reading.before = part.last or reading.before
        if part.last is not None and len(items) < count and reading.slices < SLICES:
            reading.slices += 1
            return AGAIN if self._ask(reading) else None
        return self._written(reading, part.last)

    def _written(self, reading: Reading, after: Place | None) -> bytes:
        """As `answers.page` and `canonical.finish_headers` write it."""
        items, asked = reading.items, reading.asked
        if after is None:
            address, end = None, b'],"next":null}'
        else:
            cursor = encode_cursor(*after)
            address = f"{asked.address}{cursor}{asked.address_end}"
            end = b'],"next":"%b"}' % cursor.encode()
        size = len(OPENING) + sum(map(len, items)) + max(len(items) - 1, 0) + len(end)
        start = self._heads.of(size, reading.request_id, reading.left, address) + OPENING
        if not items:
            return start + end
        # One pass over bytes that lie anywhere in memory, and no copy of the whole.
        items[0] = start + items[0]
        items[-1] += end
        return b",".join(items)


EXPRESS: web.AppKey[Express] = web.AppKey("express", Express)


async def open_express(app: web.Application) -> AsyncIterator[None]:
    """After everything that pages are made of."""
    app[EXPRESS] = Express(app)
    app[EXPRESS].renew(time.monotonic())
    yield
    await app[EXPRESS].close()


def takes_json(headers: Headers) -> bool:
    accept = headers.getall(hdrs.ACCEPT, None)
    return accept is None or accepts(", ".join(accept), JSON)


def id_in(headers: Headers) -> str | None:
    """The client's own id if it is a sane one."""
    given = headers.get(REQUEST_ID_HEADER)
    return given if given is not None and REQUEST_ID_FORM.fullmatch(given) else None
