"""`?wait=`: answers held back until a state is final, while there is room for who only waits."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from gateway.inflight import WAITS
from gateway.keys import viewer_of
from gateway.paths import seconds_to_wait


@contextmanager
def held_back(request: web.Request) -> Iterator[float]:
    """How many seconds this answer may be held back: 0 when not asked, or while too many are."""
    seconds, whose = seconds_to_wait(request), viewer_of(request).account_id
    waits = request.app[WAITS]
    if not seconds or waits.is_full() or waits.is_share_used(0, whose):
        yield 0.0
        return
    with waits.admit(whose=whose):
        yield seconds
