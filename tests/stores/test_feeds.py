"""What windows promise: every pushed post above the floor, nothing twice, nothing from below it."""

import asyncio

import pytest

from events.ids import EPOCH_MS, Position, make_id
from stores.epochs import GENERATION
from stores.feed_keys import both_keys, window_key
from stores.feeds import Feeds, Merge
from stores.pushes import Push, Pushed

NOW = EPOCH_MS + 10_000_000_000
VIEWER = make_id(Position(NOW, 0), 77)
OTHER = make_id(Position(NOW, 1), 4_001)


def post(ms, sequence=0, shard=5):
    return make_id(Position(NOW + ms, sequence), shard)


@pytest.fixture
async def feeds(cache_client, log_client):
    made = Feeds(cache_client, log_client, cap=20)
    await made.refresh()
    return made


@pytest.fixture
def build(feeds):
    async def built(viewer=VIEWER, entries=(), *, truncated=False):
        token = await feeds.begin_build(viewer)
        assert await feeds.finish_build(viewer, token, entries, truncated=truncated)

    return built


async def whole(feeds, viewer=VIEWER):
    window = await feeds.skeleton(viewer, None, 1_000)
    return None if window is None else window.entries


async def test_absent_is_not_empty(feeds, build):
    """An absent window sends the reader to Postgres; a built empty one says: nothing there."""
    assert await feeds.skeleton(VIEWER, None, 30) is None

    await build()

    assert await feeds.skeleton(VIEWER, None, 30) == (0, [], frozenset(), b"")


async def test_a_push_reaches_windows_that_exist(feeds, build):
    """Who has a window gets the entry, a repeat changes nothing, and all of it is counted."""
    await build()

    assert await feeds.push([Push(NOW, post(0), [VIEWER, OTHER])]) == [Pushed(2, 1, 1, 0)]
    assert await feeds.push([Push(NOW, post(0), [VIEWER, OTHER])]) == [Pushed(2, 0, 1, 0)]
    assert await feeds.push([Push(NOW, post(0), [])]) == [Pushed(0, 0, 0, 0)]

    assert await whole(feeds) == [(NOW, post(0))]
    assert await whole(feeds, OTHER) is None


async def test_two_publications_of_a_post_keep_the_lower(feeds, build):
    """In whatever order they arrive, the entry stands where the row says."""
    await build()
    await feeds.push([Push(NOW + 5, post(0), [VIEWER]), Push(NOW + 3, post(0), [VIEWER])])
    await feeds.push([Push(NOW + 5, post(0), [VIEWER])])

    assert await whole(feeds) == [(NOW + 3, post(0))]


async def test_trimming_raises_the_floor(feeds, build):
    """Above the cap and a tenth the lowest go, and what is pushed below them later is refused."""
    await build()
    for ms in range(23):
        await feeds.push([Push(NOW + ms, post(ms), [VIEWER])])

    window = await feeds.skeleton(VIEWER, None, 100)
    assert window.entries == [(NOW + ms, post(ms)) for ms in range(22, 2, -1)]
    assert window.floor == NOW + 2

    low, high = Push(NOW + 2, post(2, 7), [VIEWER, OTHER]), Push(NOW + 3, post(3, 7), [VIEWER])
    assert await feeds.push([low, high]) == [Pushed(2, 0, 1, 1), Pushed(1, 1, 0, 0)]


async def test_ties_never_straddle_the_floor(feeds, build):
    """Posts of one millisecond are all above the floor or all below it."""
    await build()
    ties = [(NOW, post(0, sequence)) for sequence in range(10)]
    later = [(NOW + 1, post(1, sequence)) for sequence in range(13)]
    for ms, post_id in ties + later:
        await feeds.push([Push(ms, post_id, [VIEWER])])

    window = await feeds.skeleton(VIEWER, None, 100)
    assert window.floor == NOW
    assert window.entries == sorted(later, reverse=True)


async def test_pages_never_cut_ties_wrongly(feeds, build):
    """Equal milliseconds are ordered by id as a number, though members are text."""
    short, long = 99_999_999_999_999_999, 100_000_000_000_000_000
    ids = [short, long, short - 1, long + 1, 9, 10]
    await build()
    await feeds.push([Push(NOW, each, [VIEWER]) for each in ids])
    await feeds.push([Push(NOW + 1, 7, [VIEWER]), Push(NOW - 1, 8, [VIEWER])])

    for size in (1, 2, 3, 5):
        seen, before = [], None
        while page := (await feeds.skeleton(VIEWER, before, size)).entries:
            assert len(page) <= size
            seen += page
            before = page[-1]
        assert [each for _, each in seen] == [7, *sorted(ids, reverse=True), 8]


async def test_a_build_keeps_what_is_pushed_meanwhile(feeds):
    """Readers miss until it ends; then both what was read and what was pushed are there."""
    token = await feeds.begin_build(VIEWER)
    assert await feeds.begin_build(VIEWER) is None
    await feeds.push([Push(NOW + 9, post(9), [VIEWER])])
    assert await feeds.skeleton(VIEWER, None, 30) is None

    entries = [(NOW + 5, post(5)), (NOW + 4, post(4))]
    assert await feeds.finish_build(VIEWER, token, entries, truncated=True)

    window = await feeds.skeleton(VIEWER, None, 30)
    assert window.entries == [(NOW + 9, post(9)), (NOW + 5, post(5))]
    assert window.floor == NOW + 4


@pytest.mark.parametrize("hides", [False, True])
@pytest.mark.parametrize("built", [False, True])
async def test_every_kind_of_window_is_trimmed_alike(feeds, build, hides, built):
    """Under construction or not, with hidden authors or without: the same entries are left."""
    token = await build() if built else await feeds.begin_build(VIEWER)
    if hides:
        await feeds.hide([(VIEWER, 6)])
    pushes = [Push(NOW + ms // 2, post(ms), [VIEWER]) for ms in range(23)]
    assert await feeds.push(pushes) == [Pushed(1, 1, 0, 0)] * 23
    assert await feeds.push([Push(NOW + 1, post(99), [VIEWER])]) == [Pushed(1, 0, 0, 1)]
    if token:
        assert await feeds.finish_build(VIEWER, token, [], truncated=False)

    window = await feeds.skeleton(VIEWER, None, 100)
    assert window.floor == NOW + 1
    assert window.entries == [(NOW + ms // 2, post(ms)) for ms in range(22, 3, -1)]


async def test_a_lost_build_changes_nothing(feeds, cache_client):
    """Evicted and begun again by another, a window is not filled by the first reader's rows."""
    first = await feeds.begin_build(VIEWER)
    await cache_client.flushdb()
    second = await feeds.begin_build(VIEWER)

    assert not await feeds.finish_build(VIEWER, first, [], truncated=False)
    assert await feeds.skeleton(VIEWER, None, 30) is None
    assert await feeds.finish_build(VIEWER, second, [], truncated=False)


async def test_a_backfill_that_was_cut_raises_the_floor(feeds, build):
    """Below the last row read the window would have a hole, so there it ends."""
    await build(entries=[(NOW + 1, post(1)), (NOW + 8, post(8))])

    await feeds.merge([Merge(VIEWER, [(NOW + 7, post(7)), (NOW + 5, post(5))], NOW + 5)])

    window = await feeds.skeleton(VIEWER, None, 30)
    assert window.entries == [(NOW + 8, post(8)), (NOW + 7, post(7))]
    assert window.floor == NOW + 5
    assert await feeds.floors([VIEWER, OTHER]) == [NOW + 5, None]


async def test_hidden_authors_come_with_the_slice(feeds, build):
    """They live and die with the window, also with one that is still being built."""
    await feeds.hide([(VIEWER, 5)])
    token = await feeds.begin_build(VIEWER)
    await feeds.hide([(VIEWER, 6), (VIEWER, 7)])
    await feeds.finish_build(VIEWER, token, [], truncated=False)
    assert (await feeds.skeleton(VIEWER, None, 30)).hidden == {6, 7}

    await feeds.unhide([(VIEWER, 6), (VIEWER, 8)])
    assert (await feeds.skeleton(VIEWER, None, 30)).hidden == {7}
    await feeds.unhide([(VIEWER, 7)])
    assert await feeds.skeleton(VIEWER, None, 30) == (0, [], frozenset(), b"")


async def test_a_window_without_its_hidden_authors_is_not_believed(feeds, build, cache_client):
    """The cache may evict the one key and keep the other: nothing hidden comes back by that."""
    await build(entries=[(NOW, post(0))])
    await feeds.hide([(VIEWER, 6)])
    window, hidden = both_keys(feeds._names, VIEWER)
    await cache_client.delete(hidden)

    assert await feeds.skeleton(VIEWER, None, 30) is None
    assert not await cache_client.exists(window)


async def test_a_key_of_another_type_is_removed(feeds, build, cache_client):
    """It spoils neither the call nor the windows beside it."""
    await build(OTHER)
    stranger = window_key(feeds._names, VIEWER)
    strange = (cache_client.set(stranger, "x"), cache_client.zadd(stranger, {"x": 1}))
    for sequence, make in enumerate(strange):
        await make
        [pushed] = await feeds.push([Push(NOW, post(0, sequence), [VIEWER, OTHER])])
        assert pushed == (2, 1, 1, 0)
        assert not await cache_client.exists(stranger)
    await build()
    await cache_client.set(both_keys(feeds._names, VIEWER)[1], "x")
    await feeds.hide([(VIEWER, 3)])
    assert await feeds.skeleton(VIEWER, None, 30) is None


async def test_a_window_lives_thirty_days_from_the_last_read(feeds, build, cache_client):
    """A read renews its life, at most once a day; a push does not."""
    await build()
    key = window_key(feeds._names, VIEWER)
    assert await cache_client.ttl(key) > 29.9 * 86_400

    await cache_client.expire(key, 28 * 86_400)
    await feeds.push([Push(NOW, post(0), [VIEWER])])
    assert await cache_client.ttl(key) <= 28 * 86_400
    await feeds.skeleton(VIEWER, None, 1)
    assert await cache_client.ttl(key) > 29.9 * 86_400


async def test_a_raised_generation_leaves_old_windows_behind(feeds, build, log_client):
    """Rebuilt feeds are swapped in by one key on the log."""
    await build()
    await log_client.set(GENERATION, 1)
    await feeds.refresh()

    assert await feeds.skeleton(VIEWER, None, 30) is None


async def test_the_functions_come_back_by_themselves(feeds, build, cache_client):
    """A server that never had them, as after a fail-over, is given them."""
    await build()
    await cache_client.function_flush("SYNC")
    assert await feeds.push([Push(NOW, post(0), [VIEWER, OTHER])]) == [Pushed(2, 1, 1, 0)]
    await cache_client.function_flush("SYNC")
    assert await whole(feeds) == [(NOW, post(0))]


async def test_a_post_reaches_many_windows(feeds, cache_client):
    """More followers than one call or one trip takes."""
    viewers = [make_id(Position(NOW, n % 1_024), n % 8_192) for n in range(3_000)]
    await asyncio.gather(*(feeds.begin_build(each) for each in viewers[:500]))
    assert await feeds.push([Push(NOW, post(0), viewers)]) == [Pushed(3_000, 500, 2_500, 0)]
