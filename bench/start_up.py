"""How long it takes from `make run` until the one address answers.

Warm: the virtual environment is there, once with an empty var/ and once with a site's in it. Cold,
asked for by --cold: from `git clone` on, wheels included.
"""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from bench.client import Site
from bench.own_site import clean_environ, free_port
from bench.table import Row
from runtime.embedded import ROOT

COLD_SECONDS, WARM_SECONDS, STOP_SECONDS = 300, 90, 60
PYTHON_DIRECT = (sys.executable, "-m", "runtime", "up")


async def measure(*, cold: bool) -> list[Row]:
    made = (ROOT / ".venv" / "bin" / "python").exists()
    command = ("make", "run") if made else PYTHON_DIRECT
    called = " ".join(command) if made else "python -m runtime up"
    rows = []
    with TemporaryDirectory(prefix="heliograph-bench-") as folder:
        var = Path(folder) / "var"
        first = await start_and_stop(command, ROOT, var, WARM_SECONDS)
        again = await start_and_stop(command, ROOT, var, WARM_SECONDS)
        rows += [
            row(f"warm `{called}`, empty var/", first, 15),
            row(f"warm `{called}`, var/ of an earlier run", again, 15),
        ]
        if cold:
            rows.append(row("cold: `git clone`, `make run`", await from_a_clone(folder), 60))
    return rows


def row(what: str, seconds: float, most_seconds: int) -> Row:
    return Row(
        f"start_up: {what}",
        f"{seconds:.1f} s to the first answer",
        "",
        "",
        f"≤ {most_seconds} s",
    )


async def from_a_clone(folder: str) -> float:
    clone = Path(folder) / "clone"
    began = time.perf_counter()
    cloning = await asyncio.create_subprocess_exec("git", "clone", "--quiet", ROOT, clone)
    await cloning.wait()
    cloned = time.perf_counter() - began
    return cloned + await start_and_stop(("make", "run"), clone, clone / "var", COLD_SECONDS)


async def start_and_stop(
    command: tuple[str, ...], folder: Path, var: Path, most_seconds: float
) -> float:
    """Seconds until both gateways answer at the one address; then the site is ended again."""
    port = free_port()
    environ = clean_environ() | {"HELIOGRAPH_PORT": str(port), "HELIOGRAPH_VAR": str(var)}
    told = var.with_name("told")
    began = time.perf_counter()
    with told.open("wb") as output:
        running = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=environ,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a group of its own: make and what it runs
        )
    try:
        async with asyncio.timeout(most_seconds), aiohttp.ClientSession() as session:
            site = Site(session, f"http://127.0.0.1:{port}")
            while not await site.answers():
                if running.returncode is not None:
                    raise OSError(told.read_text(encoding="utf-8"))
                await asyncio.sleep(0.05)
        return time.perf_counter() - began
    finally:
        if running.returncode is None:
            os.killpg(running.pid, signal.SIGTERM)
            async with asyncio.timeout(STOP_SECONDS):
                await running.wait()
