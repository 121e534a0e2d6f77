"""Whoever signs in will ask for their feed in a moment: it is made ready, at nobody's expense."""

import asyncio

import pytest

from gateway import pulling
from gateway.keys import FEEDS
from gateway.pulling import BUILDS_AT_ONCE, PULLING
from tests.gateway.serving import serving, until


@pytest.fixture
async def ada(gateway, settle):
    person = await gateway.sign_up("ada")
    await settle()
    return person


@pytest.fixture
def asked(monkeypatch):
    """Whose windows Postgres was asked for."""
    viewer_ids, read = [], pulling.feed_pull

    async def noted(connection, viewer_id, before, count):
        viewer_ids.append(viewer_id)
        return await read(connection, viewer_id, before, count)

    monkeypatch.setattr(pulling, "feed_pull", noted)
    return viewer_ids


async def quiet(gateway):
    """Until nothing is being built."""
    await until(lambda: not gateway.app[PULLING].ahead)


async def test_the_window_is_there_before_it_is_asked_for(gateway, ada, asked):
    """Built by the sign-in; later ones find it, and Postgres is not asked again."""
    feeds = gateway.app[FEEDS]
    assert await feeds.floors([ada.id]) == [None]
    for _ in range(2):
        assert (await gateway.sign_in("ada")).status == 201
        await quiet(gateway)
        assert await feeds.floors([ada.id]) == [0]
    answer = await gateway.ask("GET", "/v1/feed", ada)

    assert (answer.status, answer.body["items"]) == (200, [])
    assert asked == [ada.id]


async def test_a_sign_in_that_fails_builds_nothing(gateway, ada, asked):
    """Or whoever guesses at passwords would make the site build windows."""
    assert (await gateway.sign_in("ada", "wrong horse battery")).status == 401
    await quiet(gateway)

    assert asked == []


async def test_nobody_is_built_ahead_of_those_who_wait(gateway, ada, asked):
    """While all turns are taken a sign-in goes on without; the first read builds."""
    windows = gateway.app[PULLING].windows
    turns = [windows.turn(ada.id) for _ in range(BUILDS_AT_ONCE)]
    await asyncio.gather(*(each.__aenter__() for each in turns))
    assert (await gateway.sign_in("ada")).status == 201
    await quiet(gateway)
    assert asked == []

    await asyncio.gather(*(each.__aexit__(None, None, None) for each in turns))
    assert (await gateway.ask("GET", "/v1/feed", ada)).status == 200
    assert asked == [ada.id]


async def test_a_cache_that_is_away_hinders_no_sign_in(settings, ada, asked):
    """There is nothing to build then."""
    async with serving(settings.replace(cache_url="unix:///tmp/no-such-heliograph.sock")) as away:
        assert (await away.sign_in("ada")).status == 201
        await quiet(away)
    assert asked == []
