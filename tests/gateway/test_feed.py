"""What a feed promises its reader, on real engines, through HTTP."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from gateway import pulling
from gateway.keys import FEEDS
from stores.pushes import Push
from tests.gateway.feeding import (
    ADA,
    BOB,
    EVE,
    NOW,
    all_pages,
    follow,
    ids_of,
    publish,
    read,
)
from tests.gateway.serving import until


@pytest.fixture
async def client(open_client):
    return await open_client()


async def test_where_a_page_came_from_is_counted(client, database):
    """The first read builds the window, the next one hits it."""

    def counted():
        name = "heliograph_feed_slices_total"
        return [REGISTRY.get_sample_value(name, {"window": each}) for each in ("miss", "hit")]

    await follow(database)
    before = counted()
    await read(client)
    await read(client)

    await until(lambda: counted() == [before[0] + 1, before[1] + 1])


async def test_a_feed_shows_posts_of_followees(client, database):
    """Newest publication first, each as the API promises; own posts are not in it."""
    await follow(database)
    await publish(database, BOB, ms=9)
    first, second = await publish(database, ms=3), await publish(database, ms=7)

    for _ in ("built", "from its window"):
        response, body = await read(client)
        assert [int(each["id"]) for each in body["items"]] == [second, first]
        assert body["next"] is None
        assert "Heliograph-Degraded" not in response.headers
    post = body["items"][0]
    url = post["photos"][0]["renditions"][0].pop("url")
    assert url.startswith(f"/media/{second}/")
    assert post == {
        "id": str(second),
        "state": "published",
        "author": {
            "id": str(ADA),
            "username": f"u{ADA % 1000}",
            "display_name": "A name",
            "avatar": None,
        },
        "caption": "A caption",
        "created_at": post["created_at"],
        "published_at": post["published_at"],
        "edited_at": None,
        "photos": [
            {
                "width": 40,
                "height": 30,
                "alt": "An alt",
                "placeholder": "cGg=",
                "renditions": [{"width": 40, "height": 30, "type": "image/webp"}],
            }
        ],
        "counts": {"likes": 0, "comments": 0},
        "viewer": {"liked": False},
    }


@pytest.mark.parametrize("limit", [1, 7, 30, 100])
async def test_a_feed_has_no_wall(client, database, limit):
    """Paging runs from the window on into Postgres: nothing twice, nothing missing, then an end."""
    client.app[FEEDS].cap = 20
    await follow(database)
    await follow(database, BOB, EVE)
    posts = [await publish(database, (ADA, EVE)[n % 2], ms=n // 3, sequence=n) for n in range(60)]

    everything = sorted(posts, key=lambda each: (each_ms(each), each), reverse=True)
    assert await all_pages(client, limit) == everything
    assert await all_pages(client, limit) == everything


def each_ms(post_id):
    return post_id >> 23


async def test_a_page_is_undisturbed_by_new_posts(client, database):
    """A post published while one pages stands at the top of a fresh read, nowhere else."""
    await follow(database)
    posts = [await publish(database, ms=ms) for ms in range(12)]
    moments = iter(range(100, 200))

    async def pushed():
        ms = next(moments)
        post_id = await publish(database, ms=ms)
        await client.app[FEEDS].push([Push(NOW + ms, post_id, [BOB])])

    assert await all_pages(client, 5, between=pushed) == posts[::-1]


async def test_an_empty_feed_ends_at_once(client):
    """Whoever follows nobody gets an empty list and no cursor."""
    for _ in range(2):
        _, body = await read(client)
        assert body == {"items": [], "next": None}


async def test_a_window_is_built_once_however_many_ask(client, database, monkeypatch):
    """Twenty reads of an absent window read Postgres once."""
    await follow(database)
    await publish(database)
    asked, original = [], pulling.feed_pull

    async def counted(*arguments):
        asked.append(arguments)
        await asyncio.sleep(0.05)
        return await original(*arguments)

    monkeypatch.setattr(pulling, "feed_pull", counted)
    pages = await asyncio.gather(*(ids_of(client) for _ in range(20)))

    assert len(asked) == 1
    assert all(len(each) == 1 for each in pages)


async def test_bad_parameters_are_refused(client):
    """A cursor edited by hand, an order or a limit there is not: 422 with a code."""
    for query in ({"cursor": "abc"}, {"order": "ranked"}, {"limit": "0"}, {"limit": "101"}):
        response, body = await read(client, **query)
        assert response.status == 422
        assert body["code"].startswith("bad-")
