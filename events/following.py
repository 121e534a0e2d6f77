"""Reading streams as they grow, without a group: what was recorded lately, then what comes.

The streams of one partition are read together, those of another apart: they may live on different
servers.
"""

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from events.chain import link_of
from events.entries import Entry
from events.ids import END, START, Position, position_before
from events.legible import Legible, read_entries
from events.log import Log, stream_key
from runtime.functions import Client
from runtime.outages import is_outage

PAGE = 500
BLOCK_MS = 1_000
STALL_SECONDS = 3.0
PAUSE_SECONDS = 0.5
LOOK_BACK = 2_000
"""Entries of each stream among which the last wanted ones are sought."""

Marks = dict[tuple[str, int], Position]
"""How far each topic's partition was read."""
Streams = Sequence[tuple[str, int]]


async def past_entries(
    log: Log,
    topics: Sequence[str],
    marks: Marks,
    *,
    since_ms: int | None,
    last: int,
    wanted: Callable[[Legible], bool],
) -> AsyncIterator[Legible]:
    """What is wanted of the past, in the order of positions; `marks` say where it ended.

    Since a moment, or else the last few, of those that stand among the last of each stream.
    """
    streams = [(topic, each) for each in range(log.partitions) for topic in topics]
    for topic, partition in streams:
        marks[topic, partition] = await _end_of(log, topic, partition)
    if since_ms is not None:
        async for event in _merged(log, streams, marks, Position(max(since_ms, 0), 0)):
            if wanted(event):
                yield event
        return
    found: list[Legible] = []
    for stream in streams if last > 0 else ():
        found += await _latest(log, stream, marks[stream], last, wanted)
    for event in sorted(found, key=_place)[-last:] if last > 0 else ():
        yield event


async def trimmed_since(log: Log, topics: Sequence[str], since_ms: int) -> Position | None:
    """Up to where what was recorded since then has left the streams; None when nothing has."""
    begins = []
    for topic in topics:
        for partition in range(log.partitions):
            for entry_id, fields in await log.page(topic, partition, START, END, 1):
                link = link_of(fields)
                if link and link.ms >= since_ms > 0:
                    begins.append(Position.parse(entry_id))
    return max(begins, default=None)


async def follow(
    log: Log, blocking: Client, topics: Sequence[str], marks: Marks
) -> AsyncIterator[Legible | str]:
    """Every event from the marks on, as it comes, for ever; a sentence when the log goes or comes.

    Of one partition in the order of positions; partitions go on by themselves.
    """
    heard: asyncio.Queue[list[Legible] | str] = asyncio.Queue(log.partitions)
    tasks: list[asyncio.Task[Any]] = [
        asyncio.create_task(
            _follow(log, blocking, [(topic, each) for topic in topics], marks, heard),
            name=f"tail {each}",
        )
        for each in range(log.partitions)
    ]
    try:
        while True:
            getting = asyncio.create_task(heard.get(), name="tail")
            done, _ = await asyncio.wait([getting, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {getting}:
                getting.cancel()
                task.result()
            told = getting.result()
            for each in [told] if isinstance(told, str) else told:
                yield each
    finally:
        for task in [*tasks, getting]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _follow(
    log: Log, blocking: Client, streams: Streams, marks: Marks, heard: asyncio.Queue[Any]
) -> None:
    keys = {stream_key(*each): each for each in streams}
    away = False
    while True:
        try:
            # Nothing is delivered by a plain read, so this one may be cut when it stalls.
            async with asyncio.timeout(BLOCK_MS / 1000 + STALL_SECONDS):
                reply = await blocking.xread(
                    {key: str(marks[each]) for key, each in keys.items()},
                    count=PAGE,
                    block=BLOCK_MS,
                )
            if away:
                away = False
                await heard.put(f"Partition {streams[0][1]}: the log answers again.")
            if events := await _read_all(log, keys, reply, marks):
                await heard.put(events)
        except Exception as error:
            if not is_outage(error):
                raise
            if not away:
                away = True
                await heard.put(f"Partition {streams[0][1]}: the log does not answer ({error}).")
            await asyncio.sleep(PAUSE_SECONDS)


async def _read_all(
    log: Log, keys: dict[str, tuple[str, int]], reply: Any, marks: Marks
) -> list[Legible]:
    """The entries of one partition's streams, in order; the marks stand behind them afterwards."""
    events, ends = [], {}
    for key, entries in reply.items() if isinstance(reply, dict) else reply:
        # With RESP3 the entries of a stream come in a list of their own.
        run = entries[0] if entries and isinstance(entries[0], list) else entries
        topic, partition = keys[key.decode()]
        events += await read_entries(log, topic, partition, run)
        ends[topic, partition] = Position.parse(run[-1][0])
    marks.update(ends)
    return sorted(events, key=_place)


async def _merged(
    log: Log, streams: Streams, marks: Marks, since: Position
) -> AsyncIterator[Legible]:
    """All streams as one, by position, a page of each in memory."""
    readers = [_pages(log, each, since, marks[each]) for each in streams]
    heads: list[tuple[tuple[Position, str, int], int, Legible]] = []
    for number, reader in enumerate(readers):
        if first := await anext(reader, None):
            heads.append((_place(first), number, first))
    heapq.heapify(heads)
    while heads:
        _, number, event = heads[0]
        yield event
        following = await anext(readers[number], None)
        if following:
            heapq.heapreplace(heads, (_place(following), number, following))
        else:
            heapq.heappop(heads)


async def _pages(
    log: Log, stream: tuple[str, int], since: Position, until: Position
) -> AsyncIterator[Legible]:
    last = position_before(since)
    while page := await log.page(*stream, last, until, PAGE):
        for event in await read_entries(log, *stream, page):
            yield event
        last = Position.parse(page[-1][0])


async def _latest(
    log: Log,
    stream: tuple[str, int],
    end: Position,
    last: int,
    wanted: Callable[[Legible], bool],
) -> list[Legible]:
    """The last few that are wanted, as far as one look back tells."""
    found: list[Legible] = []
    until, read, count = str(end), 0, last
    while len(found) < last and read < LOOK_BACK:
        entries = await _backwards(log, stream_key(*stream), until, count)
        found += [each for each in await read_entries(log, *stream, entries) if wanted(each)]
        if len(entries) < count:
            break
        read, until, count = read + len(entries), f"({entries[-1][0].decode()}", PAGE
    return found[:last]


async def _backwards(log: Log, stream: str, until: str, count: int) -> list[Entry]:
    return list(await log.ask(lambda: log.client.xrevrange(stream, until, "-", count)))


async def _end_of(log: Log, topic: str, partition: int) -> Position:
    stream = stream_key(topic, partition)
    entries = await log.ask(lambda: log.client.xrevrange(stream, "+", "-", 1))
    return Position.parse(entries[0][0]) if entries else START


def _place(event: Legible) -> tuple[Position, str, int]:
    return event.address.position, event.address.topic, event.address.partition
