"""What the shared connection promises: all get their own reply, and nobody waits for long."""

import asyncio
import socket
import tempfile
from pathlib import Path

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
