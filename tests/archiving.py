"""Entries made by hand, as a stream would hold them, and what may happen to them."""

from events.entries import Entry
from events.ids import EPOCH_MS, Position


def entry(moment: int, follows: int | None = None, **fields: bytes) -> Entry:
    """One at so many milliseconds after the beginning of ids, following the one at another."""
    link = f"{EPOCH_MS + follows}-0" if follows is not None else "0-0"
    at = str(EPOCH_MS + moment)
    named = {name.encode(): value for name, value in fields.items()}
    fields = {b"after": link.encode(), b"time": at.encode(), b"type": b"post.deleted", **named}
    return f"{at}-0".encode(), fields


def run(*moments: int, after: int | None = None) -> list[Entry]:
    """A faultless run of entries."""
    befores = [after, *moments]
    return [entry(moment, before) for moment, before in zip(moments, befores, strict=False)]


def at(moment: int) -> Position:
    return Position(EPOCH_MS + moment, 0)


def moments(entries: list[Entry]) -> list[int]:
    return [Position.parse(entry_id).ms - EPOCH_MS for entry_id, _ in entries]


def deleted(entries: list[Entry], number: int) -> list[Entry]:
    return entries[:number] + entries[number + 1 :]


def swapped(entries: list[Entry], number: int) -> list[Entry]:
    """With the entry of this number and the next in each other's place."""
    return [
        *entries[:number],
        entries[number + 1],
        entries[number],
        *entries[number + 2 :],
    ]


def contents_swapped(entries: list[Entry], number: int) -> list[Entry]:
    """With what these two hold in each other's place: their positions stay in order."""
    (one, its), (other, others) = entries[number : number + 2]
    return [*entries[:number], (one, others), (other, its), *entries[number + 2 :]]
