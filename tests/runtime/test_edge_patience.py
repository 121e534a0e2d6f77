"""Clients that are slow, through the real nginx: refused by the gateway behind it, in its words."""

import asyncio
import json
import re
import socket
import tempfile
from pathlib import Path

import pytest

from gateway import bodies, forms, listening, uploads
from gateway.app import build_app
from gateway.inflight import REQUESTS, UPLOADS
from gateway.keys import NOTICES
from runtime.engines import nginx
from runtime.engines.place import Place
from tests.gateway.serving import PASSWORD, until
from tests.gateway.uploading import HEAD, JPEG
from tests.runtime.test_edge import running


@pytest.fixture
async def edge(settings, clean_site, tmp_path, monkeypatch):
    """A real nginx before a gateway that takes both sides; its app, and the port to ask at."""
    monkeypatch.setattr(bodies, "SECONDS", 0.4)
    monkeypatch.setitem(listening.LIMITS, "lingering_time", 0.2)
    monkeypatch.setattr(uploads, "Pace", lambda: forms.Pace(grace_seconds=0.4))
    with tempfile.TemporaryDirectory() as sockets, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        place = Place(tmp_path, Path(sockets))
        place.folder("logs")
        nginx.prepare(place, port=port, readers=1, writers=1)
        app = build_app(settings, "all")
        listens = place.sockets / "gateway-write-0.sock"
        async with listening.listening(app, socket=listens), running(tmp_path, port):
            await until(lambda: app[NOTICES].ready)
            yield app, port


async def test_bodies_that_trickle_are_408(edge):
    """JSON and forms: a byte now and then is not waited for, and no place is held for it."""
    app, port = edge
    command = json.dumps({"username": "ada", "password": PASSWORD}).encode()
    status, answer = await send(port, "/v1/accounts", "", "application/json", command, len(command))
    assert status == 201
    token = f"Authorization: Bearer {answer['token']}\r\n"

    asked = (
        ("/v1/sessions", "", "application/json", b"{"),
        ("/v1/posts", token, "multipart/form-data; boundary=b", HEAD + JPEG[:500]),
    )
    for path, headers, kind, begun in asked:
        status, answer = await send(port, path, headers, kind, begun, 9_999, trickle=True)
        assert (status, answer["code"]) == (408, "too-slow")
        assert answer["instance"]
    await until(lambda: (app[REQUESTS].count, app[UPLOADS].count) == (0, 0))


async def send(port, path, headers, kind, begun, length, *, trickle=False):
    """POST the beginning of a body, and a byte now and then; the status and the JSON."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}"
        f"Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n".encode()
        + begun
    )

    async def keep_sending():
        while trickle:
            writer.write(b" ")
            await asyncio.sleep(0.05)

    sending = asyncio.create_task(keep_sending())
    try:
        async with asyncio.timeout(10):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(re.search(r"(?i)content-length: (\d+)", head)[1])
            body = await reader.readexactly(length)
    finally:
        sending.cancel()
        writer.close()
    return int(head.split()[1]), json.loads(body)
