"""How full the log is, and whether its clock and ours agree: whether it should take more commands.

Commands are refused before the engine itself fails, so that what was accepted can still be
finished: what workers announce passes by this and fills the rest.
"""

import asyncio
import math
import os
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from redis.asyncio import Redis

from runtime.errors import Unavailable
from runtime.loglines import log
from runtime.metrics import log_clock_skew_seconds, log_disk_free_ratio, log_memory_ratio
from runtime.outages import is_outage
from runtime.settings import Settings

LOOK_SECONDS = 1.0
PATIENCE_SECONDS = 1.8
RETRY_SECONDS = 10  # somebody has to make room first; a look a second finds it soon after

# Refused beyond the first figure, until it is back within the second: no flapping at the edge.
MEMORY_RATIO = (0.80, 0.78)
DISK_FREE_RATIO = (0.05, 0.06)
# events/log.lua refuses at the same figure: beyond it ids would lie about their time.
SKEW_SECONDS = (5.0, 4.5)

LOOPBACK = ("", "localhost", "127.0.0.1", "::1")


class Measure(NamedTuple):
    """One look at the log server."""

    memory_ratio: float
    """Of `maxmemory`, or of the machine's memory where that is not set."""
    disk_free_ratio: float | None
    """Of the disk that the log is written to; None when it is another machine's."""
    skew_seconds: float
    """How far its clock is ahead of ours."""

    def __str__(self) -> str:
        disk = "its disk is not to be seen from here"
        if self.disk_free_ratio is not None:
            disk = f"{self.disk_free_ratio:.0%} of its disk free"
        return (
            f"{self.memory_ratio:.0%} of its memory used, {disk}, "
            f"clocks {abs(self.skew_seconds):.1f} s apart"
        )


class Capacity:
    """What was found last; `watch` keeps it current."""

    def __init__(self, client: Redis, *, local: bool) -> None:
        self.refusal: Unavailable | None = None
        """What a command is to be told; None while there is room."""
        self.measure: Measure | None = None
        self._client = client
        self._local = local
        self._wrong: set[str] = set()

    async def watch(self) -> None:
        """Until cancelled. A log that does not answer is not full: it refuses by itself."""
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - the watch goes on, whatever one look met
                if not is_outage(error):
                    log().error("capacity.failed", exc_info=error)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Measure once, and judge."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            measure = await measured(self._client, local=self._local)
        self.measure = measure
        publish(measure)
        self.refusal = self._judge(measure)

    def refuse_when_full(self) -> None:
        """`log-full` or `clock-skew` while the log should take no command."""
        if self.refusal is not None:
            raise Unavailable(
                self.refusal.code, self.refusal.detail, retry_after=self.refusal.retry_after
            )

    def _judge(self, measure: Measure) -> Unavailable | None:
        free = 1.0 if measure.disk_free_ratio is None else measure.disk_free_ratio
        enough, again = DISK_FREE_RATIO
        if self._beyond("memory", measure.memory_ratio, *MEMORY_RATIO):
            detail = "The log's memory is nearly full; nothing was recorded."
        elif self._beyond("disk", -free, -enough, -again):
            detail = "The log's disk is nearly full; nothing was recorded."
        elif self._beyond("clocks", abs(measure.skew_seconds), *SKEW_SECONDS):
            detail = "Clocks disagree; nothing was recorded. An operator has to look."
            return Unavailable("clock-skew", detail, retry_after=RETRY_SECONDS)
        else:
            return None
        return Unavailable("log-full", detail, retry_after=RETRY_SECONDS)

    def _beyond(self, what: str, figure: float, bound: float, back: float) -> bool:
        if figure >= (back if what in self._wrong else bound):
            self._wrong.add(what)
        else:
            self._wrong.discard(what)
        return what in self._wrong


async def measured(client: Redis, *, local: bool) -> Measure:
    """Ask the server; its disk is looked at where the server is on this machine."""
    memory: dict[str, Any] = await client.info("memory")
    asked = time.time()
    seconds, microseconds = await client.time()
    answered = time.time()
    # It read its clock at some moment in between; ours may have stood still there for long.
    apart = seconds + microseconds / 1e6 - (asked + answered) / 2
    apart = math.copysign(max(abs(apart) - (answered - asked) / 2, 0.0), apart)
    # What the server itself leaves out when it compares with maxmemory.
    used = memory["used_memory"] - memory.get("mem_not_counted_for_evict", 0)
    bound = memory["maxmemory"] or memory["total_system_memory"]
    free = await disk_free(client) if local else None
    return Measure(used / bound, free, apart)


async def disk_free(client: Redis) -> float | None:
    """Of the disk under the server's folder; None where that folder is not ours to see."""
    found = await client.config_get("dir")
    try:
        disk = os.statvfs(str(found["dir"]))
    except OSError:
        return None
    return disk.f_bavail / disk.f_blocks if disk.f_blocks else None


def publish(measure: Measure) -> None:
    log_memory_ratio.set(measure.memory_ratio)
    log_clock_skew_seconds.set(measure.skew_seconds)
    if measure.disk_free_ratio is not None:
        log_disk_free_ratio.set(measure.disk_free_ratio)


def is_local(settings: Settings) -> bool:
    """Whether the log server runs on this machine, so that its disk can be looked at."""
    address = urlsplit(settings.log_url)
    return address.scheme == "unix" or (address.hostname or "") in LOOPBACK
