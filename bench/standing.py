"""The site that is measured: one of our own, with a view of its processes, sockets and engines."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp

from bench.client import Site
from bench.own_site import UNLIMITED, clean_environ, own_site
from runtime import site as standing_site
from runtime.embedded import ROOT

TICKS = os.sysconf("SC_CLK_TCK")
# Not unbuffered, even if we are: then a long answer would be cut off where the pipe was full.
CHILDREN = {"VIPS_CONCURRENCY": "1", "MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": ""}


class Standing(NamedTuple):
    """A running site: its address as people use it, and what stands behind it."""

    people: Site
    behind: standing_site.Site

    def pid(self, program: str) -> int:
        """The first process of a program, engines included."""
        return next(p.pid for p in self.behind.supervisor.processes() if p.program == program)

    def socket(self, program: str) -> Path:
        """Where the first process of a gateway listens."""
        return self.behind.place.sockets / f"{program}-0.sock"

    def log_file(self, program: str) -> Path:
        return self.behind.place.var / "logs" / f"{program}-0.log"


@asynccontextmanager
async def standing(**settings: str) -> AsyncIterator[Standing]:
    """Start it in a temporary folder; at the end every process of it is gone.

    Its rate limits are raised out of the way: a handful of accounts make the load of thousands.
    Each is still counted and told, as on any site.
    """
    with tempfile.TemporaryDirectory(prefix="heliograph-bench-") as var:
        timeout = aiohttp.ClientTimeout(total=300)
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            own_site(var=var, **UNLIMITED, **settings) as address,
            aiohttp.ClientSession(timeout=timeout, connector=connector) as session,
        ):
            port = urlsplit(address).port
            environ = {"HELIOGRAPH_VAR": var, "HELIOGRAPH_PORT": str(port)}
            behind = standing_site.find_site(clean_environ() | environ)
            yield Standing(Site(session, address), behind)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and all its threads so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def cpu_seconds_of_threads(pid: int) -> float:
    """The same to the nanosecond, of threads that run still: ticks are coarse for short rounds."""
    nanoseconds = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # it has just ended
            nanoseconds += int((thread / "schedstat").read_text(encoding="ascii").split()[0])
    return nanoseconds / 1e9


def memory_mebibytes(pid: int, field: str) -> float:
    """`VmRSS`, what it has now, or `VmHWM`, the most it had."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    message = f"process {pid} has ended"
    raise ProcessLookupError(message)


@asynccontextmanager
async def child(*arguments: str, given: bytes = b"") -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m ...` beside us, told `given` on its standard input; gone at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=clean_environ() | CHILDREN,
    )
    try:
        assert process.stdin is not None  # noqa: S101  (PIPE was asked for)
        process.stdin.write(given)
        process.stdin.close()
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def output_of(process: asyncio.subprocess.Process, seconds: float) -> bytes:
    """All it says until it ends by itself, well."""
    assert process.stdout is not None  # noqa: S101  (PIPE was asked for)
    async with asyncio.timeout(seconds):
        said = await process.stdout.read()
        if await process.wait():
            message = "a helper process of the bench failed"
            raise OSError(message)
    return said


class Stopwatch:
    """Wall and CPU seconds of some processes, from its making on."""

    def __init__(self, *pids: int) -> None:
        self.pids = pids
        self.began = time.perf_counter()
        self.cpu_before = [cpu_seconds_of_threads(pid) for pid in pids]

    def seconds(self) -> float:
        return time.perf_counter() - self.began

    def cpu(self) -> list[float]:
        """One figure for each process."""
        now = [cpu_seconds_of_threads(pid) for pid in self.pids]
        return [after - before for after, before in zip(now, self.cpu_before, strict=True)]
