"""The product as its users see it: a site over HTTP, and workers.

Every story is told four times: to the very processes of `make run`, whose readers block and hold
leases; and in this process, where workers run when told to, as it happens, with its whole history
delivered again to every role whenever it settles, and with deliveries one at a time, newest role
first.
"""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, TestServer

from gateway.app import build_app
from gateway.keys import NOTICES
from runtime.connections import open_blocking_log
from tests.stories.api import Api
from tests.stories.in_process import Workers
from tests.stories.own_site import own_site
from workers.process import create_groups, open_site
from workers.subscriptions import SUBSCRIPTIONS


# Of the session, so that what is told to the site is told in one go; first, so that it then ends.
@pytest.fixture(scope="session", params=["site", "once", "twice", "singly"])
def telling(request):
    return request.param


@pytest.fixture(scope="session")
def site(telling, tmp_path_factory):
    """The site of real processes; None when the story is told in this one."""
    if telling != "site":
        yield None
        return
    with own_site(tmp_path_factory.mktemp("own")) as running:
        yield running


@pytest.fixture
def settings(settings, site):
    """Two partitions tell a story as well as eight, and settle faster."""
    return site.settings if site else settings.replace(partitions=2, decoders=1)


@pytest.fixture
async def api(settings, site, clean_site):
    """The site's one address, or a gateway that serves reads and commands, as `--role all` does."""
    async with ClientSession(site.address) if site else in_process(settings) as client:
        yield Api(client)


@asynccontextmanager
async def in_process(settings):
    app = build_app(settings, "all")
    async with TestClient(TestServer(app)) as client:
        async with asyncio.timeout(10):
            while not app[NOTICES].ready:  # noqa: ASYNC110 - readiness is a flag, as health reads it
                await asyncio.sleep(0.01)
        yield client


@pytest.fixture
async def settle(telling, site, settings, clean_site):
    """Wait, or work, until nothing moves; no sleeps."""
    if site:
        yield site.settled
        return
    async with AsyncExitStack() as stack:
        blocking = await stack.enter_async_context(open_blocking_log(settings))
        sites = {
            role: await stack.enter_async_context(open_site(settings, role))
            for role in SUBSCRIPTIONS
        }
        workers = Workers(settings, sites, blocking)
        await create_groups(
            settings
        )  # as at every start: a role unknown to the log is not waited for

        async def drain():
            await workers.drain(200)
            if telling == "twice":
                await workers.begin_again()
                await workers.drain(7)
            if telling == "singly":
                await workers.begin_again()
                await workers.drain(1, backwards=True)

        yield drain


@pytest.fixture
async def ada(api):
    return await api.register("ada")


@pytest.fixture
async def bob(api):
    return await api.register("bob")
