"""The chain of a topic: each entry names the one before it, so that a fault shows itself."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from events.entries import AFTER, Entry
from events.ids import Position

MISSING, FORKED, SWAPPED = "missing", "forked", "swapped"


class Fault(NamedTuple):
    """The entry at a position does not follow the one before it.

    missing: what stood between the two is gone. forked: it was appended behind an earlier one, by
    a log that never knew the one before it, or that one was put there. swapped: it stands out of
    order, or what it holds does.
    """

    position: Position
    kind: str
    detail: str


def faults_in(entries: Sequence[Entry], before: Position) -> Iterator[Fault]:
    """Every fault of a run that should follow directly the entry at `before`."""
    run = [(Position.parse(entry_id), link_of(fields)) for entry_id, fields in entries]
    among = {position for position, _ in run}
    for position, link in run:
        if position <= before:
            yield Fault(position, SWAPPED, f"it stands behind {before}")
        elif link is None:
            yield Fault(position, FORKED, "what it follows cannot be read")
        elif link >= position:
            yield Fault(position, SWAPPED, f"it says to follow {link}")
        elif link > before and link in among:
            yield Fault(position, SWAPPED, f"it stands before {link}, which it follows")
        elif link > before:
            yield Fault(position, MISSING, f"it follows {link}, which is not there")
        elif link < before:
            yield Fault(position, FORKED, f"it follows {link}, not {before} that stands before it")
        before = max(position, before)


def first_fault(entries: Sequence[Entry], before: Position, *, exact: bool) -> Fault | None:
    """The first fault of a run; not `exact` when at `before` there need not be an entry."""
    link = link_of(entries[0][1]) if entries else None
    if not exact and link is not None and link < before:
        before = link
    return next(faults_in(entries, before), None)


def link_of(fields: Mapping[bytes, bytes]) -> Position | None:
    """The position of the entry before this one in its topic; None when that cannot be read."""
    try:
        return Position.parse(fields.get(AFTER, b"0-0"))
    except ValueError:
        return None
