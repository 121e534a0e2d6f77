"""What the log server refuses with means the same, whichever way the answer came."""

import asyncio

import pytest
from redis.exceptions import ResponseError

from events.posts import PostDeleted
from events.ways import Pooled, Shared, refusal_of
from runtime.errors import Unavailable
from runtime.outages import is_outage
from stores.link import Link


@pytest.fixture
def ways(log_client):
    link = Link(log_client, 1)
    yield [Pooled(log_client, 0), Shared(link)]
    link.close()


async def asked(way, *command):
    connection = await way.connected()
    try:
        return await way.exchange(connection, command)
    except ResponseError as error:
        return error
    finally:
        await way.release(connection)


@pytest.mark.parametrize(
    "command",
    [("ECHO", "x"), ("HGET", "none", "none"), ("NO-SUCH",), ("FCALL", "no_such", 0), ("GET", "h")],
)
async def test_both_ways_answer_alike(ways, log_client, command):
    """Values, and refusals as the same class of error."""
    await log_client.hset("h", "a", 1)
    pooled, shared = [await asked(way, *command) for way in ways]

    assert type(pooled) is type(shared)
    assert isinstance(pooled, ResponseError) or pooled == shared
    assert is_outage(pooled) == is_outage(shared)


@pytest.mark.parametrize("code", ["OOM", "LOADING", "READONLY", "MASTERDOWN", "NOPERM", "MISCONF"])
def test_a_server_that_cannot_now_is_an_outage(code):
    assert is_outage(refusal_of(f"{code} for a reason"))


async def test_a_full_log_is_told_over_a_shared_line(log, register, log_client):
    """Nothing is recorded, and the answer says why; with room again it is."""
    ada = await register("ada")
    link = Link(log_client, 1)
    log.share(link)
    await log.append(PostDeleted(post_id=1), actor=ada)
    limit = (await log_client.config_get("maxmemory"))["maxmemory"]
    await log_client.config_set("maxmemory", 1)
    try:
        with pytest.raises(Unavailable, match="log-full"):
            await log.append(PostDeleted(post_id=2), actor=ada)
    finally:
        await log_client.config_set("maxmemory", limit)

    appended = await asyncio.gather(
        *(log.append(PostDeleted(post_id=n), actor=ada) for n in range(50))
    )
    link.close()
    assert len({each.id for each in appended}) == 50
