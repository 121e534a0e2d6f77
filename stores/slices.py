"""What `skeleton` of feeds.lua answers, read at once, for whoever waits and whoever is called."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from stores.feeds import Place

NOBODY: frozenset[int] = frozenset()
_numbers = msgspec.json.Decoder(list[int]).decode


class Slice(NamedTuple):
    """A part of a window, newest first. What lies at `floor` or below is in Postgres alone."""

    floor: int
    entries: "list[Place]"
    hidden: frozenset[int]
    """Authors whose posts may still stand here and are not to be shown."""
    followed: bytes = b""
    """The viewer's list of those with outboxes, where it was asked for and there is one."""


def slice_of(reply: Sequence[bytes], count: int) -> Slice:
    """The reply of a window that is there. One text is read ten times as fast as its numbers."""
    floor, entries, hidden = reply[:3]
    flat = _numbers(b"[%b]" % entries)
    at = flat[::2]
    places = list(zip(at, flat[1::2], strict=True))
    if len(set(at)) != len(at):  # those of one ms come in no order
        places.sort(reverse=True)
    unseen = frozenset(_numbers(b"[%b]" % hidden)) if hidden else NOBODY
    return Slice(int(floor), places[:count], unseen, *reply[3:])


def flat_of(entries: "Iterable[Place]") -> list[int]:
    """As feeds.lua takes them."""
    return [number for place in entries for number in place]
