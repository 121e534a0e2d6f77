"""What a command has to say: lines, records, tables, how far it is. `printing.py` shows it."""

import argparse
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import msgspec

from events.log import Log
from runtime.settings import Settings


class Line(NamedTuple):
    """Something to print; `aside` goes to the error stream, `failed` makes the exit status 1."""

    text: str
    failed: bool = False
    aside: bool = False


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One thing told: `text` to people, `fields` to machines as an object on a line of its own."""

    text: str
    fields: dict[str, Any]
    failed: bool = False


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Rows under the same heads; for machines each row is an object of those names."""

    title: str = ""
    heads: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far something long is; the screen adds the rate and the time that remains.

    `total` is 0 where nobody knows it. Machines are not told.
    """

    what: str
    done: int
    total: int = 0
    unit: str = "events"


Told = Line | Record | Table | Progress


class Desk(NamedTuple):
    """What a command works with. Engines other than the log are opened from the settings."""

    settings: Settings
    log: Log


Command = Callable[[Desk, argparse.Namespace], AsyncIterator[Told]]
"""Tells as it goes. Closing it half-way, as Ctrl-C does, leaves everything consistent."""
