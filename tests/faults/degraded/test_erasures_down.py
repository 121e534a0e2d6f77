"""Erased while an engine is away: hidden at once all the same, and gone when it is back."""

import hashlib
from contextlib import asynccontextmanager
from secrets import randbits

from bench.photos import camera_photo
from stores.objects import Objects
from tests.faults.degraded.outages import PROJECTIONS, site_of
from tests.gateway.publishing import submit, urls_of
from tests.gateway.serving import PASSWORD
from tests.workers.storing import keys_in
from workers.process import create_groups

ROLES = (*PROJECTIONS, "renditions", "erasures")
SOON = 5  # seconds within which every gateway hides what is erased
DELETE = {"json": {"password": PASSWORD}}


@asynccontextmanager
async def peopled(settings):
    """Bob follows Ada, who has a post that both gateways show."""
    await create_groups(settings)
    async with site_of(settings, roles=ROLES, gateways=("all", "all")) as site:
        ada, bob = [await site.gateway.sign_up(each) for each in ("ada", "bob")]
        followed = await site.command("PUT", "/v1/accounts/ada/follow", bob)
        site.photo = camera_photo(width=320, height=240, seed=randbits(32))
        posted = await submit(site.gateway, ada, site.photo)
        await site.applied((bob, followed), (ada, posted))
        await site.until(lambda: site.shows(bob, [posted["id"]]))
        site.post = posted["id"]
        site.url = next(iter((await urls_of(site.gateway, site.post, bob)).values()))
        for at in range(2):
            assert await site.feed(bob, at=at) == [site.post]
        yield site, ada, bob


async def until_hidden(site, bob):
    """On every gateway nothing of her is shown, whatever is away."""
    for at in range(2):
        await site.until_status(404, "GET", "/v1/accounts/ada", bob, seconds=SOON, at=at)
        assert await site.feed(bob, at=at) == []
        for path in (f"/v1/posts/{site.post}", site.url):
            answer = await site.ask("GET", path, bob, at=at)
            # Without rows nobody can say more of a post that no card is left of.
            assert answer.status in (410, 403, 503), answer


async def is_swept(site):
    async with Objects(site.settings.objects_url) as objects:
        return not await keys_in(objects, hashlib.sha256(site.photo).hexdigest())


async def test_postgres_down_nobody_is_erased_and_whoever_was_stays_hidden(settings, how):
    """The password cannot be checked. What was erased a moment before is seen by nobody."""
    async with peopled(settings) as (site, ada, bob):
        carol = await site.gateway.sign_up("carol")
        async with site.down("database", how):
            await site.refused("DELETE", "/v1/me", bob, code="metadata-unavailable", **DELETE)
        await site.check("database", "ok")
        await site.until_status(202, "DELETE", "/v1/me", carol, **DELETE)

        await site.command("DELETE", "/v1/me", ada, **DELETE)
        async with site.down("database", how):
            await until_hidden(site, bob)
        await site.until(lambda: is_swept(site))
        await until_hidden(site, bob)
        answer = await site.until_status(200, "GET", "/v1/me", bob)
        assert answer.body["counts"]["following"] == 0


async def test_cache_down_whoever_is_erased_is_gone_when_it_is_back(settings, how):
    """Hidden by the notice; the windows that outlived it are cleared once they are in reach."""
    async with peopled(settings) as (site, ada, bob):
        async with site.down("cache", how):
            await site.command("DELETE", "/v1/me", ada, **DELETE)
            await until_hidden(site, bob)
        await site.check("cache", "ok")
        await site.until(lambda: is_swept(site))
        await until_hidden(site, bob)


async def test_object_storage_down_an_erased_accounts_photos_go_when_it_is_back(settings, how):
    """Nobody is shown them meanwhile."""
    async with peopled(settings) as (site, ada, bob):
        async with site.down("objects", how):
            await site.command("DELETE", "/v1/me", ada, **DELETE)
            await until_hidden(site, bob)
        await site.until(lambda: is_swept(site))
        await until_hidden(site, bob)
