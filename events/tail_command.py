"""python -m events tail: events as they are recorded, one a line.

Plain reads of streams, without a group: nothing is claimed, no worker is disturbed.
"""

import argparse
import difflib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

from events.arguments import add_command, moment, rfc3339
from events.catalogue import BY_TAG, EVENTS, TOPICS, tag_of
from events.following import Marks, follow, past_entries, trimmed_since
from events.legible import Legible
from events.people import People
from events.printing import as_json
from events.telling import Desk, Line, Record, Told
from events.work import FanoutChunk
from runtime.connections import open_blocking_log

LAST = 10

HELP = """\
Shows events as they are recorded: when, of which type, where, by whom, and what it says. What is
sealed is opened while its author's key exists; hashes of passwords are never shown.
"""

EXAMPLES = """\
  python -m events tail
  python -m events tail --topic posts --type post.rejected --since 2h --no-follow
  python -m events tail --account ada --json | jq .payload

--account shows what somebody did and what names them: who follows them, who accepted them.

"""


def declare(groups: Any, *, epilog: str) -> None:
    """Add `tail`."""
    command = add_command(
        groups,
        "tail",
        tail,
        "show events as they are recorded",
        description=HELP,
        epilog=EXAMPLES + epilog,
        interrupted="",
    )
    command.add_argument(
        "--topic", action="append", choices=sorted(TOPICS), help="of this topic; may be repeated"
    )
    command.add_argument("--type", action="append", help="as post.published or PostPublished")
    command.add_argument("--account", metavar="USERNAME|ID", help="by somebody, or about them")
    command.add_argument("--since", type=moment, metavar="WHEN", help="from then on: 2h, or a date")
    command.add_argument(
        "--last", type=int, default=LAST, metavar="N", help=f"begin with so many ({LAST})"
    )
    command.add_argument(
        "--follow", action=argparse.BooleanOptionalAction, default=True, help="stay, and go on"
    )


class Wanted(NamedTuple):
    """Which events are to be shown; what is left empty does not matter."""

    types: frozenset[str]
    account: int | None

    def admits(self, event: Legible) -> bool:
        return (not self.types or event.type in self.types) and (
            self.account is None
            or event.actor == self.account
            or any(
                value == self.account
                for name, value in event.payload.items()
                if name.endswith("_id")
            )
        )


async def tail(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:
    """What was recorded lately, then what is recorded now, until Ctrl-C."""
    log, people = desk.log, People(desk.log)
    types = frozenset(tag_named(each) for each in arguments.type or ())
    account = await people.find(arguments.account) if arguments.account else None
    wanted = Wanted(types, account)
    for each in sorted(types - BY_TAG.keys()):
        yield Line(f"No event of this version is called {each!r}{suggestion(each)}.", aside=True)

    # Portions of work are no facts, and there are many: only for whoever names them.
    topics = arguments.topic or sorted(TOPICS - {FanoutChunk.TOPIC})
    if arguments.since and (begins := await trimmed_since(log, topics, arguments.since)):
        at = rfc3339(begins.ms)
        yield Line(
            f"Of before {at} some events have gone to the archive: `show` has them.", aside=True
        )
    marks: Marks = {}
    past = past_entries(
        log, topics, marks, since_ms=arguments.since, last=arguments.last, wanted=wanted.admits
    )
    async for event in past:
        yield await told(event, people)
    if not arguments.follow:
        return
    async with AsyncExitStack() as stack:
        blocking = await stack.enter_async_context(
            open_blocking_log(desk.settings, connections=log.partitions)
        )
        async for heard in follow(log, blocking, topics, marks):
            if isinstance(heard, str):
                yield Line(heard, aside=True)
            elif wanted.admits(heard):
                yield await told(heard, people)


async def told(event: Legible, people: People) -> Record:
    """One line: the moment is that of its position, by which events are ordered."""
    who = await people.called(event.actor)
    name = await people.name_of(event.actor) if event.actor else ""
    said = f"  {event.problem}" if event.problem else ""
    if event.sealed not in {"none", "opened"} and not event.problem:
        said = f"  sealed: {event.sealed}"
    text = (
        f"{rfc3339(event.address.position.ms)}  {event.type or '(no type)'}  {event.address}"
        f"  {who}  {as_json(event.payload)}{said}"
    )
    return Record(text=text, fields=event.fields() | {"username": name or None})


def tag_named(text: str) -> str:
    """The tag of a type that is named by its tag or its class."""
    return {kind.__name__: tag_of(kind) for kind in EVENTS}.get(text, text)


def suggestion(tag: str) -> str:
    near: Sequence[str] = difflib.get_close_matches(tag, BY_TAG, n=1)
    return f"; do you mean {near[0]!r}?" if near else ", though a newer one may"
