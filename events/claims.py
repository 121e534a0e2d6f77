"""What one consumer claims from one stream: new entries, its own pending ones, dead consumers'.

Nothing here judges a delivery; see `consumer.py`. Delivery counts are the server's, so that
attempts survive a crash; renewing and taking over never touch them.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from redis.exceptions import ResponseError

from events.dead_letters import Letter, Undelivered, bury
from events.entries import Entry
from events.ids import START, Position
from events.leases import Leases, backoff
from events.log import FUNCTIONS, Log, stream_key
from runtime import metrics
from runtime.functions import Client

STALL_SECONDS = 3.0  # past its block, a server that says nothing is stalled
PAGE = 100


class Claims:
    """The entries of `topic:{partition}` that are pending under this consumer's name."""

    def __init__(
        self,
        log: Log,
        blocking: Client,
        *,
        group: str,
        consumer: str,
        topic: str,
        partition: int,
        lease_seconds: float,
        most_held: int,
        clock: Callable[[], float],
    ) -> None:
        self.log, self.group, self.consumer = log, group, consumer
        self.topic, self.partition = topic, partition
        self.stream = stream_key(topic, partition)
        self.leases = Leases()
        self.lease_seconds, self.most_held = lease_seconds, most_held
        self._blocking = blocking
        self._clock = clock
        self._recovered = False
        self._reclaim_at = 0.0
        self._cursor: bytes | str = "0-0"

    async def catch_up(self) -> None:
        """Own pending entries, at start and after a lost answer; now and then dead consumers'."""
        if not self._recovered:
            await self._recover()
        if self._clock() >= self._reclaim_at:
            self._reclaim_at = self._clock() + self.lease_seconds / 2
            await self._reclaim()

    async def read_new(self, room: int, block_ms: int | None) -> list[Entry]:
        """Entries nobody in the group has had.

        A read is never cancelled while the server answers: that would strand what it delivers.
        """
        try:
            async with asyncio.timeout((block_ms or 0) / 1000 + STALL_SECONDS):
                reply = await self._blocking.xreadgroup(
                    self.group, self.consumer, {self.stream: ">"}, count=room, block=block_ms
                )
        except ResponseError as error:
            await self._create_group(error)
            return []
        except Exception:
            # The answer may have been on its way: what it held is pending under our name.
            self._recovered = False
            raise
        entries = _only_stream(reply)
        self.leases.take(entries)
        return entries

    async def fetch(self, due: Sequence[bytes]) -> list[Entry]:
        """The entries of these held ids, their coming attempt counted on the server.

        What has meanwhile become another's is neither counted nor attempted, but forgotten.
        """
        held = self.leases.held
        self.leases.active.update(due)
        if uncounted := [i for i in due if not held[i].counted]:
            attempts = [part for i in uncounted for part in (i, held[i].attempts)]
            found = await self._call("begin", [self.group, self.consumer, *attempts])
            for entry_id, fields in found:
                held[entry_id].entry = (entry_id, dict(zip(fields[::2], fields[1::2], strict=True)))
                held[entry_id].counted = True
            metrics.redeliveries.labels(self.group).inc(len(found))
        for entry_id in uncounted:
            if not held[entry_id].counted:
                self.leases.settle(entry_id)
        return [entry for i in due if i in held and (entry := held[i].entry)]

    async def excuse(self, entry_ids: Iterable[bytes]) -> None:
        """Take back what was counted for an attempt that did not fail, but has to come again.

        Else restarts during a long outage, or a long wait, would add up to a burial.
        """
        held = self.leases.held
        counted = [i for i in entry_ids if held[i].counted and held[i].attempts > 1]
        if counted:
            await self._call("excuse", [self.group, self.consumer, *counted])
        for entry_id in counted:
            held[entry_id].counted = False

    async def acknowledge(self, entry_ids: Sequence[bytes]) -> None:
        """These are done, whosever they have become.

        Not only the owner may say so: a frozen worker that comes back acknowledges what its handler
        has committed, and that effect stands. Whoever took the entry over repeats the effect, which
        changes nothing, or fails at it, and then finds nothing left to bury or to try again.
        """
        if entry_ids:
            await self.log.client.xack(self.stream, self.group, *entry_ids)
        for entry_id in entry_ids:
            self.leases.settle(entry_id)

    async def bury(self, entry_id: bytes, reason: str, trace: str) -> bool:
        """Move one to the dead letters, with what is needed to understand and to retry it.

        False when it has become another's, who now decides.
        """
        held = self.leases.held[entry_id]
        letter = Letter(
            reason=reason,
            traceback=trace,
            attempts=held.attempts,
            buried_ms=time.time_ns() // 1_000_000,
            entry=held.entry[1] if held.entry else {},
        )
        what = Undelivered(self.group, self.topic, self.partition, Position.parse(entry_id))
        buried = await bury(self.log.client, what, letter, consumer=self.consumer)
        self.leases.settle(entry_id)
        if buried:
            metrics.dead_letters.labels(self.group, reason.partition(":")[0]).inc()
        return buried

    async def hand_back(self, entry_ids: Sequence[bytes]) -> None:
        """Keep no lease on these: once it has run out, whoever can read them may take them over."""
        await self.excuse(entry_ids)
        for entry_id in entry_ids:
            self.leases.settle(entry_id)

    async def renew(self) -> None:
        """Extend the lease on everything held; forget what has meanwhile become another's."""
        waiting = list(self.leases.held)
        for start in range(0, len(waiting), PAGE):
            page = waiting[start : start + PAGE]
            lost = await self._call("renew", [self.group, self.consumer, *page])
            for entry_id in set(lost) - self.leases.active:
                self.leases.settle(entry_id)

    async def _recover(self) -> None:
        """Hold what is pending under our name: an earlier life's work, or a dead consumer's."""
        start = "-"
        while True:
            try:
                page = await self.log.client.xpending_range(
                    self.stream, self.group, start, "+", PAGE, self.consumer
                )
            except ResponseError as error:
                await self._create_group(error)
                continue
            for row in page:
                tries, idle = int(row["times_delivered"]), row["time_since_delivered"] / 1000
                # Drawn anew: the wait of an earlier life is not recorded, only how often it tried.
                wait = 0.0 if tries <= 1 else max(0.0, backoff(tries) - idle)
                self.leases.recover(row["message_id"], tries=tries, due=self._clock() + wait)
            # What there is no room for keeps no lease, so that it is taken over again, in time.
            if len(page) < PAGE or len(self.leases.held) >= self.most_held:
                self._recovered = True
                return
            start = f"({page[-1]['message_id'].decode()}"

    async def _reclaim(self) -> None:
        """Once round the pending list, as far as there is room: the dead may have held much."""
        lease_ms = int(self.lease_seconds * 1000)
        room, taken = self.most_held - len(self.leases.held), 0
        while taken < room:
            wanted = min(PAGE, room - taken)
            arguments = [self.group, self.consumer, lease_ms, self._cursor, wanted]
            self._cursor, more = await self._call("reclaim", arguments)
            taken += more
            if self._cursor == b"0-0":
                break
        if taken:
            await self._recover()

    async def _call(self, function: str, arguments: list[Any]) -> Any:
        try:
            return await FUNCTIONS.call(self.log.client, function, [self.stream], arguments)
        except ResponseError as error:
            await self._create_group(error)
            raise

    async def _create_group(self, error: ResponseError) -> None:
        if "NOGROUP" not in str(error):
            raise error
        await ensure_group(self.log.client, self.stream, self.group)


async def ensure_group(client: Client, stream: str, group: str, after: Position = START) -> None:
    """Create the group at the very beginning; nothing that is already recorded passes it by.

    Or behind a position up to which it was given everything otherwise.
    """
    try:
        await client.xgroup_create(stream, group, id=str(after), mkstream=True)
    except ResponseError as error:
        if not str(error).startswith("BUSYGROUP"):
            raise


def _only_stream(reply: Any) -> list[Entry]:
    """The entries of a read of one stream, in either protocol's shape; trimmed ones left out."""
    if not reply:
        return []
    [entries] = reply.values() if isinstance(reply, dict) else [found for _, found in reply]
    if isinstance(reply, dict):
        [entries] = entries
    return [(entry_id, fields) for entry_id, fields in entries if fields]
