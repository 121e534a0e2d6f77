import jwt
import pytest

from events.accounts import SessionsRevoked
from events.envelope import Delivery
from events.ids import Position, make_id
from events.revocations import Revocation
from gateway.revocations import Ended, Revocations
from gateway.tokens import LIFE_SECONDS, Tokens
from runtime.errors import Unauthenticated


def test_a_token_is_a_function_of_its_event():
    """The same session, the same token, in every process that has the secret."""
    session = make_id(Position(1_780_000_000_000, 3), 77)
    token, expires = Tokens(b"secret").issue(5, session)

    assert Tokens(b"secret").issue(5, session) == (token, expires)
    assert Tokens(b"secret").verify(token, now=0) == (5, session)
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


def test_tokens_in_use_stay_remembered(monkeypatch):
    """However many others come, who keeps asking is not checked anew."""
    monkeypatch.setattr("gateway.tokens.REMEMBERED_BYTES", 20_000)
    tokens = Tokens(b"secret")
    issued = [tokens.issue(5, make_id(Position(1_780_000_000_000, n), 77))[0] for n in range(60)]
    viewer = tokens.verify(issued[0], now=0)
    for token in issued[1:]:
        tokens.verify(token, now=0)
        assert tokens.verify(issued[0], now=0) is viewer

    assert len(tokens._verified) < 30


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
