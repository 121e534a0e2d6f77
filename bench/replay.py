"""How fast a history is folded into an empty shadow, and in how much memory.

The history is made by hand (bench/histories.py) and read from the streams. Against COPY of the very
rows that came out, as fast as PostgreSQL takes them, into tables with the same keys and no indexes.
"""

import time
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import asyncpg

from bench.bare_engines import bare_engines
from bench.histories import History
from bench.table import Row, ratio
from events.ids import START
from events.replay import Replay
from events.wanted import heads_of
from runtime.connections import open_log
from runtime.shadow import make_shadow
from workers.process import log_of
from workers.shadowing import open_shadow
from workers.subscriptions import REPLAYED

ACCOUNTS = 20_000
FOLLOWS, QUICK_FOLLOWS = 400_000, 60_000
POSTS, QUICK_POSTS = 90_000, 15_000
EARLY_EVENTS = 100_000
TABLES = {
    "accounts": ("accounts",),
    "posts": ("posts", "photo_references"),
    "graph": ("following", "followers"),
}
AIMS = {"graph": "≥ 20,000 events/s", "posts": "≥ 5,000 events/s"}
NAMES = {"graph": "follow-class events", "posts": "post-class events"}


class Folded(NamedTuple):
    """One role's part."""

    events: int
    seconds: float
    cpu_seconds: float
    """Of this process alone."""


async def measure(*, quick: bool) -> list[Row]:
    follows, posts = (QUICK_FOLLOWS, QUICK_POSTS) if quick else (FOLLOWS, POSTS)
    async with bare_engines() as settings, open_log(settings) as client:
        log = log_of(settings, client)
        history = History(log)
        await history.sign_up(ACCOUNTS)
        await history.follow(follows)
        await history.post(posts)
        async with open_shadow(settings, log, "heliograph_bench") as shadow:
            memory = Memory(shadow.replay)
            folded = {role: await fold(shadow.replay, role, memory) for role in REPLAYED}
            await make_shadow(shadow.connection, "heliograph_copy")
            copied = {role: await copy_rows(shadow.connection, TABLES[role]) for role in REPLAYED}
    return rows_of(folded, copied, memory)


async def fold(replay: Replay, role: str, memory: "Memory") -> Folded:
    """This role alone, to its end."""
    heads = await heads_of(replay.log, replay.streams)
    mine = {each: heads[each] if each.role == role else START for each in replay.streams}
    before, started, cpu = replay.tally.read, time.perf_counter(), time.process_time()
    async for tally in replay.run(mine):
        memory.look(tally.read)
    if replay.tally.faulty or replay.without_effect:
        message = f"not everything was folded: {replay.tally}"
        raise AssertionError(message)
    events = replay.tally.read - before
    return Folded(events, time.perf_counter() - started, time.process_time() - cpu)


async def copy_rows(connection: asyncpg.Connection, tables: Iterable[str]) -> tuple[int, float]:
    """How many rows there are, and how long their COPY takes; reading them is not counted."""
    rows, seconds = 0, 0.0
    for table in tables:
        held = BytesIO()
        listed = await connection.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = $1 "
            "AND table_name = $2 AND is_generated = 'NEVER' ORDER BY ordinal_position",
            "heliograph_bench",
            table,
        )
        columns = [each["column_name"] for each in listed]
        await connection.copy_from_table(
            table, schema_name="heliograph_bench", columns=columns, output=held, format="binary"
        )
        held.seek(0)
        started = time.perf_counter()
        told = await connection.copy_to_table(
            table, schema_name="heliograph_copy", columns=columns, source=held, format="binary"
        )
        seconds += time.perf_counter() - started
        rows += int(told.split()[-1])
    return rows, seconds


class Memory:
    """What this process holds, early on and at its highest from there."""

    def __init__(self, replay: Replay) -> None:
        self.replay, self.events = replay, 0
        self.early = self.most = 0

    def look(self, events: int) -> None:
        self.events = events
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * 4_096
        if events <= EARLY_EVENTS:
            self.early = max(self.early, resident)
        self.most = max(self.most, resident)


def rows_of(
    folded: dict[str, Folded], copied: dict[str, tuple[int, float]], memory: Memory
) -> list[Row]:
    rows = []
    for role, name in NAMES.items():
        events, seconds, cpu_seconds = folded[role]
        rows_copied, copy_seconds = copied[role]
        rows.append(
            Row(
                f"replay: {name} into an empty shadow",
                f"{events / seconds:,.0f} events/s, {cpu_seconds / events * 1e6:.0f} µs CPU each",
                f"COPY of the {rows_copied:,} rows: {rows_copied / copy_seconds:,.0f} rows/s",
                ratio(events / seconds, rows_copied / copy_seconds),
                AIMS[role],
            )
        )
    rows.append(
        Row(
            f"replay: memory over {memory.events:,} events",
            f"{memory.most / 2**20:,.0f} MiB at most",
            f"{memory.early / 2**20:,.0f} MiB up to {EARLY_EVENTS:,}",
            ratio(memory.most, memory.early),
            "flat",
        )
    )
    return rows
