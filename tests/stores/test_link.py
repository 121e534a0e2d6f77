"""What the shared connection promises: all get their own reply, and nobody waits for long."""

import asyncio
import socket
import tempfile
from pathlib import Path

import hiredis
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from runtime.connections import open_cache
from stores.link import Link


@pytest.fixture
async def link(cache_client):
    made = Link(cache_client, 0.5)
    yield made
    made.close()


async def test_everybody_gets_their_own_reply(link):
    """Also beside a command that is refused, and one whose asker has left."""
    impatient = asyncio.create_task(link.call("ECHO", "never heard"))
    await asyncio.sleep(0)
    impatient.cancel()
    replies = await asyncio.gather(
        *(link.call("ECHO", number) for number in range(500)),
        link.call("NO-SUCH-COMMAND"),
        link.call("ECHO", "last"),
        return_exceptions=True,
    )

    assert replies[:500] == [b"%d" % number for number in range(500)]
    assert isinstance(replies[500], ResponseError)
    assert replies[501] == b"last"


async def test_a_cut_connection_is_made_again(link, cache_client):
    """Those who wait hear of it; the next call connects anew."""
    waiting = asyncio.create_task(link.call("BLPOP", "nothing", 0))
    await link.call("PING")
    await cache_client.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(RedisConnectionError):
        await waiting

    assert await link.call("PING") == b"PONG"


async def test_a_silent_server_is_as_good_as_gone(settings):
    """All who wait on it are told within the time, by one timer."""
    path = Path(tempfile.mkdtemp(prefix="hang-"), "cache.sock")  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as never_accepts:
        never_accepts.bind(str(path))
        never_accepts.listen()
        async with open_cache(settings.replace(cache_url=f"unix://{path}")) as client:
            silent = Link(client, 0.05)
            async with asyncio.timeout(1):
                answers = await asyncio.gather(
                    *(silent.call("PING") for _ in range(3)), return_exceptions=True
                )
            assert all(isinstance(each, RedisConnectionError) for each in answers)
            silent.close()


async def test_whoever_fails_at_a_reply_fails_alone(link):
    """The loop is told; the replies behind it find their askers."""
    told, heard = [], []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    await link.call("PING")
    assert link.ask(("ECHO", "a"), lambda _: 1 / 0)
    assert link.ask(("ECHO", "b"), heard.append)
    assert link.ask(("NO-SUCH-COMMAND",), heard.append)

    assert await link.call("ECHO", "c") == b"c"
    assert [type(each["exception"]) for each in told] == [ZeroDivisionError]
    assert heard[0] == b"b"
    assert isinstance(heard[1], hiredis.ReplyError)


async def test_asking_waits_for_nobody(link, cache_client):
    """Unconnected, there is no asking; what is asked hears of the end, too."""
    heard = asyncio.get_running_loop().create_future()
    assert not link.ask(("PING",), heard.set_result)
    await link.call("PING")
    assert link.ask(("BLPOP", "nothing", 0), heard.set_result)
    await cache_client.client_kill_filter(_type="normal", skipme=True)

    assert isinstance(await heard, RedisConnectionError)
    assert not link.ask(("PING",), heard.set_result)
