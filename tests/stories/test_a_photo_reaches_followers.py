"""The main job: a photo from upload to a follower's feed."""

import asyncio
import hashlib

import pytest

from stores.objects import Objects


async def test_a_new_photo_reaches_followers(api, settle, ada, bob):
    """Whoever follows Ada finds her photo at the top of the feed."""
    await api.follow(bob, ada)
    await settle()
    await api.feed(bob)
    post = await api.publish(ada, api.photo())
    await settle()

    assert await api.feed(bob) == [post]
    assert await api.feed(ada) == []


async def test_photos_from_before_the_follow_are_there(api, settle, ada, bob):
    """Following somebody fills the feed with what they posted before, newest first."""
    earlier = [await api.publish(ada, api.photo(colour)) for colour in ("red", "green", "blue")]
    await settle()
    assert await api.feed(bob) == []
    await api.follow(bob, ada)
    await settle()

    items = await api.items("/v1/feed", bob)
    assert {item["id"] for item in items} == set(earlier)
    assert items == newest_first(items)


async def test_a_post_tells_everything_about_its_photos(api, settle, ada, bob):
    """Sizes, alts, a placeholder and addresses that answer."""
    post = await api.publish(
        ada,
        api.photo(size=(1400, 700)),
        api.photo("red", size=(300, 500)),
        caption="Sea",
        alts=["waves"],
    )
    assert (await api.get(f"/v1/posts/{post}", ada))["state"] in ("processing", "published")
    await settle()

    body = await api.get(f"/v1/posts/{post}", bob)
    wide, tall = body["photos"]
    assert (body["caption"], body["author"]["username"]) == ("Sea", ada.username)
    assert [wide["alt"], tall["alt"]] == ["waves", ""]
    assert (wide["width"], tall["height"]) == (1400, 500)
    assert {r["width"] for r in wide["renditions"]} == {320, 640, 1080, 1400}
    assert {r["width"] for r in tall["renditions"]} == {300}
    assert wide["placeholder"]
    for rendition in (*wide["renditions"], *tall["renditions"]):
        assert await api.get(rendition["url"])
    account = await api.get(f"/v1/accounts/{ada.username}", bob)
    assert account["counts"]["posts"] == 1


async def test_a_deleted_post_is_gone_for_everybody(api, settle, ada, bob):
    """Out of the feed, the profile and the counts; whoever asks for it learns that it is gone."""
    await api.follow(bob, ada)
    post, kept = await api.publish(ada, api.photo()), await api.publish(ada, api.photo("red"))
    await settle()
    assert len(await api.feed(bob)) == 2
    await api.delete(f"/v1/posts/{post}", bob, status=403)
    await api.delete(f"/v1/posts/{post}", ada)
    await settle()

    assert await api.feed(bob) == [kept]
    assert [p["id"] for p in await api.items(f"/v1/accounts/{ada.username}/posts", bob)] == [kept]
    await api.get(f"/v1/posts/{post}", bob, status=410)
    assert (await api.get(f"/v1/accounts/{ada.username}", bob))["counts"]["posts"] == 1


async def test_an_unfollowed_author_is_out_of_the_feed_and_may_come_back(api, settle, ada, bob):
    """Unfollow hides, following again brings everything back."""
    await api.follow(bob, ada)
    post = await api.publish(ada, api.photo())
    await settle()
    assert await api.feed(bob) == [post]
    await api.unfollow(bob, ada)
    await settle()
    assert await api.feed(bob) == []
    await api.follow(bob, ada)
    await settle()

    assert await api.feed(bob) == [post]
    assert (await api.get(f"/v1/accounts/{ada.username}", bob))["counts"]["followers"] == 1


async def test_a_photo_nobody_can_read_is_rejected_with_a_reason(api, settle, ada, bob):
    """The author learns why; nobody else learns that there was anything; nothing is buried."""
    broken = api.photo()[:400]
    post = await api.publish(ada, broken)
    await settle()

    body = await api.get(f"/v1/posts/{post}", ada)
    assert (body["state"], body["problem"]["code"]) == ("rejected", "undecodable")
    await api.get(f"/v1/posts/{post}", bob, status=404)


async def test_a_private_account_is_asked_first(api, settle, ada, bob):
    """Until she accepts nothing is seen; going public accepts every wish that waits."""
    await api.patch("/v1/me", ada, json={"private": True})
    await settle()
    post = await api.publish(ada, api.photo())
    await api.follow(bob, ada)
    await settle()
    assert (await api.get(f"/v1/accounts/{ada.username}", bob))["viewer"][
        "following"
    ] == "requested"
    assert await api.feed(bob) == []
    await api.get(f"/v1/posts/{post}", bob, status=404)

    await api.patch("/v1/me", ada, json={"private": False})
    await settle()
    assert await api.feed(bob) == [post]


async def test_going_private_hides_from_those_who_do_not_follow(api, settle, ada, bob):
    """Followers keep seeing; others, and addresses they were given before, see nothing."""
    await api.follow(bob, ada)
    post = await api.publish(ada, api.photo())
    eve = await api.register("eve")
    await settle()
    address = (await api.get(f"/v1/posts/{post}", eve))["photos"][0]["renditions"][0]["url"]
    await api.patch("/v1/me", ada, json={"private": True})
    await settle()

    await api.get(f"/v1/posts/{post}", eve, status=404)
    await api.get(address, status=403)
    assert await api.feed(bob) == [post]
    shown = (await api.get(f"/v1/posts/{post}", bob))["photos"][0]["renditions"][0]["url"]
    assert await api.get(shown)


async def test_private_and_bio_are_independent(api, settle, ada):
    """A bio edited after the switch does not switch it back, whatever order they arrive in."""
    await api.patch("/v1/me", ada, json={"private": True})
    await api.patch("/v1/me", ada, json={"bio": "I like the sea"})
    await settle()

    me = await api.get("/v1/me", ada)
    assert (me["private"], me["bio"]) == (True, "I like the sea")


async def test_the_same_photo_by_two_people_is_two_posts(api, settle, ada, bob, settings):
    """The bytes are stored once, and both posts stand."""
    same = api.photo("purple", size=(481, 361))
    first, second = await api.publish(ada, same), await api.publish(bob, same)
    await settle()
    stored = await stored_of(same, settings)
    third = await api.publish(bob, same)
    await settle()

    assert [each.size_bytes for each in stored if "photos/" not in each.key] == [len(same)]
    assert sum(each.key.endswith("/manifest") for each in stored) == 1
    assert await stored_of(same, settings) == stored
    assert (await api.get(f"/v1/posts/{third}", ada))["state"] == "published"
    assert (await api.get(f"/v1/posts/{first}", bob))["state"] == "published"
    assert (await api.get(f"/v1/posts/{second}", ada))["state"] == "published"


@pytest.mark.parametrize("limit", [1, 3, 7])
async def test_paging_shows_every_post_once(api, settle, ada, bob, limit):
    """Page by page, none twice and none missing, also while more are posted and deleted."""
    await api.follow(bob, ada)
    posts = [await api.publish(ada, api.photo(size=(64 + n, 64))) for n in range(9)]
    await settle()
    before = [item["id"] for item in newest_first(await api.items("/v1/feed", bob))]
    first = await api.get("/v1/feed", bob, params={"limit": str(limit)})
    shown = [item["id"] for item in first["items"]]
    newer = await api.publish(ada, api.photo("red"))
    # The one the cursor names, and one that is still to come.
    gone = {shown[-1], before[-2]}
    for post in gone:
        await api.delete(f"/v1/posts/{post}", ada)
    await settle()
    rest, cursor = [], first["next"]
    while cursor:
        page = await api.get("/v1/feed", bob, params={"limit": str(limit), "cursor": cursor})
        rest += [item["id"] for item in page["items"]]
        cursor = page["next"]

    assert set(before) == set(posts)
    assert shown + rest == [post for post in before if post in shown or post not in gone]
    assert await api.feed(bob) == [newer, *(post for post in before if post not in gone)]


async def test_a_command_can_be_followed_to_its_end(api, settle, ada, bob):
    """Accepted at first; applied once every read shows it; nobody else may ask."""
    answer = await api.follow(bob, ada)
    path = f"/v1/commands/{answer['event']}"
    assert (await api.get(path, bob))["state"] in ("accepted", "applied")
    async with asyncio.TaskGroup() as working:
        working.create_task(settle())
        status = await api.get(path, bob, params={"wait": "10"})
        shown = await api.get(f"/v1/accounts/{ada.username}", bob)

    assert status["state"] == "applied"
    assert shown["viewer"]["following"] == "yes"
    assert set(status["roles"]) == {"graph", "fanout"}
    await api.get(path, ada, status=404)


def newest_first(items):
    """In the order that the API promises: by publication, ties by id."""
    return sorted(items, key=lambda it: (it["published_at"], int(it["id"])), reverse=True)


async def stored_of(photo, settings):
    """What storage keeps of a photo, staged copies too, and since when it does."""
    digest = hashlib.sha256(photo).hexdigest()
    async with Objects(settings.objects_url) as objects:
        own = [
            each
            for prefix in (f"originals/{digest}", f"photos/{digest}/")
            async for each in objects.list(prefix)
        ]
        staged = [each async for each in objects.list("staging/")]
    return own + [each for each in staged if each.size_bytes == len(photo)]
