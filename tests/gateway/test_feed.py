"""What a feed promises its reader, on real engines, through HTTP."""

import asyncio
import time

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from events.accounts import ProfileEdited
from events.envelope import Delivery
from events.graph import FollowAccepted, FollowRequested, Unfollowed
from events.ids import EPOCH_MS, Position, make_id, shard_of
from events.log import Log
from events.posts import PostDeleted
from gateway import feed, pulling
from gateway.caching import open_caching
from gateway.canonical import every_request, finish_headers
from gateway.guarding import guarded
from gateway.keys import CARDS, FEEDS, LOG, NOTICES, READER, SETTINGS, TOKENS
from gateway.notices import Notices
from gateway.tokens import Tokens
from runtime.connections import open_database
from stores import edges, publications
from stores.edges import Verdict, Wish
from stores.feeds import Push
from stores.profiles import NewAccount, add_accounts
from stores.publications import Publication, Submission

NOW = EPOCH_MS + 20_000_000_000
ADA, BOB, EVE = (make_id(Position(NOW, n), 300 + n) for n in (1, 2, 3))
PHOTOS = """[{"sha256": "ab", "size_bytes": 9, "width": 40, "height": 30, "placeholder": "cGg=",
  "recipe": "r1", "renditions": [{"width": 40, "height": 30, "extension": "webp",
  "size_bytes": 5}]}]"""


@pytest.fixture
async def people(database):
    await add_accounts(
        database, [NewAccount(each, f"u{each % 1000}", "A name", "") for each in (ADA, BOB, EVE)]
    )


@pytest.fixture
def make_app(settings, log_client, reader_database, people):
    async def made(**changed):
        app = web.Application(middlewares=[every_request])
        app[SETTINGS] = settings.replace(**changed)
        app[LOG] = Log(log_client, partitions=8, secret=b"s" * 32)
        app[TOKENS] = Tokens(b"s" * 32)
        app[NOTICES] = Notices()
        app[NOTICES].ready = True
        app[READER] = reader_database
        if "database_reader_url" in changed:
            app[READER] = await open_database(app[SETTINGS], reader=True)
        app.on_response_prepare.append(finish_headers)
        app.cleanup_ctx.append(open_caching)
        for route in feed.ROUTES:
            app.router.add_route(route.method, route.path, guarded(route))
        return app

    return made


@pytest.fixture
async def open_client(make_app):
    clients = []

    async def opened(**changed):
        client = TestClient(TestServer(await make_app(**changed)))
        await client.start_server()
        clients.append(client)
        return client

    yield opened
    for each in clients:
        await each.close()


@pytest.fixture
async def client(open_client):
    return await open_client()


async def read(client, viewer=BOB, **query):
    token, _ = client.app[TOKENS].issue(
        viewer, make_id(Position(time.time_ns() // 1_000_000, 0), 0)
    )
    headers = {"Authorization": f"Bearer {token}"}
    async with client.get("/v1/feed", params=query, headers=headers) as response:
        return response, await response.json(content_type=None)


async def ids_of(client, viewer=BOB, **query):
    response, body = await read(client, viewer, **query)
    assert response.status == 200, body
    return [int(each["id"]) for each in body["items"]]


async def all_pages(client, limit, viewer=BOB, between=None):
    seen, cursor = [], ""
    for _ in range(1_000):
        _, body = await read(client, viewer, limit=limit, cursor=cursor)
        seen += [int(each["id"]) for each in body["items"]]
        assert len(body["items"]) <= limit
        cursor = body["next"]
        if cursor is None:
            return seen
        if between is not None:
            await between()
    raise AssertionError("the feed never ends")


async def publish(database, author=ADA, ms=1, sequence=0):
    shard = shard_of(author)
    post_id = make_id(Position(NOW + ms - 1, sequence), shard)
    version = make_id(Position(NOW + ms, sequence), shard)
    await publications.write_submissions(
        database, [Submission(post_id, author, "A caption", '["An alt"]', None, None)]
    )
    await publications.write_publications(
        database, [Publication(post_id, author, NOW + ms, version, PHOTOS)]
    )
    return post_id


async def follow(database, follower=BOB, followee=ADA, ms=1):
    wish = Wish(follower, followee, True, make_id(Position(NOW + ms, 0), shard_of(follower)))
    verdict_version = make_id(Position(NOW + ms, 1), shard_of(followee))
    verdict = Verdict(follower, followee, True, wish.version, verdict_version)
    await edges.write_wishes_of_followers(database, [wish])
    await edges.write_wishes_to_followees(database, [wish])
    await edges.write_verdicts_to_followers(database, [verdict])
    await edges.write_verdicts_of_followees(database, [verdict])


def notice(client, event, actor, ms=50):
    delivery = Delivery(
        event=event,
        topic=event.TOPIC,
        partition=0,
        position=Position(NOW + ms, 0),
        actor=actor,
        time=NOW + ms,
    )
    client.app[NOTICES].hear(delivery)
    return delivery.id


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


async def test_deleted_posts_are_not_shown(client, database):
    """Neither by the notice alone nor by the row alone; the page is filled up with others."""
    await follow(database)
    posts = [await publish(database, ms=ms) for ms in range(6)]
    assert len(await ids_of(client)) == 6

    notice(client, PostDeleted(post_id=posts[5]), ADA)
    await publications.write_deletions(database, [posts[4]])
    client.app[CARDS].forget_post(posts[4], 2**62)

    assert await ids_of(client, limit=2) == [posts[3], posts[2]]


async def test_an_unfollowed_author_is_gone_at_once(client, database):
    """The notice hides before fan-out does, `hidden` does after the notice is forgotten."""
    await follow(database)
    post_id = await publish(database)
    assert await ids_of(client) == [post_id]

    notice(client, Unfollowed(followee_id=ADA), BOB, ms=50)
    assert await ids_of(client) == []

    again = notice(client, FollowRequested(followee_id=ADA), BOB, ms=60)
    notice(client, FollowAccepted(follower_id=BOB, wish_version=again), ADA, ms=61)
    assert await ids_of(client) == [post_id]

    await client.app[FEEDS].hide([(BOB, ADA)])
    assert await ids_of(client) == []


async def test_a_private_authors_posts_need_the_follow(client, database):
    """Gone private by notice: who follows keeps reading, who does not any more stops."""
    await follow(database)
    await follow(database, EVE)
    post_id = await publish(database)
    assert await ids_of(client) == await ids_of(client, EVE) == [post_id]
    withdrawn = Wish(EVE, ADA, False, make_id(Position(NOW + 40, 0), shard_of(EVE)))
    await edges.write_wishes_of_followers(database, [withdrawn])

    notice(client, ProfileEdited(private=True), ADA)

    assert await ids_of(client) == [post_id]
    assert await ids_of(client, EVE) == []
    _, body = await read(client)
    assert "/media/" in body["items"][0]["photos"][0]["renditions"][0]["url"]


async def test_an_edited_profile_is_never_shown_old_again(client, database):
    """Heard before the row is written, it is read again until it has the edit."""
    await follow(database)
    await publish(database)
    await ids_of(client)
    version = notice(client, ProfileEdited(display_name="New"), ADA)
    _, body = await read(client)
    assert body["items"][0]["author"]["display_name"] == "A name"

    await database.execute(
        "UPDATE accounts SET display_name = 'New', display_name_version = $1 WHERE id = $2",
        version,
        ADA,
    )
    for _ in range(2):
        _, body = await read(client)
        assert body["items"][0]["author"]["display_name"] == "New"


async def test_bad_parameters_are_refused(client):
    """A cursor edited by hand, an order or a limit there is not: 422 with a code."""
    for query in ({"cursor": "abc"}, {"order": "ranked"}, {"limit": "0"}, {"limit": "101"}):
        response, body = await read(client, **query)
        assert response.status == 422
        assert body["code"].startswith("bad-")


async def test_without_the_cache_feeds_are_pulled(open_client, database):
    """Everything works from Postgres, and says so; a hung or absent cache costs no error."""
    away = await open_client(cache_url="unix:///tmp/no-such-heliograph.sock")
    await follow(database)
    posts = [await publish(database, ms=ms) for ms in range(7)]

    response, _ = await read(away)
    assert response.headers["Heliograph-Degraded"] == "cache"
    assert await all_pages(away, 2) == posts[::-1]


async def test_pulls_are_bounded(open_client, database, monkeypatch):
    """Beyond the bound the answer is 503 with Retry-After, soon."""
    away = await open_client(cache_url="unix:///tmp/no-such-heliograph.sock")
    monkeypatch.setattr(pulling, "WAITING_SECONDS", 0.05)

    async def slow(*arguments):
        await asyncio.sleep(0.2)
        return []

    monkeypatch.setattr(pulling, "feed_pull", slow)
    answers = await asyncio.gather(*(read(away) for _ in range(20)))

    statuses = [response.status for response, _ in answers]
    assert statuses.count(200) == pulling.PULLS_AT_ONCE
    assert statuses.count(503) == 20 - pulling.PULLS_AT_ONCE
    assert all("Retry-After" in r.headers for r, _ in answers if r.status == 503)


async def test_without_postgres_windows_and_cards_serve(client, open_client, database, tmp_path):
    """Warm pages are served and declared; deep and cold ones are 503; deletions still count."""
    await follow(database)
    posts = [await publish(database, ms=ms) for ms in range(5)]
    await ids_of(client)
    url = f"postgresql:///postgres?host={tmp_path}"
    away = await open_client(database_reader_url=url)

    assert await ids_of(away) == posts[::-1]
    notice(away, PostDeleted(post_id=posts[4]), ADA)
    notice(away, ProfileEdited(private=True), ADA)
    response, body = await read(away)
    assert [int(each["id"]) for each in body["items"]] == posts[3::-1]
    assert response.headers["Heliograph-Degraded"] == "metadata"

    response, body = await read(away, EVE)
    assert response.status == 503
    assert response.headers["Retry-After"]
