import asyncio
import time

import pytest

from gateway.keys import NOTICES
from tests.gateway.serving import PASSWORD, Person, serving


async def test_signing_in_gives_a_second_session(gateway, settle):
    """Both tokens work; each is its own."""
    ada = await gateway.sign_up("ada")
    await settle()
    answer = await gateway.sign_in("ADA")
    again = Person(answer.body["account"], answer.body["token"])

    assert answer.status == 201
    assert again.account == ada.account
    assert again.token != ada.token
    assert (await gateway.ask("GET", "/v1/me", again)).status == 200
    assert (await gateway.ask("GET", "/v1/me", ada)).status == 200


async def test_sign_in_right_after_sign_up_waits_for_the_row(gateway, settle):
    """A reserved name whose row is not written yet is waited for."""
    await gateway.sign_up("ada")
    signing_in = asyncio.create_task(gateway.sign_in("ada"))
    await asyncio.sleep(0.2)
    assert not signing_in.done()
    await settle()

    assert (await signing_in).status == 201


async def test_a_row_that_does_not_come_is_503(gateway):
    """No worker runs: after two seconds the client is told to come back."""
    await gateway.sign_up("ada")
    began = time.monotonic()
    answer = await gateway.sign_in("ada")

    assert (answer.status, answer.body["code"]) == (503, "account-not-ready")
    assert int(answer.headers["Retry-After"]) >= 1
    assert time.monotonic() - began < 3


async def test_wrong_names_and_wrong_passwords_look_alike(gateway, settle):
    """The same answer, whichever of the two is wrong."""
    await gateway.sign_up("ada")
    await settle()
    answers = [
        await gateway.sign_in("ada", "wrong password"),
        await gateway.sign_in("nobody", PASSWORD),
        await gateway.sign_in("no name at all!", PASSWORD),
    ]

    assert {answer.status for answer in answers} == {401}
    assert {answer.body["code"] for answer in answers} == {"bad-credentials"}
    assert len({answer.body["detail"] for answer in answers}) == 1
    assert all("WWW-Authenticate" in answer.headers for answer in answers)


async def test_a_repeated_sign_in_gets_an_equal_answer(gateway, settle):
    """The token is rebuilt from the event, not kept anywhere."""
    await gateway.sign_up("ada")
    await settle()
    first = await gateway.sign_in("ada", headers={"Idempotency-Key": "1"})
    again = await gateway.sign_in("ada", headers={"Idempotency-Key": "1"})
    other = await gateway.sign_in("ada", headers={"Idempotency-Key": "2"})

    assert (first.status, again.status) == (201, 201)
    assert first.raw == again.raw
    assert again.headers["Idempotency-Replayed"] == "true"
    assert other.body["token"] != first.body["token"]


async def test_a_repeated_sign_in_shows_the_account_as_it_was(gateway, settle):
    """Whatever was edited in between: a repeat's body is equal to the first one's."""
    ada = await gateway.sign_up("ada")
    await settle()
    first = await gateway.sign_in("ada", headers={"Idempotency-Key": "1"})
    await gateway.ask("PATCH", "/v1/me", ada, json={"display_name": "Countess", "private": True})
    await settle()
    again = await gateway.sign_in("ada", headers={"Idempotency-Key": "1"})

    assert again.raw == first.raw
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (await gateway.sign_in("ada")).body["account"]["display_name"] == "Countess"


async def test_signing_out_ends_one_session(gateway, settle):
    ada = await gateway.sign_up("ada")
    await settle()
    second = Person(ada.account, (await gateway.sign_in("ada")).body["token"])
    left = await gateway.ask("DELETE", "/v1/sessions/current", second)
    ended = await eventually(gateway, second, 401)

    assert left.status == 202
    assert ended.body["code"] == "revoked-token"
    assert (await gateway.ask("GET", "/v1/me", ada)).status == 200


async def test_signing_out_everywhere_ends_all_but_later_sessions(gateway, settle):
    ada = await gateway.sign_up("ada")
    await settle()
    second = Person(ada.account, (await gateway.sign_in("ada")).body["token"])
    assert (await gateway.ask("DELETE", "/v1/sessions", ada)).status == 202
    await eventually(gateway, second, 401)
    await eventually(gateway, ada, 401)
    third = Person(ada.account, (await gateway.sign_in("ada")).body["token"])

    assert (await gateway.ask("GET", "/v1/me", third)).status == 200


async def test_a_restarted_gateway_knows_who_signed_out(gateway, settings):
    """Revocations outlive processes."""
    ada = await gateway.sign_up("ada")
    await gateway.ask("DELETE", "/v1/sessions", ada)
    async with serving(settings) as other:
        assert (await other.ask("GET", "/v1/me", ada)).status == 401


async def test_every_gateway_hears_of_it(gateway, settings):
    """A session ended on one gateway is ended on the others within moments."""
    async with serving(settings, "read") as other:
        ada = await gateway.sign_up("ada")
        assert (await other.ask("GET", "/v1/me", ada)).status == 200
        await gateway.ask("DELETE", "/v1/sessions", ada)
        await eventually(other, ada, 401)


async def test_a_new_password_ends_other_sessions(gateway, settle):
    """The session that changed it stays; the old password no longer opens one, row or no row."""
    ada = await gateway.sign_up("ada")
    await settle()
    second = Person(ada.account, (await gateway.sign_in("ada")).body["token"])
    change = {"old": PASSWORD, "new": "another password"}
    assert (await gateway.ask("PUT", "/v1/me/password", second, json=change)).status == 202
    await eventually(gateway, ada, 401)

    assert (await gateway.ask("GET", "/v1/me", second)).status == 200
    assert (await gateway.sign_in("ada")).status == 401
    assert (await gateway.sign_in("ada", "another password")).status == 201
    await settle()
    assert (await gateway.sign_in("ada")).status == 401
    assert (await gateway.sign_in("ada", "another password")).status == 201


async def test_a_new_password_wants_the_old_one(gateway, settle):
    ada = await gateway.sign_up("ada")
    await settle()
    wrong = {"old": "not this one", "new": "another password"}
    short = {"old": PASSWORD, "new": "short"}

    assert (await gateway.ask("PUT", "/v1/me/password", ada, json=wrong)).status == 403
    assert (await gateway.ask("PUT", "/v1/me/password", ada, json=short)).status == 422


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "unauthenticated"),
        ("Basic YTpi", "unauthenticated"),
        ("Bearer", "bad-token"),
        ("Bearer x.y.z", "bad-token"),
        ("Bearer " + "x" * 5000, "bad-token"),
    ],
)
async def test_without_a_good_token_it_is_401(gateway, header, code):
    headers = {"Authorization": header} if header else {}
    answer = await gateway.ask("GET", "/v1/me", headers=headers)

    assert (answer.status, answer.body["code"]) == (401, code)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_nobody_is_recognised_before_revocations_are_known(gateway, settings):
    """An ended token must not work again just because a gateway has started."""
    ada = await gateway.sign_up("ada")
    async with serving(settings) as other:
        other.app[NOTICES].known.clear()
        answer = await other.ask("GET", "/v1/me", ada)

    assert (answer.status, answer.body["code"]) == (503, "starting")
    assert "Retry-After" in answer.headers


async def eventually(gateway, person, status):
    """Ask again until the answer is this one; a revocation is promised within five seconds."""
    async with asyncio.timeout(5):
        while True:
            answer = await gateway.ask("GET", "/v1/me", person)
            if answer.status == status:
                return answer
            await asyncio.sleep(0.01)
