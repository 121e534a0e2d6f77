"""The row "Postgres": what is in reach is read, commands are taken, the rest is refused."""

import asyncio
from contextlib import asynccontextmanager

from bench.photos import camera_photo
from tests.faults.degraded.outages import PROJECTIONS, site_of
from tests.gateway.publishing import JPEG, announce_published, form, submit, urls_of
from tests.gateway.serving import PASSWORD, serving

CROWD = 20
SOON = 5  # seconds within which a deletion and a sign-out take hold, on every gateway


@asynccontextmanager
async def peopled(settings, **options):
    """Bob follows Ada and Eve, who have a post each; Eve's account is private."""
    async with site_of(settings, **options) as site:
        ada, bob, eve = [await site.gateway.sign_up(each) for each in ("ada", "bob", "eve")]
        private = await site.command("PATCH", "/v1/me", eve, json={"private": False, "bio": "Hi"})
        posts = [await posted(site, each) for each in (ada, eve)]
        follows = [
            (bob, await site.command("PUT", f"/v1/accounts/{each.username}/follow", bob))
            for each in (ada, eve)
        ]
        await site.applied((eve, private), *follows, *posts)
        private = await site.command("PATCH", "/v1/me", eve, json={"private": True})
        await site.applied((eve, private))
        site.posts = [body["id"] for _, body in posts]
        for at in range(len(site.gateways)):
            assert await site.feed(bob, at=at) == site.posts[::-1]
        yield site, ada, bob


async def posted(site, person):
    body = await submit(site.gateway, person)
    await announce_published(site.gateway, person, body, JPEG)
    return person, body


async def test_postgres_down_what_is_in_reach_is_read_and_the_rest_is_refused(settings, how):
    """Feeds, posts and profiles go on, declared; what needs rows is 503, soon.

    That holds for a crowd and at the first moment; later everything is answered in full.
    """
    async with peopled(settings) as (site, ada, bob):
        carol = await site.gateway.sign_up("carol")
        known = [await site.get(f"/v1/accounts/{each}", bob) for each in ("ada", "eve")]
        await site.get("/v1/me", bob)
        photo = next(iter((await urls_of(site.gateway, site.posts[0], bob)).values()))

        async with site.down("database", how):
            reads = [site.feed(bob), site.get(f"/v1/posts/{site.posts[0]}", bob)]
            followers = "/v1/accounts/ada/followers"
            crowd = [
                site.refused("GET", followers, bob, code="metadata-unavailable")
                for _ in range(CROWD)
            ]
            feed, post, *_ = await asyncio.gather(*reads, *crowd)
            assert feed == site.posts[::-1]
            assert post["author"]["username"] == "ada"
            await site.check("database", "down")

            assert await site.feed(bob, degraded="metadata") == site.posts[::-1]
            for each in site.posts:
                await site.get(f"/v1/posts/{each}", bob, degraded="metadata")
            for each in known:
                path = f"/v1/accounts/{each['username']}"
                shown = await site.get(path, bob, degraded="metadata")
                assert shown == each | {"private": each["username"] == "eve"}
            me = await site.get("/v1/me", bob, degraded="metadata")
            assert me["counts"]["following"] == 2
            assert (await site.ask("GET", photo)).status == 200
            async with serving(site.settings) as started_now:
                site.gateways.append(started_now)
                assert await site.feed(bob, at=1) == site.posts[::-1]
            await asyncio.gather(
                *(site.refused(*each, code="metadata-unavailable") for each in needing_rows(carol)),
                site.refused(
                    "POST", "/v1/sessions", code="metadata-unavailable", json=signing(ada)
                ),
                site.refused(
                    "PUT",
                    "/v1/me/password",
                    ada,
                    code="metadata-unavailable",
                    json={"old": PASSWORD, "new": "another horse battery"},
                ),
            )

        await site.check("database", "ok")
        await site.until_status(201, "POST", "/v1/sessions", json=signing(ada))
        for method, path, person in needing_rows(carol):
            answer = await site.until_status(200, method, path, person)
            assert "Heliograph-Degraded" not in answer.headers
        assert await site.feed(bob) == site.posts[::-1]


def needing_rows(carol):
    """Lists, and the feed of somebody who has no window."""
    return [
        ("GET", "/v1/accounts/ada/posts", carol),
        ("GET", "/v1/accounts/ada/following", carol),
        ("GET", "/v1/feed", carol),
    ]


def signing(person):
    return {"username": person.username, "password": PASSWORD}


async def test_postgres_down_commands_are_taken_and_take_hold_on_every_gateway(settings, how):
    """Register, upload, follow, unfollow, edit, delete and sign out are accepted.

    A deletion, a sign-out and an account left count everywhere within 5 s; the backlog drains.
    """
    roles = (*PROJECTIONS, "renditions")
    async with peopled(settings, roles=roles, gateways=("all", "all")) as (site, ada, bob):
        ada_again = await signed_in(site, ada)
        async with site.down("database", how):
            photo = camera_photo(width=320, height=240)
            carol, uploaded = await asyncio.gather(
                site.gateway.sign_up("carol"),
                site.command("POST", "/v1/posts", ada, data=form(photo, caption="New")),
            )
            await site.command("PUT", "/v1/accounts/carol/follow", bob)
            followed = await site.command("PUT", "/v1/accounts/ada/follow", carol)
            await site.command("DELETE", "/v1/accounts/eve/follow", bob)
            edited = await site.command("PATCH", "/v1/me", carol, json={"display_name": "Carol C"})
            await site.command("DELETE", f"/v1/posts/{site.posts[0]}", ada)
            await site.command("DELETE", "/v1/sessions/current", ada_again)

            for at in range(len(site.gateways)):
                await site.until_status(401, "GET", "/v1/me", ada_again, seconds=SOON, at=at)
                await site.until(lambda at=at: shows_nothing(site, bob, at), SOON)
                await site.until_status(404, "GET", f"/v1/posts/{site.posts[1]}", bob, at=at)
            assert (await site.get("/v1/me", carol, degraded="metadata"))["id"] == str(carol.id)
            assert (await site.get("/v1/accounts/carol", bob))["username"] == "carol"
            assert (await site.get(f"/v1/posts/{uploaded['id']}", ada))["state"] == "processing"
            await site.until(lambda: is_rendered(site, ada, uploaded))

        await site.check("database", "ok")
        await site.applied((ada, uploaded), (carol, followed), (carol, edited))
        answer = await site.until_status(200, "GET", "/v1/accounts/carol", bob)
        assert answer.body["display_name"] == "Carol C"
        await site.until(lambda: is_in_feed(site, carol, uploaded["id"]))
        await site.until(lambda: is_in_feed(site, bob, uploaded["id"]))
        assert await site.feed(bob) == [uploaded["id"]]
        answer = await site.until_status(200, "GET", "/v1/accounts/ada", bob)
        assert answer.body["counts"]["posts"] == 1


async def signed_in(site, person):
    body = await site.command("POST", "/v1/sessions", status=201, json=signing(person))
    return person._replace(token=body["token"])


async def shows_nothing(site, person, at):
    return await site.feed(person, at=at) == []


async def is_rendered(site, person, uploaded):
    """Its photos are processed, while no row can be written."""
    roles = (await site.get(f"/v1/commands/{uploaded['event']}", person))["roles"]
    return roles["renditions"] == "done" and roles["posts"] == "waiting"


async def is_in_feed(site, person, post_id):
    return post_id in await site.feed(person)
