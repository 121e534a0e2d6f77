"""Whether this process may be given work: each engine's state, the fix, and what goes without it.

A process becomes ready once every engine it needs answered with the right settings. From then on
an engine that is down degrades it (taking every process away would turn a degraded mode into an
outage), while one with wrong settings makes it unready again, because it would lose things.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

import msgspec

from runtime.loglines import log
from runtime.metrics import engine_ready

PROBE_SECONDS = 2.0
EVERY_SECONDS = 3.0
BEAT_SECONDS = 0.5
# A loop that has not turned for this long is stuck, not busy.
STUCK_SECONDS = 10.0
CANCEL_SECONDS = 1.0

State = Literal["waiting", "ok", "full", "down", "wrong"]


class WrongSettings(Exception):
    """An engine answers but would not keep its promises; the text is the fix."""


class Full(Exception):
    """It answers and keeps its promises, and should be given no more; the text says why."""


class Check(msgspec.Struct, frozen=True):
    """One thing to look at. `probe` returns a detail, or raises."""

    name: str
    probe: Callable[[], Awaitable[str]]
    degraded: str
    """What does not work while it is down."""
    fix_when_down: str
    needed: bool = True
    """Whether the process must have seen it once before it is ready."""


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    state: State
    detail: str = ""
    fix: str = ""
    degraded: str = ""


class Report(msgspec.Struct, frozen=True):
    status: Literal["ready", "degraded", "not ready"]
    checks: dict[str, Finding]


class Health:
    """What is known now; `watch()` keeps it current, any thread may read `report()`."""

    def __init__(self, checks: Sequence[Check]) -> None:
        self.checks = checks
        self.findings = {
            check.name: Finding("waiting", degraded=check.degraded) for check in checks
        }
        self.seen: set[str] = set()
        self.draining = False
        self.beaten = time.monotonic()
        self._over = False

    def report(self) -> Report:
        findings = dict(self.findings)
        needed = {check.name for check in self.checks if check.needed}
        wrong = any(finding.state == "wrong" for finding in findings.values())
        if self.draining or wrong or not needed <= self.seen:
            return Report("not ready", findings)
        if all(finding.state == "ok" for finding in findings.values()):
            return Report("ready", findings)
        return Report("degraded", findings)

    def alive(self) -> bool:
        """Whether the event loop still turns."""
        return time.monotonic() - self.beaten < STUCK_SECONDS

    def drain(self) -> None:
        """Ask for no more work; call it before listeners close."""
        self.draining = True

    async def watch(self) -> None:
        """Until cancelled: look at every engine, all at once, every few seconds."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.beat(), name="health.beat")
            for check in self.checks:
                tasks.create_task(self.follow(check), name=f"health.{check.name}")
            try:
                await asyncio.Event().wait()
            finally:
                # A driver may swallow the cancellation of a probe: that look is the last.
                self._over = True

    async def beat(self) -> None:
        while True:
            self.beaten = time.monotonic()
            await asyncio.sleep(BEAT_SECONDS)

    async def follow(self, check: Check) -> None:
        while True:
            await self.look(check)
            if self._over:
                return
            # Quick while the process waits to start, since somebody waits with it.
            await asyncio.sleep(EVERY_SECONDS if check.name in self.seen else BEAT_SECONDS)

    async def look(self, check: Check) -> Finding:
        """Probe once and note what was found; a change of state is a log line."""
        finding = await examine(check)
        before, self.findings[check.name] = self.findings[check.name], finding
        if finding.state == "ok":
            self.seen.add(check.name)
        engine_ready.labels(check.name).set(finding.state == "ok")
        if finding.state != before.state:
            level = log().info if finding.state == "ok" else log().warning
            level("engine.changed", engine=check.name, state=finding.state, detail=finding.detail)
        return finding


async def examine(check: Check) -> Finding:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return Finding("ok", await check.probe())
    except WrongSettings as error:
        return Finding("wrong", "its settings are wrong", str(error), check.degraded)
    except Full as error:
        return Finding("full", str(error), check.fix_when_down, check.degraded)
    except TimeoutError:
        detail = f"no answer within {PROBE_SECONDS:.0f} s"
        return Finding("down", detail, check.fix_when_down, check.degraded)
    except Exception as error:  # noqa: BLE001 - whatever a driver raises, the engine is not usable
        detail = f"{type(error).__name__}: {error}"
        return Finding("down", detail, check.fix_when_down, check.degraded)


async def stop_watching(task: "asyncio.Task[None]") -> None:
    """Cancel it until it ends: redis-py now and then swallows a cancellation."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_SECONDS)
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
