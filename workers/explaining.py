"""python -m events explain: why something is as it is."""

import argparse
from collections.abc import AsyncIterator
from typing import Any

from events.arguments import add_command, rfc3339
from events.catalogue import tag_of
from events.consequences import causes_of, effects_of, read_found
from events.legible import Legible
from events.pages import since
from events.past import Found, Past
from events.people import People
from events.posts import PostPublished
from events.seeking import find, sought
from events.telling import Desk, Record, Told
from runtime.connections import open_cache
from runtime.errors import Unavailable
from stores.feeds import Feeds
from stores.progress import Fanouts
from workers import explaining_feeds
from workers.asking import opened_past
from workers.fanout_told import told
from workers.fates import Fate, fates_of
from workers.showing import brief

MOST = 10_000
"""Entries of each stream in which effects are looked for that no record tells of."""

EVENT_HELP = """\
Says where an event is by now: in the log, in the archive, and with each role that reads it
(waiting, pending, done, buried, dropped); the same of everything it led to; and in one sentence how
it stands.
"""

EXAMPLES = """\
  python -m events explain event 284759187530000384
  python -m events explain feed --viewer bob --post 284759187530000384

"""


def declare(groups: Any, *, epilog: str) -> None:
    """Add `explain` and its commands."""
    text = "say why: where an event is, why a feed has a post or not"
    group = add_command(groups, "explain", None, text, epilog=EXAMPLES + epilog)
    commands = group.add_subparsers(metavar="COMMAND", title="commands")
    command = add_command(
        commands,
        "event",
        explain_event,
        "where an event is now and what it has done",
        description=EVENT_HELP,
        epilog=EXAMPLES + epilog,
    )
    command.add_argument("named", type=sought, metavar="ID|ADDRESS|POSITION")
    explaining_feeds.declare(commands, epilog=EXAMPLES + epilog)


async def explain_event(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:
    """A record for each event of that name."""
    async with opened_past(desk) as past:
        people = People(desk.log, past)
        for found in await find(past, arguments.named):
            yield await explained(desk, past, people, found)


async def explained(desk: Desk, past: Past, people: People, found: Found) -> Record:
    event = await read_found(past, found)
    causes = await causes_of(past, event)
    effects = await effects_of(past, event, MOST)
    stands = await stands_where(past, found)
    fates = await fates_of(desk.log, desk.settings, event)
    at = event.address.position.ms
    lines = [
        brief(event),
        f"  recorded    {rfc3339(at)} ({since(at)})",
        f"  by          {await people.called(event.actor)}",
        f"  request     {event.request or '-'}",
        f"  because of  {brief(causes[-1]) if causes else 'nothing: somebody did it'}",
        f"  stands      {stands}",
        *fate_lines(fates, "  "),
    ]
    fanned_out = await fan_out_of(desk, event)
    lines += [f"  fan-out     {fanned_out}"] if fanned_out else []
    caused: list[tuple[Legible, list[Fate]]] = [
        (each, await fates_of(desk.log, desk.settings, each))
        for followed in effects.of.values()
        for each in followed
    ]
    for each, its in caused:
        lines += [f"  caused      {brief(each)}", *fate_lines(its, "    ")]
    sentence = conclusion(event, [(event, fates), *caused])
    return Record(
        text="\n".join([*lines, sentence]),
        fields=event.fields()
        | {
            "username": await people.name_of(event.actor) if event.actor else None,
            "stands": stands,
            "roles": [each.fields() for each in fates],
            "fan_out": fanned_out or None,
            "caused": [
                each.fields() | {"roles": [fate.fields() for fate in its]} for each, its in caused
            ],
            "unread": effects.cut,
            "conclusion": sentence,
        },
    )


async def stands_where(past: Past, found: Found) -> str:
    """Which of stream and archive have it."""
    try:
        segment = await past.segment_of(found.address)
    except Unavailable:
        return "in the log; the archive does not answer"
    if segment is None:
        return "in the log, not archived yet"
    where = f"in the archive, segment {segment.first} of {segment.count:,} events"
    return f"{where}; trimmed from the log" if found.archived else f"in the log and {where}"


async def fan_out_of(desk: Desk, event: Legible) -> str:
    """Of a publication how far it has come; nothing where the cache does not know, or answer."""
    if event.type != tag_of(PostPublished):
        return ""
    async with open_cache(desk.settings) as cache:
        try:
            progress = await Fanouts(Feeds(cache, desk.log.client)).of(
                int(event.payload["post_id"])
            )
        except Unavailable:
            return ""
    return told(progress) if progress else ""


def fate_lines(fates: list[Fate], margin: str) -> list[str]:
    return [
        f"{margin}{each.role:<10}  {each.told}{'' if each.listed else ' (no role of this version)'}"
        for each in fates
    ]


def conclusion(event: Legible, steps: list[tuple[Legible, list[Fate]]]) -> str:
    """The worst of it, in one sentence; what comes first in the chain of events before the rest."""
    if event.problem:
        return f"No role of this version can read it ({event.problem})."
    by_state: dict[str, list[tuple[Legible, Fate]]] = {}
    for each, fates in steps:
        for fate in fates:
            if fate.listed:
                by_state.setdefault(fate.state, []).append((each, fate))
    if buried := by_state.get("buried"):
        each, fate = buried[0]
        name = f"{fate.role}:{each.address}"
        return (
            f"{fate.role} could not do it: mend the cause ({fate.more['reason']}), then "
            f"`python -m events dead-letters retry {name}`."
        )
    for state, said in (
        ("missing", "has no group: has a worker of it ever been started?"),
        ("pending", "has it in hand"),
        ("waiting", "has not come to it yet"),
    ):
        if stuck := by_state.get(state):
            each, fate = stuck[0]
            of = "" if each is event else f" (its {each.type})"
            return f"Not all done: {fate.role} {said}{of}."
    if "dropped" in by_state:
        each, fate = by_state["dropped"][0]
        return f"An operator decided that {fate.role} is not to do it: {fate.more['why']}."
    if not any(fates for _, fates in steps):
        return "Done: it is recorded, and no role has anything to do about it."
    return "Done: every role that reads it, and what it led to, is through with it."
