"""A gateway in the test's own process, and a client that speaks to it."""

import asyncio
import json
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiohttp
from yarl import URL

from gateway.app import build_app
from gateway.keys import NOTICES
from gateway.listening import listening

PASSWORD = "correct horse battery"


class Answer(NamedTuple):
    status: int
    headers: dict
    raw: bytes

    @property
    def body(self):
        return json.loads(self.raw)


class Person(NamedTuple):
    account: dict
    token: str

    @property
    def id(self):
        return int(self.account["id"])

    @property
    def username(self):
        return self.account["username"]


class Gateway:
    """One gateway process's worth of app, and a client that speaks to it."""

    def __init__(self, app, client, port):
        self.app, self.client, self.port = app, client, port

    async def ask(self, method, path, person=None, *, headers=None, **more):
        headers = dict(headers or {})
        if person is not None:
            headers["Authorization"] = f"Bearer {person.token}"
        url = URL(f"http://127.0.0.1:{self.port}{path}", encoded=True)
        async with self.client.request(method, url, headers=headers, **more) as response:
            return Answer(response.status, response.headers, await response.read())

    async def sign_up(self, username, **fields):
        command = {"username": username, "password": PASSWORD} | fields
        answer = await self.ask("POST", "/v1/accounts", json=command)
        assert answer.status == 201, answer.raw
        return Person(answer.body["account"], answer.body["token"])

    async def sign_in(self, username, password=PASSWORD, **more):
        command = {"username": username, "password": password}
        return await self.ask("POST", "/v1/sessions", json=command, **more)


@asynccontextmanager
async def serving(settings, role="all", *, ready=True):
    """A gateway of this role, once it knows notices and revocations."""
    app = build_app(settings, role)
    async with listening(app, port=0) as server, aiohttp.ClientSession() as client:
        if ready:
            await until(lambda: app[NOTICES].ready)
        yield Gateway(app, client, server.sockets[0].getsockname()[1])


async def until(holds, seconds=10):
    """Wait for something that another task brings about."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what is waited for knows of no event
            await asyncio.sleep(0.005)


async def raw(gateway, *sent, seconds=5):
    """What comes back for these bytes, up to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        for each in sent:
            writer.write(each)
            await writer.drain()
        async with asyncio.timeout(seconds):
            return await reader.read()
    finally:
        writer.close()
