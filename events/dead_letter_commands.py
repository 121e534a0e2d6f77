"""What `python -m events dead-letters` does, as lines for a terminal."""

import argparse
import getpass
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Sequence

from events.catalogue import EVENTS, tag_of
from events.dead_letters import DEAD, DROPPED, SHELVES, Drop, Shelf, Standing, hides, type_of
from events.log import Log
from events.telling import Desk, Line, Record, Told
from events.workbench import (
    Decided,
    Named,
    Wanted,
    drop_each,
    find,
    retry_each,
    select,
)
from events.workbench_views import as_json, name_of, page, row, table, told, told_in_full

FAILURES = {
    "gone": "cannot be retried: its event stands in the log no more. The letter stays.",
    "missing": "has no letter any more: somebody else has just decided.",
    "no group": "cannot be retried: the role has no consumer group there. The letter stays.",
}

HIDES = """\
WARNING: this event hides or changes what people see, and its role will never know of it. Gateways
go on minding its notice, which is kept as long as the letter is among the dropped; tables, counters
and whatever is built from them do not. Rather mend the cause and retry: that can be done still."""


async def list_letters(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Line]:
    """A table, or a JSON object a line; payloads are not among it, for they may be personal."""
    rows: list[tuple[str, ...]] = []
    more = False
    async for standing in select(desk.log, _wanted(arguments)):
        if arguments.limit and len(rows) == arguments.limit:
            more = True
            break
        rows.append(row(*standing))
        if arguments.json:
            yield Line(as_json(told(*standing)))
    if rows and not arguments.json:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for text in table(rows, width):
            yield Line(text)
    if not rows:
        yield Line("No letter stands.", aside=True)
    if more:
        yield Line("More stand. `--limit 0` shows all.", aside=True)


async def show_letters(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Line]:
    """All that is known; the payload opened as far as its keys exist."""
    for each in arguments.named:
        found = await find(desk.log, each)
        if not found:
            yield Line(f"{each.text} has no letter.", failed=True, aside=True)
        for _, standing in found:
            full = await told_in_full(desk.log, *standing)
            if arguments.json:
                yield Line(as_json(full))
            else:
                yield Line("\n".join(page(full)))


async def retry_letters(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:
    """A line for each, once it is done."""
    chosen, unknown = await _choose(desk.log, arguments, SHELVES)
    dry = arguments.dry_run
    decided = _imagine(chosen, "would be retried") if dry else retry_each(desk.log, chosen)
    for each in unknown:
        yield Line(f"{each.text} has no letter to retry.", failed=True, aside=True)
    async for told_one in _told(decided, as_json=arguments.json):
        yield told_one


async def drop_letters(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:
    """The same; and a warning where people would no longer see what was decided."""
    chosen, unknown = await _choose(desk.log, arguments, (DEAD,))
    if arguments.dry_run:
        decided = _imagine(chosen, "would be dropped")
    else:
        note = Drop(who=_operator(), why=arguments.why, dropped_ms=int(time.time() * 1000))
        decided = drop_each(desk.log, chosen, note)
    for each in unknown:
        yield Line(f"{each.text} has no letter to drop.", failed=True, aside=True)
    async for told_one in _told(decided, as_json=arguments.json, warning=HIDES):
        yield told_one


def check_choice(arguments: argparse.Namespace) -> None:
    """Refuse what says nothing, or too much, of which letters are meant."""
    if bool(arguments.named) == (arguments.all or _wanted(arguments) != Wanted()):
        arguments.teaching.error("say which: either IDs, or filters, or --all")


def _wanted(arguments: argparse.Namespace) -> Wanted:
    tags = {kind.__name__: tag_of(kind) for kind in EVENTS}
    return Wanted(
        shelf=DROPPED if arguments.dropped else DEAD,
        role=arguments.role,
        topic=arguments.topic,
        type=tags.get(arguments.type, arguments.type),
        reason=arguments.reason,
        since_ms=arguments.since,
        until_ms=arguments.until,
    )


async def _choose(
    log: Log, arguments: argparse.Namespace, shelves: Sequence[Shelf]
) -> tuple[AsyncIterator[Standing], list[Named]]:
    """The letters that are meant, and the names that have none on these shelves."""
    wanted = _wanted(arguments)
    if not arguments.named:
        return select(log, wanted), []
    chosen, unknown = [], []
    for each in arguments.named:
        found = [standing for shelf, standing in await find(log, each) if shelf in shelves]
        chosen += found
        unknown += [] if found else [each]
    return _iterate(chosen), unknown


async def _iterate(chosen: Sequence[Standing]) -> AsyncIterator[Standing]:
    for each in dict(chosen).items():  # one that was named twice is decided once
        yield each


async def _imagine(chosen: AsyncIterator[Standing], word: str) -> AsyncIterator[Decided]:
    async for what, letter in chosen:
        yield Decided(what, letter, word)


async def _told(
    decided: AsyncIterator[Decided], *, as_json: bool, warning: str = ""
) -> AsyncIterator[Told]:
    number = 0
    async for what, letter, word in decided:
        failed = word in FAILURES
        number += not failed
        if as_json:
            yield Record(text="", fields=told(what, letter) | {"decided": word}, failed=failed)
            continue
        text = f"{name_of(what)}  {type_of(letter)}  {FAILURES.get(word, word)}"
        yield Line(text, failed=failed, aside=failed)
        if warning and hides(letter) and not failed:
            yield Line(f"{name_of(what)}  {warning}", aside=True)
    yield Line(f"{number} in all.", aside=True)


def _operator() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"user {os.getuid()}"
