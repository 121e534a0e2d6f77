"""Pieces of what is told to people: ages, payloads, trees of events."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from events.legible import Legible
from events.meters import span
from events.printing import as_json


def since(ms: int) -> str:
    """How long ago, as one would say it: `12 min ago`, or `3 s from now` where clocks differ."""
    seconds = time.time() - ms / 1000
    return f"{span(seconds)} ago" if seconds >= 0 else f"{span(-seconds)} from now"


def payload_lines(payload: Mapping[str, Any]) -> list[str]:
    """What an event says, indented."""
    return msgspec.json.format(as_json(dict(payload)), indent=2).splitlines()


def indented(
    root: Legible, effects: Mapping[str, Sequence[Legible]], depth: int = 0
) -> Iterator[tuple[int, Legible]]:
    """Everything below an event, each with how far below."""
    for each in effects.get(str(root.address), ()):
        yield depth, each
        yield from indented(each, effects, depth + 1)
