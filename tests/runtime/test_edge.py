import asyncio
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
        self.hangs_up = False

    async def answer(self, reader, writer):
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        if not self.hangs_up:
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

    async def send(self, *lines, host="site"):
        """The status, headers and body that come back for these lines of a request."""
        named = [*lines, f"Host: {host}"] if host else lines
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write("\r\n".join([*named, "Connection: close", "", ""]).encode())
            async with asyncio.timeout(5):
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
        status, *headers = head.decode().split("\r\n")
        return int(status.split()[1]), dict(each.split(": ", 1) for each in headers), body


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
