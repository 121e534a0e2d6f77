"""The product as its users see it: a gateway over HTTP, and workers that run when told to.

Every story is told three times: as it happens; with its whole history delivered again to every
role whenever it settles; and with deliveries one at a time, newest role first.
"""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from io import BytesIO

import pytest
from aiohttp import FormData
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image

from events.log import stream_key
from gateway.app import build_app
from gateway.keys import NOTICES
from runtime.connections import open_blocking_log
from workers.process import open_site, readers_of
from workers.subscriptions import SUBSCRIPTIONS, topics_of

ROUNDS = 400
PASSWORD = "correct horse"


def photo(colour="teal", size=(480, 360)):
    """A small JPEG."""
    file = BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG")
    return file.getvalue()


@dataclass
class Member:
    """Somebody with an account, and the token of a session."""

    username: str
    token: str
    id: str


class Api:
    """What an app does, one method each; every answer must have the status that is expected."""

    photo = staticmethod(photo)

    def __init__(self, client):
        self.client = client

    async def call(self, method, path, member=None, **options):
        headers = dict(options.pop("headers", {}))
        if member:
            headers["Authorization"] = f"Bearer {member.token}"
        async with self.client.request(method, path, headers=headers, **options) as answer:
            body = await (answer.json() if "json" in answer.content_type else answer.read())
            return answer.status, body

    async def get(self, path, member=None, status=200, **options):
        return await self._expect(status, "GET", path, member, **options)

    async def put(self, path, member=None, status=202, **options):
        return await self._expect(status, "PUT", path, member, **options)

    async def patch(self, path, member=None, status=202, **options):
        return await self._expect(status, "PATCH", path, member, **options)

    async def delete(self, path, member=None, status=202, **options):
        return await self._expect(status, "DELETE", path, member, **options)

    async def post(self, path, member=None, status=202, **options):
        return await self._expect(status, "POST", path, member, **options)

    async def _expect(self, status, *arguments, **options):
        got, body = await self.call(*arguments, **options)
        assert got == status, (arguments[:2], got, body)
        return body

    async def register(self, username, password=PASSWORD):
        command = {"username": username, "password": password}
        body = await self.post("/v1/accounts", status=201, json=command)
        return Member(username, body["token"], body["account"]["id"])

    async def publish(self, member, *photos, caption="", alts=(), headers=None):
        """Upload, and give the post's id."""
        form = FormData()
        for alt in alts:
            form.add_field("alt", alt)
        for index, each in enumerate(photos or (photo(),)):
            form.add_field("photo", each, filename=f"{index}.jpg", content_type="image/jpeg")
        form.add_field("caption", caption)
        body = await self.post("/v1/posts", member, data=form, headers=headers or {})
        return body["id"]

    async def follow(self, follower, followee):
        return await self.put(f"/v1/accounts/{followee.username}/follow", follower)

    async def unfollow(self, follower, followee):
        return await self.delete(f"/v1/accounts/{followee.username}/follow", follower)

    async def feed(self, member, limit=30):
        """The ids of the whole feed, page by page."""
        return [item["id"] for item in await self.items("/v1/feed", member, limit)]

    async def items(self, path, member, limit=30):
        found, query = [], {"limit": str(limit)}
        while True:
            page = await self.get(path, member, params=query)
            found += page["items"]
            if page["next"] is None:
                return found
            query["cursor"] = page["next"]


@pytest.fixture
def settings(settings):
    """Two partitions tell a story as well as eight, and settle faster."""
    return settings.replace(partitions=2, decoders=1)


@pytest.fixture
async def api(settings, clean_site):
    """A gateway that serves reads and commands, as `--role all` does."""
    app = build_app(settings, "all")
    async with TestClient(TestServer(app)) as client:
        async with asyncio.timeout(10):
            while not app[NOTICES].ready:  # noqa: ASYNC110 - readiness is a flag, as health reads it
                await asyncio.sleep(0.01)
        yield Api(client)


@pytest.fixture(params=["once", "twice", "singly"])
async def settle(request, settings, clean_site):
    """Drain every worker until nothing moves; no sleeps."""
    async with AsyncExitStack() as stack:
        blocking = await stack.enter_async_context(open_blocking_log(settings))
        sites = {
            role: await stack.enter_async_context(open_site(settings, role))
            for role in SUBSCRIPTIONS
        }
        workers = Workers(settings, sites, blocking)

        async def drain():
            await workers.drain(200)
            if request.param == "twice":
                await workers.begin_again()
                await workers.drain(7)
            if request.param == "singly":
                await workers.begin_again()
                await workers.drain(1, backwards=True)

        yield drain


class Workers:
    """All roles in this process, on a clock of their own so that nobody waits for a backoff."""

    def __init__(self, settings, sites, blocking):
        self.settings, self.sites, self.blocking = settings, sites, blocking
        self.now = 0.0

    async def drain(self, batch, *, backwards=False):
        settings = self.settings.replace(batch_size=batch)
        readers = [
            reader
            for role, site in self.sites.items()
            for reader in readers_of(role, settings, site, self.blocking, clock=lambda: self.now)
        ]
        if backwards:
            readers.reverse()
        for _ in range(ROUNDS):
            self.now += 100
            settled = [await reader.step() for reader in readers]
            if not any(settled) and not any(reader.claims.leases.held for reader in readers):
                return
        waiting = {
            r.claims.stream: list(r.claims.leases.held) for r in readers if r.claims.leases.held
        }
        pytest.fail(f"did not settle: {waiting}")

    async def begin_again(self):
        """Every group gets the whole history once more."""
        client = self.sites["posts"].log.client
        for role in SUBSCRIPTIONS:
            for topic in topics_of(role):
                for partition in range(self.settings.partitions):
                    await client.xgroup_setid(stream_key(topic, partition), role, "0")


@pytest.fixture
async def ada(api):
    return await api.register("ada")


@pytest.fixture
async def bob(api):
    return await api.register("bob")
