"""python -m events stats: what the log holds, how fast it grows, and what it costs."""

import argparse
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from events.arguments import add_command, rfc3339
from events.catalogue import ARCHIVED, TOPICS
from events.dead_letters import DEAD, DROPPED, order_key
from events.entries import PAYLOAD, SEALED, TYPE, Entry
from events.growth import per_second
from events.history import head_of
from events.ids import END, START, Position
from events.log import Log, stream_key
from events.telling import Desk, Progress, Table, Told
from events.trimming import archived, holds_key
from workers.cache_stock import tell_cache

SAMPLE = 1_000
PAGE = 1_000
MIB = 1024 * 1024

HELP = """\
Says what each topic holds, from when to when, what memory it takes and how fast it grows (estimated
from how densely positions lie over the last minute and hour); which types of events there are, over
the last thousand of each stream or --all; and what else stands in the log.
"""

EXAMPLES = """\
  python -m events stats
  python -m events stats --all --json | jq 'select(.type)'

"""


class Stock(NamedTuple):
    """Of one topic, over all partitions."""

    entries: int
    bytes: int
    first: Position | None
    last: Position | None
    behind: tuple[Position, ...]
    """How far the partitions are archived that are not archived up to their last event."""
    per_minute: float
    per_hour: float


def declare(groups: Any, *, epilog: str) -> None:
    """Add `stats`."""
    command = add_command(
        groups,
        "stats",
        show_stats,
        "show what the log holds and how fast it grows",
        description=HELP,
        epilog=EXAMPLES + epilog,
    )
    command.add_argument("--all", action="store_true", help="count every event by type, not some")


async def show_stats(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:
    """Three tables of the log, two of the cache."""
    log = desk.log
    stocks = {topic: await stock_of(log, topic) for topic in sorted(TOPICS)}
    heads = ("topic", "entries", "bytes", "first", "last", "archived", "a_second", "a_second_of_1h")
    yield Table(heads=heads, rows=tuple(topic_row(*each) for each in stocks.items()))

    counts: Counter[tuple[str, str]] = Counter()
    sizes: Counter[tuple[str, str]] = Counter()
    total = sum(stock.entries for stock in stocks.values())
    read = 0
    async for topic, page in pages(log, whole=arguments.all):
        for _, fields in page:
            kind = topic, fields.get(TYPE, b"").decode(errors="replace")
            counts[kind] += 1
            sizes[kind] += len(fields.get(PAYLOAD, b"")) + len(fields.get(SEALED, b""))
        read += len(page)
        if arguments.all:
            yield Progress(what="reading", done=read, total=max(total, read))
    of = "all" if arguments.all else f"the last {SAMPLE:,} of each stream"
    rows = tuple(
        (topic, kind or "(no type)", count, round(count / read, 4), sizes[topic, kind] // count)
        for (topic, kind), count in sorted(counts.items())
    )
    heads_of_types = ("topic", "type", "events", "share", "payload_bytes")
    yield Table(title=f"\nBy type, of {of}", heads=heads_of_types, rows=rows)
    rows_beside = tuple([each async for each in beside(log)])
    yield Table(title="\nBeside the topics", heads=("what", "value"), rows=rows_beside)
    async for told in tell_cache(desk.settings, log, whole=arguments.all):
        yield told


def topic_row(topic: str, stock: Stock) -> tuple[Any, ...]:
    return (
        topic,
        stock.entries,
        stock.bytes,
        rfc3339(stock.first.ms) if stock.first else None,
        rfc3339(stock.last.ms) if stock.last else None,
        archived_as(stock) if topic in ARCHIVED else "never",
        round(stock.per_minute, 2),
        round(stock.per_hour, 2),
    )


def archived_as(stock: Stock) -> str:
    """`all`, or how many partitions are not, and the lowest position up to which one is."""
    if not stock.behind:
        return "all"
    lowest = min(stock.behind)
    to = rfc3339(lowest.ms) if lowest > START else "nothing"
    return f"all but {len(stock.behind)}, to {to}"


async def stock_of(log: Log, topic: str) -> Stock:
    entries = size = 0
    per_minute = per_hour = 0.0
    firsts: list[Position] = []
    lasts: list[Position] = []
    behind: list[Position] = []
    for partition in range(log.partitions):
        stream = stream_key(topic, partition)
        entries += await log.client.xlen(stream)
        size += int(await log.client.memory_usage(stream) or 0)
        first = await log.page(topic, partition, START, END, 1)
        last = await head_of(log, topic, partition)
        firsts += [Position.parse(each) for each, _ in first]
        lasts += [last] if last > START else []
        stored = await archived(log, topic, partition) or START
        behind += [stored] if stored < last and topic in ARCHIVED else []
        per_minute += await per_second(log, topic, partition, seconds=60, slices=1)
        per_hour += await per_second(log, topic, partition, seconds=3_600, slices=12)
    return Stock(
        entries,
        size,
        min(firsts, default=None),
        max(lasts, default=None),
        tuple(behind),
        per_minute,
        per_hour,
    )


async def pages(log: Log, *, whole: bool) -> AsyncIterator[tuple[str, list[Entry]]]:
    """Entries of every stream: all of them, or the last ones."""
    for topic in sorted(TOPICS):
        for partition in range(log.partitions):
            if not whole:
                stream = stream_key(topic, partition)
                yield topic, await log.client.xrevrange(stream, "+", "-", SAMPLE)
                continue
            last = START
            while page := await log.page(topic, partition, last, END, PAGE):
                yield topic, page
                last = Position.parse(page[-1][0])


async def beside(log: Log) -> AsyncIterator[tuple[str, Any]]:
    """What stands in the log beside topics."""
    memory = await log.client.info("memory")
    used, most = int(memory["used_memory"]), int(memory["maxmemory"])
    share = f", {used / most:.1%} of {most / MIB:,.0f} MiB" if most else ", without a limit"
    yield "memory", f"{used / MIB:,.1f} MiB{share}"
    partitions = range(log.partitions)
    for what, key, count in (
        ("names reserved", "names:{%d}", log.client.hlen),
        ("account keys", "keys:{%d}", log.client.hlen),
        ("notices", "notices:{%d}", log.client.xlen),
        ("revocations", "revoked:{%d}", log.client.zcard),
    ):
        yield what, sum([await count(key % each) for each in partitions])
    for what, shelf in (("dead letters", DEAD), ("dropped letters", DROPPED)):
        yield what, sum([await log.client.zcard(order_key(shelf, each)) for each in partitions])
    keyspace = await log.client.info("keyspace")
    yield "idempotency records, about", sum(each["expires"] for each in keyspace.values())
    holding = {
        name.decode(): max(int(ends), 0)
        for each in partitions
        for name, ends in await log.client.zrange(holds_key(each), 0, -1, withscores=True)
    }
    for name, ends in sorted(holding.items()):
        yield f"hold {name}", f"until {rfc3339(ends)}"
