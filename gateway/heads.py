"""Heads of answers as bytes, for what is answered thousands of times a second.

The same headers as `canonical.finish_headers` puts on every answer; what never changes is put
together once, the date once a second.
"""

import os
import time
from email.utils import formatdate

from gateway.canonical import HEADERS
from gateway.limits import seconds_of
from stores.rates import Left

IDS_AT_ONCE = 256
ID_DIGITS = 32

START = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + b"".join(
    f"{name}: {value}\r\n".encode()
    for name, value in (HEADERS | {"Cache-Control": "no-store"}).items()
)


class Heads:
    """Writes them. Not for a client's own text: nothing is looked into."""

    def __init__(self) -> None:
        self._second = -1
        self._date = b""

    def of(self, body_bytes: int, request_id: str, left: Left, next_address: str | None) -> bytes:
        now = int(time.time())
        if now != self._second:
            self._second, self._date = now, formatdate(now, usegmt=True).encode()
        link = f'Link: <{next_address}>; rel="next"\r\n' if next_address else ""
        return START + (
            b"X-Request-Id: %b\r\nRateLimit-Limit: %d\r\nRateLimit-Remaining: %d\r\n"
            b"RateLimit-Reset: %d\r\n%bContent-Length: %d\r\nDate: %b\r\n\r\n"
            % (
                request_id.encode(),
                left.most,
                left.remaining,
                seconds_of(left.whole_in),
                link.encode(),
                body_bytes,
                self._date,
            )
        )


class RequestIds:
    """Ids for requests that bring none: 128 random bits each, fetched some hundreds at a time."""

    def __init__(self) -> None:
        self._ids: list[str] = []

    def next(self) -> str:
        if not self._ids:
            digits = os.urandom(IDS_AT_ONCE * ID_DIGITS // 2).hex()
            self._ids = [digits[n : n + ID_DIGITS] for n in range(0, len(digits), ID_DIGITS)]
        return self._ids.pop()
