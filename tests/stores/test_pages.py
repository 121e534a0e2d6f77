"""A page asked the fast way is what `skeleton` says, or nothing is said."""

import random

import hiredis
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from stores.feed_keys import list_key
from stores.link import Link
from stores.pages import Pages, found_in
from stores.pushes import Push
from tests.stores.viewing import NOW, VIEWER

LIST = b"roll.7:1,2"


@pytest.fixture
async def ask(feeds, cache_client):
    """Asks for a page; the reply, and whether it could be asked for."""
    link = Link(cache_client, 0.5)
    await link.call("PING")
    pages = Pages(feeds, link)
    await pages.load()

    async def asked(before, count, *, followed=False):
        replies = []
        assert pages.ask(VIEWER, before, count, replies.append, followed=followed)
        await link.call("PING")
        assert not isinstance(replies[0], hiredis.ReplyError | RedisConnectionError), replies
        return None if replies[0] is None else found_in(replies[0])

    yield asked
    link.close()


def entries_of(found, count, first):
    """The page that is found: ids, its last place where more is known to lie below, the rest."""
    if found.moments is not None:
        places = list(zip(found.moments, found.ids, strict=True))
        assert places == first[: count + 1]
        return [post_id for _, post_id in places[:count]], len(places) > count
    assert found.last is None or found.last == first[count - 1]
    return found.ids, found.last is not None


@pytest.mark.parametrize("seed", range(6))
async def test_it_agrees_with_the_skeleton(feeds, cache_client, build, ask, seed):
    """Whatever stands in a window, in pages of any size, with and without a list of followed."""
    dice = random.Random(seed)
    digits = 10 ** dice.randrange(3, 17)
    moments = dice.choice((8, 1_000, 10**9))
    await build()
    posts = [
        Push(NOW + dice.randrange(moments), dice.randrange(digits, 10 * digits), [VIEWER])
        for _ in range(dice.randrange(60))
    ]
    await feeds.push(posts)
    if seed % 2:
        await feeds.hide([(VIEWER, 5), (VIEWER, 6)])
    key = list_key(await feeds.current_names(), VIEWER)
    said = 0
    for listed in (b"", b"roll.7:", LIST):
        if listed:
            await cache_client.set(key, listed)
        for count in (1, 3, 30, 100):
            before = None
            while True:
                window = await feeds.skeleton(VIEWER, before, count + 1)
                found = await ask(before, count, followed=bool(listed))
                if found is not None:
                    said += 1
                    ids, more = entries_of(found, count, window.entries)
                    assert ids == [post_id for _, post_id in window.entries[:count]]
                    assert more == (len(window.entries) > count)
                    assert (found.floor, found.hidden) == (window.floor, window.hidden)
                    assert found.followed == listed
                    assert (found.moments is not None) == (listed == LIST)
                if len(window.entries) <= count:
                    break
                before = window.entries[count - 1]
    assert said > 9


async def test_what_it_cannot_tell_it_does_not(feeds, cache_client, build, ask):
    """No window, one half built, digits of two lengths, the floor, an old life: nil, all of it."""
    assert await ask(None, 30) is None
    token = await feeds.begin_build(VIEWER)
    assert await ask(None, 30) is None
    entries = [(NOW + each, 100 + each) for each in range(9, 0, -1)]
    await feeds.finish_build(VIEWER, token, entries, truncated=True)
    found = await ask(None, 3)
    assert (found.ids, found.last, found.floor) == ([109, 108, 107], (NOW + 7, 107), NOW + 1)
    assert await ask((NOW + 1, 101), 3) is None

    await feeds.push([Push(NOW + 20, 7, [VIEWER])])
    assert await ask(None, 3) is None
    assert (await ask((NOW + 20, 7), 3)).ids == [109, 108, 107]
    await feeds.push([Push(NOW + 9, 200, [VIEWER])])
    assert await ask((NOW + 9, 200), 3) is None, "another one of the cursor's moment"

    [window] = [each async for each in cache_client.scan_iter("feed:*")]
    await cache_client.expire(window, 28 * 86_400)
    assert await ask((NOW + 20, 7), 3) is None
    await cache_client.set(window, "no window")
    assert await ask(None, 3) is None
