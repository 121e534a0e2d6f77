"""The row "cache": everything goes on by Postgres, within a bound and declared."""

import asyncio
from contextlib import asynccontextmanager

from tests.faults.degraded.outages import site_of
from tests.gateway.publishing import JPEG, announce_published, submit

POSTS, PAGE = 7, 3
CROWD = 60


@asynccontextmanager
async def reading(settings):
    """Bob follows Ada, who has a few posts; his window stands in the cache."""
    async with site_of(settings) as site:
        ada, bob = [await site.gateway.sign_up(each) for each in ("ada", "bob")]
        followed = await site.command("PUT", "/v1/accounts/ada/follow", bob)
        await site.applied((bob, followed))
        site.posts = [await posted(site, ada) for _ in range(POSTS)]
        await site.until(lambda: site.shows(bob, site.posts, limit=PAGE))
        yield site, ada, bob


async def posted(site, person):
    body = await submit(site.gateway, person)
    await announce_published(site.gateway, person, body, JPEG)
    return body["id"]


async def test_cache_down_everything_goes_on_by_postgres(settings, how):
    """Feeds stay complete, page by page, and show what is published and deleted meanwhile.

    Commands are taken. Once the cache is back windows are built on use and fan-out goes on.
    """
    async with reading(settings) as (site, ada, bob):
        async with site.down("cache", how):
            first = await asyncio.gather(*(site.feed(bob, limit=PAGE) for _ in range(6)))
            assert first == [site.posts[::-1]] * 6
            await site.check("cache", "down")

            eve = await site.gateway.sign_up("eve")
            new = await posted(site, ada)
            deleted = site.posts.pop(0)
            removed = await site.command("DELETE", f"/v1/posts/{deleted}", ada)
            followed = await site.command("PUT", "/v1/accounts/ada/follow", eve)
            await site.command("POST", "/v1/sessions", status=201, json=signing(bob))
            site.posts.append(new)
            await site.until(lambda: site.shows(bob, site.posts, limit=PAGE))
            await site.until(lambda: site.shows(eve, site.posts, limit=PAGE))
            answer = await site.feed(bob, degraded="cache")
            assert answer == site.posts[::-1]
            for path in (f"/v1/posts/{new}", "/v1/accounts/ada", "/v1/accounts/ada/posts"):
                await site.get(path, bob)
            await site.until_status(410, "GET", f"/v1/posts/{deleted}", ada)

        await site.check("cache", "ok")
        await site.applied((ada, removed), (eve, followed))
        newest = await posted(site, ada)
        site.posts.append(newest)
        for each in (bob, eve):
            await site.until(lambda each=each: site.shows(each, site.posts))
            await site.until(lambda each=each: is_in_full(site, each))


def signing(person):
    return {"username": person.username, "password": "correct horse battery"}


async def is_in_full(site, person):
    """The feed comes out of a window again: nothing is missing that would have to be declared."""
    answer = await site.ask("GET", "/v1/feed", person)
    return answer.status == 200 and "Heliograph-Degraded" not in answer.headers


async def test_cache_down_more_pulls_than_postgres_bears_are_refused(settings, how):
    """Beyond the bound a feed is 503 with Retry-After, soon; the others are answered in full."""
    async with reading(settings) as (site, _, bob):
        async with site.down("cache", how):
            await site.check("cache", "down")
            await asyncio.gather(*(site.feed(bob) for _ in range(8)))  # connections are open
            site.proxies["database"].delay(0.1)
            answers = await asyncio.gather(
                *(site.ask("GET", "/v1/feed", bob) for _ in range(CROWD))
            )
            site.proxies["database"].delay(0)

            served = [each for each in answers if each.status == 200]
            refused = [each for each in answers if each.status == 503]
            assert served
            assert refused
            assert len(served) + len(refused) == CROWD
            assert {each.headers["Heliograph-Degraded"] for each in served} == {"cache"}
            assert {each.body["code"] for each in refused} == {"overloaded"}
            assert all(int(each.headers["Retry-After"]) >= 1 for each in refused)
            assert await site.feed(bob) == site.posts[::-1]
        await site.until(lambda: is_in_full(site, bob))
