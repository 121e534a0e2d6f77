"""Whether the site can be used, asked ten times a second, and for how long it could not."""

import asyncio
import time
from bisect import bisect_left
from contextlib import suppress
from itertools import pairwise

import aiohttp

EVERY_SECONDS = 0.1
PATIENCE_SECONDS = 5
AFTERMATH_SECONDS = 0.5
"""How long after its end a fault is still blamed."""


class Probes:
    """One member reads and changes their own profile; `good` are the times of good answers."""

    def __init__(self, address):
        self.address = address
        self.good = {"reads": [], "commands": []}
        self.late = []
        self.statuses = {}

    async def run(self, stopping):
        wait = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=wait, connector=connector) as session:
            self.session = session
            token = await self.sign_up()
            self.headers = {"Authorization": f"Bearer {token}"}
            reads = ("/v1/feed", "/v1/accounts/probe")
            number = 0
            async with asyncio.TaskGroup() as tasks:
                while not stopping.is_set():
                    number += 1
                    # Not by turns: the edge goes by turns too, and each gateway would be asked one.
                    read = reads[number // 2 % len(reads)]
                    tasks.create_task(self.probe("reads", "GET", read), name="read")
                    edit = {"json": {"bio": f"probe {number}"}}
                    tasks.create_task(
                        self.probe("commands", "PATCH", "/v1/me", **edit), name="command"
                    )
                    due = time.time() + EVERY_SECONDS
                    await asyncio.sleep(EVERY_SECONDS)
                    self.late.append((due, time.time() - due))

    async def sign_up(self):
        command = {"username": "probe", "password": "correct horse battery"}
        url = f"{self.address}/v1/accounts"
        async with self.session.post(url, json=command) as answer:
            return (await answer.json())["token"]

    async def probe(self, kind, method, path, **more):
        status = 0
        with suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with self.session.request(
                method, self.address + path, headers=self.headers, **more
            ) as answer:
                await answer.read()
                status = answer.status
        if 200 <= status < 300:
            self.good[kind].append(time.time())
        counted = self.statuses.setdefault(kind, {})
        counted[status] = counted.get(status, 0) + 1

    def longest_without(self, kind, began, ended):
        """The longest time without a good answer that touches this window, in seconds.

        While we were held up ourselves, as on a busy machine, nobody asked.
        """
        gaps = [
            after - before - self.held_up(before, after)
            for before, after in pairwise(self.good[kind])
            if after >= began and before <= ended + AFTERMATH_SECONDS
        ]
        return max(gaps, default=time.time() - began)

    def held_up(self, began, ended):
        first = bisect_left(self.late, (began,))
        return sum(seconds for due, seconds in self.late[first:] if due <= ended)
