"""python -m events show: one event in full, what led to it, and what it led to."""

import argparse
from collections.abc import AsyncIterator, Iterator
from typing import Any

from events.arguments import add_command, rfc3339
from events.consequences import Effects, causes_of, effects_of, read_found
from events.legible import Legible
from events.pages import indented, payload_lines, since
from events.past import Found, Past
from events.people import People
from events.seeking import find, sought
from events.telling import Desk, Line, Record, Told
from runtime.errors import NotFound
from workers.asking import opened_past

MOST = 10_000

HELP = """\
Shows one event in full: its envelope, what it says (sealed fields as far as their author's key
exists), the chain of events that led to it, and the tree of those it led to. What was trimmed from
the log is taken from the archive. A position alone may be that of several events: all are shown.
"""

EXAMPLES = """\
  python -m events show 284759187530000384
  python -m events show posts.3.1763951234567-0 --json
  python -m events show 1763951234567-0

"""


def declare(groups: Any, *, epilog: str) -> None:
    """Add `show`."""
    command = add_command(
        groups,
        "show",
        show,
        "show one event, what led to it and what it led to",
        description=HELP,
        epilog=EXAMPLES + epilog,
    )
    command.add_argument("named", nargs="+", type=sought, metavar="ID|ADDRESS|POSITION")
    command.add_argument(
        "--most",
        type=int,
        default=MOST,
        metavar="N",
        help=f"of each stream look through so many entries for effects ({MOST}); 0: all",
    )


async def show(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:
    """A record for each event; a name of which there is none fails, the others are shown."""
    async with opened_past(desk) as past:
        people = People(desk.log, past)
        for each in arguments.named:
            try:
                found = await find(past, each)
            except NotFound as error:
                yield Line(error.detail, failed=True, aside=True)
                continue
            for one in found:
                async for told in show_one(past, one, people, arguments.most):
                    yield told


async def show_one(past: Past, found: Found, people: People, most: int) -> AsyncIterator[Told]:
    event = await read_found(past, found)
    causes = await causes_of(past, event)
    effects = await effects_of(past, event, most)
    lines = [line async for line in page(found, event, people)]
    yield Record(
        text="\n".join([*lines, *relations(event, causes, effects)]),
        fields=event.fields()
        | {
            "stands": "archive" if found.archived else "stream",
            "username": await people.name_of(event.actor) if event.actor else None,
            "led_here": [name_of(cause) for cause in causes],
            "caused": tree(event, effects),
            "unread": effects.cut,
        },
    )
    if effects.cut:
        cut = ", ".join(effects.cut)
        yield Line(f"Effects further on in {cut} were not looked for: --most 0 does.", aside=True)


async def page(found: Found, event: Legible, people: People) -> AsyncIterator[str]:
    """The event itself, for a person."""
    yield f"{event.address}  {event.type or '(no type)'}  event {event.event or 'unknown'}"
    stands = "in the archive alone" if found.archived else "in the log"
    at = event.address.position.ms
    yield f"  stands      {stands}, of {rfc3339(at)} ({since(at)})"
    if event.problem:
        yield f"  problem     {event.problem}"
    recorded = event.recorded_ms
    yield f"  recorded    {rfc3339(recorded) if recorded else 'unknown'} by its recorder's clock"
    yield f"  actor       {await people.called(event.actor)}"
    yield f"  request     {event.request or '-'}"
    yield f"  trace       {event.traceparent or '-'}"
    yield f"  follows     {event.after or '-'} in its topic"
    yield f"  sealed      {event.sealed}"
    for name, value in event.others.items():
        yield f"  {name:<10}  {value} (a field this version does not know)"
    yield "  says"
    for line in payload_lines(event.payload):
        yield f"    {line}"


def relations(event: Legible, causes: list[Legible | str], effects: Effects) -> Iterator[str]:
    """What led here, root first, and what came of it."""
    if causes:
        yield "  led here"
        for each in causes:
            yield f"    {brief(each)}"
    below = list(indented(event, effects.of))
    yield "  caused" if below else "  caused      nothing that is to be found"
    for depth, each in below:
        later = each.address.position.ms - event.address.position.ms
        yield f"    {'  ' * depth}{brief(each)}  {later:+,} ms"


def tree(event: Legible, effects: Effects) -> list[dict[str, Any]]:
    """The same for machines."""
    return [
        each.fields() | {"caused": tree(each, effects)}
        for each in effects.of.get(str(event.address), [])
    ]


def brief(event: Legible | str) -> str:
    if isinstance(event, str):
        return f"{event}  (neither in the log nor in the archive)"
    return f"{event.address}  {event.type or '(no type)'}  event {event.event or 'unknown'}"


def name_of(event: Legible | str) -> dict[str, Any]:
    if isinstance(event, str):
        return {"address": event, "missing": True}
    return {"address": str(event.address), "type": event.type, "event": str(event.event)}
