"""What the faults are worth depends on the proxy doing what it says."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from runtime.connections import open_cache, open_database, open_redis
from stores.objects import Objects
from tests.faults.proxy import Proxy, proxied

ENDED = (ConnectionError, asyncio.IncompleteReadError)


class Echo:
    """A server that repeats each line, and remembers what it heard and how it ended."""

    def __init__(self):
        self.heard = []
        self.ended = asyncio.Event()

    async def serve(self, reader, writer):
        try:
            while line := await reader.readline():
                self.heard.append(line)
                writer.write(line)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self.ended.set()
            writer.close()


@pytest.fixture(params=["unix", "tcp"])
async def echo(request, tmp_path_factory):
    """The server, and a proxy before it."""
    echo = Echo()
    if request.param == "unix":
        upstream = tmp_path_factory.mktemp("e") / "s"
        server = await asyncio.start_unix_server(echo.serve, upstream)
    else:
        server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
        upstream = server.sockets[0].getsockname()[:2]
    async with server, Proxy(upstream) as proxy:
        yield echo, proxy


@asynccontextmanager
async def connected(proxy):
    if isinstance(proxy.address, tuple):
        reader, writer = await asyncio.open_connection(*proxy.address)
    else:
        reader, writer = await asyncio.open_unix_connection(proxy.address)
    try:
        yield reader, writer
    finally:
        writer.close()


async def said(line, text):
    """What comes back for the text; an ended connection raises."""
    reader, writer = line
    writer.write(text)
    async with asyncio.timeout(5):
        return await reader.readexactly(len(text))


async def is_silent(line, text, seconds=0.3):
    reader, writer = line
    writer.write(text)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await reader.read(1)
    return True


async def test_bytes_pass_both_ways_until_told_otherwise(echo):
    async with connected(echo[1]) as line:
        assert await said(line, b"one\n") == b"one\n"
        assert await said(line, b"x" * 50_000 + b"\n")


async def test_refused_is_a_stopped_engine_and_healed_is_one_back_at_its_address(echo):
    """Open connections end, new ones are refused; the address stays the same."""
    _, proxy = echo
    address = proxy.address
    async with connected(proxy) as line:
        assert await said(line, b"one\n")
        await proxy.refuse()
        assert proxy.touched == 1
        with pytest.raises(ENDED):
            await said(line, b"two\n")
        with pytest.raises(OSError):
            async with connected(proxy):
                pass
        await proxy.heal()
        async with connected(proxy) as other:
            assert await said(other, b"three\n")
    assert proxy.address == address


async def test_stalled_accepts_and_never_answers_and_what_was_sent_arrives_at_last(echo):
    """As with a frozen process, whose kernel keeps what it was sent."""
    server, proxy = echo
    async with connected(proxy) as line:
        assert await said(line, b"one\n")
        proxy.stall()
        assert await is_silent(line, b"two\n")
        async with connected(proxy) as other:
            assert await is_silent(other, b"other\n")
        assert server.heard == [b"one\n"]
        assert proxy.touched == 2

        await proxy.heal()

        async with asyncio.timeout(5):
            assert await line[0].readline() == b"two\n"
    async with asyncio.timeout(5):
        while b"other\n" not in server.heard:  # noqa: ASYNC110 - its sender is gone
            await asyncio.sleep(0.01)


async def test_delayed_bytes_wait_that_long_each_way(echo):
    _, proxy = echo
    proxy.delay(0.1)
    async with connected(proxy) as line:
        began = asyncio.get_running_loop().time()
        assert await said(line, b"one\n")
        assert asyncio.get_running_loop().time() - began >= 0.2
        assert proxy.touched == 2


async def test_dropped_connections_end_and_new_ones_are_welcome(echo):
    _, proxy = echo
    async with connected(proxy) as line:
        assert await said(line, b"one\n")
        proxy.drop()
        assert proxy.touched == 1
        with pytest.raises(ENDED):
            await said(line, b"two\n")
    async with connected(proxy) as line:
        assert await said(line, b"three\n")


async def test_one_request_is_heard_and_its_answer_cut(echo):
    """The server did what was asked; its client cannot know; the next one is answered."""
    server, proxy = echo
    async with connected(proxy) as line:
        assert await said(line, b"one\n")
        proxy.cut_after_request()
        assert proxy.touched == 0
        with pytest.raises(ENDED):
            await said(line, b"two\n")
        assert proxy.touched == 1
    assert server.heard == [b"one\n", b"two\n"]
    async with connected(proxy) as line:
        assert await said(line, b"three\n")


async def test_half_closed_connections_ask_no_more(echo):
    """The server hears the end of requests; the client's later words are lost."""
    server, proxy = echo
    async with connected(proxy) as line:
        assert await said(line, b"one\n")
        proxy.half_close()
        assert proxy.touched == 1
        async with asyncio.timeout(5):
            await server.ended.wait()
        with pytest.raises(ENDED):
            await said(line, b"two\n")
    assert server.heard == [b"one\n"]


async def test_a_fault_on_a_line_that_nobody_uses_touches_nothing(echo):
    """And bytes that pass as they should are not counted either."""
    _, proxy = echo
    async with connected(proxy) as line:
        assert await said(line, b"one\n")
    async with asyncio.timeout(5):
        while proxy._lines:  # noqa: ASYNC110 - it learns of the end by itself
            await asyncio.sleep(0.01)
    proxy.drop()
    proxy.half_close()
    proxy.cut_after_request()
    proxy.stall()
    await proxy.refuse()
    await proxy.heal()
    assert proxy.touched == 0


async def test_a_site_works_through_proxies(settings):
    """Each engine's address leads through its proxy, for every role it has."""
    async with (
        proxied(settings) as (through, proxies),
        open_redis(through.log_url, 2, 1) as log,
        open_redis(through.cache_url, 2, 1) as cache,
        await open_database(through) as database,
        await open_database(through, reader=True) as reader,
        Objects(through.objects_url) as objects,
    ):

        async def answers():
            return [
                await log.ping(),
                await cache.ping(),
                await database.fetchval("SELECT 1"),
                await reader.fetchval("SELECT 1"),
                [each async for each in objects.list("nothing/")] == [],
            ]

        assert all(await answers())

        proxies["log"].stall()
        with pytest.raises(RedisTimeoutError):
            await log.ping()
        await proxies["cache"].refuse()
        with pytest.raises(RedisConnectionError):
            await cache.ping()
        for proxy in proxies.values():
            await proxy.heal()

        assert all(await answers())


async def test_an_engine_may_restart_behind_its_proxy(engines, settings):
    """Its connections end with it, and new ones reach the new process."""
    async with proxied(settings) as (through, _), open_cache(through) as cache:
        assert await cache.ping()
        await asyncio.to_thread(engines.kill, "cache")
        with pytest.raises(RedisConnectionError):
            await cache.ping()
        await asyncio.to_thread(engines.start, "cache")
        assert await cache.ping()
