"""A gateway takes in no more than it can hold, and says so while it still can."""

import asyncio
import time

import pytest
from aiohttp import web

from events.ids import Position
from events.log import stream_key
from gateway import connections
from gateway.canonical import every_request, finish_headers
from gateway.inflight import REQUESTS, UPLOADS, InFlight
from gateway.listening import listening
from gateway.room import ROLE, WAITING, look_at_waiting
from runtime.errors import Unavailable
from tests.gateway.publishing import JPEG, submit
from tests.gateway.serving import serving, until
from tests.gateway.uploading import HEAD, Uploader, raw_answer

MEBIBYTE = 2**20


async def test_requests_beyond_the_bound_are_told_to_come_back(settings, clean_site):
    """503 with Retry-After, for reads and commands alike; a place is free when one ends."""
    async with serving(settings.replace(most_requests=2)) as gateway:
        ada = await gateway.sign_up("ada")
        places = gateway.app[REQUESTS]
        held = [await half_a_command(gateway, ada) for _ in range(2)]
        await until(lambda: places.count == 2)

        for method, path in (("GET", "/v1/feed"), ("PATCH", "/v1/me"), ("GET", "/openapi.json")):
            answer = await gateway.ask(method, path, ada)
            assert (answer.status, answer.body["code"]) == (503, "overloaded")
            assert int(answer.headers["Retry-After"]) >= 1
            assert "RateLimit-Remaining" not in answer.headers  # it cost none

        held[0].close()
        await until(lambda: places.count == 1)
        assert (await gateway.ask("GET", "/v1/feed", ada)).status == 200
        held[1].close()
        await until(lambda: places.count == 0)


async def test_uploads_that_find_no_place_cost_no_allowance(settings, clean_site):
    """The settings bound them in number and in announced bytes; both are told before the body."""
    few = settings.replace(most_uploads=1, most_upload_mebibytes=256, limit_uploads=5)
    async with serving(few) as gateway:
        ada = Uploader(gateway, await gateway.sign_up("ada"))
        with gateway.app[UPLOADS].admit(250 * MEBIBYTE):
            answer = await raw_answer(ada, "Content-Length: 1000\r\n", HEAD)
            assert b" 503 " in answer.splitlines()[0]
            assert b"Retry-After:" in answer
            assert b"overloaded" in answer
            gateway.app[UPLOADS].most = 2
            answer = await raw_answer(ada, f"Content-Length: {7 * MEBIBYTE}\r\n", HEAD)
            assert b" 503 " in answer.splitlines()[0]

        response, _ = await ada.send(("photo", JPEG))
        assert (response.status, response.headers["RateLimit-Remaining"]) == (202, "4")


def test_when_to_come_back_is_how_long_one_takes():
    """Measured on those that ended lately, in whole seconds, at most a minute."""
    places = InFlight("things", 1)
    entered = places.enter()
    with pytest.raises(Unavailable) as refused:
        places.enter()
    assert refused.value.retry_after == 2

    for _ in range(200):
        places.leave(entered - 7.5)
        places.enter()
    assert places.retry_after() == 8
    for _ in range(200):
        places.leave(entered - 500)
        places.enter()
    assert places.retry_after() == 60
    assert places.count == 1


async def test_uploads_that_would_wait_for_ever_are_not_accepted(settings, log_client):
    """While the next in turn has waited for over the bound; what nobody begins, fills storage."""
    async with serving(settings.replace(most_wait_seconds=60)) as gateway:
        person = await gateway.sign_up("ada")
        ada = Uploader(gateway, person)
        stream = stream_key("posts", 0)
        old = str(Position(int(time.time() * 1000) - 61_000, 0))
        await log_client.xgroup_create(stream, ROLE, id="0", mkstream=True)
        await log_client.xadd(stream, {"type": "post.submitted"}, id=old)
        await look_at_waiting(gateway.app)

        assert gateway.app[WAITING].seconds > 60
        answer = await raw_answer(ada, "Content-Length: 9999999\r\n", HEAD)
        assert b" 503 " in answer.splitlines()[0]
        assert b"Retry-After: 60" in answer
        assert (await gateway.ask("PATCH", "/v1/me", person, json={"bio": "x"})).status == 202

        # Begun, if not yet done: what comes now will be next.
        await log_client.xreadgroup(ROLE, "somebody", {stream: ">"})
        await look_at_waiting(gateway.app)
        assert await submit(gateway, person)


async def test_work_that_nobody_ever_read_does_not_wait(settings, log_client):
    """Without the group, or with groups of others alone, nothing is said of waiting."""
    async with serving(settings) as gateway:
        old = str(Position(1, 0))
        for partition, group in ((0, None), (1, "posts")):
            stream = stream_key("posts", partition)
            await log_client.xadd(stream, {"type": "post.submitted"}, id=old)
            if group:
                await log_client.xgroup_create(stream, group, id="0")
        await look_at_waiting(gateway.app)

        assert gateway.app[WAITING].seconds == 0


@pytest.mark.parametrize("reads", [True, False])
async def test_who_does_not_read_is_cut(monkeypatch, reads):
    """A client that takes its answer slower than the least rate holds no place for long."""
    monkeypatch.setattr(connections, "GRACE_SECONDS", 0.3)
    monkeypatch.setattr(connections, "BYTES_PER_SECOND", 1e9)
    ended = asyncio.get_running_loop().create_future()

    async def many_bytes(request):
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            for _ in range(64):
                await response.write(bytes(MEBIBYTE))
            ended.set_result("whole")
        except ConnectionError:
            ended.set_result("cut")
        return response

    app = web.Application()
    app.router.add_get("/", many_bytes)
    async with listening(app, port=0) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        received = 0
        async with asyncio.timeout(20):
            while reads and received < 64 * MEBIBYTE:
                received += len(await reader.read(MEBIBYTE))
                await asyncio.sleep(0.01)  # longer than the grace in all
            assert await ended == ("whole" if reads else "cut")
        writer.close()


async def test_whoever_leaves_in_the_middle_is_no_fault_of_ours(monkeypatch):
    """An answer that nobody takes is no error in the log."""
    errors = []
    monkeypatch.setattr("gateway.canonical.lines", Lines(errors))
    started, left = asyncio.Event(), asyncio.Event()

    async def many_bytes(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(bytes(1000))
        started.set()
        await left.wait()
        while True:
            await response.write(bytes(MEBIBYTE))

    app = web.Application(middlewares=[every_request])
    app.on_response_prepare.append(finish_headers)
    app.router.add_get("/", many_bytes)
    async with listening(app, port=0) as server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(10):
            await started.wait()
            writer.transport.abort()
            left.set()
            (line,) = await errors_until_served(errors)

    assert (line["event_name"], line["status"]) == ("request.served", 499)


class Lines:
    """Stands where the log's lines go, and keeps them."""

    def __init__(self, kept):
        self.kept = kept

    def __getattr__(self, level):
        return lambda name, **fields: self.kept.append({"event_name": name, **fields})


async def errors_until_served(lines):
    await until(lambda: any(each["event_name"] == "request.served" for each in lines))
    return lines


async def half_a_command(gateway, person):
    """A command of which the body does not come yet; close it to let it end."""
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(
        f"PATCH /v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {person.token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{".encode()
    )
    return writer
