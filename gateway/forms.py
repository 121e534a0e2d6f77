"""Reading multipart/form-data as a stream: parts as they come, under limits, at a steady pace.

aiohttp splits the bytes; here is what it leaves out: a form that is cut short, a part that never
ends, a client that sends one byte a second.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

from aiohttp import BodyPartReader, ClientPayloadError, web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.bodies import TooSlow, refuse_other_than
from runtime.errors import Malformed, TooLarge

T = TypeVar("T")
CHUNK_BYTES = 64 * 1024
GRACE_SECONDS = 20.0
BYTES_PER_SECOND = 4 * 1024
# Staged photos wait for their post for an hour (UPLOAD_MARGIN in stores/objects.py), then the sweep
# may take them: at the slowest pace alone, a large form could arrive for seventeen hours.
MOST_SECONDS = 50 * 60.0

BROKEN = (ValueError, RuntimeError, AssertionError, HttpProcessingError)
CUT_SHORT = (ClientPayloadError, ConnectionError)


class Pace:
    """How long a client may still keep us waiting; what it sends buys it time, up to the grace.

    Only waiting for the client counts, not what storing its bytes takes us; but whatever takes the
    time, the whole form has to be there `most_seconds` from now.
    """

    def __init__(
        self,
        grace_seconds: float = GRACE_SECONDS,
        bytes_per_second: float = BYTES_PER_SECOND,
        most_seconds: float = MOST_SECONDS,
    ) -> None:
        self.grace_seconds = grace_seconds
        self.bytes_per_second = bytes_per_second
        self.left_seconds = grace_seconds
        self.most_seconds = most_seconds
        self.ends = time.monotonic() + most_seconds

    async def wait(self, arriving: Awaitable[T]) -> T:
        """What arrives; `TooSlow` when it does not come in time, `Malformed` when it cannot."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(min(self.left_seconds, self.ends - began)):
                return await arriving
        except TimeoutError:
            raise self.too_slow() from None
        except CUT_SHORT:
            raise Malformed("malformed-multipart", "the body was cut short") from None
        except BROKEN:
            # What aiohttp says of it quotes the bytes that were sent.
            raise Malformed("malformed-multipart", "the form cannot be read") from None
        finally:
            self.left_seconds = max(0.0, self.left_seconds - (time.monotonic() - began))

    def too_slow(self) -> TooSlow:
        if time.monotonic() >= self.ends:
            return TooSlow("too-slow", f"the form took over {self.most_seconds / 60:g} minutes")
        detail = f"less than {self.bytes_per_second:g} bytes a second arrived"
        return TooSlow("too-slow", detail)

    def credit(self, size_bytes: int) -> None:
        earned = self.left_seconds + size_bytes / self.bytes_per_second
        self.left_seconds = min(self.grace_seconds, earned)


class Part:
    """One part of a form: its name, and its bytes once."""

    def __init__(self, reader: BodyPartReader, name: str, pace: Pace) -> None:
        self.name = name
        self._reader = reader
        self._pace = pace

    async def chunks(self, most: int, first: int = 1) -> AsyncIterator[bytes]:
        """The part's bytes, `TooLarge` past `most` of them; the first chunk has `first`, or all."""
        size, held = 0, b""
        while not self._reader.at_eof():
            chunk = await self._pace.wait(self._reader.read_chunk(CHUNK_BYTES))
            self._pace.credit(len(chunk))
            size += len(chunk)
            if size > most:
                raise TooLarge("too-large", f"{self.name} is over {most} bytes", max_bytes=most)
            held += chunk
            if size >= first and held:
                yield held
                held = b""
        if held:
            yield held

    async def text(self, most_bytes: int) -> str:
        """The part as UTF-8."""
        raw = b"".join([chunk async for chunk in self.chunks(most_bytes)])
        try:
            return raw.decode()
        except UnicodeDecodeError:
            detail = f"the part {self.name!r} is no UTF-8"
            raise Malformed("malformed-multipart", detail) from None


async def parts_of(request: web.Request, pace: Pace) -> AsyncIterator[Part]:
    """The form's parts in the order sent. Read each before asking for the next.

    415 when the body is no form; `Malformed` when it is broken or ends before its last boundary.
    """
    refuse_other_than(request, "multipart/form-data")
    try:
        form = await request.multipart()
    except BROKEN:
        raise Malformed("malformed-multipart", "the form has no boundary to split it at") from None
    # Not counted here: whoever takes the parts knows how many of each name there may be.
    while (reader := await pace.wait(form.next())) is not None:
        part = plain(reader)
        yield Part(part, name_of(part), pace)
    if not form.at_eof():
        raise Malformed("malformed-multipart", "the last boundary is missing")


def name_of(reader: BodyPartReader) -> str:
    """A part without a name is a broken one: a form cut at a boundary seems to end in such."""
    try:
        name = reader.name or ""
        name.encode()  # bytes that are no UTF-8 came through as lone surrogates
    except (UnicodeError, LookupError):
        raise Malformed("malformed-multipart", "the name of a part is no UTF-8") from None
    if not name:
        raise Malformed("malformed-multipart", "a part has no name")
    return name


def plain(reader: object) -> BodyPartReader:
    """A part of bytes as they are: neither a form in the form, nor in base64."""
    if not isinstance(reader, BodyPartReader):
        raise Malformed("malformed-multipart", "a part may not be multipart itself")
    encoding = reader.headers.get("Content-Transfer-Encoding", "binary").lower()
    if encoding not in ("binary", "8bit", "7bit"):
        raise Malformed("malformed-multipart", "parts are sent as they are, in no encoding")
    return reader
