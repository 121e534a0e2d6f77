"""The verification as a process: once a day, its result as metrics, whoever made the last one."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing, suppress

from events.log import Log
from runtime import metrics
from runtime.connections import open_log
from runtime.errors import HeliographError
from runtime.loglines import log as log_line
from runtime.outages import is_outage
from runtime.settings import Settings
from stores.verdicts import Verified, keep_verdict, last_verdict
from workers.ground import open_ground
from workers.looking import PROJECTIONS
from workers.process import log_of
from workers.verify_commands import kept
from workers.verifying import Verdict, verify

EVERY_SECONDS = 86_400.0
LOOK_SECONDS = 60.0
# Of what was postponed; history that is broken does not mend itself either.
AGAIN_SECONDS = 600.0
NAMED = 20  # rows of a verdict that the log lines name


async def verify_daily(
    settings: Settings, stopping: asyncio.Event, may_verify: Callable[[], bool]
) -> None:
    """A day after the last verdict the next, until told to stop; a verdict under way is given up.

    The age counts from the first look where there never was a verdict.
    """
    async with open_log(settings) as client:
        log = log_of(settings, client)
        verifying = asyncio.create_task(_verify_daily(settings, log, may_verify), name="verify")
        told = asyncio.create_task(stopping.wait(), name="verify until")
        await asyncio.wait({verifying, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        verifying.cancel()
        with suppress(asyncio.CancelledError):
            await verifying


async def _verify_daily(settings: Settings, log: Log, may_verify: Callable[[], bool]) -> None:
    begun_ms, not_before = _now_ms(), 0.0
    while True:
        wait_seconds = 1.0
        try:
            if may_verify():
                last = await last_verdict(log.client)
                publish(last, begun_ms)
                age_seconds = (_now_ms() - last.ended_ms) / 1000 if last else EVERY_SECONDS
                if age_seconds >= EVERY_SECONDS and time.monotonic() >= not_before:
                    publish(await verify_once(settings, log), begun_ms)
                wait_seconds = LOOK_SECONDS
        except Exception as error:
            if not (is_outage(error) or isinstance(error, HeliographError)):
                raise
            not_before = time.monotonic() + AGAIN_SECONDS
            log_line().warning("verifying.postponed", reason=f"{type(error).__name__}: {error}")
        await asyncio.sleep(wait_seconds)


async def verify_once(settings: Settings, log: Log) -> Verified | None:
    """Verify all of the site, keep the verdict, and log which rows have drifted."""
    async with open_ground(settings, log) as ground, aclosing(verify(ground)) as telling:
        async for each in telling:
            if isinstance(each, Verdict):
                verified = kept(each)
                await keep_verdict(log.client, verified)
                tell(each, verified)
                return verified
    return None


def tell(verdict: Verdict, verified: Verified) -> None:
    """As log lines; no texts of rows, for they may be personal."""
    for each in [each for each in verdict.findings if not each.explained][:NAMED]:
        log_line().error(
            "verify.drift",
            table=each.table,
            row=" ".join(each.key),
            columns=each.columns,
            decided_by=each.decided_by,
        )
    log_line().info(
        "site.verified",
        events=verdict.events,
        seconds=round(verdict.seconds, 1),
        unreadable=verdict.unreadable,
        moving=sum(verdict.moving.values()),
        drifted=sum(verified.drifted.values()),
        explained=sum(verified.explained.values()),
    )


def publish(verified: Verified | None, begun_ms: int) -> None:
    """As metrics, whoever verified."""
    since_ms = verified.ended_ms if verified else begun_ms
    metrics.verify_age_seconds.set((_now_ms() - since_ms) / 1000)
    if verified:
        for table in PROJECTIONS:
            metrics.verify_rows.labels(table).set(verified.rows.get(table, 0))
            metrics.verify_drift_rows.labels(table).set(verified.drifted.get(table, 0))
            metrics.verify_explained_rows.labels(table).set(verified.explained.get(table, 0))


def _now_ms() -> int:
    return int(time.time() * 1000)
