"""What is told of a page that went the express way: line and figure as of any other request.

A few dozen pages are told of together: one by one it costs twice as much, in the midst of others.
"""

import asyncio
import time
from typing import NamedTuple

from gateway.canonical import figure, lines
from runtime.loglines import HELD_SECONDS, json_lines
from runtime.metrics import express_pages, feed_slices

TOLD_AT_ONCE = 64


class Page(NamedTuple):
    """Of one page; seconds are monotonic."""

    request_id: str
    account_id: int
    began: float
    ended: float
    slices: int


class Telling:
    """Of one route whose answers are all 200. To be made once logging is configured."""

    def __init__(self, route: str) -> None:
        self._route = route
        self._seconds = figure(route, "GET", 200)
        self._slices, self._served = feed_slices.labels("hit"), express_pages.labels("served")
        self._lines = json_lines()
        self._pages: list[Page] = []
        self._second, self._stamp = -1, ""

    def served(self, page: Page) -> None:
        """Tell of it within a tenth of a second."""
        self._pages.append(page)
        if len(self._pages) == 1:
            asyncio.get_running_loop().call_later(HELD_SECONDS, self.flush)
        elif len(self._pages) == TOLD_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        pages, self._pages = self._pages, []
        self._served.inc(len(pages))
        self._slices.inc(sum(each.slices for each in pages))
        for each in pages:
            self._seconds.observe(each.ended - each.began)
        if self._lines is not None:
            wall = time.time() - time.monotonic()
            for each in pages:
                self._lines.info(self._line(each, wall))
            return
        for each in pages:
            lines.info(
                "request.served",
                request=each.request_id,
                method="GET",
                route=self._route,
                status=200,
                milliseconds=milliseconds_of(each),
                account=each.account_id,
            )

    def _line(self, page: Page, wall: float) -> str:
        """Nothing in it needs escaping: an id of plain characters, our own words, and numbers."""
        ended = page.ended + wall
        if int(ended) != self._second:
            self._second = int(ended)
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ended))
        micro = int(ended % 1 * 1e6)
        return (
            f'{{"request":"{page.request_id}","method":"GET","route":"{self._route}",'
            f'"status":200,"milliseconds":{milliseconds_of(page)},"account":{page.account_id},'
            f'"event":"request.served","level":"info","timestamp":"{self._stamp}.{micro:06d}Z"}}'
        )


def milliseconds_of(page: Page) -> float:
    return round((page.ended - page.began) * 1000, 2)
