import asyncio
import time

import jwt
import pytest

from events.accounts import SessionsRevoked
from events.envelope import Delivery
from events.ids import Position, make_id
from events.log import Revocation
from gateway.keys import NOTICES
from gateway.revocations import Ended, Revocations
from gateway.tokens import LIFE_SECONDS, Tokens
from runtime.errors import Unauthenticated
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
        other.app[NOTICES].ready = False
        answer = await other.ask("GET", "/v1/me", ada)

    assert (answer.status, answer.body["code"]) == (503, "starting")
    assert "Retry-After" in answer.headers


def test_a_token_is_a_function_of_its_event():
    """The same session, the same token, in every process that has the secret."""
    session = make_id(Position(1_780_000_000_000, 3), 77)
    token, expires = Tokens(b"secret").issue(5, session)

    assert Tokens(b"secret").issue(5, session) == (token, expires)
    assert Tokens(b"secret").verify(token, now=0) == (5, session, 1_780_000_000_000)
    assert expires == 1_780_000_000 + LIFE_SECONDS


def test_a_token_ends_and_cannot_be_made_by_others():
    session = make_id(Position(1_780_000_000_000, 3), 77)
    tokens = Tokens(b"secret")
    token, expires = tokens.issue(5, session)
    claims = {"sub": "5", "jti": str(session), "iat": 0, "exp": expires}

    tokens.verify(token, now=expires - 1)
    for forged in (
        Tokens(b"other").issue(5, session)[0],
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims | {"sub": "x"}, tokens._key, algorithm="HS256"),
        token[:-2],
    ):
        with pytest.raises(Unauthenticated):
            tokens.verify(forged, now=0)
    with pytest.raises(Unauthenticated):
        tokens.verify(token, now=expires)


def test_revocations_commute():
    """Whatever the order: of two password changes, only what both leave standing stands."""
    first, second = (
        make_id(Position(2_000_000_000_000, 0), 1),
        make_id(Position(2_000_000_000_001, 0), 1),
    )
    kept_by_both, kept_by_second = first - 4096, first - 2048
    histories = [
        [(first, kept_by_second), (second, kept_by_second)],
        [(first, None), (second, kept_by_second)],
    ]
    for history in histories:
        for ordered in (history, history[::-1], history * 2):
            revocations = Revocations()
            for before, kept in ordered:
                revocations._end(1, None, ended(before, kept))
            assert revocations.ends(1, kept_by_both)
            assert revocations.ends(1, kept_by_second) == (history[0][1] is None)
            assert not revocations.ends(1, second)


def test_what_expired_is_forgotten():
    revocations = Revocations()
    revocations.load(
        [
            Revocation(
                account_id=1,
                token_id=token,
                issued_before_ms=1_780_000_000_000,
                kept_token_id=None,
                expires_ms=expires,
            )
            for token, expires in ((7, 10), (8, 20))
        ]
    )
    revocations.forget_expired(15)

    assert not revocations.ends(1, 7)
    assert revocations.ends(1, 8)


def test_hearing_a_sign_out_twice_is_hearing_it_once():
    revocations = Revocations()
    event = Delivery(
        event=SessionsRevoked(),
        topic="accounts",
        partition=0,
        position=Position(1_780_000_000_000, 5),
        actor=3 << 10,
        time=0,
    )
    revocations.hear(event)
    revocations.hear(event)

    assert revocations.ends(3 << 10, event.id - 1)
    assert not revocations.ends(3 << 10, event.id)


def ended(before, kept):
    return Ended(before, kept, 0)


async def eventually(gateway, person, status):
    """Ask again until the answer is this one; a revocation is promised within five seconds."""
    async with asyncio.timeout(5):
        while True:
            answer = await gateway.ask("GET", "/v1/me", person)
            if answer.status == status:
                return answer
            await asyncio.sleep(0.01)
