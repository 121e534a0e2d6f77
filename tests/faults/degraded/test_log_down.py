"""The row "log": every read goes on, every command is refused; nothing has to be healed."""

import asyncio
from contextlib import asynccontextmanager

from tests.faults.degraded.outages import site_of
from tests.gateway.publishing import JPEG, announce_published, form, submit, urls_of
from tests.gateway.serving import PASSWORD, serving

LOST = ("log-unavailable", "unknown-outcome")
SOON = 5
CROWD = 12
BIO = {"json": {"bio": "Hello"}}


@asynccontextmanager
async def peopled(settings):
    """Bob follows Ada, who has two posts."""
    async with site_of(settings) as site:
        ada, bob = [await site.gateway.sign_up(each) for each in ("ada", "bob")]
        followed = await site.command("PUT", "/v1/accounts/ada/follow", bob)
        site.posts = []
        for _ in range(2):
            body = await submit(site.gateway, ada)
            await announce_published(site.gateway, ada, body, JPEG)
            await site.applied((ada, body))
            site.posts.append(body["id"])
        await site.applied((bob, followed))
        assert await site.feed(bob) == site.posts[::-1]
        yield site, ada, bob


async def test_log_down_all_reads_work_and_commands_are_refused(settings, how):
    """Feeds, posts, profiles, lists and photos are served to whoever has a token.

    Commands, signing in included, are 503; with the log back each of them is taken again.
    """
    async with peopled(settings) as (site, ada, bob):
        photo = next(iter((await urls_of(site.gateway, site.posts[0], bob)).values()))
        async with site.down("log", how):
            await asyncio.gather(
                *(reads(site, bob, photo) for _ in range(3)),
                *(refused(site, *each) for each in commands(site, ada, bob)),
                *(refused(site, "PATCH", "/v1/me", bob, BIO) for _ in range(CROWD)),
            )
            await site.check("log", "down")
            await asyncio.gather(
                reads(site, bob, photo),
                *(refused(site, *each) for each in commands(site, ada, bob)),
            )

        await site.check("log", "ok")
        for command in commands(site, ada, bob):
            await site.until(is_taken, arguments=(site, *command))
        await site.until(lambda: ended(site, bob))


async def reads(site, person, photo):
    """Each is served, and at once: a read does not wait for the log."""
    post = f"/v1/posts/{site.posts[0]}"
    assert await site.feed(person) == site.posts[::-1]
    for path in ("/v1/me", "/v1/accounts/ada", post):
        await site.get(path, person)
    for path in ("posts", "followers", "following"):
        await site.get(f"/v1/accounts/ada/{path}", person)
    answer = await site.ask("GET", photo)
    assert answer.status == 200
    assert len(answer.raw) == 10_000


def commands(site, ada, bob):
    """One of each kind; the last ends Bob's sessions."""
    old_and_new = {"old": PASSWORD, "new": PASSWORD}
    return [
        ("POST", "/v1/accounts", None, {"json": {"username": "carol", "password": PASSWORD}}),
        ("POST", "/v1/sessions", None, {"json": {"username": "ada", "password": PASSWORD}}),
        ("PATCH", "/v1/me", ada, BIO),
        ("PUT", "/v1/me/password", ada, {"json": old_and_new}),
        ("PUT", "/v1/accounts/bob/follow", ada, {}),
        ("DELETE", "/v1/accounts/ada/follow", bob, {}),
        ("DELETE", f"/v1/posts/{site.posts[1]}", ada, {}),
        ("POST", "/v1/posts", ada, None),
        ("DELETE", "/v1/sessions", bob, {}),
    ]


async def refused(site, method, path, person, more):
    answer = await site.ask(method, path, person, **sent(more))
    assert answer.status == 503, (method, path, answer)
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.body["code"] in LOST, (method, path, answer.body)


async def is_taken(site, method, path, person, more):
    """Or was before: what was refused as `unknown-outcome` may have been recorded after all."""
    answer = await site.ask(method, path, person, **sent(more))
    if answer.status == 503:
        return False
    recorded = (answer.status, answer.body.get("code")) in (
        (409, "username-taken"),
        (401, "revoked-token"),
    )
    assert answer.status in (201, 202) or recorded, (method, path, answer)
    return True


def sent(more):
    return {"data": form(b"\xff\xd8\xff\xe0" + bytes(500))} if more is None else more


async def ended(site, person):
    return (await site.ask("GET", "/v1/me", person)).status == 401


async def test_log_down_notices_go_on_from_where_they_were(settings, how):
    """What another gateway records while one is cut off from the log, it hears afterwards."""
    async with peopled(settings) as (site, ada, bob):
        direct = settings.replace()
        async with serving(direct) as other, site.down("log", how):
            deleted = await other.ask("DELETE", f"/v1/posts/{site.posts[0]}", ada)
            ended = await other.ask("DELETE", "/v1/sessions/current", ada)
            assert (deleted.status, ended.status) == (202, 202)
            await site.check("log", "down")
            assert await site.feed(bob) == site.posts[::-1], "it cannot know yet"

        await site.until_status(401, "GET", "/v1/me", ada, seconds=SOON)
        await site.until_status(410, "GET", f"/v1/posts/{site.posts[0]}", bob, seconds=SOON)
        assert await site.feed(bob) == [site.posts[1]]
