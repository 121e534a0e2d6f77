"""An account that erases itself is gone on every gateway, before any worker has done a thing."""

import asyncio

import pytest

from gateway import uploads
from gateway.keys import NOTICES, OBJECTS, SETTINGS, WRITTEN
from tests.gateway.publishing import (
    JPEG,
    form,
    make_private,
    publish,
    show,
    submit,
    until_status,
    urls_of,
)
from tests.gateway.serving import PASSWORD, serving

PROFILE = "/v1/accounts/ada"


@pytest.fixture
async def elsewhere(settings, gateway):
    """Another gateway of the same site."""
    async with serving(settings) as other:
        yield other


@pytest.fixture
async def bob(gateway):
    return await gateway.sign_up("bob")


async def erase(gateway, person, password=PASSWORD, **more):
    return await gateway.ask("DELETE", "/v1/me", person, json={"password": password}, **more)


async def befriend(gateway, settle, follower, followee):
    path = f"/v1/accounts/{followee.username}/follow"
    assert (await gateway.ask("PUT", path, follower)).status == 202
    await settle()


async def names_in(gateway, path, person):
    answer = await gateway.ask("GET", path, person)
    assert answer.status == 200, answer.raw
    return [each["username"] for each in answer.body["items"]]


async def feed_of(gateway, person):
    answer = await gateway.ask("GET", "/v1/feed", person)
    assert answer.status == 200, answer.raw
    return [each["id"] for each in answer.body["items"]]


async def test_everything_is_hidden_at_once_and_stays_so(gateway, elsewhere, settle, ada, bob):
    """Profile, posts, photos, lists and feeds, by the notice alone and by the rows alone."""
    post_id = await publish(gateway, settle, ada)
    url = (await urls_of(gateway, post_id, ada))[640]
    await befriend(gateway, settle, bob, ada)
    await befriend(gateway, settle, ada, bob)
    for each in (gateway, elsewhere):
        assert await feed_of(each, bob) == [post_id]
        assert await names_in(each, "/v1/accounts/bob/followers", bob) == ["ada"]

    assert (await erase(gateway, ada)).status == 202
    for each in (gateway, elsewhere):
        await until_status(each, PROFILE, 404, bob)
        assert not each.app[WRITTEN].posts.values(), "nor is it remembered"
    for settled in (False, True):
        if settled:
            await settle()
        async with serving(gateway.app[SETTINGS]) as fresh:
            for each in (gateway, elsewhere, fresh):
                await assert_gone(each, post_id, url, bob)

    counts = (await gateway.ask("GET", "/v1/me", bob)).body["counts"]
    assert (counts["followers"], counts["following"]) == (0, 0)


async def assert_gone(gateway, post_id, url, bob):
    assert (await gateway.ask("GET", PROFILE, bob)).status == 404
    for each in ("posts", "followers", "following"):
        assert (await gateway.ask("GET", f"{PROFILE}/{each}", bob)).status == 404
    for method in ("PUT", "DELETE"):
        assert (await gateway.ask(method, f"{PROFILE}/follow", bob)).status == 404
    answer = await show(gateway, post_id, bob)
    assert (answer.status, answer.body["code"]) == (410, "gone")
    assert (await gateway.ask("GET", url)).status == 403
    assert await feed_of(gateway, bob) == []
    for each in ("followers", "following"):
        assert await names_in(gateway, f"/v1/accounts/bob/{each}", bob) == []


async def test_posts_of_a_private_account_leave_no_trace(gateway, settle, ada, bob):
    """Who was never shown that they are there is not told that they were."""
    post_id = await publish(gateway, settle, ada)
    unfinished = (await submit(gateway, ada))["id"]
    await make_private(gateway, ada)
    await settle()
    await erase(gateway, ada)
    await until_status(gateway, PROFILE, 404, bob)

    for _ in range(2):
        assert (await show(gateway, post_id, bob)).status == 404
        assert (await show(gateway, unfinished, bob)).status == 404
        await settle()


async def test_only_the_password_erases(gateway, settle, ada):
    """A wrong one, and none, change nothing; whose token it is does not suffice."""
    await settle()
    wrong = await erase(gateway, ada, "not her password")
    assert (wrong.status, wrong.body["code"]) == (403, "bad-credentials")
    assert (await gateway.ask("DELETE", "/v1/me", ada, json={})).status == 422
    assert (await erase(gateway, None)).status == 401
    await settle()

    assert (await gateway.ask("GET", "/v1/me", ada)).body["username"] == "ada"


async def test_it_can_be_done_right_after_signing_up(gateway, settle):
    """No row is written yet: it is waited for, as for signing in."""
    eve = await gateway.sign_up("eve")
    erasing = asyncio.create_task(erase(gateway, eve))
    await settle()

    assert (await erasing).status == 202


async def test_nobody_signs_in_again_and_every_session_ends(gateway, elsewhere, settle, ada):
    """The right password is as wrong as any, and the name is taken for ever."""
    await settle()
    key = {"Idempotency-Key": "k-1"}
    phone = await gateway.sign_in("ada", headers=key)
    await erase(gateway, ada)
    for each in (gateway, elsewhere):
        answer = await until_status(each, "/v1/me", 401, ada)
        assert answer.body["code"] == "revoked-token"

    for _ in range(2):
        for each in (gateway, elsewhere):
            answer = await each.sign_in("ada")
            assert (answer.status, answer.body["code"]) == (401, "bad-credentials")
            assert (await each.sign_in("ada", headers=key)).status == 401
            headers = {"Authorization": f"Bearer {phone.body['token']}"}
            assert (await each.ask("GET", "/v1/me", headers=headers)).status == 401
        taken = await gateway.ask(
            "POST", "/v1/accounts", json={"username": "ADA", "password": PASSWORD}
        )
        assert (taken.status, taken.body["code"]) == (409, "username-taken")
        await settle()


async def test_a_gateway_that_has_not_heard_of_it_is_told_by_the_log(
    gateway, settle, ada, monkeypatch
):
    """The row is whole and the password right: neither signs in, posts or edits any more."""
    await settle()
    notices = gateway.app[NOTICES]
    monkeypatch.setattr(notices, "is_erased", lambda _: False)
    monkeypatch.setattr(notices, "is_revoked", lambda *_: False)
    monkeypatch.setattr(notices, "password", lambda _: None)
    await erase(gateway, ada)

    answer = await gateway.sign_in("ada")
    assert (answer.status, answer.body["code"]) == (401, "bad-credentials")
    for method, path, more in (
        ("PATCH", "/v1/me", {"json": {"private": True}}),
        ("DELETE", "/v1/sessions/current", {}),
        ("POST", "/v1/posts", {"data": form(JPEG)}),
    ):
        answer = await gateway.ask(method, path, ada, **more)
        assert (answer.status, answer.body["code"]) == (403, "account-erased"), method
    assert (await gateway.ask("PUT", f"{PROFILE}/follow", ada)).status == 404
    again = await erase(gateway, ada)
    assert (again.status, again.headers["Idempotency-Replayed"]) == (202, "true")


async def test_a_repeat_hears_that_the_session_has_ended(gateway, settle, ada):
    """As after signing out, whatever key it has: the token went with the account."""
    await settle()
    key = {"Idempotency-Key": "k-1"}
    first = await erase(gateway, ada, headers=key)
    assert first.status == 202
    assert first.body["event"].startswith("accounts.")
    await until_status(gateway, "/v1/me", 401, ada)

    again = await erase(gateway, ada, headers=key)
    assert (again.status, again.body["code"]) == (401, "revoked-token")
    assert again.headers["WWW-Authenticate"]


async def test_sent_twice_at_once_it_is_one_erasure(gateway, elsewhere, settle, ada):
    """Over two gateways: each repeat is the same event, or hears that the session has ended."""
    await settle()
    answers = await asyncio.gather(*(erase(each, ada) for each in (gateway, elsewhere) * 2))

    accepted = [each.body["event"] for each in answers if each.status == 202]
    assert len(set(accepted)) == 1
    assert {each.status for each in answers} <= {202, 401, 403}


async def test_an_upload_under_way_is_refused_and_leaves_nothing(gateway, settle, ada, monkeypatch):
    """Its photo is staged, then the account is gone: nothing is recorded, nothing stays staged."""
    await settle()
    finish, staged = uploads.Draft.finish, []

    def erased_meanwhile(draft):
        finished = finish(draft)
        staged.extend(photo.key for photo in finished.photos)
        return finished

    monkeypatch.setattr(uploads.Draft, "finish", erased_meanwhile)
    record = uploads.record

    async def recorded(request, draft, post):
        assert (await erase(gateway, ada)).status == 202
        return await record(request, draft, post)

    monkeypatch.setattr(uploads, "record", recorded)
    answer = await gateway.ask("POST", "/v1/posts", ada, data=form(JPEG))

    assert (answer.status, answer.body["code"]) == (403, "account-erased")
    assert staged
    for key in staged:
        assert not await gateway.app[OBJECTS].exists(key)
