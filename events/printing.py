"""What commands tell, on a terminal, in a pipe, or as JSON lines."""

import json
import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table as Sheet
from rich.text import Text

from events.telling import Line, Progress, Table, Told


class Printer:
    """`async for each in command: printer.say(each)`; remembers whether anything failed."""

    def __init__(self, *, as_json: bool) -> None:
        self.failed = False
        self._as_json = as_json
        self._screen = Console(stderr=True, highlight=False)
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self._screen,
            disable=not self._screen.is_terminal or as_json,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def say(self, told: Told) -> None:
        match told:
            case Line():
                self.failed |= told.failed
                stream = sys.stderr if told.aside else sys.stdout
                print(printable(told.text), file=stream, flush=True)
            case Table():
                self._tabulate(told)
            case Progress():
                self._move(told)

    def _tabulate(self, table: Table) -> None:
        if self._as_json:
            for row in table.rows:
                self.say(Line(json.dumps(dict(zip(table.heads, row, strict=True)))))
            return
        sheet = Sheet(title=table.title or None, box=None, title_justify="left", pad_edge=False)
        for number, head in enumerate(table.heads):
            numbers = all(isinstance(row[number], int | float) for row in table.rows)
            sheet.add_column(head, justify="right" if numbers else "left", overflow="fold")
        for row in table.rows:
            sheet.add_row(*(Text(printable("" if cell is None else str(cell))) for cell in row))
        console = Console(file=sys.stdout, highlight=False)
        if not console.is_terminal:
            console.width = 10_000  # a pipe has no width: whoever reads it wants whole cells
        console.print(sheet)

    def _move(self, progress: Progress) -> None:
        if progress.what not in self._tasks:
            task = self._bars.add_task(progress.what, total=progress.total or None, rate="")
            self._tasks[progress.what] = task
        task = self._tasks[progress.what]
        self._bars.update(task, completed=progress.done, total=progress.total or None)
        speed = self._bars.tasks[self._bars.task_ids.index(task)].speed
        self._bars.update(task, rate=f"{speed:,.0f} {progress.unit}/s" if speed else "")


def printable(text: str) -> str:
    """Clients have a say in what is printed: nothing of it may speak to the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
