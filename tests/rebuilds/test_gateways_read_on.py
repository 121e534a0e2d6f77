"""Who reads and commands during a rebuild and its swap notices nothing but what is true."""

import asyncio

import pytest
from aiohttp.test_utils import TestClient, TestServer

from gateway.app import build_app
from gateway.keys import NOTICES
from tests.rebuilds.rebuilt import at_work, projecting, rebuild
from tests.stories.api import PASSWORD, Api


@pytest.fixture
async def api(settings, clean_site, archive):
    app = build_app(settings, "all")
    async with TestClient(TestServer(app)) as client:
        async with asyncio.timeout(10):
            while not app[NOTICES].ready:  # noqa: ASYNC110 - readiness is a flag, as health reads it
                await asyncio.sleep(0.01)
        yield Api(client)


async def test_nothing_is_refused_and_what_holds_is_answered(settings, log_client, api):
    """Connections that were open before, with their prepared statements, read the new tables."""
    async with projecting(settings) as workers, at_work(workers):
        ada, bob = await api.register("ada"), await api.register("bob")
        await api.follow(bob, ada)
        enough, rounds = asyncio.Event(), 0

        async def use():
            """Each answer comes out of the tables, and must be a success."""
            nonlocal rounds
            while not enough.is_set():
                rounds += 1
                command = {"username": ada.username, "password": PASSWORD}
                await api.post("/v1/sessions", status=201, json=command)
                path = f"/v1/accounts/{ada.username}/followers"
                followers = await api.items(path, bob)
                assert [each["username"] for each in followers] == [bob.username]
                await api.patch("/v1/me", ada, json={"bio": f"bio {rounds}"})

        path = f"/v1/accounts/{ada.username}/followers"
        await until(api, path, bob, lambda page: page.get("items"))
        using = [asyncio.create_task(use()) for _ in range(3)]
        for number in range(2):
            before = rounds
            await rebuild(settings, log_client, schema=f"heliograph_n{number}", verify=False)
            assert rounds > before
        enough.set()
        await asyncio.gather(*using)
        await api.patch("/v1/me", ada, json={"bio": "the last"})
        path = f"/v1/accounts/{ada.username}"
        await until(api, path, bob, lambda account: account.get("bio") == "the last")


async def until(api, path, member, holds):
    """What was commanded is folded in a moment."""
    async with asyncio.timeout(10):
        while True:
            _, body = await api.call("GET", path, member)
            if holds(body):
                return
            await asyncio.sleep(0.01)
