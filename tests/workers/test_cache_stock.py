"""`python -m events stats` on the cache: estimated or counted, and said when it is away."""

import json

import pytest

from events.ids import EPOCH_MS, Position, make_id
from stores import census
from stores.feeds import Feeds
from workers import cache_stock


@pytest.fixture
async def windows(cache_client, log_client):
    """Forty windows of three entries, beside forty keys of others."""
    feeds = Feeds(cache_client, log_client)
    posts = [(EPOCH_MS + n, make_id(Position(EPOCH_MS + n, 0), 5)) for n in range(3)]
    for number in range(40):
        viewer = make_id(Position(EPOCH_MS, number), number)
        token = await feeds.begin_build(viewer)
        await feeds.finish_build(viewer, token, posts, truncated=False)
        await cache_client.set(f"uploads:{{{number}}}", 1)


async def told(ask, *arguments, **changes):
    status, lines, aside = await ask("stats", "--json", *arguments, **changes)
    assert status == 0
    return [json.loads(line) for line in lines], aside


async def test_the_cache_is_told_by_kind(ask, windows):
    rows, aside = await told(ask, "--all")
    kinds = {row["kind"]: row for row in rows if "kind" in row}
    values = {row["what"]: row["value"] for row in rows if "what" in row}

    assert aside == ""
    assert kinds["windows"]["keys"] == kinds["others"]["keys"] == 40
    assert kinds["windows"]["bytes"] == 40 * kinds["windows"]["mean_bytes"] > 40 * 3 * 20
    assert values["entries of a window"] == "3.0"
    assert values["windows unpacked"] == "0.0%"
    assert "MiB" in values["cache memory"]


async def test_a_sample_stands_for_all(ask, windows, monkeypatch):
    """Shares of some keys are taken for shares of every."""
    monkeypatch.setattr(cache_stock, "SAMPLE_KEYS", 1)
    monkeypatch.setattr(census, "PAGE_KEYS", 20)
    rows, _ = await told(ask)

    assert sum(row["keys"] for row in rows if "kind" in row) == pytest.approx(80, abs=2)


async def test_without_the_cache_the_log_is_told(ask, clean_site):
    """Whoever asks what the log holds may do so because the cache is away."""
    rows, aside = await told(ask, cache_url="unix:///nowhere.sock")

    assert any("topic" in row for row in rows)
    assert "cache does not answer" in aside
