"""How long a digest of a million rows takes, and what the model that rows are held to needs.

The rows are those of a made-up history of 100,000 accounts, in a schema of their own beside the
live one: a tenth accounts, a fifth posts, a fifth references, a quarter each side of follows.
Against counting the same rows, and against copying them out, which is what comparing them
elsewhere would begin with.
"""

import os
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from statistics import median
from typing import Any

import asyncpg

from bench.standing import Standing, memory_mebibytes
from bench.table import Row, ratio
from events.accounts import AccountRegistered
from events.envelope import Delivery, Event
from events.graph import FollowAccepted, FollowRequested
from events.ids import EPOCH_MS, Position, make_id, shard_of, shard_of_username
from events.model import Model
from events.model_rows import rows_of
from events.posts import PostPublished, PostSubmitted, RenderedPhoto, Rendition, StagedPhoto
from stores.differences import lay_out
from stores.digests import LAID_OUT, TABLES, digests_of, total

ACCOUNTS = 100_000
SHADOW = "heliograph_bench"
HASH = "$argon2id$v=19$m=65536,t=3,p=4$" + "x" * 66
SIZES = ((320, 240), (640, 480), (1280, 960), (2048, 1536))
RENDITIONS = tuple(
    Rendition(width=width, height=height, extension="jpg", size_bytes=width * 99)
    for width, height in SIZES
)


async def measure(standing: Standing, *, quick: bool) -> list[Row]:
    connection = await asyncpg.connect(standing.behind.settings.database_url, command_timeout=600)
    try:
        return await measure_on(connection, ACCOUNTS // (10 if quick else 1))
    finally:
        await connection.execute(f"DROP SCHEMA IF EXISTS {SHADOW} CASCADE")
        await connection.close()


async def measure_on(connection: "asyncpg.Connection[Any]", accounts: int) -> list[Row]:
    before, started = memory_mebibytes(os.getpid(), "VmRSS"), time.perf_counter()
    model = Model()
    model.fold(history(accounts))
    folding = time.perf_counter() - started
    memory = memory_mebibytes(os.getpid(), "VmRSS") - before

    started = time.perf_counter()
    for table in TABLES:
        await lay_out(connection, table, rows_of(model, table))
    laying = time.perf_counter() - started
    await connection.execute(f"CREATE SCHEMA {SHADOW}")
    for table in TABLES:
        await connection.execute(f"CREATE TABLE {SHADOW}.{table} AS TABLE {LAID_OUT}.{table}")
        await connection.execute(f"ANALYZE {SHADOW}.{table}")

    async def digest(table: str) -> int:
        return total((await digests_of(connection, SHADOW, table)).values()).rows

    async def count(table: str) -> int:
        return int(await connection.fetchval(f"SELECT count(*) FROM {SHADOW}.{table}"))  # noqa: S608 - ours

    async def copy(table: str) -> int:
        told = await connection.copy_from_table(table, schema_name=SHADOW, output=os.devnull)
        return int(told.rpartition(" ")[2])

    rows, digesting = await timed(digest)
    _, counting = await timed(count)
    _, copying = await timed(copy)
    return [
        Row(
            f"digest: {rows:,} rows of five tables",
            f"{digesting:.2f} s",
            f"count(*) of the same: {counting:.2f} s",
            ratio(digesting, counting),
            "< 10 s of 1,000,000",
        ),
        Row(
            "digest: the same, against copying them out",
            f"{digesting:.2f} s",
            f"COPY to nowhere: {copying:.2f} s",
            ratio(digesting, copying),
        ),
        Row(
            f"digest: a model of {rows:,} rows",
            f"{memory:,.0f} MiB",
            f"{memory * 1024 * 1024 / rows:,.0f} bytes a row",
        ),
        Row(
            f"digest: folding {model.folded:,} events into a model",
            f"{model.folded / folding:,.0f}/s",
            f"its rows laid out in Postgres: {rows / laying:,.0f}/s",
            ratio(model.folded / folding, rows / laying),
        ),
    ]


async def timed(ask: Callable[[str], Awaitable[int]]) -> tuple[int, float]:
    """Rows, and the median time of three for all tables."""
    times, rows = [], 0
    for _ in range(3):
        started = time.perf_counter()
        rows = sum([await ask(table) for table in TABLES])
        times.append(time.perf_counter() - started)
    return rows, median(times)


def history(accounts: int) -> Iterator[Delivery[Any]]:
    """Of every account: its registration, two posts, and two or three follows, accepted at once."""
    chance = random.Random(4)
    ids = []
    for number in range(accounts):
        username = f"member{number}"
        actor = make_id(position(number), shard_of_username(username))
        ids.append(actor)
        registered = AccountRegistered(
            username=username, display_name=f"Member {number}", password_hash=HASH
        )
        yield happened(registered, actor, number)
    moment = accounts
    for number, actor in enumerate(ids):
        for _ in range(2):
            sha256 = f"{moment:064x}"
            staged = StagedPhoto(key=f"staging/{sha256}", sha256=sha256, size_bytes=5_000_000)
            submitted = PostSubmitted(photos=(staged,), caption=f"What I saw, number {moment}")
            yield happened(submitted, actor, moment)
            photo = RenderedPhoto(
                sha256=sha256,
                size_bytes=5_000_000,
                width=4032,
                height=3024,
                placeholder="3OcRJYB4d3h/iIeHeEh3eIhw+j2w",
                recipe="r1",
                renditions=RENDITIONS,
            )
            post_id = make_id(position(moment), shard_of(actor))
            published = PostPublished(post_id=post_id, photos=(photo,))
            yield happened(published, actor, moment + 1)
            moment += 2
        for followee in chance.sample(ids, 2 + number % 2):
            if followee != actor:
                yield happened(FollowRequested(followee_id=followee), actor, moment)
                wish = make_id(position(moment), shard_of(actor))
                accepted = FollowAccepted(follower_id=actor, wish_version=wish)
                yield happened(accepted, followee, moment + 1)
                moment += 2


def position(moment: int) -> Position:
    return Position(EPOCH_MS + moment, 0)


def happened(event: Event, actor: int, moment: int) -> Delivery[Any]:
    return Delivery(
        event=event,
        topic=event.TOPIC,
        partition=shard_of(actor) % 8,
        position=position(moment),
        actor=actor,
        time=EPOCH_MS + moment,
    )
