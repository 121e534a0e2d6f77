"""A log over the real server, and shorthands for what happens in it."""

import pytest

from events.accounts import AccountRegistered
from events.log import Log


@pytest.fixture
def log(log_client, settings):
    return Log(log_client, partitions=8, secret=settings.secret.reveal().encode())


@pytest.fixture
def register(log):
    """Open an account and give its id."""

    async def register(username: str) -> int:
        event = AccountRegistered(username=username, display_name=username, password_hash="hash")
        return (await log.register(event)).id

    return register
