"""Past aiohttp, a connection still is one: answers in their order, none lost, an orderly end."""

import asyncio
import re
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from gateway.inflight import REQUESTS
from gateway.keys import FEEDS, READER
from gateway.listening import listening
from tests.gateway.expressing import pages, warm
from tests.gateway.feeding import Client, app_of, follow, opening, publish, token_of
from tests.gateway.serving import until

POSTS = 12


@pytest.fixture
async def client(settings, log_client, reader_database, database):
    """Bob's page is in memory."""
    async with opening(settings, log_client, reader_database, database) as opened:
        await follow(database)
        for ms in range(POSTS):
            await publish(database, ms=ms + 2)
        made = await opened()
        assert len(await warm(made)) == POSTS
        yield made


def request(client, query="", more=""):
    lines = (
        f"GET /v1/feed{query} HTTP/1.1",
        "Host: h",
        f"Authorization: Bearer {token_of(client.app)}",
    )
    return ("\r\n".join(lines) + f"\r\n{more}\r\n").encode()


async def answer_from(reader):
    """Status, and how many posts there are."""
    head = await reader.readuntil(b"\r\n\r\n")
    size = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
    body = await reader.readexactly(size)
    return int(head[9:12]), body.count(b'"caption"')


@asynccontextmanager
async def connected(client):
    """A connection that has had an answer, as later requests find it; reader, writer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    try:
        served = pages(client, "served")
        for _ in range(2):
            writer.write(request(client))
            assert await answer_from(reader) == (200, POSTS)
        assert pages(client, "served") > served
        yield reader, writer
    finally:
        writer.transport.abort()


def held_back(client, seconds):
    """Whatever the cache is asked for pages is answered later."""
    link = client.app[FEEDS]._link
    return asyncio.create_task(link.call("BLPOP", "nothing", seconds))


async def on_their_way(client, count):
    await until(lambda: client.app[REQUESTS].count == count)


async def test_answers_come_in_the_order_of_requests(client):
    """Sent at once, one by one, in pieces, or while an earlier one is on its way."""
    async with asyncio.timeout(10), connected(client) as (reader, writer):
        writer.write(b"".join(request(client, f"?limit={n}") for n in (3, 1, 2)))
        assert [await answer_from(reader) for _ in range(3)] == [(200, 3), (200, 1), (200, 2)]

        holding = held_back(client, 0.3)
        for n in (4, 2, 3):
            sent = request(client, f"?limit={n}")
            for piece in (sent[:20], sent[20:90], sent[90:]):
                writer.write(piece)
                await asyncio.sleep(0.01)
        assert [await answer_from(reader) for _ in range(3)] == [(200, 4), (200, 2), (200, 3)]
        await holding


async def test_each_way_may_follow_the_other(client):
    """Pages, refusals and what is closed after it, on one connection."""
    async with asyncio.timeout(10), connected(client) as (reader, writer):
        for query, expected in (
            ("?limit=2", (200, 2)),
            ("?limit=0", (422, 0)),
            ("?limit=3", (200, 3)),
            ("s", (404, 0)),
            ("", (200, POSTS)),
        ):
            writer.write(request(client, query))
            assert await answer_from(reader) == expected
        writer.write(request(client, more="Connection: close\r\n"))
        assert await answer_from(reader) == (200, POSTS)
        assert await reader.read() == b""


async def test_what_follows_a_page_is_parsed_as_ever(client):
    """What is no HTTP, behind a page that is on its way: it is answered, then this is refused."""
    async with asyncio.timeout(10), connected(client) as (reader, writer):
        holding = held_back(client, 0.2)
        writer.write(request(client, "?limit=2"))
        await on_their_way(client, 1)
        writer.write(b"NO SUCH THING\r\n\r\n")
        assert await answer_from(reader) == (200, 2)
        assert (await answer_from(reader))[0] == 400
        assert await reader.read() == b""
        await holding


async def test_a_lost_cache_loses_no_answer(client, cache_client):
    """Pages on their way when the connection is cut go the ordinary way."""
    async with asyncio.timeout(10), AsyncExitStack() as stack:
        asking = [await stack.enter_async_context(connected(client)) for _ in range(3)]
        holding = held_back(client, 5)
        left = pages(client, "left")
        for _, writer in asking:
            writer.write(request(client))
        await on_their_way(client, 3)
        await cache_client.client_kill_filter(_type="normal", skipme=True)
        assert [await answer_from(reader) for reader, _ in asking] == [(200, POSTS)] * 3
        assert pages(client, "left") == left + 3
        await asyncio.gather(holding, return_exceptions=True)
    assert client.app[REQUESTS].count == 0


async def test_a_client_that_leaves_gives_its_place_back(client):
    """Its page is thrown away when it comes; others get theirs."""
    async with asyncio.timeout(10), connected(client) as (reader, writer):
        holding = held_back(client, 0.3)
        async with connected_without_asking(client) as leaving:
            leaving.write(request(client))
            writer.write(request(client, "?limit=5"))
            await on_their_way(client, 2)
        assert await answer_from(reader) == (200, 5)
        await holding
        await on_their_way(client, 0)


@asynccontextmanager
async def connected_without_asking(client):
    _, writer = await asyncio.open_connection("127.0.0.1", client.port)
    await asyncio.sleep(0)
    yield writer
    writer.transport.abort()


async def test_who_reads_nothing_is_not_read_either(client):
    """Of requests whose answers nobody takes, the kernel keeps some, and this process few."""
    sent = request(client) * 20
    asked = 0
    async with asyncio.timeout(30), connected(client) as (reader, writer):
        writer.transport.set_write_buffer_limits(high=0)
        while asked < 100_000:
            writer.write(sent)
            asked += 20
            try:
                async with asyncio.timeout(0.5):
                    await writer.drain()
            except TimeoutError:
                break
        assert asked < 100_000
        for _ in range(100):
            assert await answer_from(reader) == (200, POSTS)


@pytest.mark.parametrize("seconds", [0.2, 5])
async def test_a_stop_waits_for_pages_on_their_way(
    settings, log_client, reader_database, client, seconds
):
    """They are answered, one way or the other; then the connection ends."""
    app = app_of(settings, log_client)
    app[READER] = reader_database
    async with asyncio.timeout(20), AsyncExitStack() as stack:
        async with listening(app, port=0) as server:
            stopping = Client(app, None, server.sockets[0].getsockname()[1])
            reader, writer = await stack.enter_async_context(connected(stopping))
            holding = held_back(stopping, seconds)
            writer.write(request(stopping))
            await on_their_way(stopping, 1)
        assert await answer_from(reader) == (200, POSTS)
        assert await reader.read() == b""
        await asyncio.gather(holding, return_exceptions=True)
