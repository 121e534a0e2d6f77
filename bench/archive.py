"""Whether the archive keeps up with 5,000 events a second, and what an event weighs in it.

The role's own loop, in this process, on a log and an object storage of our own, without any other
role. Against one redis-py client that reads the same entries by plain XRANGE, in the same pages.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec
from redis.asyncio import Redis

from bench.made_entries import WEIGHTS, Maker, Order, add
from bench.standing import child, cpu_seconds, output_of
from bench.table import Row, ratio
from events.catalogue import ARCHIVED
from events.log import stream_key
from events.segments import pack
from runtime.bucket import make_bucket
from runtime.engines.start import Engines, start_engines
from runtime.loglines import configure_logging
from runtime.settings import Settings, load
from stores.archive import ROOT
from stores.objects import Objects
from workers.archive import Trimmer, one_round, open_library
from workers.archiving import PAGE, Keeper
from workers.site import Library

RATE = 5_000
OF_A_TYPE = 5_000  # in a segment of one type alone
SEAL_SECONDS = 2.0  # in a short run; a site waits for half a minute, which is less work
BUDGET_BYTES = 1 << 40


class Size(NamedTuple):
    backlog: int
    seconds: int


class Spent(NamedTuple):
    seconds: float
    cpu_seconds: float
    log_cpu_seconds: float


class Meter:
    """Wall time, our own CPU time, and that of the log server."""

    def __init__(self, log_pid: int) -> None:
        self._log_pid = log_pid
        self._began = time.perf_counter(), time.process_time(), cpu_seconds(log_pid)

    def spent(self) -> Spent:
        wall, own, server = self._began
        return Spent(
            time.perf_counter() - wall,
            time.process_time() - own,
            cpu_seconds(self._log_pid) - server,
        )


async def measure(*, quick: bool) -> list[Row]:
    configure_logging("warning")
    size = Size(50_000, 5) if quick else Size(200_000, 20)
    with TemporaryDirectory(prefix="heliograph-bench-") as folder:
        engines = await asyncio.to_thread(start_engines, Path(folder))
        try:
            settings = settings_of(engines)
            await make_bucket(settings.objects_url)
            async with open_library(settings) as library, Redis.from_url(settings.log_url) as log:
                return [
                    *await catch_up(engines, library, log, settings, size),
                    await keep_up(engines, library, settings, size),
                    *weights(),
                ]
        finally:
            await asyncio.to_thread(engines.stop)


async def catch_up(
    engines: Engines, library: Library, log: Redis, settings: Settings, size: Size
) -> list[Row]:
    """A backlog, read and archived as fast as it goes."""
    maker = Maker(seed=0)
    for _ in range(size.backlog // 1_000):
        await add(log, maker, 1_000, library.log.partitions)
    meter = Meter(engines.processes["log"].pid)
    read = await read_plainly(log, library.log.partitions)
    plain = meter.spent()
    meter, keepers = Meter(engines.processes["log"].pid), keepers_of(library, seal_seconds=0)
    while await one_round(keepers, Trimmer(BUDGET_BYTES)) == 0:
        pass
    archived = meter.spent()
    for keeper in keepers:
        await keeper.leave()
    await begin_anew(settings, log)
    return [
        Row(
            f"archive: a backlog of {read:,} events",
            f"{read / archived.seconds:,.0f} events/s",
            f"plain XRANGE: {read / plain.seconds:,.0f} events/s",
            ratio(read / archived.seconds, read / plain.seconds),
            f"≥ {RATE:,} events/s",
        ),
        Row(
            "archive: CPU an event",
            f"archive {micros(archived.cpu_seconds, read)}, "
            f"log {micros(archived.log_cpu_seconds, read)}",
            f"plain XRANGE: client {micros(plain.cpu_seconds, read)}, "
            f"log {micros(plain.log_cpu_seconds, read)}",
            ratio(archived.cpu_seconds, plain.cpu_seconds),
        ),
    ]


async def read_plainly(log: Redis, partitions: int) -> int:
    read = 0
    for topic in ARCHIVED:
        for partition in range(partitions):
            after = "-"
            while page := await log.xrange(stream_key(topic, partition), after, "+", PAGE):
                read += len(page)
                after = f"({page[-1][0].decode()}"
    return read


async def begin_anew(settings: Settings, log: Redis) -> None:
    """Both: an archive does not go on behind a log that knows nothing of it."""
    await log.flushall()
    async with Objects(settings.objects_url) as objects:
        await objects.delete([each.key async for each in objects.list(ROOT)])


async def keep_up(engines: Engines, library: Library, settings: Settings, size: Size) -> Row:
    """Events come at the rate from another process; how old the oldest becomes meanwhile."""
    order = Order(settings.log_url, library.log.partitions, RATE, size.seconds)
    keepers, oldest = keepers_of(library, seal_seconds=SEAL_SECONDS), 0.0
    meter = Meter(engines.processes["log"].pid)
    async with child("bench.made_entries", given=msgspec.json.encode(order)) as feeding:
        telling = asyncio.create_task(output_of(feeding, size.seconds + 30))
        while not telling.done():
            await one_round(keepers, Trimmer(BUDGET_BYTES))
            waits = [s.waits_since for k in keepers for s in k.shelves.values() if s.waits_since]
            oldest = max(oldest, time.time() - min(waits, default=time.time()))
            await asyncio.sleep(0.1)
        added, spent = int(await telling), meter.spent()
    share = spent.cpu_seconds / spent.seconds
    return Row(
        f"archive: {added / size.seconds:,.0f} events/s for {size.seconds} s",
        f"the oldest waited {oldest:.1f} s, {share:.0%} of a core",
        f"sealed when {SEAL_SECONDS:.0f} s old",
        ratio(oldest, SEAL_SECONDS),
    )


def weights() -> Iterator[Row]:
    """Bytes of an event of each type, in a segment of that type alone."""
    maker = Maker(seed=2)
    now_ms = time.time_ns() // 1_000_000
    for tag in WEIGHTS:
        made = [maker.entry(tag, 0, now_ms + n // 4) for n in range(OF_A_TYPE)]
        entries = [(entry_id, fields) for _, entry_id, fields in made]
        plain = sum(len(i) + sum(map(len, f)) + sum(map(len, f.values())) for i, f in entries)
        sealed = sum(len(fields.get(b"sealed", b"")) for _, fields in entries)
        data, _ = pack("bench", 0, entries)
        of_it = f", {sealed // OF_A_TYPE} of them sealed" if sealed else ""
        yield Row(
            f"archive: bytes of one {tag}",
            f"{len(data) / OF_A_TYPE:.0f} bytes{of_it}",
            f"fields as they are: {plain / OF_A_TYPE:.0f} bytes",
            ratio(len(data), plain),
        )


def keepers_of(library: Library, *, seal_seconds: float) -> Sequence[Keeper]:
    partitions = range(library.log.partitions)
    return [Keeper(library, n, lease_seconds=30, seal_seconds=seal_seconds) for n in partitions]


def micros(seconds: float, events: int) -> str:
    return f"{seconds / events * 1e6:.1f} µs"


def settings_of(engines: Engines) -> Settings:
    return load(
        {
            "HELIOGRAPH_LOG_URL": engines.log_url,
            "HELIOGRAPH_CACHE_URL": engines.cache_url,
            "HELIOGRAPH_DATABASE_URL": engines.database_url,
            "HELIOGRAPH_DATABASE_READER_URL": engines.database_reader_url,
            "HELIOGRAPH_OBJECTS_URL": engines.objects_url,
            "HELIOGRAPH_SECRET": "only a bench uses this secret, and no site",
            "HELIOGRAPH_VAR": str(engines.place.var),
        }
    )
