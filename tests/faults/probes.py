"""Whether the site can be used, asked ten times a second, and for how long it could not."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

import aiohttp

EVERY_SECONDS = 0.1
PATIENCE_SECONDS = 5
AFTERMATH_SECONDS = 0.5
"""How long after its end a fault is still blamed."""
HELD_UP_SECONDS = 0.25
"""Less is how any loop wakes up."""


@dataclass
class Probe:
    """One request: when it was sent, when it ended, whether its answer was good."""

    began: float
    ended: float
    good: bool


class Probes:
    """One member reads and changes their own profile; `asked` by kind is what came of it."""

    def __init__(self, address):
        self.address = address
        self.asked = {"reads": [], "commands": []}
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
        began, status = time.time(), 0
        with suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with self.session.request(
                method, self.address + path, headers=self.headers, **more
            ) as answer:
                await answer.read()
                status = answer.status
        self.asked[kind].append(Probe(began, time.time(), 200 <= status < 300))
        counted = self.statuses.setdefault(kind, {})
        counted[status] = counted.get(status, 0) + 1

    def touching(self, kind, windows):
        """Those that were on their way in one of these windows, each once."""
        return [
            each
            for each in self.asked[kind]
            if any(
                each.ended >= began and each.began <= ended + AFTERMATH_SECONDS
                for began, ended in windows
            )
        ]

    def failed_share(self, kind, windows):
        """Of those on their way in these windows, from 0 to 1."""
        asked = self.touching(kind, windows)
        return sum(not each.good for each in asked) / max(1, len(asked))

    def slowest(self, kind, windows):
        """The longest wait for a good answer, in seconds."""
        good = [each for each in self.touching(kind, windows) if each.good]
        return max((each.ended - each.began for each in good), default=0.0)

    def longest_without(self, kind, began, ended):
        """The longest time in which nobody was answered well that touches this window, in seconds.

        While we were held up ourselves, as on a busy machine, nobody asked.
        """
        good = [each.ended for each in self.asked[kind] if each.good]
        gaps = [
            after - before - self.held_up(before, after)
            for before, after in pairwise(good)
            if after >= began and before <= ended + AFTERMATH_SECONDS
        ]
        return max(gaps, default=time.time() - began)

    def held_up(self, began, ended):
        late = [seconds for due, seconds in self.late if began <= due <= ended]
        return sum(seconds for seconds in late if seconds > HELD_UP_SECONDS)
