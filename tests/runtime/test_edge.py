import asyncio
import json
import socket
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from runtime.engines import nginx
from runtime.engines.place import Place


class Gateway:
    """Stands where a gateway would: remembers what it was sent, hangs up when asked to."""

    def __init__(self, path):
        self.path = path
        self.requests = []
        self.body = b""
        self.hangs_up = False

    async def answer(self, reader, writer):
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        if not self.hangs_up:
            size = sum(int(each) for each in header_of(self.requests[-1], "content-length"))
            self.body = await reader.readexactly(size)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            await writer.drain()
        writer.close()

    @asynccontextmanager
    async def listening(self):
        async with await asyncio.start_unix_server(self.answer, self.path):
            yield self


class Edge:
    """A real nginx with the site's own configuration before two gateways of each side."""

    def __init__(self, port, place):
        self.port = port
        self.readers, self.writers = (
            [Gateway(place.sockets / f"gateway-{side}-{number}.sock") for number in range(2)]
            for side in ("read", "write")
        )

    async def send(self, *lines, host="site", body=b""):
        """The status, headers and body that come back for these lines of a request."""
        named = [*lines, f"Host: {host}"] if host else lines
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write("\r\n".join([*named, "Connection: close", "", ""]).encode() + body)
            async with asyncio.timeout(5):
                head = (await reader.readuntil(b"\r\n\r\n")).decode().strip()
                status, *rest = head.split("\r\n")
                headers = dict(each.split(": ", 1) for each in rest)
                size = 0 if lines[0].startswith("HEAD ") else int(headers["Content-Length"])
                body = await reader.readexactly(size)
        finally:
            writer.close()
        return int(status.split()[1]), headers, body


@pytest.fixture
async def edge(tmp_path):
    with tempfile.TemporaryDirectory() as sockets, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        place = Place(tmp_path, Path(sockets))
        place.folder("logs")
        nginx.prepare(place, port=port, readers=2, writers=2)
        edge = Edge(port, place)
        async with AsyncExitStack() as stack:
            for each in (*edge.readers, *edge.writers):
                await stack.enter_async_context(each.listening())
            await stack.enter_async_context(running(tmp_path, port))
            yield edge


@asynccontextmanager
async def running(folder, port):
    """Serve on this folder's configuration, once it accepts."""
    arguments = ("-p", str(folder), "-e", "logs/nginx.log", "-c", "conf/nginx.conf")
    process = await asyncio.create_subprocess_exec(nginx.binary(), *arguments)
    try:
        async with asyncio.timeout(10):
            while process.returncode is None and not accepts(port):  # noqa: ASYNC110 - nginx says nothing
                await asyncio.sleep(0.01)
        yield
    finally:
        process.terminate()
        await process.wait()


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def header_of(request, name):
    """All values that a gateway was sent for this header."""
    lines = request.decode().split("\r\n")
    return [line.split(": ", 1)[1] for line in lines if line.lower().startswith(f"{name}: ")]


async def test_a_client_does_not_choose_its_own_address(edge):
    """A gateway hears the peer's address, whatever the client says of itself."""
    for line in ("GET / HTTP/1.1", "POST / HTTP/1.1"):
        await edge.send(line, "X-Real-IP: 192.0.2.1", "X-Forwarded-For: 192.0.2.1")

    (read,) = [each for gateway in edge.readers for each in gateway.requests]
    (written,) = [each for gateway in edge.writers for each in gateway.requests]
    for request in (read, written):
        assert header_of(request, "x-real-ip") == ["127.0.0.1"]
        assert b"192.0.2.1" not in request


@pytest.mark.parametrize(
    ("lines", "host", "status", "code"),
    [
        (["GET / HTTP/1.1"], None, 400, "bad-request"),
        (["nonsense"], "site", 400, "bad-request"),
        (["GET /%zz HTTP/1.1"], "site", 400, "bad-request"),
        (["GET /v1/accounts/%00 HTTP/1.1"], "site", 400, "bad-request"),
        (["OPTIONS * HTTP/1.1"], "site", 400, "bad-request"),
        (["POST / HTTP/1.1", "Content-Length: x"], "site", 400, "bad-request"),
        (["GET /refusal HTTP/1.1"], "site", 404, "not-found"),
        (["TRACE / HTTP/1.1"], "site", 405, "method-not-allowed"),
        (["CONNECT site:80 HTTP/1.1"], "site", 405, "method-not-allowed"),
        (["POST / HTTP/1.1", "Content-Length: 999999999"], "site", 413, "too-large"),
        ([f"GET /{'x' * 40_000} HTTP/1.1"], "site", 414, "uri-too-long"),
        (
            ["GET / HTTP/1.1", f"X: {'x' * 40_000}"],
            "site",
            431,
            "request-header-fields-too-large",
        ),
        (["POST / HTTP/1.1", "Transfer-Encoding: x"], "site", 501, "not-implemented"),
        (["GET / HTTP/9.9"], "site", 505, "http-version-not-supported"),
    ],
    ids=lambda value: None if isinstance(value, int) else str(value)[:40],
)
async def test_nginx_refuses_as_gateways_do(edge, lines, host, status, code):
    """What never reaches a gateway is a problem document too, with an id to ask about."""
    answered, headers, body = await edge.send(*lines, host=host)
    problem = json.loads(body)

    assert (answered, problem["status"]) == (status, status)
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["X-Request-Id"] == problem["instance"] != ""
    assert ("Allow" in headers) == (status == 405)
    assert (problem["code"], problem["type"]) == (code, f"/problems/{code}")
    assert problem["title"]
    assert problem["detail"]
    assert not any(each.requests for each in (*edge.readers, *edge.writers))


@pytest.mark.parametrize(("given", "kept"), [("abc-1", True), ("a b", False), ("", False)])
async def test_a_request_has_one_id(edge, given, kept):
    """The client's id, if it is a sane one, is the gateway's and that of nginx's own answers."""
    for each in edge.writers:
        each.hangs_up = True
    _, headers, body = await edge.send("POST / HTTP/1.1", f"X-Request-Id: {given}")
    (request,) = [each for gateway in edge.writers for each in gateway.requests]

    assert header_of(request, "x-request-id") == [headers["X-Request-Id"]]
    assert json.loads(body)["instance"] == headers["X-Request-Id"]
    assert (headers["X-Request-Id"] == given) == kept


@pytest.mark.parametrize("sent", [b"", b"x" * 3_000_000], ids=["nothing", "megabytes"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_command_cut_short_is_never_sent_again(edge, method, sent):
    """A gateway that dies over a command may have recorded it: the client is told just that."""
    for each in edge.writers:
        each.hangs_up = True
    for _ in range(2):
        status, headers, body = await edge.send(
            f"{method} /v1/x HTTP/1.1", f"Content-Length: {len(sent)}", body=sent
        )

        assert (status, headers["Retry-After"]) == (503, "2")
        assert json.loads(body)["code"] == "unknown-outcome"

    assert sum(len(each.requests) for each in edge.writers) == 2


async def test_a_body_streams_through(edge):
    """A command's way through nginx's own error page costs it nothing."""
    sent = bytes(range(256)) * 20_000
    length = f"Content-Length: {len(sent)}"
    status, _, _ = await edge.send("POST /v1/posts?a=%2F HTTP/1.1", length, body=sent)
    (gateway,) = [each for each in edge.writers if each.requests]

    assert status == 200
    assert gateway.requests[0].startswith(b"POST /v1/posts?a=%2F HTTP/1.1\r\n")
    assert gateway.body == sent


async def test_a_command_that_no_gateway_got_was_not_recorded(edge):
    """A new command finds the gateway that is left; with none, it surely came to nothing."""
    edge.writers[0].path.unlink()
    for _ in range(2):
        assert (await edge.send("POST / HTTP/1.1", "Content-Length: 0"))[0] == 200

    edge.writers[1].path.unlink()
    for method in ("POST", "PUT"):
        status, headers, body = await edge.send(f"{method} / HTTP/1.1", "Content-Length: 0")
        assert (status, headers["Retry-After"]) == (503, "2")
        assert json.loads(body)["code"] == "unavailable"


async def test_a_question_is_asked_of_the_next_gateway(edge):
    """GET and HEAD survive one gateway's death, and are `unavailable` after that of all."""
    edge.readers[0].hangs_up = True
    for method in ("GET", "HEAD", "GET"):
        assert (await edge.send(f"{method} / HTTP/1.1"))[0] == 200
    assert edge.readers[0].requests

    edge.readers[1].hangs_up = True
    status, headers, body = await edge.send("GET / HTTP/1.1")
    assert (status, headers["Retry-After"]) == (503, "2")
    assert json.loads(body)["code"] == "unavailable"
