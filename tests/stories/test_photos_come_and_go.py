"""The bytes behind the posts: there for as long as anybody shows them, and freed in the end."""

import asyncio
from hashlib import sha256

import pytest

from tests.workers.storing import keys_in, let_nothing_be_young, own_bucket, pass_days
from workers.collecting import collect
from workers.collector import open_storeroom


@pytest.fixture
async def settings(settings, site):
    """Other tests' photos are none of this collector's; a site has its own bucket."""
    return settings if site else await own_bucket(settings)


class Storage:
    """The bucket as its collector sees it, a week after the other."""

    def __init__(self, room):
        self.room = room

    async def a_week_later(self):
        """A pass marks what nobody shows; the next, when its quarantine is over, sweeps it."""
        await collect(self.room)
        await pass_days(self.room.database, 8)
        await collect(self.room)

    async def has(self, photo):
        return bool(await keys_in(self.room.objects, sha256(photo).hexdigest()))

    async def staged(self, photo):
        return [
            each.key
            async for each in self.room.objects.list("staging/")
            if each.size_bytes == len(photo)
        ]


@pytest.fixture
async def storage(settings, clean_site, monkeypatch):
    let_nothing_be_young(monkeypatch)
    async with open_storeroom(settings) as room:
        yield Storage(room)


async def assert_served(api, member, post):
    for photo in (await api.get(f"/v1/posts/{post}", member))["photos"]:
        for rendition in photo["renditions"]:
            assert await api.get(rendition["url"])


async def test_one_photo_of_two_owners_stays_until_both_have_deleted_it(
    api, settle, storage, ada, bob
):
    """Uploaded at once, deleted by one, by the other, and posted again before it is too late."""
    photo = api.photo("orchid", size=(333, 222))
    adas, bobs = await asyncio.gather(
        api.publish(ada, photo, photo),
        api.publish(bob, photo),  # twice in one post
    )
    await settle()
    address = (await api.get(f"/v1/posts/{adas}", bob))["photos"][1]["renditions"][0]["url"]
    await api.delete(f"/v1/posts/{adas}", ada)
    await settle()
    await storage.a_week_later()
    await assert_served(api, ada, bobs)
    await api.get(address, status=403)

    await api.delete(f"/v1/posts/{bobs}", bob)
    await settle()
    await collect(storage.room)
    again = await api.publish(ada, photo)
    await settle()
    await storage.a_week_later()
    await assert_served(api, bob, again)

    other, _ = await asyncio.gather(api.publish(bob, photo), api.delete(f"/v1/posts/{again}", ada))
    await settle()
    await storage.a_week_later()
    await assert_served(api, ada, other)

    await api.delete(f"/v1/posts/{other}", bob)
    await settle()
    await storage.a_week_later()
    assert not await storage.has(photo)
    await api.get(f"/v1/posts/{other}", bob, status=410)

    await assert_shown_anew(api, settle, ada, photo)


async def assert_shown_anew(api, settle, member, photo):
    """As if nobody had ever seen it."""
    post = await api.publish(member, photo)
    await settle()
    await assert_served(api, member, post)


async def test_what_is_never_shown_leaves_nothing(api, settle, storage, ada):
    """A rejected photo at once, and one that was deleted while it was processed, with its time."""
    broken, early = api.photo("salmon", size=(331, 221))[:500], api.photo("plum", size=(335, 225))
    rejected = await api.publish(ada, early, broken)
    deleted = await api.publish(ada, early)
    await api.delete(f"/v1/posts/{deleted}", ada)
    await settle()

    assert (await api.get(f"/v1/posts/{rejected}", ada))["state"] == "rejected"
    assert not await storage.has(broken)
    assert not await storage.staged(broken)
    assert not await storage.staged(early)
    await storage.a_week_later()
    assert not await storage.has(early)
