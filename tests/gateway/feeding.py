"""A gateway with nothing but the feed, notices by hand, and rows committed by hand."""

import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import aiohttp
from aiohttp import web

from events.envelope import Delivery
from events.ids import EPOCH_MS, Position, make_id, shard_of
from events.log import Log
from gateway import feed
from gateway.caching import open_caching
from gateway.canonical import every_request, finish_headers
from gateway.express import open_express
from gateway.guarding import guarded
from gateway.keys import LOG, NOTICES, READER, SETTINGS, TOKENS
from gateway.limits import open_limits
from gateway.listening import listening
from gateway.notices import Notices
from gateway.room import open_room
from gateway.tokens import Tokens
from runtime.connections import open_database
from stores import edges, publications
from stores.edges import Verdict, Wish
from stores.profiles import NewAccount, add_accounts
from stores.publications import Publication, Submission

NOW = EPOCH_MS + 20_000_000_000
ADA, BOB, EVE = (make_id(Position(NOW, n), 300 + n) for n in (1, 2, 3))
PHOTOS = """[{"sha256": "ab", "size_bytes": 9, "width": 40, "height": 30, "placeholder": "cGg=",
  "recipe": "r1", "renditions": [{"width": 40, "height": 30, "extension": "webp",
  "size_bytes": 5}]}]"""


class Client(NamedTuple):
    """A gateway, and a session that asks it."""

    app: web.Application
    session: aiohttp.ClientSession
    port: int

    def get(self, path, **more):
        return self.session.get(f"http://127.0.0.1:{self.port}{path}", **more)


@asynccontextmanager
async def opening(settings, log_client, reader_database, database):
    """Opens clients of gateways whose settings differ; closes them all at the end."""
    people = [NewAccount(each, f"u{each % 1000}", "A name", "") for each in (ADA, BOB, EVE)]
    await add_accounts(database, people)
    async with AsyncExitStack() as stack:

        async def opened(**changed):
            app = app_of(settings.replace(**changed), log_client)
            app[READER] = reader_database
            if "database_reader_url" in changed:
                app[READER] = await open_database(app[SETTINGS], reader=True)
            server = await stack.enter_async_context(listening(app, port=0))
            session = await stack.enter_async_context(aiohttp.ClientSession())
            return Client(app, session, server.sockets[0].getsockname()[1])

        yield opened


def app_of(settings, log_client):
    app = web.Application(middlewares=[every_request])
    app[SETTINGS] = settings
    app[LOG] = Log(log_client, partitions=8, secret=b"s" * 32)
    app[TOKENS] = Tokens(b"s" * 32)
    app[NOTICES] = Notices()
    app[NOTICES].known.set()
    app.on_response_prepare.append(finish_headers)
    app.cleanup_ctx.extend((open_room, open_caching, open_limits, open_express))
    for route in feed.ROUTES:
        app.router.add_route(route.method, route.path, guarded(route))
    return app


def token_of(app, viewer=BOB):
    session_id = make_id(Position(time.time_ns() // 1_000_000, 0), 0)
    return app[TOKENS].issue(viewer, session_id)[0]


async def read(client, viewer=BOB, *, headers=(), **query):
    headers = {"Authorization": f"Bearer {token_of(client.app, viewer)}"} | dict(headers)
    async with client.get("/v1/feed", params=query, headers=headers) as response:
        return response, await response.json(content_type=None)


async def ids_of(client, viewer=BOB, **query):
    response, body = await read(client, viewer, **query)
    assert response.status == 200, body
    return [int(each["id"]) for each in body["items"]]


async def all_pages(client, limit, viewer=BOB, between=None):
    seen, cursor = [], ""
    for _ in range(1_000):
        _, body = await read(client, viewer, limit=limit, cursor=cursor)
        seen += [int(each["id"]) for each in body["items"]]
        assert len(body["items"]) <= limit
        cursor = body["next"]
        if cursor is None:
            return seen
        if between is not None:
            await between()
    raise AssertionError("the feed never ends")


async def publish(database, author=ADA, ms=1, sequence=0):
    shard = shard_of(author)
    post_id = make_id(Position(NOW + ms - 1, sequence), shard)
    version = make_id(Position(NOW + ms, sequence), shard)
    await publications.write_submissions(
        database, [Submission(post_id, author, "A caption", '["An alt"]', None, None)]
    )
    await publications.write_publications(
        database, [Publication(post_id, author, NOW + ms, version, PHOTOS)]
    )
    return post_id


async def follow(database, follower=BOB, followee=ADA, ms=1):
    wish = Wish(follower, followee, True, make_id(Position(NOW + ms, 0), shard_of(follower)))
    verdict_version = make_id(Position(NOW + ms, 1), shard_of(followee))
    verdict = Verdict(follower, followee, True, wish.version, verdict_version)
    await edges.write_wishes_of_followers(database, [wish])
    await edges.write_wishes_to_followees(database, [wish])
    await edges.write_verdicts_to_followers(database, [verdict])
    await edges.write_verdicts_of_followees(database, [verdict])


def notice(client, event, actor, ms=50):
    delivery = Delivery(
        event=event,
        topic=event.TOPIC,
        partition=0,
        position=Position(NOW + ms, 0),
        actor=actor,
        time=NOW + ms,
    )
    client.app[NOTICES].hear(delivery)
    return delivery.id
