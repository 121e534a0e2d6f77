"""Following the notices: every gateway hears, in memory, what hides, reveals or changes a card.

Plain XREAD from the oldest retained notice on, one task a partition (their streams may live on
different servers); a lost connection goes on from the last notice heard.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from events.dead_letters import kept_key
from events.entries import open_entries
from events.envelope import Delivery
from events.ids import Position
from events.log import Log, stream_key
from events.trimming import KEPT_SECONDS
from runtime.functions import Client
from runtime.loglines import log as log_line
from runtime.outages import is_outage

BLOCK_MS = 1_000
STALL_SECONDS = 3.0
PAGE = 1_000
# Between two reads of a partition: when notices come thick and fast, each read brings some of them.
BREATH_SECONDS = 0.01
PAUSE_SECONDS = 0.5
DEAF_SECONDS = KEPT_SECONDS - 600


class Kept(NamedTuple):
    """What the log still keeps of a partition's notices."""

    since: Position
    """From here on all of them."""
    alone: frozenset[Position]
    """Of earlier ones these: what they tell was dropped by an operator, so no row will."""


class Deaf(Exception):
    """Notices may have been trimmed that were never heard: what is in memory cannot be trusted."""


async def follow_notices(
    log: Log,
    blocking: Client,
    stopping: asyncio.Event,
    handle: Callable[[Delivery[Any]], None],
    caught_up: Callable[[], None],
) -> None:
    """Hand every notice to `handle`, for ever; call `caught_up` once all have been read.

    `Deaf` when the log was out of reach for almost as long as it keeps notices.
    """
    behind = set(range(log.partitions))

    def at_end(partition: int) -> None:
        if partition in behind:
            behind.remove(partition)
            if not behind:
                caught_up()

    async with asyncio.TaskGroup() as tasks:
        for partition in range(log.partitions):
            tasks.create_task(
                _follow(log, blocking, stopping, handle, at_end, partition=partition),
                name=f"notices {partition}",
            )


async def _follow(
    log: Log,
    blocking: Client,
    stopping: asyncio.Event,
    handle: Callable[[Delivery[Any]], None],
    at_end: Callable[[int], None],
    *,
    partition: int,
) -> None:
    stream, last = stream_key("notices", partition), b"0-0"
    heard_at = time.monotonic()
    while not stopping.is_set():
        try:
            # The first reads do not block: a page that is not full says that we have caught up.
            page = await log.client.xrange(stream, b"(" + last, "+", count=PAGE)
            heard_at = still_hearing(heard_at)
            for delivery in await open_entries(log, "notices", partition, page):
                if isinstance(delivery, Delivery):
                    handle(delivery)
            if page:
                last = page[-1][0]
            if len(page) < PAGE:
                at_end(partition)
                await asyncio.sleep(heard_at + BREATH_SECONDS - time.monotonic())
                await _wait_for_more(blocking, stream, last)
        except Exception as error:
            if not is_outage(error):
                raise
            log_line().warning("notices.paused", partition=partition, reason=str(error))
            await asyncio.sleep(PAUSE_SECONDS)


async def kept_notices(log: Log, partition: int) -> Kept | None:
    """None when there never was a notice. `since` may be early, never late."""
    stream, key = stream_key("notices", partition), kept_key(partition)
    most = await log.client.zcard(key) + 1
    async with log.client.pipeline(transaction=True) as pipeline:
        pipeline.zrange(key, 0, -1)
        pipeline.xrange(stream, "-", "+", most)
        pipeline.xinfo_stream(stream)
        names, page, told = await pipeline.execute(raise_on_error=False)
    if isinstance(told, ResponseError):
        return None
    alone = frozenset(Position.parse(name.partition(b" ")[0]) for name in names)
    positions = [Position.parse(entry_id) for entry_id, _ in page]
    last = Position.parse(told["last-generated-id"])
    beyond = positions[-1] if len(positions) == most else Position(last.ms, last.sequence + 1)
    return Kept(next((each for each in positions if each not in alone), beyond), alone)


def still_hearing(heard_at: float) -> float:
    """The time now; `Deaf` when the last answer is too long ago."""
    now = time.monotonic()
    if now - heard_at > DEAF_SECONDS:
        raise Deaf
    return now


async def _wait_for_more(blocking: Client, stream: str, last: bytes) -> None:
    """Return when there is something after `last`, or after a second.

    A plain read leaves no trace on the server, so this one may be cut when it stalls.
    """
    async with asyncio.timeout(BLOCK_MS / 1000 + STALL_SECONDS):
        # By hand: `xread` itself would cost more than the command.
        await blocking.execute_command(
            "XREAD", "COUNT", 1, "BLOCK", BLOCK_MS, "STREAMS", stream, last
        )
