"""How far long work is: bars on a terminal, elsewhere a sentence now and then: cron sees life."""

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Screen

from events.telling import Progress

REPORT_SECONDS = 10.0


class Bars:
    """One bar for each thing that is under way, with its rate and the time that remains."""

    def __init__(self, console: Console) -> None:
        self.moving = False
        self._tasks: dict[str, TaskID] = {}
        self._screen = Screen(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
            # What is printed meanwhile may go to a pipe, and would else end on the screen.
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def show(self, progress: Progress) -> None:
        if not self.moving:
            self._screen.start()
            self.moving = True
        if progress.what not in self._tasks:
            task = self._screen.add_task(progress.what, total=progress.total or None, rate="")
            self._tasks[progress.what] = task
        task = self._tasks[progress.what]
        self._screen.update(task, completed=progress.done, total=progress.total or None)
        speed = self._screen.tasks[self._screen.task_ids.index(task)].speed
        self._screen.update(task, rate=f"{speed:,.0f} {progress.unit}/s" if speed else "")

    def stop(self) -> None:
        if self.moving:
            self._screen.stop()
            self.moving = False


class Reports:
    """A sentence every ten seconds; one more when something that was spoken of has ended."""

    moving = False

    def __init__(
        self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say, self._clock = say, clock
        self._begun: dict[str, tuple[float, int]] = {}
        self._said: dict[str, float] = {}
        self._ended: set[str] = set()

    def show(self, progress: Progress) -> None:
        what, now = progress.what, self._clock()
        began, done_then = self._begun.setdefault(what, (now, progress.done))
        last = self._said.setdefault(what, now)
        ended = bool(progress.total) and progress.done >= progress.total
        due = now - last >= REPORT_SECONDS
        if what in self._ended or not (due or (ended and last > began)):
            return
        self._said[what] = now
        if ended:
            self._ended.add(what)
        rate = (progress.done - done_then) / max(now - began, 0.001)
        self._say(sentence(progress, rate))

    def stop(self) -> None:
        """Nothing is left on the screen."""


def sentence(progress: Progress, rate: float) -> str:
    """`replay: 12,000 of 50,000 events, 800/s, 47 s left`."""
    of = f" of {progress.total:,}" if progress.total else ""
    text = f"{progress.what}: {progress.done:,}{of} {progress.unit}, {rate:,.0f}/s"
    if left := progress.total - progress.done if progress.total else 0:
        text += f", {span(left / rate)} left" if rate else ", standing still"
    return text


def span(seconds: float) -> str:
    """How long, as one would say it: `47 s`, `12 min`, `3 h`, `2 d`."""
    for unit, length, most in (("s", 1, 120), ("min", 60, 120), ("h", 3_600, 48)):
        if seconds < most * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"
