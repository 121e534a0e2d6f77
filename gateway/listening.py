"""Accepting connections: where, with which limits, and how it ends.

The limits are aiohttp's, named here once; malformed HTTP gets a problem document as all else does.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from gateway.canonical import request_id_of
from gateway.keys import REQUEST_ID
from gateway.problems import problem

# Longer than nginx keeps its own side, so it never writes into a connection being closed. For
# aiohttp this also is the time a client has for the first request's headers.
KEEPALIVE_SECONDS = 75.0
LINGERING_SECONDS = 5.0  # reading on after an early refusal, or clients see a reset instead of it
DRAIN_SECONDS = 30.0
# As for uploads, the other way round: what waits for a client to read it has this long, and a
# second more for each so many bytes.
GRACE_SECONDS = 20.0
BYTES_PER_SECOND = 4 * 1024
BACKLOG = 1_024
LIMITS: dict[str, Any] = {
    "access_log": None,
    "keepalive_timeout": KEEPALIVE_SECONDS,
    "lingering_time": LINGERING_SECONDS,
    "max_line_size": 8_190,
    "max_field_size": 8_190,
    "max_headers": 64,
    # A compressed body of a kilobyte may unpack to gigabytes; handlers refuse Content-Encoding.
    "auto_decompress": False,
}


class Connection(web.RequestHandler):
    """One client's connection. What is not even HTTP is refused in our own words.

    Whoever does not read their answer is cut: it holds a place here, and bytes in memory.
    """

    _cut: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """More waits to be read than the connection buffers; it has to be less in time."""
        super().pause_writing()
        if self.transport is not None:
            waits = self.transport.get_write_buffer_size() / BYTES_PER_SECOND
            self._cut = self._loop.call_later(GRACE_SECONDS + waits, self.transport.abort)

    def resume_writing(self) -> None:
        self._stay()
        super().resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stay()
        super().connection_lost(exc)

    def _stay(self) -> None:
        if self._cut is not None:
            self._cut.cancel()
            self._cut = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        del message  # it quotes what was sent
        if request.writer.output_size > 0:
            raise ConnectionAbortedError from exc
        kind = HTTPStatus(status)
        if isinstance(exc, LineTooLong):
            kind = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        response = plainly(kind, uuid4().hex)
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """An expectation nobody knows is refused by aiohttp, before any middleware."""
        if isinstance(resp, web.HTTPExpectationFailed) and isinstance(request, web.Request):
            request[REQUEST_ID] = request_id_of(request)
            resp = plainly(HTTPStatus.EXPECTATION_FAILED, request[REQUEST_ID])
        return await super().finish_response(request, resp, start_time)


def plainly(kind: HTTPStatus, request_id: str) -> web.Response:
    """A problem document that says no more than its status does."""
    code = kind.phrase.lower().replace(" ", "-")
    response = problem(kind, code, kind.description, request_id)
    response.headers["X-Request-Id"] = request_id
    return response


@asynccontextmanager
async def listening(
    app: web.Application,
    *,
    socket: Path | None = None,
    port: int | None = None,
    once: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[asyncio.Server]:
    """Serve the app on a unix socket or a loopback port; the end waits for active requests.

    `once`: what the app, already set up, is waited for before anybody may connect.
    """
    runner = web.AppRunner(app, shutdown_timeout=DRAIN_SECONDS, access_log=None)
    await runner.setup()
    server = runner.server
    if server is None:
        raise RuntimeError("the runner was set up and has a server")
    loop = asyncio.get_running_loop()

    def connected() -> Connection:
        return Connection(server, loop=loop, **LIMITS)

    listener: asyncio.Server | None = None
    try:
        if once is not None:
            await once()
        if socket is not None:
            listener = await loop.create_unix_server(connected, str(socket), backlog=BACKLOG)
        else:
            listener = await loop.create_server(
                connected, "127.0.0.1", port, backlog=BACKLOG, reuse_port=True
            )
        yield listener
    finally:
        if listener is not None:
            listener.close()
        await runner.cleanup()
