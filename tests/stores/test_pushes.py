"""What a push promises: it lands in windows that exist and reach that far, and trims them."""

import asyncio

import pytest

from events.ids import Position, make_id
from stores.feed_keys import both_keys, window_key
from stores.feeds import CAP
from stores.pushes import Push, Pushed
from tests.stores.viewing import NOW, OTHER, VIEWER, post, whole


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


async def test_a_large_window_is_trimmed_soon(feeds, build, cache_client):
    """Not each push looks how long it is; what stands above its floor is exact all the same."""
    feeds.cap = CAP
    await build()
    places = [(NOW + ms, post(ms)) for ms in range(3 * CAP)]
    for ms, post_id in places:
        assert await feeds.push([Push(ms, post_id, [VIEWER])]) == [Pushed(1, 1, 0, 0)]
        window = await feeds.skeleton(VIEWER, None, 1_000)
        assert len(window.entries) <= CAP * 1.15
    assert window.entries == [each for each in reversed(places) if each[0] > window.floor]
    assert window.floor > NOW + CAP
    assert await cache_client.object("ENCODING", window_key(feeds._names, VIEWER)) == b"listpack"


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


async def test_a_post_reaches_many_windows(feeds, cache_client):
    """More followers than one call or one trip takes."""
    viewers = [make_id(Position(NOW, n % 1_024), n % 8_192) for n in range(3_000)]
    await asyncio.gather(*(feeds.begin_build(each) for each in viewers[:500]))
    assert await feeds.push([Push(NOW, post(0), viewers)]) == [Pushed(3_000, 500, 2_500, 0)]
