"""A gateway on the engines of the session, and workers that run when told to."""

import itertools
from contextlib import AsyncExitStack

import pytest

from runtime.connections import open_blocking_log
from tests.gateway.feeding import opening
from tests.gateway.serving import serving
from workers.process import open_site, readers_of
from workers.subscriptions import SUBSCRIPTIONS


@pytest.fixture
async def gateway(settings, clean_site):
    async with serving(settings) as served:
        yield served


@pytest.fixture
async def open_client(settings, log_client, reader_database, database):
    """Opens clients of gateways that read feeds, each with the settings it is given."""
    async with opening(settings, log_client, reader_database, database) as opened:
        yield opened


@pytest.fixture
async def settle(settings, clean_site):
    """Run the workers that write rows until nothing moves."""
    async with AsyncExitStack() as stack:
        blocking = await stack.enter_async_context(open_blocking_log(settings))
        clock = itertools.count(0, 100)
        readers = []
        for role in SUBSCRIPTIONS.keys() - {"renditions"}:
            site = await stack.enter_async_context(open_site(settings, role))
            readers += readers_of(role, settings, site, blocking, clock=lambda: next(clock))

        async def drain():
            for _ in range(100):
                if not any([await reader.step() for reader in readers]):
                    return
            pytest.fail("did not settle")

        yield drain


@pytest.fixture
async def ada(gateway):
    return await gateway.sign_up("ada")
