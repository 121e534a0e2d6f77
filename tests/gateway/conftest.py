"""A gateway in the test's own process, on the engines of the session, and a client for it."""

import asyncio
from contextlib import asynccontextmanager

import aiohttp
import pytest

from gateway.app import build_app
from gateway.keys import NOTICES
from gateway.listening import listening


@asynccontextmanager
async def serving(settings, role="all"):
    """A client bound to a gateway of this role, once it knows revocations."""
    app = build_app(settings, role)
    async with listening(app, port=0) as server:
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(10):
            while not app[NOTICES].ready:
                await asyncio.sleep(0.01)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            client.app = app
            yield client


@pytest.fixture
async def gateway(settings):
    async with serving(settings) as client:
        yield client
