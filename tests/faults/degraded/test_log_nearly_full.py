"""The row "log nearly full, clocks disagree": commands are refused before the log fails."""

import time
from contextlib import asynccontextmanager

import pytest

from tests.faults.degraded.outages import site_of
from tests.gateway.publishing import JPEG, announce_published, form, submit
from tests.gateway.serving import PASSWORD

AHEAD_MS = 60_000  # the append function bears 10 s


@asynccontextmanager
async def peopled(settings):
    """Bob follows Ada, who has a post; one more of hers waits for its renditions."""
    async with site_of(settings) as site:
        ada, bob = [await site.gateway.sign_up(each) for each in ("ada", "bob")]
        followed = await site.command("PUT", "/v1/accounts/ada/follow", bob)
        first = await submit(site.gateway, ada)
        await announce_published(site.gateway, ada, first, JPEG)
        await site.applied((bob, followed), (ada, first))
        yield site, ada, bob, first["id"]


async def commands_are_refused(site, ada, bob, code):
    """Signing in and signing out as well."""
    account = {"username": "carol", "password": PASSWORD}
    for method, path, person, more in (
        ("POST", "/v1/accounts", None, {"json": account}),
        ("POST", "/v1/sessions", None, {"json": account | {"username": "ada"}}),
        ("PATCH", "/v1/me", ada, {"json": {"bio": "Hello"}}),
        ("DELETE", "/v1/accounts/ada/follow", bob, {}),
        ("POST", "/v1/posts", ada, {"data": form(JPEG)}),
        ("DELETE", "/v1/sessions", bob, {}),
    ):
        await site.refused(method, path, person, code=code, **more)


async def reads_go_on(site, bob, post_id):
    assert await site.feed(bob) == [post_id]
    for path in (f"/v1/posts/{post_id}", "/v1/me", "/v1/accounts/ada/posts"):
        await site.get(path, bob)


@pytest.fixture
async def clock_set_back(log_client, settings):
    """Every partition's head is in the future, as after the log's clock was set back."""
    heads = [f"head:{{{partition}}}" for partition in range(settings.partitions)]

    @asynccontextmanager
    async def backwards():
        before = {head: await log_client.hget(head, "head") for head in heads}
        ahead = f"{time.time_ns() // 1_000_000 + AHEAD_MS}-0"
        for head in heads:
            await log_client.hset(head, "head", ahead)
        try:
            yield
        finally:
            for head, position in before.items():
                await log_client.hset(head, "head", position or "0-0")

    return backwards


@pytest.fixture
async def nearly_full(log_client):
    """Fills 87 % of the log's memory, as the log counts it; `with` makes room again."""

    @asynccontextmanager
    async def filled():
        before = (await log_client.config_get("maxmemory"))["maxmemory"]
        await log_client.set("ballast", bytes(32 * 2**20))  # beside it, clients use nothing
        used = (await log_client.info("memory"))["used_memory"]
        await log_client.config_set("maxmemory", int(used / 0.87))
        try:
            yield
        finally:
            await log_client.config_set("maxmemory", before)

    return filled


async def test_log_nearly_full_commands_are_refused_and_reads_go_on(settings, nearly_full):
    """It is the gateway that refuses, and says so: the log still has room for the workers.

    With room made, commands are taken again.
    """
    async with peopled(settings) as (site, ada, bob, post_id):
        waiting = await submit(site.gateway, ada)
        async with nearly_full():
            await site.check("log-room", "full")
            await commands_are_refused(site, ada, bob, "log-full")
            await reads_go_on(site, bob, post_id)
            await announce_published(site.gateway, ada, waiting, JPEG)
            await site.applied((ada, waiting))

        await site.check("log-room", "ok")
        await site.command("PATCH", "/v1/me", ada, json={"bio": "Hello"})
        assert await site.feed(bob) == [waiting["id"], post_id]


async def test_clocks_disagree_commands_are_refused_and_reads_go_on(settings, clock_set_back):
    """No id is given a wrong time. Once the clock is right, commands are taken again."""
    async with peopled(settings) as (site, ada, bob, post_id):
        async with clock_set_back():
            await commands_are_refused(site, ada, bob, "clock-skew")
            await reads_go_on(site, bob, post_id)

        edited = await site.command("PATCH", "/v1/me", ada, json={"bio": "Hello"})
        await site.applied((ada, edited))
        assert (await site.get("/v1/me", ada))["bio"] == "Hello"
