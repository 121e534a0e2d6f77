"""Several outboxes as one: what is pulled by whoever follows the same authors, newest last.

A page needs little of them, and the next page of the same viewer much the same: it is remembered by
the viewer's list, for as long as the roll does not change.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

from events.ids import MAX_ID
from stores.feeds import Place
from stores.outboxes import Roll
from stores.slices import Slice

PAGES = 4
"""So many of them are remembered where there are more."""
floor_of = attrgetter("floor")


class Box(NamedTuple):
    """What one outbox held when the roll said so of it."""

    roll_id: bytes
    changed: int
    floor: int
    """What was pulled at or below it is in Postgres alone."""
    places: list[Place]
    """Rising."""


class Timeline(NamedTuple):
    """What the outboxes of one list hold, as of one roll: everything from `lowest` on."""

    roll: Roll
    floor: int
    """The highest of theirs."""
    lowest: Place
    places: list[Place]
    """Rising."""


def timeline_of(
    roll: Roll, boxes: Sequence[Box], window: Slice, count: int, before: Place | None = None
) -> Timeline:
    """All that these outboxes add to this page and those above it, but of none too many.

    With `before` nothing above that page: then nobody else's page can be made of it.
    """
    floor = max(map(floor_of, boxes), default=0)
    lowest = lowest_of(window, max(floor, window.floor), count)
    found: list[Place] = []
    for *_, places in boxes:
        if places and places[-1] > lowest:
            start = bisect_right(places, lowest)
            end = len(places) if before is None else bisect_left(places, before)
            if end - start > PAGES * count:
                start = end - PAGES * count
                lowest = places[start]
            found += places[start:end]
    found.sort()
    return Timeline(roll, floor, lowest, found[bisect_left(found, lowest) :])


def lowest_of(window: Slice, floor: int, count: int) -> Place:
    """What stands below the last of a whole slice is for the pages after it."""
    entries = window.entries
    return entries[-1] if len(entries) == count and entries[-1][0] > floor else (floor, MAX_ID)


def joined(window: Slice, line: Timeline, before: Place | None, count: int) -> Slice | None:
    """The `count` newest of both, above their floors and below the cursor, each place once.

    None: the line does not reach down far enough for this page.
    """
    entries, places = window.entries, line.places
    floor = max(line.floor, window.floor)
    if floor > window.floor:
        entries = [each for each in entries if each[0] > floor]
    lowest = lowest_of(window, floor, count)
    end = len(places) if before is None else bisect_left(places, before)
    if line.lowest <= lowest:
        start = max(bisect_right(places, lowest), end - count)
    elif end >= count:
        start = end - count  # whatever else there is stands below all of these
    else:
        return None
    if start < end:
        both = sorted(entries + places[start:end], reverse=True)
        entries = both[:count]
        if len(set(entries)) < len(entries):  # a window that was built has what is pulled, too
            entries = list(dict.fromkeys(both))[:count]
    return Slice(floor, entries, window.hidden, window.followed)
