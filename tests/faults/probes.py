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
CALM_SECONDS = 1
"""Without a failure: then it is over, and the next one is another."""
READS = ("/v1/feed", "/v1/accounts/probe")
FOLLOW = "/v1/accounts/probed/follow"
COMMANDS = (("PATCH", "/v1/me"), ("PUT", FOLLOW), ("PATCH", "/v1/me"), ("DELETE", FOLLOW))
"""Of those that the edge may try elsewhere, and of those that it gives to one gateway alone."""


@dataclass
class Probe:
    """One request: when it was sent, when it ended, whether its answer was good."""

    began: float
    ended: float
    good: bool


class Probes:
    """One member reads, edits, follows another; `asked` by kind is what came of it."""

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
            await self.sign_up("probed")
            self.headers = {"Authorization": f"Bearer {await self.sign_up('probe')}"}
            number = 0
            async with asyncio.TaskGroup() as tasks:
                while not stopping.is_set():
                    number += 1
                    # Not by turns: the edge goes by turns too, and each gateway would be asked one.
                    read = READS[number // 2 % len(READS)]
                    tasks.create_task(self.probe("reads", "GET", read), name="read")
                    method, path = COMMANDS[number // 2 % len(COMMANDS)]
                    edit = {"json": {"bio": f"probe {number}"}} if method == "PATCH" else {}
                    tasks.create_task(self.probe("commands", method, path, **edit), name="command")
                    due = time.time() + EVERY_SECONDS
                    await asyncio.sleep(EVERY_SECONDS)
                    self.late.append((due, time.time() - due))

    async def sign_up(self, username):
        command = {"username": username, "password": "correct horse battery"}
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

    def longest_failing(self, kind, began, ended):
        """The longest time in which requests kept failing, though others may have been answered."""
        longest, since, until = 0.0, 0.0, float("-inf")
        for each in self.touching(kind, [(began, ended)]):
            if not each.good:
                since = each.began if each.began > until + CALM_SECONDS else since
                until = max(until, each.ended)
                longest = max(longest, until - since)
        return longest

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
