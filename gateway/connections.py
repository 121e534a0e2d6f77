"""One client's connection: what aiohttp makes of it, and what goes past aiohttp.

It knows aiohttp's insides, all of them named in this file; tests/gateway/test_connections.py holds
each of them to what is done with it here.
"""

import asyncio
from http import HTTPStatus
from uuid import uuid4

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import LineTooLong

from gateway.canonical import request_id_of
from gateway.express import Express
from gateway.keys import REQUEST_ID
from gateway.problems import problem

# As for uploads, the other way round: what waits for a client to read it has this long, and a
# second more for each so many bytes.
GRACE_SECONDS = 20.0
BYTES_PER_SECOND = 4 * 1024


class Connection(web.RequestHandler):
    """What is not even HTTP is refused in our own words.

    Whoever does not read their answer is cut: it holds a place here, and bytes in memory.
    """

    express: Express | None = None
    _cut: asyncio.TimerHandle | None = None
    _on_its_way = False
    """A page goes the express way; nothing that came after its request is looked at before."""
    _came_after = b""
    _to_close = False

    def data_received(self, data: bytes) -> None:
        """Offer a request that comes alone, to a connection with nothing to do, to the express."""
        if self._on_its_way:
            self._came_after += data
            self._pause_transport_reading()
            return
        waiter = self._waiter
        idle = waiter is not None and not waiter.done() and not self._messages
        if waiter is None or not idle or self.express is None or self._upgraded or self._paused:
            super().data_received(data)
            return
        self._waiter = None  # what is parsed wakes nobody yet
        try:
            super().data_received(data)
        finally:
            self._waiter = waiter
        if self._messages and not self._goes_express(self.express):
            waiter.set_result(None)

    def _goes_express(self, express: Express) -> bool:
        message, payload = self._messages[0]
        if len(self._messages) > 1 or not isinstance(message, RawRequestMessage):
            return False
        self._on_its_way = express.take(message, payload, self._finish)
        if self._on_its_way:
            self._request_in_progress = True  # a shutdown waits for it
            self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        return self._on_its_way

    def _finish(self, answer: bytes | None) -> None:
        """Send the answer, or wake the ordinary way for the request, which has been kept."""
        self._on_its_way = False
        if answer is None and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        else:
            self._have_done(answer)
        if self._to_close:
            super().close()
        if self._came_after:
            data, self._came_after = self._came_after, b""
            self._resume_transport_reading()
            self.data_received(data)

    def _have_done(self, answer: bytes | None) -> None:
        """As aiohttp's `start` and `_handle_request` do when they have answered."""
        self._messages.clear()
        if self._parser is not None:
            self._parser.message_consumed()
        self._request_in_progress = False
        if self._handler_waiter is not None and not self._handler_waiter.done():
            self._handler_waiter.set_result(None)
        transport = self.transport
        if answer is not None and transport is not None and not transport.is_closing():
            transport.write(answer)

    def close(self) -> None:
        """No more requests; the one under way is answered first."""
        if self._on_its_way:
            self._to_close = True
        else:
            super().close()

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
