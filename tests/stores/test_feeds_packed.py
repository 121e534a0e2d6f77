"""Windows stay packed: unpacked ones take four times the memory, for the rest of their lives."""

import pytest

from events.ids import EPOCH_MS, Position, make_id
from runtime.engine_checks import LISTPACK_ENTRIES, LISTPACK_VALUE
from stores.feed_keys import both_keys
from stores.feeds import CAP, Feeds, Merge
from stores.pushes import Push

NOW = EPOCH_MS + 10_000_000_000
VIEWER = make_id(Position(NOW, 0), 77)
LIMITS = {
    "zset-max-listpack-entries": LISTPACK_ENTRIES,
    "zset-max-listpack-value": LISTPACK_VALUE,
}


@pytest.fixture
async def feeds(cache_client, log_client):
    """On a server that packs no more than a process demands at its start."""
    before = await cache_client.config_get("zset-max-listpack-*")
    await cache_client.config_set(*[each for pair in LIMITS.items() for each in pair])
    yield Feeds(cache_client, log_client)
    await cache_client.config_set(*[each for pair in before.items() for each in pair])


def entries(start, count, step=2):
    """Newest first, as Postgres gives them."""
    moments = range(start, start + count * step, step)
    return [(NOW + ms, make_id(Position(NOW + ms, 0), 5)) for ms in moments][::-1]


async def encoding(feeds, cache_client):
    window, _ = both_keys(await feeds.current_names(), VIEWER)
    return await cache_client.object("ENCODING", window)


async def test_a_window_stays_packed_whatever_is_done_to_it(feeds, cache_client):
    """Built while much is pushed, at its cap and above, hiding, filled with a new followee's posts.

    A backfill brings as many entries again as a window has; some of each survive.
    """
    token = await feeds.begin_build(VIEWER)
    slack = CAP // 10
    await feeds.push(Push(*place, [VIEWER]) for place in entries(1_001, CAP + slack))
    assert await feeds.finish_build(VIEWER, token, entries(0, CAP), truncated=True)
    assert await encoding(feeds, cache_client) == b"listpack"

    await feeds.push(Push(*place, [VIEWER]) for place in entries(2_001, slack))
    await feeds.hide([(VIEWER, 5), (VIEWER, 6)])
    await feeds.merge([Merge(VIEWER, entries(1_600, CAP), 0)])
    window = await feeds.skeleton(VIEWER, None, 1_000)

    assert await encoding(feeds, cache_client) == b"listpack"
    due = sorted({*entries(1_001, CAP + slack), *entries(2_001, slack), *entries(1_600, CAP)})
    assert CAP <= len(window.entries) <= CAP + slack
    assert window.entries == due[::-1][: len(window.entries)]
    assert window.floor == due[-len(window.entries) - 1][0]


def test_what_is_demanded_of_the_server_is_what_windows_come_to():
    """The cap and a tenth, a part of a merge on top, the floor and the mark of the hidden.

    And pushes that do not look how long it has become: one of eight does, by its moment.
    """
    unlooked = 200  # in a row; in one of 10^11 cases it is more
    assert CAP + CAP // 10 + unlooked + CAP // 16 + 2 <= LISTPACK_ENTRIES
    assert len(f"building:{0:016x}") <= LISTPACK_VALUE
