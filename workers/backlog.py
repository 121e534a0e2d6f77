"""python -m events lag: how far each role is behind, where, and who works."""

import argparse
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from events.arguments import add_command, rfc3339
from events.catalogue import ARCHIVED, TOPICS
from events.history import head_of
from events.ids import END, START, Position
from events.lag import Lag, lag_of
from events.log import Log, stream_key
from events.telling import Desk, Line, Table, Told
from events.trimming import archived
from workers.subscriptions import SUBSCRIPTIONS, topics_of

ARCHIVE = "archive"
COUNTED = 10_000  # entries that the archive has still to come to; it has no group that counts them

HELP = """\
Says how far each role is behind in each topic: entries not given to it, entries it was given and
has not done, the oldest of either and its age. A role of this version that has no group where there
are entries is `missing`; a group of which this version knows no role is `unlisted`.
"""

EXAMPLES = """\
  python -m events lag
  python -m events lag --role fanout --partitions --consumers
  python -m events lag --json | jq 'select(.seconds > 60)'

"""


class Backlog(NamedTuple):
    """Of one role in one partition of a topic."""

    role: str
    topic: str
    partition: int
    lag: Lag
    note: str
    consumers: list[Mapping[str, Any]]


def declare(groups: Any, *, epilog: str) -> None:
    """Add `lag`."""
    command = add_command(
        groups,
        "lag",
        show_lag,
        "show how far each role is behind",
        description=HELP,
        epilog=EXAMPLES + epilog,
    )
    command.add_argument("--role", default="", help="of one role alone")
    command.add_argument("--partitions", action="store_true", help="a row for each partition")
    command.add_argument("--consumers", action="store_true", help="also who works, on what")


async def show_lag(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:
    """A table of backlogs with a total, and perhaps one of consumers."""
    found = [each for each in await backlogs(desk.log) if arguments.role in {"", each.role}]
    if not found:
        yield Line(f"No role and no group is called {arguments.role!r}.", failed=True, aside=True)
        return
    grouped: dict[tuple[Any, ...], list[Backlog]] = {}
    for each in found:
        key = (each.role, each.topic, *([each.partition] if arguments.partitions else []))
        grouped.setdefault(key, []).append(each)
    rows = [row_of(key, some) for key, some in grouped.items()]
    if not arguments.json:
        rows.append(row_of(("total", "", *([None] if arguments.partitions else [])), found))
    where = ("role", "topic", *(["partition"] if arguments.partitions else []))
    heads = (*where, "behind", "pending", "seconds", "oldest", "consumers", "note")
    yield Table(heads=heads, rows=tuple(rows))
    if arguments.consumers:
        who_heads = ("role", "topic", "partition", "consumer", "pending", "idle_seconds")
        yield Table(title="\nWho works", heads=who_heads, rows=who(found))


def row_of(key: tuple[Any, ...], some: Sequence[Backlog]) -> tuple[Any, ...]:
    """Sums over some backlogs, and the oldest of what is not done in any."""
    lags = [each.lag for each in some]
    oldest = min((lag.oldest for lag in lags if lag.oldest), default=None)
    return (
        *key,
        sum(lag.entries for lag in lags),
        sum(lag.pending for lag in lags),
        round(max(lag.seconds for lag in lags), 1),
        rfc3339(oldest.ms) if oldest else None,
        len({(each.role, consumer["name"]) for each in some for consumer in each.consumers}),
        ", ".join(sorted({each.note for each in some if each.note})) or None,
    )


def who(found: Iterable[Backlog]) -> tuple[tuple[Any, ...], ...]:
    return tuple(
        (
            each.role,
            each.topic,
            each.partition,
            consumer["name"].decode(),
            int(consumer["pending"]),
            round(int(consumer["idle"]) / 1000, 1),
        )
        for each in found
        for consumer in each.consumers
    )


async def backlogs(log: Log) -> list[Backlog]:
    """Of every role and group there is, by the map first, then the unlisted, then the archive."""
    groups = {
        (topic, partition): await groups_of(log, topic, partition)
        for topic in sorted(TOPICS)
        for partition in range(log.partitions)
    }
    places = [
        (role, topic, partition)
        for role in SUBSCRIPTIONS
        for topic in topics_of(role)
        for partition in range(log.partitions)
    ]
    places += sorted(
        (name, topic, partition)
        for (topic, partition), names in groups.items()
        for name in names
        if name not in SUBSCRIPTIONS or topic not in topics_of(name)
    )
    found = [await backlog(log, *each, groups[each[1:]]) for each in places]
    archive = [
        Backlog(ARCHIVE, topic, partition, await archive_lag(log, topic, partition), "", [])
        for topic in sorted(ARCHIVED)
        for partition in range(log.partitions)
    ]
    return found + archive


async def groups_of(log: Log, topic: str, partition: int) -> set[str]:
    try:
        told = await log.client.xinfo_groups(stream_key(topic, partition))
    except ResponseError:  # no such stream
        return set()
    return {each["name"].decode() for each in told}


async def backlog(log: Log, role: str, topic: str, partition: int, groups: set[str]) -> Backlog:
    lag = await lag_of(log, role, topic, partition)
    note, consumers = "", []
    if role in groups:
        consumers = await log.client.xinfo_consumers(stream_key(topic, partition), role)
    elif lag.entries:
        note = "missing"
    if role not in SUBSCRIPTIONS or topic not in topics_of(role):
        note = "unlisted"
    return Backlog(role, topic, partition, lag, note, consumers)


async def archive_lag(log: Log, topic: str, partition: int) -> Lag:
    """The archive reads by position, without a group."""
    last = await archived(log, topic, partition) or START
    if last >= await head_of(log, topic, partition):
        return Lag(0, 0, None)
    entries = await log.page(topic, partition, last, END, COUNTED)
    return Lag(len(entries), 0, Position.parse(entries[0][0]) if entries else None)
