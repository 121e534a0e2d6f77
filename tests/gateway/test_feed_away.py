"""A feed with one of its engines away: served as far as it goes, and declared."""

import asyncio

import pytest

from events.accounts import ProfileEdited
from events.posts import PostDeleted
from gateway import pulling, turns
from tests.gateway.feeding import (
    ADA,
    EVE,
    all_pages,
    follow,
    ids_of,
    notice,
    publish,
    read,
)


@pytest.fixture
async def client(open_client):
    return await open_client()


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
    monkeypatch.setattr(turns, "WAITING_SECONDS", 0.05)

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
