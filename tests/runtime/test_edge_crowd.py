"""More requests at once than nginx has connections for are refused, not failed."""

import asyncio
import json
import socket
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from runtime.engines import nginx
from runtime.engines.place import Place
from tests.runtime.test_edge import Edge, running


class Silent:
    """A gateway that takes requests and does not answer."""

    async def answer(self, reader, writer):
        await reader.read()
        writer.close()


@pytest.fixture
async def edge(tmp_path):
    """The site's own configuration, but for its number of requests at once: two."""
    with tempfile.TemporaryDirectory() as sockets, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        place = Place(tmp_path, Path(sockets))
        place.folder("logs")
        nginx.prepare(place, port=port, readers=1, writers=1)
        written = tmp_path / "conf" / "nginx.conf"
        bound = "limit_conn site 1500;"
        assert bound in written.read_text()
        written.write_text(written.read_text().replace(bound, "limit_conn site 2;"))
        async with AsyncExitStack() as stack:
            for side in ("read", "write"):
                path = place.sockets / f"gateway-{side}-0.sock"
                server = await asyncio.start_unix_server(Silent().answer, path)
                await stack.enter_async_context(server)
            await stack.enter_async_context(running(tmp_path, port))
            yield Edge(port, place)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_beyond_its_bound_nginx_refuses_in_our_words(edge, method):
    """503 `overloaded` with Retry-After, for a command too: no gateway heard of it."""
    held = [await asyncio.open_connection("127.0.0.1", edge.port) for _ in range(2)]
    for _, writer in held:
        writer.write(b"GET /v1/feed HTTP/1.1\r\nHost: site\r\n\r\n")
    async with asyncio.timeout(5):
        status = 0
        while status != 503:  # nginx takes the two in its own time
            status, headers, body = await refusal_of(edge, method)

    problem = json.loads(body)
    assert (problem["code"], problem["status"]) == ("overloaded", 503)
    assert int(headers["Retry-After"]) > 0
    assert headers["X-Request-Id"] == problem["instance"]
    for _, writer in held:
        writer.close()


async def refusal_of(edge, method):
    """What comes back, or nothing while the request is held like the others."""
    try:
        async with asyncio.timeout(0.5):
            return await edge.send(f"{method} /v1/feed HTTP/1.1", "Content-Length: 0")
    except TimeoutError:
        return 0, {}, b""
