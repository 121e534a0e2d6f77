"""Whoever leaves takes everything along, but for the name."""

import asyncio
import secrets
from hashlib import sha256

import pytest
from aiohttp import FormData

from events.ids import position_of, shard_of
from runtime.connections import open_database, open_log
from stores.objects import Objects
from tests.stories.api import PASSWORD, Member
from tests.stories.traces import archive_everything, found_in, kept_by
from tests.workers.posts import jpeg
from tests.workers.storing import empty, keys_in, own_bucket

ADDRESS = "203.0.113.77"


@pytest.fixture
async def settings(settings, site):
    """A bucket with no segments of another log; a site has its own."""
    if site:
        return settings
    settings = await own_bucket(settings)
    async with Objects(settings.objects_url) as objects:
        await empty(objects)
    return settings


async def erase(api, member):
    return await api.delete("/v1/me", member, json={"password": PASSWORD})


async def until_gone(api, member, viewer):
    """Within 5 s nobody is shown that there ever was somebody."""
    async with asyncio.timeout(5):
        while (await api.call("GET", f"/v1/accounts/{member.username}", viewer))[0] != 404:  # noqa: ASYNC110 - of a gateway
            await asyncio.sleep(0.02)


async def test_whoever_leaves_is_nowhere_to_be_found(api, settle, ada, bob):
    """Profile, posts, photos, feeds, lists and counts; the name stays taken."""
    post = await api.publish(ada, api.photo("coral", size=(341, 231)), caption="Mine")
    await api.follow(bob, ada)
    await api.follow(ada, bob)
    await settle()
    assert await api.feed(bob) == [post]
    address = (await api.get(f"/v1/posts/{post}", bob))["photos"][0]["renditions"][0]["url"]

    await erase(api, ada)
    await until_gone(api, ada, bob)
    for _ in range(2):
        await api.get(f"/v1/accounts/{ada.username}/posts", bob, status=404)
        await api.put(f"/v1/accounts/{ada.username}/follow", bob, status=404)
        await api.get(f"/v1/posts/{post}", bob, status=410)
        await api.get(address, status=403)
        assert await api.feed(bob) == []
        for each in ("followers", "following"):
            assert await api.items(f"/v1/accounts/{bob.username}/{each}", bob) == []
        sign_in = {"username": ada.username, "password": PASSWORD}
        await api.post("/v1/sessions", status=401, json=sign_in)
        await api.post("/v1/accounts", status=409, json=sign_in)
        await settle()

    counts = (await api.get("/v1/me", bob))["counts"]
    assert (counts["followers"], counts["following"]) == (0, 0)


async def test_a_photo_that_somebody_else_shows_stays(api, settle, settings, ada, bob):
    """Until they have gone too; what she alone showed goes with her."""
    shared, own = jpeg(secrets.randbits(32)), jpeg(secrets.randbits(32))
    await api.publish(ada, shared, own)
    bobs = await api.publish(bob, shared)
    await settle()
    await erase(api, ada)
    await until_gone(api, ada, bob)
    await settle()

    async with Objects(settings.objects_url) as objects:
        assert await keys_in(objects, sha256(own).hexdigest()) == set()
        for photo in (await api.get(f"/v1/posts/{bobs}", bob))["photos"]:
            assert all([await api.get(each["url"]) for each in photo["renditions"]])
        eve = await api.register("eve")
        await erase(api, bob)
        await until_gone(api, bob, eve)
        await settle()
        assert await keys_in(objects, sha256(shared).hexdigest()) == set()


async def test_whoever_leaves_in_the_middle_of_things_is_gone_all_the_same(api, settle, ada, bob):
    """Uploads, edits and follows on both sides are under way, nothing of them is folded yet."""
    await settle()
    await asyncio.gather(
        *(api.publish(ada, jpeg(secrets.randbits(32)), caption="Under way") for _ in range(3)),
        api.patch("/v1/me", ada, json={"bio": "Here for now", "display_name": "Almost"}),
        api.follow(bob, ada),
        api.follow(ada, bob),
    )
    await erase(api, ada)
    await until_gone(api, ada, bob)
    await settle()

    assert await api.feed(bob) == []
    counts = (await api.get("/v1/me", bob))["counts"]
    assert (counts["followers"], counts["following"]) == (0, 0)
    await api.get(f"/v1/accounts/{ada.username}", bob, status=404)


async def test_no_word_and_no_byte_of_hers_is_left(api, settle, settings, site, bob):
    """Searched for in a backup, every key, object, segment and event: found before, gone after.

    Digests, sizes and placeholders of photos stay in the log, and the name stays reserved.
    """
    eve, post, traces = await somebody_to_forget(api, settle, settings)
    before = await searched(settings, site, traces)
    words = {"alt", "bio", "caption", "hash", "latitude", "longitude", "name"}
    assert words | {"key in hexadecimal"} == set(before["backup"])
    assert {"original", "rendition"} == set(before["objects"])
    assert "key" in before["log"]
    heard = {"agent"} if site else {"agent", "address"}  # nginx says where a request came from
    for each in ("events",) if site else ("events", "events in segments"):
        assert words | heard <= set(before[each])
    await api.get(f"/v1/posts/{post}", bob)
    await api.get(f"/v1/accounts/{eve.username}", bob)
    assert {"caption", "name"} <= set((await searched(settings, site, traces))["cache"])

    await erase(api, eve)
    await until_gone(api, eve, bob)
    await settle()

    assert await searched(settings, site, traces) == {}


async def searched(settings, site, traces):
    """Which traces stand where; a site archives by itself, in its own time."""
    if not site:
        await archive_everything(settings)
    return found_in(await kept_by(settings), traces)


async def somebody_to_forget(api, settle, settings):
    """A member who has said everything that one can say, her post, and how to recognise it all."""
    mark = secrets.token_hex(4)
    said = {"name": f"Eve {mark}", "bio": f"About {mark}", "caption": f"Seen {mark}"}
    said |= {"alt": f"Alt {mark}", "latitude": "48.20815263", "longitude": "16.37189041"}
    command = {"username": f"eve_{mark}", "password": PASSWORD, "display_name": said["name"]}
    headers = {"X-Real-IP": ADDRESS, "User-Agent": f"agent-{mark}"}
    body = await api.post("/v1/accounts", status=201, json=command, headers=headers)
    eve = Member(f"eve_{mark}", body["token"], body["account"]["id"])
    await api.patch("/v1/me", eve, json={"bio": said["bio"]})
    photo = jpeg(secrets.randbits(32))
    form = FormData()
    form.add_field("photo", photo, filename="0.jpg", content_type="image/jpeg")
    for each in ("alt", "caption", "latitude", "longitude"):
        form.add_field(each, said[each])
    post = (await api.post("/v1/posts", eve, data=form))["id"]
    await settle()
    await api.post("/v1/sessions", status=201, json=command, headers=headers)
    await api.get(f"/v1/accounts/{eve.username}", eve)
    traces = {name: word.encode() for name, word in said.items()}
    rendition = (await api.get(f"/v1/posts/{post}", eve))["photos"][0]["renditions"][0]
    shown = await api.get(rendition["url"])
    traces |= {"original": photo[600:680], "rendition": shown[200:280]}
    return eve, post, traces | await secrets_of(settings, int(eve.id), f"agent-{mark}")


async def secrets_of(settings, account_id, agent):
    """What nobody but the site knows of her."""
    async with open_log(settings) as client, await open_database(settings) as database:
        keys = f"keys:{{{shard_of(account_id) % settings.partitions}}}"
        key = await client.hget(keys, str(position_of(account_id)))
        hashed = await database.fetchval(
            "SELECT password_hash FROM accounts WHERE id = $1", account_id
        )
    return {
        "hash": hashed.encode(),
        "key": key,
        "key in hexadecimal": key.hex().encode(),
        "address": ADDRESS.encode(),
        "agent": agent.encode(),
    }
