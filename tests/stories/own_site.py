"""The site as `make run` starts it: its real processes, and when they have nothing left to do."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from events.lag import lag_of
from events.log import stream_key
from runtime.connections import open_log
from runtime.settings import variable
from runtime.site import find_site
from workers.process import log_of
from workers.subscriptions import SUBSCRIPTIONS, topics_of

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS, STOP_SECONDS, SETTLE_SECONDS = 180, 60, 60
LOOK_SECONDS = 0.02
# Two processes of a role, so that one can take over from the other, and soon.
SETTINGS = {"partitions": "2", "decoders": "1", "lease_seconds": "2", "workers_posts": "2"}
# One address tells everything.
LIMITS = ("limit_sign_ups", "limit_sign_ins", "limit_uploads", "limit_commands", "limit_reads")


class OwnSite:
    """A running site: where it answers, its engines, its processes."""

    def __init__(self, environ):
        self._site = find_site(environ)
        self.address, self.settings = self._site.address, self._site.settings

    def pids(self, program):
        """Of the program's processes, in the order of their numbers."""
        processes = [each for each in self._site.supervisor.processes() if each.program == program]
        return [each.pid for each in sorted(processes, key=lambda each: each.number)]

    def signal(self, pids, number):
        for pid in pids:
            os.kill(pid, number)

    async def settled(self):
        """Return once no role has anything unread or pending."""
        async with asyncio.timeout(SETTLE_SECONDS), open_log(self.settings) as client:
            log = log_of(self.settings, client)
            # Of what is done nothing may have followed, in a stream looked at before.
            heads = None
            while heads is None or not await idle(log) or heads != await heads_of(log):
                await asyncio.sleep(LOOK_SECONDS)
                heads = await heads_of(log)

    async def holder(self, role, topic):
        """The number of the process of the role that was given something, once one was."""
        async with asyncio.timeout(SETTLE_SECONDS), open_log(self.settings) as client:
            streams = [stream_key(topic, each) for each in range(self.settings.partitions)]
            while True:
                for stream in streams:
                    for holder in (await client.xpending(stream, role))["consumers"]:
                        return int(holder["name"].decode().rpartition(".")[2])
                await asyncio.sleep(LOOK_SECONDS)


async def idle(log):
    for role in SUBSCRIPTIONS:
        for topic in topics_of(role):
            for partition in range(log.partitions):
                lag = await lag_of(log, role, topic, partition)
                if lag.entries or lag.pending:
                    return False
    return True


async def heads_of(log):
    return [await log.client.hget(f"head:{{{each}}}", "head") for each in range(log.partitions)]


@contextmanager
def own_site(folder):
    """Start it in this folder; at the end all of it is stopped."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("HELIOGRAPH_")}
    given = {"var": folder / "var", "port": free_port(), **SETTINGS}
    given |= dict.fromkeys(LIMITS, "1000000")
    environ |= {variable(name): str(value) for name, value in given.items()}
    output = folder / "up.txt"
    with output.open("w") as told:
        up = subprocess.Popen(
            [sys.executable, "-m", "runtime", "up"],
            cwd=ROOT,
            env=environ,
            stdout=told,
            stderr=told,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while "\nOpen http" not in output.read_text():
            assert up.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.1)
        yield OwnSite(environ)
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait(timeout=STOP_SECONDS)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
