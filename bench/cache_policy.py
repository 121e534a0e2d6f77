"""How cards are best kept true: by time, written through by workers, or made old by notices.

Two gateways' worth of cards read pages of thirty by Zipf, over real engines, while authors edit
their profiles, posts are deleted, and celebrities post what then stands on top of every page. The
same pages and changes for each; against reading every card from PostgreSQL each time.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from redis.asyncio import Redis

from bench.bare_engines import bare_engines
from bench.changing import World, change_all
from bench.keys import give_keys
from bench.members import make_members
from bench.moving_in import move_in
from bench.plots import bars, save
from bench.policies import ByNotices, Counted, Make, Policy, by_time, by_workers, without
from bench.table import Row, milliseconds, percentile, ratio
from events.log import Log
from events.notices import follow_notices
from runtime.connections import open_blocking_log, open_cache, open_database, open_log
from runtime.settings import Settings
from workers.process import log_of

GATEWAYS = 2
NAIVE = "none: every card from PostgreSQL"
SHIPPED = "by notices, as shipped"


class Size(NamedTuple):
    members: int
    warm_seconds: float
    seconds: float
    pages_a_second: int
    changes_a_second: float


class Trial(NamedTuple):
    """What one policy did."""

    latencies: list[float]
    old: list[float]
    """Of each change to a card that was read later: how long the old one was still shown."""
    memory: float
    cache: float
    database: float
    """Of the cards that were taken, the shares that each place had."""
    commands: float
    statements: float
    """Of the cache and of PostgreSQL, a page."""
    cache_cpu_microseconds: float
    """A page."""


async def measure(*, quick: bool) -> list[Row]:
    size = Size(1_000, 1.0, 3.5, 120, 12) if quick else Size(5_000, 5.0, 40.0, 150, 8)
    short, long = (1, 2) if quick else (2, 10)
    policies: dict[str, Make] = {
        NAIVE: without,
        f"by time, {short} s": by_time(short),
        f"by time, {long} s": by_time(long),
        "written by workers": by_workers(0),
        "written by workers, memory 1 s": by_workers(1),
        SHIPPED: ByNotices,
    }
    async with bare_engines() as settings:
        members = make_members(size.members)
        await move_in(settings, members, follows=False)
        trials = {
            name: await trial(settings, World(members), make, size)
            for name, make in policies.items()
        }
    await asyncio.to_thread(plot, trials, quick=quick)
    return [row(name, each, trials[NAIVE]) for name, each in trials.items() if name != NAIVE]


async def trial(settings: Settings, world: World, make: Make, size: Size) -> Trial:
    async with (
        await open_database(settings) as database,
        open_cache(settings) as cache,
        open_log(settings) as client,
    ):
        # Nothing that is heard or kept tells of the trial before.
        await cache.flushall()
        await client.flushall()
        await world.begin(database)
        log, counted = log_of(settings, client), Counted(database)
        await give_keys(log, world.members.ids)
        gateways = [make(cache, counted) for _ in range(GATEWAYS)]
        worker, dice = make(cache, Counted(database)), random.Random(7)
        changes = list(world.changes(int(size.changes_a_second * size.seconds), dice))
        async with heard(settings, log, gateways):
            await read(world, gateways, size.warm_seconds, size.pages_a_second, dice)
            counted.statements, before = 0, await spent(cache)
            (latencies, cards), _ = await asyncio.gather(
                read(world, gateways, size.seconds, size.pages_a_second, dice),
                change_all(
                    world, log, database, changes, seconds=size.seconds, written=worker.written
                ),
            )
            used = {name: value - before[name] for name, value in (await spent(cache)).items()}
            pages = len(latencies)
        for each in (*gateways, worker):
            await each.close()
    asked = used["keyspace_hits"] + used["keyspace_misses"]
    if not asked:  # the policy has no use for the cache
        asked = used["keyspace_misses"] = cards
    return Trial(
        latencies,
        list(world.seen_old.values()),
        memory=1 - asked / cards,
        cache=used["keyspace_hits"] / cards,
        database=used["keyspace_misses"] / cards,
        commands=used["total_commands_processed"] / pages,
        statements=counted.statements / pages,
        cache_cpu_microseconds=used["cpu"] / pages * 1e6,
    )


@asynccontextmanager
async def heard(settings: Settings, log: Log, gateways: Sequence[Policy]) -> AsyncIterator[None]:
    """Within, those policies that follow notices hear them, each gateway for itself."""
    followers = [each for each in gateways if isinstance(each, ByNotices)]
    stopping = asyncio.Event()
    async with open_blocking_log(settings, connections=16 * GATEWAYS) as blocking:
        known = [asyncio.Event() for _ in followers]
        tasks = [
            asyncio.create_task(follow_notices(log, blocking, stopping, each.hear, event.set))
            for each, event in zip(followers, known, strict=True)
        ]
        for event in known:
            await event.wait()
        try:
            yield
        finally:
            stopping.set()
            await asyncio.gather(*tasks)


async def read(
    world: World, gateways: Sequence[Policy], seconds: float, rate: int, dice: random.Random
) -> tuple[list[float], int]:
    """Latencies from when each page was due, and how many cards there were on all."""
    latencies: list[float] = []
    cards = 0
    began = time.monotonic()

    async def one(number: int) -> None:
        nonlocal cards
        due = began + number / rate
        await asyncio.sleep(due - time.monotonic())
        page, started = world.page_of(dice), time.monotonic()
        taken = await gateways[number % len(gateways)].take(page)
        latencies.append(time.monotonic() - due)
        cards += len(taken.posts) + len(taken.authors)
        world.judge(taken, started)

    await asyncio.gather(*(one(number) for number in range(int(rate * seconds))))
    return latencies, cards


async def spent(cache: Redis) -> dict[str, float]:
    stats: dict[str, Any] = await cache.info("stats")
    cpu: dict[str, Any] = await cache.info("cpu")
    names = ("total_commands_processed", "keyspace_hits", "keyspace_misses")
    used = float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"])
    return {name: float(stats[name]) for name in names} | {"cpu": used}


def row(name: str, each: Trial, naive: Trial) -> Row:
    p50, p99 = percentile(each.latencies, 50), percentile(each.latencies, 99)
    reference = percentile(naive.latencies, 50), percentile(naive.latencies, 99)
    old = f"old for {milliseconds(percentile(each.old, 99))} at p99 of {len(each.old)} changes"
    return Row(
        f"cache_policy: {name}",
        f"memory {each.memory:.1%}, cache {each.cache:.1%}, PostgreSQL {each.database:.1%}; {old}; "
        f"{each.commands:.2f} commands and {each.statements:.3f} statements a page; "
        f"p50 {milliseconds(p50)}, p99 {milliseconds(p99)}",
        f"{NAIVE}: {naive.statements:.1f} statements a page; "
        f"p50 {milliseconds(reference[0])}, p99 {milliseconds(reference[1])}",
        f"{ratio(p50, reference[0])} (p99 {ratio(p99, reference[1])})",
    )


def shortly(name: str) -> str:
    """What fits below a bar."""
    return name.replace(NAIVE, "none").replace("written by ", "by ").replace(", as shipped", "")


def plot(trials: dict[str, Trial], *, quick: bool) -> None:
    labels = [shortly(name).replace(", ", "\n") for name in trials]
    tries = list(trials.values())

    def ms(values: Sequence[float], percent: int) -> float:
        return max(percentile(values, percent) * 1e3, 0.01)

    save(
        "feeds-cache-policy",
        "Keeping cards true: the same pages and changes for each policy",
        [
            bars(
                "cards found, % by place",
                labels,
                {
                    "memory": [100 * each.memory for each in tries],
                    "cache": [100 * each.cache for each in tries],
                    "PostgreSQL": [100 * each.database for each in tries],
                },
            ),
            bars(
                "how long the old is shown after a change, ms",
                labels,
                {f"p{p}": [ms(each.old, p) for each in tries] for p in (50, 99)},
                log=True,
            ),
            bars(
                "asked of the engines, a page",
                labels,
                {
                    "cache, commands": [each.commands for each in tries],
                    "PostgreSQL, statements": [each.statements for each in tries],
                },
            ),
            bars(
                "a page's cards, ms",
                labels,
                {f"p{p}": [ms(each.latencies, p) for each in tries] for p in (50, 99)},
                log=True,
            ),
        ],
        quick=quick,
    )
