import asyncio

import pytest

from gateway import passwords
from gateway.passwords import Passwords
from runtime.errors import Unavailable


@pytest.fixture
def hashing():
    made = Passwords()
    yield made
    made.close()


async def test_a_password_is_known_again(hashing):
    """argon2id, salted: the same password has another hash each time."""
    one, two = await hashing.hash("correct horse"), await hashing.hash("correct horse")

    assert one.startswith("$argon2id$")
    assert one != two
    assert await hashing.verify(one, "correct horse")
    assert not await hashing.verify(one, "correct horsf")


async def test_nobody_has_no_password(hashing):
    """Without a hash nothing matches, not even what the stand-in was made of."""
    assert not await hashing.verify(None, "")
    assert not await hashing.verify("", "anything")
    assert not await hashing.verify("not a hash", "anything")


async def test_too_many_at_once_are_told_to_come_back(hashing, monkeypatch):
    monkeypatch.setattr(passwords, "MOST_WAITING", 2)
    outcomes = await asyncio.gather(
        *(hashing.hash("correct horse") for _ in range(5)), return_exceptions=True
    )

    assert sum(isinstance(each, Unavailable) for each in outcomes) == 3
