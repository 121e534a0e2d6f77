"""How a dead letter is shown: a row, everything about it, or one JSON object."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from events import codec
from events.arguments import rfc3339
from events.dead_letters import Failure, Letter, Undelivered, hides, type_of
from events.entries import CAUSE, REQUEST, TIME, actor_of
from events.ids import make_id, shard_of
from events.legible import read_entries
from events.log import Log

COLUMNS = ("letter", "type", "event", "buried", "times", "tries", "reason")


def name_of(what: Undelivered) -> str:
    """What a person calls it: `role:address`."""
    return f"{what.role}:{what.address}"


def row(what: Undelivered, letter: Letter) -> tuple[str, ...]:
    """The cells of `COLUMNS`."""
    return (
        name_of(what),
        type_of(letter),
        _event_id(what, letter) or "-",
        rfc3339(letter.buried_ms),
        str(letter.times_buried),
        str(letter.attempts),
        letter.dropped.why if letter.dropped else letter.reason,
    )


def table(rows: Sequence[tuple[str, ...]], width: int | None) -> Iterator[str]:
    """Aligned lines, each cut to the width of the terminal when there is one."""
    lines = [tuple(column.upper() for column in COLUMNS), *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(wide) for cell, wide in zip(line, widths, strict=True))
        yield " ".join("  ".join(cells).split("\n"))[:width].rstrip()


def told(what: Undelivered, letter: Letter) -> dict[str, Any]:
    """Everything but what the event says, which may be personal."""
    return {
        "letter": name_of(what),
        "role": what.role,
        "topic": what.topic,
        "partition": what.partition,
        "position": str(what.position),
        "address": str(what.address),
        "event": _event_id(what, letter),
        "type": type_of(letter),
        "hides": hides(letter),
        "actor": _actor(what, letter),
        "recorded_at": _recorded(letter),
        "request": letter.entry.get(REQUEST, b"").decode(errors="replace"),
        "cause": letter.entry.get(CAUSE, b"").decode(errors="replace"),
        "reason": letter.reason,
        "attempts": letter.attempts,
        "buried_at": rfc3339(letter.buried_ms),
        "times_buried": letter.times_buried,
        "earlier": [_failure(each) for each in letter.earlier],
        "dropped": letter.dropped
        and {
            "who": letter.dropped.who,
            "why": letter.dropped.why,
            "at": rfc3339(letter.dropped.dropped_ms),
        },
    }


async def told_in_full(log: Log, what: Undelivered, letter: Letter) -> dict[str, Any]:
    """The same with the traceback and the payload, its sealed half opened while its key exists."""
    entry = (str(what.position).encode(), letter.entry)
    [read] = await read_entries(log, what.topic, what.partition, [entry])
    return told(what, letter) | {
        "traceback": letter.traceback,
        "payload": read.payload,
        "sealed": read.sealed,
    }


def page(full: Mapping[str, Any]) -> Iterator[str]:
    """The lines of `told_in_full` for a person."""
    yield f"{full['letter']}  {full['type'] or 'of no type'}  event {full['event'] or 'unknown'}"
    yield f"  buried    {full['buried_at']}, {_times(full['times_buried'])}"
    yield f"  reason    {full['reason']} (after {full['attempts']} attempts)"
    for each in full["earlier"]:
        yield f"  earlier   {each['buried_at']}: {each['reason']} (after {each['attempts']})"
    if dropped := full["dropped"]:
        yield f"  dropped   {dropped['at']} by {dropped['who']}: {dropped['why']}"
    yield f"  recorded  {full['recorded_at'] or 'unknown'}"
    yield f"  actor     {full['actor'] or 'unknown'}"
    yield f"  request   {full['request'] or '-'}"
    yield f"  cause     {full['cause'] or '-'}"
    yield f"  sealed    {full['sealed']}"
    yield "  payload"
    text = msgspec.json.format(msgspec.json.encode(full["payload"]), indent=2).decode()
    yield from (f"    {line}" for line in text.splitlines())
    yield "  traceback" if full["traceback"] else "  no traceback"
    yield from (f"    {line}" for line in full["traceback"].splitlines())


def as_json(fields: Mapping[str, Any]) -> str:
    """One line; ids are strings, bytes are base64."""
    return msgspec.json.encode(fields).decode()


def _actor(what: Undelivered, letter: Letter) -> str | None:
    try:
        return str(actor_of(str(what.position).encode(), letter.entry))
    except (codec.Undecodable, ValueError):
        return None


def _event_id(what: Undelivered, letter: Letter) -> str | None:
    actor = _actor(what, letter)
    return str(make_id(what.position, shard_of(int(actor)))) if actor else None


def _recorded(letter: Letter) -> str | None:
    try:
        return rfc3339(int(letter.entry.get(TIME, b"")))
    except ValueError:
        return None


def _failure(each: Failure) -> dict[str, Any]:
    return {
        "reason": each.reason,
        "attempts": each.attempts,
        "buried_at": rfc3339(each.buried_ms),
    }


def _times(times: int) -> str:
    return "once" if times == 1 else f"{times} times by now"
