"""Somebody with more active followers than one pushes to: her readers notice nothing of it."""

import asyncio

import pytest


@pytest.fixture
def settings(settings, site):
    """One follower is many. The site of real processes pushes: there the story is the same."""
    return settings if site else settings.replace(pull_above=0)


async def test_photos_of_a_celebrity_are_in_every_followers_feed(api, settle, ada, bob):
    """Those from before she had followers, and those from after, newest first, none twice."""
    eve = await api.register("eve")
    posts = [await api.publish(ada, api.photo(size=(60 + n, 60))) for n in range(2)]
    await settle()
    for each in (bob, eve):
        await api.follow(each, ada)
    await settle()
    assert set(await api.feed(bob)) == set(posts)
    for n in range(3):
        posts.append(await api.publish(ada, api.photo(size=(70 + n, 60))))
        posts.append(await api.publish(eve, api.photo(size=(80 + n, 60))))
    await settle()

    await until(lambda: shows(api, eve, set(posts[:2] + posts[2::2])))
    assert await api.feed(eve, limit=2) == await api.feed(eve)
    await api.follow(bob, eve)
    await settle()
    await until(lambda: shows(api, bob, set(posts)))
    assert await api.feed(bob, limit=3) == await api.feed(bob)


async def test_who_leaves_a_celebrity_sees_no_more_of_her(api, settle, ada, bob):
    """And all of it again when back; what she deletes is gone for everybody."""
    await api.follow(bob, ada)
    await settle()
    assert await api.feed(bob) == []
    posts = [await api.publish(ada, api.photo(size=(60 + n, 60))) for n in range(3)]
    await settle()
    await until(lambda: shows(api, bob, set(posts)))

    await api.unfollow(bob, ada)
    await settle()
    await until(lambda: shows(api, bob, set()))
    await api.follow(bob, ada)
    await settle()
    await until(lambda: shows(api, bob, set(posts)))
    await api.delete(f"/v1/posts/{posts[1]}", ada)
    await settle()
    await until(lambda: shows(api, bob, {posts[0], posts[2]}))


async def test_an_author_is_told_how_far_a_post_has_come(api, settle, ada, bob):
    """She alone: to how many, and whether it is done."""
    await api.follow(bob, ada)
    await settle()
    await api.feed(bob)
    post = await api.publish(ada, api.photo())
    await settle()

    fanout = (await api.get(f"/v1/posts/{post}", ada))["fanout"]
    assert (fanout["done"], fanout["followers"]) == (True, 1)
    if fanout["how"] == "pushed":
        assert fanout["windows"] == {"written": 1, "absent": 0, "below": 0}
    assert "fanout" not in await api.get(f"/v1/posts/{post}", bob)
    assert all("fanout" not in each for each in await api.items("/v1/feed", bob))


async def shows(api, member, posts):
    found = await api.feed(member)
    assert len(found) == len(set(found))
    return set(found) == posts


async def until(holds):
    """What gateways remember of outboxes is a second old at most."""
    async with asyncio.timeout(10):
        while not await holds():  # noqa: ASYNC110 - no event tells of a gateway's memory
            await asyncio.sleep(0.05)
