"""What commands tell, on a terminal, in a pipe, or as JSON lines."""

import json
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self, TextIO

import msgspec
from rich.console import Console
from rich.table import Table as Sheet
from rich.text import Text

from events.meters import Bars, Reports
from events.telling import Line, Progress, Record, Table, Told


class Printer:
    """`async for each in command: printer.say(each)`; remembers whether anything failed."""

    def __init__(self, *, as_json: bool) -> None:
        self.failed = False
        self._as_json = as_json
        self._screen = Console(stderr=True, highlight=False)
        self._meter = Bars(self._screen) if self._screen.is_terminal else Reports(self._aside)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._meter.stop()

    def say(self, told: Told) -> None:
        match told:
            case Progress():
                if not self._as_json:
                    self._meter.show(told)
            case Line():
                self.failed |= told.failed
                self._say_line(told)
            case Record():
                self.failed |= told.failed
                self._print(as_json(told.fields) if self._as_json else told.text)
            case Table():
                self._say_table(told)

    def _say_line(self, line: Line) -> None:
        if line.aside:
            self._aside(line.text)
        elif self._as_json and not line.text.startswith("{"):
            self._print(as_json({"said": line.text, "failed": line.failed}))
        else:
            self._print(line.text)

    def _say_table(self, table: Table) -> None:
        if self._as_json:
            for row in table.rows:
                self._print(as_json(dict(zip(table.heads, row, strict=True))))
        elif sys.stdout.isatty():
            self._show(sheet_of(table))
        else:
            for line in plain(table):
                self._print(line)

    def _print(self, text: str) -> None:
        if sys.stdout.isatty():
            self._show(Text(printable(text)))
        else:
            write(text, sys.stdout)

    def _aside(self, text: str) -> None:
        if self._screen.is_terminal:
            self._screen.print(Text(printable(text)), soft_wrap=True)
        else:
            write(text, sys.stderr)

    def _show(self, shown: Text | Sheet) -> None:
        """On a terminal; above the bars, where there are any: both are one screen then."""
        soft = isinstance(shown, Text)
        screen = self._screen if self._meter.moving else Console(file=sys.stdout, highlight=False)
        screen.print(shown, soft_wrap=soft)


def write(text: str, stream: TextIO) -> None:
    """At once, for whoever waits at the other end of a pipe."""
    print(printable(text), file=stream, flush=True)


def sheet_of(table: Table) -> Sheet:
    """A table that folds its cells where the terminal is too narrow."""
    sheet = Sheet(title=table.title or None, box=None, title_justify="left", pad_edge=False)
    for number, head in enumerate(table.heads):
        sheet.add_column(head, justify="right" if is_number(table, number) else "left")
    for row in table.rows:
        sheet.add_row(*(Text(cell_of(each), overflow="fold") for each in row))
    return sheet


def plain(table: Table) -> Iterator[str]:
    """The same for a pipe, which has no width: whoever reads it wants whole cells, a row a line."""
    lines = [table.heads, *([cell_of(each) for each in row] for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    right = [is_number(table, number) for number in range(len(widths))]
    if table.title:
        yield table.title
    for line in lines:
        cells = zip(line, widths, right, strict=True)
        yield "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in cells).rstrip()


def is_number(table: Table, column: int) -> bool:
    cells = [row[column] for row in table.rows if row[column] is not None]
    return bool(cells) and all(isinstance(each, int | float) for each in cells)


def cell_of(value: Any) -> str:
    """One line of text; what is not known is left empty."""
    return "" if value is None else printable(" ".join(str(value).split("\n")))


def as_json(fields: dict[str, Any]) -> str:
    """One object on one line; bytes are base64, whatever else is unknown is text."""
    return msgspec.json.encode(fields, enc_hook=str).decode()


def printable(text: str) -> str:
    """Clients have a say in what is printed: nothing of it may speak to the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
