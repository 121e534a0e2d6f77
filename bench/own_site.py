"""A whole site of one's own, as `make run` starts it, in a temporary folder, stopped at the end."""

import asyncio
import os
import signal
import socket
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from bench.client import Site

# For whoever is more than a person: allowances that no load on one machine uses up.
UNLIMITED = {
    f"limit_{name}": "1000000" for name in ("sign_ups", "sign_ins", "uploads", "commands", "reads")
}
START_SECONDS = 120
STOP_SECONDS = 60


@asynccontextmanager
async def own_site(**settings: str) -> AsyncIterator[str]:
    """Its address, once it answers; `gateways_read="2"` becomes HELIOGRAPH_GATEWAYS_READ.

    Rate limits are those of `make run`, unless `**UNLIMITED` is given too.
    """
    with tempfile.TemporaryDirectory(prefix="heliograph-") as var:
        port = free_port()
        given = {"var": var, "port": str(port)} | settings
        environ = clean_environ() | {
            f"HELIOGRAPH_{name.upper()}": value for name, value in given.items()
        }
        site = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "runtime", "up", env=environ, stdout=PIPE, stderr=STDOUT
        )
        told: list[str] = []
        listening = asyncio.create_task(listen(site, told), name="own-site-output")
        end_on_sigterm()
        try:
            address = f"http://127.0.0.1:{port}"
            await until_it_answers(site, address, told)
            yield address
        finally:
            await stop(site)
            await listening


async def until_it_answers(site: Process, address: str, told: list[str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    async with aiohttp.ClientSession() as session:
        while not await Site(session, address).answers():
            if site.returncode is not None or time.monotonic() > deadline:
                message = "the site did not start:\n" + "".join(told[-30:])
                raise OSError(message)
            await asyncio.sleep(0.2)


def end_on_sigterm() -> None:
    """Whoever ends us with a signal does not leave a site behind: as Ctrl-C, it cancels."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


async def stop(site: Process) -> None:
    if site.returncode is not None:
        return
    # Not SIGINT: what was started in a shell's background ignores it, and so do its children.
    site.terminate()
    async with asyncio.timeout(STOP_SECONDS):
        await site.wait()


async def listen(site: Process, told: list[str]) -> None:
    assert site.stdout is not None  # noqa: S101  (PIPE was asked for)
    while line := await site.stdout.readline():
        told.append(line.decode(errors="replace"))


def clean_environ() -> dict[str, str]:
    """Nothing of the surrounding site's settings, or we would run on its engines."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HELIOGRAPH_")}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
