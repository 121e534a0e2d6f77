"""The express way answers as the ordinary way does, byte for byte, and knows when not to."""

import pytest

from gateway.keys import FEEDS, NOTICES
from stores.feeds import Push
from tests.gateway.expressing import express, ordinary, pages, warm
from tests.gateway.feeding import BOB, EVE, NOW, all_pages, follow, ids_of, publish, read

OF_THE_MOMENT = {"x-request-id", "date", "ratelimit-remaining", "ratelimit-reset", "connection"}


@pytest.fixture
async def client(open_client, database):
    """Bob follows Ada, whose nine posts are within the gateway's memory."""
    await follow(database)
    for ms in range(2, 11):
        await publish(database, ms=ms)
    opened = await open_client()
    assert len(await warm(opened)) == 9
    return opened


def headers_of(response):
    said = {name.lower(): value for name, value in response.headers.items()}
    assert OF_THE_MOMENT - {"connection"} <= said.keys()
    return {name: value for name, value in said.items() if name not in OF_THE_MOMENT}


async def queries(client):
    """Every form that a page is asked for in."""
    _, body = await ordinary(client, limit=4)
    cursor = body["next"]
    _, body = await ordinary(client, limit=8)
    last = body["next"]
    return (
        {},
        {"limit": "4"},
        {"limit": "009"},
        {"cursor": cursor},
        {"limit": "3", "cursor": cursor},
        {"cursor": cursor, "limit": "3"},
        {"cursor": last},
        {"cursor": ""},
    )


async def test_both_ways_answer_the_same(client):
    """Body, status and headers, but for what is of the moment; first pages, deep ones, the last."""
    for query in await queries(client):
        fast, fast_body = await express(client, **query)
        slow, slow_body = await ordinary(client, **query)

        assert fast_body == slow_body, query
        assert headers_of(fast) == headers_of(slow), query
        assert fast.status == slow.status == 200


async def test_an_empty_feed_is_the_same_too(client):
    """Nobody is followed: no item, no cursor, no link."""
    await ids_of(client, EVE)
    (fast, fast_body), (slow, slow_body) = await express(client, EVE), await ordinary(client, EVE)

    assert fast_body == slow_body == {"items": [], "next": None}
    assert headers_of(fast) == headers_of(slow)


async def test_all_pages_are_the_feed(client):
    """Page by page the express way comes to the end, with no hole and no double."""
    whole = await ids_of(client)
    for limit in (1, 2, 4, 9):
        served = pages(client, "served")
        assert await all_pages(client, limit) == whole
        assert pages(client, "served") > served


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"limit": "0"}, 422),
        ({"limit": "101"}, 422),
        ({"limit": "x"}, 422),
        ({"cursor": "AAAA"}, 422),
        ({"order": "ranked"}, 422),
        ({"order": "recent"}, 200),
        ({"unknown": "1"}, 200),
    ],
)
async def test_what_is_not_plain_is_left_alone(client, query, status):
    """A wrong parameter is refused in words; one that nobody knows changes nothing."""
    response, body = await ordinary_by_itself(client, **query)

    assert response.status == status
    assert status == 200 or body["code"].startswith("bad-")


async def ordinary_by_itself(client, **query):
    served = pages(client, "served")
    answer = await read(client, **query)
    assert pages(client, "served") == served
    return answer


async def test_each_read_costs_one_of_the_allowance(open_client, database):
    """Whichever way it goes, and also when it begins on one and ends on the other."""
    client = await open_client(limit_reads=5)
    await follow(database)
    await publish(database, ms=5)
    left = [(await read(client))[0].headers["RateLimit-Remaining"] for _ in range(3)]
    left.append((await ordinary(client))[0].headers["RateLimit-Remaining"])
    left.append((await express(client))[0].headers["RateLimit-Remaining"])
    response, body = await read(client)

    assert left == ["4", "3", "2", "1", "0"]
    assert (response.status, body["code"]) == (429, "too-many-requests")


async def test_what_memory_lacks_is_read_the_ordinary_way(client, database):
    """A post that came since: its cards are fetched once, and from then on it goes express."""
    before = await ids_of(client)
    post_id = await publish(database, ms=99)
    await client.app[FEEDS].push([Push(NOW + 99, post_id, [BOB])])
    left = pages(client, "left")
    assert await ids_of(client) == [post_id, *before]
    assert pages(client, "left") == left + 1

    _, body = await express(client)
    assert [int(each["id"]) for each in body["items"]] == [post_id, *before]


async def test_nobody_is_recognised_before_notices_are_known(client):
    """As on any route: a token may have been ended."""
    client.app[NOTICES].known.clear()
    response, body = await read(client)

    assert (response.status, body["code"]) == (503, "starting")
