"""Accounts, sessions and repeats, as their owners see them."""

import asyncio

from tests.stories.api import PASSWORD, Member


async def test_a_new_password_ends_every_other_session(api, settle, ada):
    """The session that changed it goes on, the others end; only the new one opens another."""
    await settle()
    phone = await sign_in(api, ada)
    await api.put("/v1/me/password", ada, json={"old": PASSWORD, "new": "a longer horse"})
    await settle()

    assert (await api.get("/v1/me", ada))["id"] == ada.id
    await until_refused(api, phone)
    old = {"username": ada.username, "password": PASSWORD}
    await api.post("/v1/sessions", status=401, json=old)
    again = await sign_in(api, ada, "a longer horse")
    assert (await api.get("/v1/me", again))["id"] == ada.id


async def test_whoever_signs_out_is_out_here_and_in_elsewhere(api, settle, ada):
    """One token stops working, the other does not."""
    await settle()
    phone = await sign_in(api, ada)
    await api.delete("/v1/sessions/current", phone)
    await settle()

    await until_refused(api, phone)
    await api.get("/v1/me", ada)


async def test_an_upload_sent_twice_is_one_post(api, settle, ada, bob):
    """With the same key a repeat is answered with the first post, before and after it is shown."""
    await api.follow(bob, ada)
    key, photo = {"Idempotency-Key": "upload-1"}, api.photo("navy")
    first = await api.publish(ada, photo, caption="once", headers=key)
    assert await api.publish(ada, photo, caption="once", headers=key) == first
    await settle()
    assert await api.publish(ada, photo, caption="once", headers=key) == first
    await settle()

    assert await api.feed(bob) == [first]
    assert (await api.get(f"/v1/accounts/{ada.username}", bob))["counts"]["posts"] == 1


async def test_whoever_joins_late_finds_what_was_there(api, settle, ada, bob):
    """Photos, names and counts from before she came; and from her first follow on, her feed."""
    await api.patch("/v1/me", ada, json={"display_name": "Ada", "bio": "Sea"})
    posts = [await api.publish(ada, api.photo(size=(64 + n, 64))) for n in range(3)]
    await api.follow(bob, ada)
    await settle()
    eve = await api.register("eve")
    account = await api.get(f"/v1/accounts/{ada.username}", eve)
    assert (account["display_name"], account["bio"]) == ("Ada", "Sea")
    assert (account["counts"]["posts"], account["counts"]["followers"]) == (3, 1)
    listed = await api.items(f"/v1/accounts/{ada.username}/posts", eve, limit=2)
    assert {each["id"] for each in listed} == set(posts)
    await api.follow(eve, ada)
    await settle()

    assert await api.feed(eve, limit=2) == [each["id"] for each in listed]
    followers = await api.items(f"/v1/accounts/{ada.username}/followers", ada)
    assert {each["username"] for each in followers} == {bob.username, eve.username}


async def sign_in(api, member, password=PASSWORD):
    """Another session of the same member."""
    command = {"username": member.username, "password": password}
    body = await api.post("/v1/sessions", status=201, json=command)
    return Member(member.username, body["token"], member.id)


async def until_refused(api, member):
    """The end of a token is a notice: within 5 s every gateway has heard it."""
    async with asyncio.timeout(5):
        while (await api.call("GET", "/v1/me", member))[0] != 401:  # noqa: ASYNC110 - of a gateway
            await asyncio.sleep(0.02)
