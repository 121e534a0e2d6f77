"""What windows promise: every pushed post above the floor, nothing twice, nothing from below it."""

from stores.epochs import GENERATION
from stores.feed_keys import both_keys, window_key
from stores.feeds import Merge
from stores.pushes import Push, Pushed
from tests.stores.viewing import NOW, OTHER, VIEWER, post, whole


async def test_absent_is_not_empty(feeds, build):
    """An absent window sends the reader to Postgres; a built empty one says: nothing there."""
    assert await feeds.skeleton(VIEWER, None, 30) is None

    await build()

    assert await feeds.skeleton(VIEWER, None, 30) == (0, [], frozenset(), b"")


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
