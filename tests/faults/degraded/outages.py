"""A site in the test's own process, every engine behind a proxy, and questions to it over HTTP.

Gateway and workers are those of `make run`, with readers that block and pause by themselves.
"""

import asyncio
import json
import re
import time
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import ClientTimeout

from gateway.room import check_of
from runtime.engine_checks import engine_checks
from runtime.health import Health, stop_watching
from runtime.operations import served
from tests.faults.proxy import proxied
from tests.gateway.serving import Gateway, serving
from workers.process import work
from workers.subscriptions import EFFECTS, SUBSCRIPTIONS

ENGINES = ("log", "cache", "database", "objects")
STOPPED, STALLED = "stopped", "stalled"
PROMISED_SECONDS = 2.0
# What a busy machine of two cores may add to the two seconds that are promised.
SLACK_SECONDS = 0.5
HEALED_SECONDS = 20.0
HANGS = ClientTimeout(total=30)
PROJECTIONS = tuple(SUBSCRIPTIONS.keys() - EFFECTS)


class Timed(Gateway):
    """A gateway none of whose answers, whoever asks, takes longer than is promised."""

    async def ask(self, method, path, person=None, *, timeout=HANGS, **more):
        started = time.monotonic()
        answer = await super().ask(method, path, person, timeout=timeout, **more)
        took = time.monotonic() - started
        assert took < PROMISED_SECONDS + SLACK_SECONDS, (method, path, answer.status, took)
        return answer


class Site:
    """One or more gateways and their workers; `down` takes an engine from all of them."""

    def __init__(self, settings, proxies, gateways, operations):
        self.settings, self.proxies = settings, proxies
        self.gateways = [Timed(each.app, each.client, each.port) for each in gateways]
        self.gateway = self.gateways[0]
        self.operations = operations

    @asynccontextmanager
    async def down(self, engine, how):
        """The engine is stopped or stalled for the block; it is back when the block ends."""
        proxy = self.proxies[engine]
        if how == STOPPED:
            await proxy.refuse()
        else:
            proxy.stall()
        try:
            yield
        finally:
            await proxy.heal()

    async def ask(self, method, path, person=None, *, at=0, **more):
        """The answer of the gateway `at`."""
        return await self.gateways[at].ask(method, path, person, **more)

    async def get(self, path, person, *, status=200, at=0, degraded=None):
        """The answer's body; `degraded` is what it has to declare."""
        answer = await self.ask("GET", path, person, at=at)
        assert answer.status == status, (path, answer)
        if degraded is not None:
            assert degraded in answer.headers.get("Heliograph-Degraded", ""), (path, answer)
        return answer.body

    async def command(self, method, path, person=None, *, status=202, at=0, **more):
        answer = await self.ask(method, path, person, at=at, **more)
        assert answer.status == status, (method, path, answer)
        return answer.body

    async def refused(self, method, path, person=None, *, code, at=0, **more):
        """It is 503, says when to come back, and names the reason."""
        answer = await self.ask(method, path, person, at=at, **more)
        assert answer.status == 503, (method, path, answer)
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.body["code"] == code, (method, path, answer.body)

    async def feed(self, person, *, at=0, degraded=None, limit=30):
        """The ids of the whole feed, page by page."""
        found, cursor = [], ""
        while cursor is not None:
            query = f"?limit={limit}&cursor={cursor}"
            body = await self.get(f"/v1/feed{query}", person, at=at, degraded=degraded)
            found += [item["id"] for item in body["items"]]
            cursor = body["next"]
        return found

    async def applied(self, *commands, at=0):
        """Wait until every later read shows them."""
        for person, body in commands:
            await self.until(self._is_applied, arguments=(person, body, at))

    async def _is_applied(self, person, body, at):
        answer = await self.ask("GET", f"/v1/commands/{body['event']}", person, at=at)
        return answer.body.get("state") == "applied"

    async def shows(self, person, posts, **query):
        """Whether the feed is exactly these, newest first: no hole and no double."""
        return await self.feed(person, **query) == posts[::-1]

    async def check(self, name, state):
        """Wait until `/readyz?verbose` and the metric say so, as they do by themselves."""
        async with asyncio.timeout(HEALED_SECONDS):
            while await self._shown(name) != (state, state == "ok"):  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(0.02)

    async def _shown(self, name):
        async with self.gateway.client.get(f"{self.operations}/readyz?verbose") as answer:
            report = json.loads(await answer.read())
        assert report["status"] != "not ready", report
        finding = report["checks"][name]
        assert finding["state"] == "ok" or (finding["fix"] and finding["degraded"])
        async with self.gateway.client.get(f"{self.operations}/metrics") as answer:
            figures = await answer.text()
        figure = re.search(rf'heliograph_engine_ready{{engine="{name}"}} (\S+)', figures)
        return finding["state"], float(figure[1]) == 1.0

    async def until(self, holds, seconds=HEALED_SECONDS, arguments=()):
        """Wait until a coroutine function's answer is true."""
        async with asyncio.timeout(seconds):
            while not await holds(*arguments):  # noqa: ASYNC110 - what is waited for is seen over HTTP
                await asyncio.sleep(0.05)

    async def until_status(self, status, method, path, person=None, *, seconds=5, at=0, **more):
        """The answer, once it has this status."""
        async with asyncio.timeout(seconds):
            while True:
                answer = await self.ask(method, path, person, at=at, **more)
                if answer.status == status:
                    return answer
                await asyncio.sleep(0.05)


@asynccontextmanager
async def site_of(settings, *, roles=PROJECTIONS, gateways=("all",)):
    """A running site; `roles` are those whose workers run."""
    async with AsyncExitStack() as stack:
        through, proxies = await stack.enter_async_context(proxied(settings))
        await stack.enter_async_context(working(through, roles))
        opened = [await stack.enter_async_context(serving(through, each)) for each in gateways]
        operations = await stack.enter_async_context(watched(through, opened[0].app))
        yield Site(through, proxies, opened, operations)
        for proxy in proxies.values():
            await proxy.heal()


@asynccontextmanager
async def working(settings, roles):
    """Workers of these roles, in this process, until the block ends."""
    stopping = asyncio.Event()
    tasks = [
        asyncio.create_task(work(settings, role, 0, stopping, lambda: "ready"), name=f"work.{role}")
        for role in roles
    ]
    try:
        yield
    finally:
        stopping.set()
        await asyncio.gather(*tasks)


@asynccontextmanager
async def watched(settings, app):
    """What a gateway's operations port says, looked at more often than in earnest."""
    async with engine_checks(settings, ENGINES, reader=True) as checks:
        health = Health([*checks, check_of(app)])
        for check in health.checks:
            await health.look(check)
        watching = asyncio.create_task(health.watch())
        try:
            with served(health, 0) as port:
                yield f"http://127.0.0.1:{port}"
        finally:
            await stop_watching(watching)
