"""Signed requests to one bucket: how `objects` talks to any S3, and which answers mean what.

An address is signed in 0.2 ms of CPU; a call of the full S3 client takes 2.
"""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import quote

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    TCPConnector,
)
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from yarl import URL

from runtime.bucket import Bucket
from runtime.errors import NotFound, Unavailable
from runtime.reach import Reach
from stores.answers import PIECE_BYTES, judge, unavailable

_SIGNED_SECONDS = 900
_CONNECT_SECONDS = 1.5
# No request waits longer than 2 s on a dead engine. Storage that is busy with an upload may be
# silent for longer: then it is asked for a sign of life, which has to come within this time.
_ANSWER_SECONDS = 1.5
_ALIVE_SECONDS = 1.5
_UNEASY_SECONDS = 0.3
_SILENCE_SECONDS = 20
_SLOWEST_BYTES_PER_SECOND = 2 * 1024 * 1024
_ATTEMPTS = 2  # every request may be repeated: keys are random or named for their content
_PAUSE_SECONDS = 0.1
_UPLOADS = 8  # as many fill a local engine; more only make each other wait
_KEPT_FREE = 2 * _UPLOADS  # connections that no reader gets, however many and slow they are
_TURN_SECONDS = 1.5

Body = Callable[[], AsyncIterable[bytes]]


class Request(NamedTuple):
    method: str
    key: str
    headers: Mapping[str, str]
    body: Body | None
    size_bytes: int
    by: float | None
    """When to give up, in Unix seconds. Whatever delays us, storage refuses it soon after that."""


class SignedBucket:
    """Open connections to the bucket."""

    def __init__(self, bucket: Bucket, connections: int) -> None:
        self._root = f"{bucket.endpoint}/{quote(bucket.name)}"
        self._credentials = Credentials(bucket.key, bucket.secret)
        self._connections = connections
        self._uploading = asyncio.Semaphore(_UPLOADS)
        self._reading = asyncio.Semaphore(connections - _KEPT_FREE)
        self._reach = Reach("objects-unavailable")
        self._silent_at = float("-inf")
        """When a request last had no answer, while none has had one since."""
        self._asking: asyncio.Task[bool] | None = None

    async def __aenter__(self) -> Self:
        self._session = ClientSession(
            connector=TCPConnector(limit=self._connections, keepalive_timeout=30),
            auto_decompress=False,
            read_bufsize=PIECE_BYTES,
        )
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        await self._session.close()

    async def put(self, key: str, headers: Mapping[str, str], body: Body, size_bytes: int) -> None:
        """Upload, a few at a time.

        Whoever waits for a turn learns from those who had one that nobody answers: turn by turn a
        crowd would wait for minutes.
        """
        began = time.monotonic()
        async with self._uploading:
            if self._silent_at >= began:
                raise unavailable("Object storage did not answer a moment ago.")
            async with self.sent("PUT", key, headers, body, size_bytes):
                pass

    async def answers(self) -> bool:
        """Whether storage answers now, within 1.5 s; one question for all who ask meanwhile."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._answers(), name="objects.answers")
        return await asyncio.shield(self._asking)

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(_ALIVE_SECONDS), self.sent("HEAD", ""):
                return True
        except (TimeoutError, NotFound, Unavailable):
            return False

    @asynccontextmanager
    async def sent(
        self,
        method: str,
        key: str,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        size_bytes: int = 0,
        *,
        by: float | None = None,
    ) -> AsyncIterator[ClientResponse]:
        """The answer to a request, of status 2xx; any other is raised as what it means."""
        request = Request(method, key, headers or {}, body, size_bytes, by)
        async with self._turn(request), await self._answered(request) as response:
            await judge(response, key)
            yield response

    @asynccontextmanager
    async def _turn(self, request: Request) -> AsyncIterator[None]:
        """A connection to read with, kept for as long as a slow reader takes; uploads have theirs.

        Whoever waited for one while storage fell silent is refused then, and not left to find out.
        """
        if not asks_by_reach(request):
            yield
            return
        try:
            async with asyncio.timeout(_TURN_SECONDS):
                await self._reading.acquire()
        except TimeoutError:
            detail = "Too many photos are being read."
            raise Unavailable("overloaded", detail, retry_after=2) from None
        try:
            yield
        finally:
            self._reading.release()

    async def _answered(self, request: Request) -> ClientResponse:
        """Whatever storage answers; `Unavailable` when it does not, or did not a moment ago."""
        started = time.monotonic()
        try:
            with self._reach.attempt() if asks_by_reach(request) else nullcontext():
                response = await self._answer(request)
        except (ClientError, TimeoutError, OSError) as error:
            self._silent_at = time.monotonic()
            self._reach.fell_silent(started)
            raise unavailable(f"Object storage does not answer: {type(error).__name__}.") from error
        self._silent_at = float("-inf")
        self._reach.answered()
        return response

    async def _answer(self, request: Request) -> ClientResponse:
        for _ in range(_ATTEMPTS - 1):
            try:
                response = await self._send(request)
            except (ClientConnectorError, TimeoutError):
                raise  # nobody there; it would only take as long again
            except (ClientError, OSError):
                continue  # an idle connection that was being closed, most likely
            if response.status < 500 and response.status != 409:
                return response
            response.release()
            await asyncio.sleep(_PAUSE_SECONDS)
        return await self._send(request)

    async def _send(self, request: Request) -> ClientResponse:
        if request.body is None:
            # No total: whoever reads may be slow.
            timeout = ClientTimeout(sock_connect=_CONNECT_SECONDS, sock_read=_ANSWER_SECONDS)
            return await self._session.request(
                request.method, self._signed(request), headers=request.headers, timeout=timeout
            )
        timeout = ClientTimeout(
            total=_SILENCE_SECONDS + request.size_bytes / _SLOWEST_BYTES_PER_SECOND,
            sock_connect=_CONNECT_SECONDS,
        )
        progress = Progress(request.body())
        return await self._unless_dead(
            progress,
            self._session.request(
                request.method,
                self._signed(request),
                headers={**request.headers, "Content-Length": str(request.size_bytes)},
                data=progress.pieces(),
                timeout=timeout,
            ),
        )

    async def _unless_dead(
        self, progress: "Progress", sending: Awaitable[ClientResponse]
    ) -> ClientResponse:
        """The answer, unless nothing moves and storage is silent to a question beside it, too."""
        request = asyncio.ensure_future(sending)
        try:
            while not (await asyncio.wait({request}, timeout=_UNEASY_SECONDS))[0]:
                moved, asking = progress.taken, asyncio.ensure_future(self.answers())
                await asyncio.wait({request, asking}, return_when=asyncio.FIRST_COMPLETED)
                if request.done():
                    asking.cancel()
                elif not asking.result() and moved == progress.taken:
                    raise TimeoutError
            return request.result()
        finally:
            request.cancel()

    def _signed(self, request: Request) -> URL:
        by = request.by
        seconds = _SIGNED_SECONDS if by is None else int(by - time.time())
        unsigned = AWSRequest(request.method, f"{self._root}/{quote(request.key)}".rstrip("/"))
        S3SigV4QueryAuth(self._credentials, "s3", "us-east-1", expires=seconds).add_auth(unsigned)
        # Asked only now: the moment it was signed at is no later, whenever it is sent.
        if by is not None and time.time() >= by:
            raise unavailable("It is too late for this request.")
        return URL(unsigned.url, encoded=True)


class Progress:
    """A body on its way, and how many pieces of it were taken."""

    def __init__(self, body: AsyncIterable[bytes]) -> None:
        self.taken = 0
        self._body = body

    async def pieces(self) -> AsyncIterator[bytes]:
        async for piece in self._body:
            self.taken += 1
            yield piece


def asks_by_reach(request: Request) -> bool:
    """All but uploads, which may be silent for long, and the question for a sign of life."""
    return request.body is None and request.key != ""
