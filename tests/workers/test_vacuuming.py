"""The vacuum as part of the collector's process: metrics, at a pace, until told to stop."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from prometheus_client import REGISTRY

from events.ids import EPOCH_MS, Position, make_id
from stores.feeds import Feeds
from tests.gateway.serving import until
from workers import vacuuming

VIEWER = make_id(Position(EPOCH_MS + 5, 0), 77)


@pytest.fixture
def keeping(settings, monkeypatch):
    """The task, without the waits between its steps."""
    for name in ("LOOK_SECONDS", "WALK_SECONDS", "PAGE_SECONDS", "SETTLED_SECONDS"):
        monkeypatch.setattr(vacuuming, name, 0.01)

    @asynccontextmanager
    async def kept(**changes):
        stopping = asyncio.Event()
        task = asyncio.create_task(vacuuming.keep_cache(settings.replace(**changes), stopping))
        yield task
        stopping.set()
        async with asyncio.timeout(10):
            await task

    return kept


def figure(name, **labels):
    return REGISTRY.get_sample_value(f"heliograph_{name}", labels)


async def test_what_the_cache_holds_is_published(keeping, cache_client, log_client):
    """Its budget, what came of it, how many of each kind; and what is left over goes."""
    feeds = Feeds(cache_client, log_client)
    token = await feeds.begin_build(VIEWER)
    await feeds.finish_build(VIEWER, token, [(EPOCH_MS, VIEWER)], truncated=False)
    await cache_client.set("post:00000000:1", "x" * 2_000)
    freed = figure("cache_freed_keys_total", kind="unread") or 0

    async with keeping():
        await until(lambda: figure("cache_freed_keys_total", kind="unread") == freed + 1)
        await until(lambda: figure("cache_keys", kind="windows") == 1)
        await until(lambda: figure("cache_keys", kind="unread") == 0)
        assert figure("feed_window_entries") == 1
        assert figure("feed_entry_bytes") == figure("cache_key_bytes", kind="windows") > 20
        assert figure("feed_windows_unpacked_ratio") == 0
        most = int((await cache_client.config_get("maxmemory"))["maxmemory"])
        await until(lambda: figure("cache_most_bytes") == most)
        assert 0 < figure("cache_used_bytes") < most
        assert figure("cache_evicted_keys") is not None


async def test_an_engine_that_is_away_puts_it_off(keeping, clean_site, monkeypatch):
    """It is tried again and again, and holds up no end."""
    outages, judge = [], vacuuming.is_outage

    def judged(error):
        outages.append(error)
        return judge(error)

    monkeypatch.setattr(vacuuming, "is_outage", judged)
    for change in ({"cache_url": "unix:///nowhere.sock"}, {"log_url": "unix:///nowhere.sock"}):
        outages.clear()
        async with keeping(**change) as task:
            await until(lambda: len(outages) > 5)
            assert not task.done()
