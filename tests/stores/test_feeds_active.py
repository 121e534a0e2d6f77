"""Who counts as active: whoever reads. Nothing else prolongs a window's life, or its place."""

import pytest

from events.ids import EPOCH_MS, Position, make_id
from runtime.connections import open_cache
from stores.feed_keys import both_keys
from stores.feeds import Feeds, Merge
from stores.link import Link
from stores.pushes import Push
from stores.refills import viewers_of
from stores.sightings import sight
from stores.windows import windows_of

NOW = EPOCH_MS + 10_000_000_000
VIEWER = make_id(Position(NOW, 0), 77)
POST, OTHER = (make_id(Position(NOW, n), 5) for n in (1, 2))
DAY = 86_400
IDLE_SECONDS = 5_000


@pytest.fixture(params=["pool", "link"])
async def feeds(request, cache_client, log_client):
    """A worker's, with a window that hides somebody."""
    link = Link(cache_client, 5) if request.param == "link" else None
    made = Feeds(cache_client, log_client, cap=20, link=link)
    await made.refresh()
    token = await made.begin_build(VIEWER)
    assert await made.finish_build(VIEWER, token, [(NOW, POST)], truncated=False)
    await made.hide([(VIEWER, 9)])
    yield made
    if link:
        link.close()


@pytest.fixture
async def readers(settings, clean_site, log_client):
    """A gateway's, by its pool and by its link."""
    async with open_cache(settings, for_readers=True) as cache:
        link = Link(cache, 5)
        yield [Feeds(cache, log_client, cap=20), Feeds(cache, log_client, cap=20, link=link)]
        link.close()


async def test_every_read_prolongs_a_window_and_nothing_else_does(feeds, readers, cache_client):
    """A page far down is a read as well. Pushed to, filled, looked into: all that is no sign."""
    window, hidden = keys = both_keys(await feeds.current_names(), VIEWER)
    for key in keys:
        await cache_client.expire(key, 28 * DAY)

    await feeds.push([Push(NOW + 1, OTHER, [VIEWER])])
    await feeds.merge([Merge(VIEWER, [(NOW - 1, OTHER)], 0)])
    await feeds.hide([(VIEWER, 8)])
    await feeds.unhide([(VIEWER, 8)])
    await feeds.floors([VIEWER])
    await look_into_it(feeds, cache_client)
    assert await feeds.begin_build(VIEWER) is None
    assert await cache_client.ttl(window) <= 28 * DAY

    await readers[0].skeleton(VIEWER, (1, 1), 10)
    for key in (window, hidden):
        assert await cache_client.ttl(key) > 29.9 * DAY


async def test_under_pressure_those_windows_go_that_were_not_read_for_longest(
    feeds, readers, cache_client
):
    """The server passes over what was used lately; what workers do to a window is no use of it."""
    window, hidden = keys = both_keys(await feeds.current_names(), VIEWER)
    for key in keys:
        packed = await cache_client.dump(key)
        await cache_client.restore(key, 28 * DAY * 1000, packed, replace=True, idletime=5_000)

    await feeds.push([Push(NOW + 1, OTHER, [VIEWER])])
    await feeds.merge([Merge(VIEWER, [(NOW - 1, OTHER)], 0)])
    await feeds.floors([VIEWER])
    await feeds.unhide([(VIEWER, 8)])
    await look_into_it(feeds, cache_client)
    assert await cache_client.object("IDLETIME", window) >= IDLE_SECONDS

    for each in readers:
        for key in keys:
            packed = await cache_client.dump(key)
            await cache_client.restore(key, 0, packed, replace=True, idletime=IDLE_SECONDS)
        assert len((await each.skeleton(VIEWER, None, 10)).entries) == 2
        assert await cache_client.object("IDLETIME", window) < IDLE_SECONDS
        assert await cache_client.object("IDLETIME", hidden) < IDLE_SECONDS


async def look_into_it(feeds, cache_client):
    """As verifying, rebuilding and explaining do."""
    names = await feeds.current_names()
    assert await windows_of(cache_client, names, [VIEWER])
    assert [each async for each in viewers_of(cache_client, names)]
    found = await sight(cache_client, feeds._generations._log, VIEWER, POST, 9)
    assert found.state == "window"
