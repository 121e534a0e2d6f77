"""python -m events explain feed: why a post is in somebody's feed, or is not."""

import argparse
from collections.abc import AsyncIterator
from typing import Any

from events.arguments import add_command
from events.ids import MAX_ID
from events.past import Past
from events.people import People
from events.telling import Desk, Line, Record, Table, Told
from runtime.errors import NotFound
from workers.asking import opened_past
from workers.feed_checks import checks_of
from workers.feed_evidence import Evidence, Names, gather
from workers.feed_reasons import Answer, answer_of

HELP = """\
Goes through everything that decides whether a post is shown in a feed: the events, the follow,
what fan-out has done, the window in the cache and its floor, who is hidden or private, what
gateways have just heard, what PostgreSQL has. Each check says yes, no or ?; the last sentence says
why.

Exit status 1: what is stored contradicts itself, as a post that a window should have and has not.
"""


def declare(commands: Any, *, epilog: str) -> None:
    """Add `feed` to `explain`."""
    command = add_command(
        commands,
        "feed",
        explain_feed,
        "why a post is in somebody's feed, or is not",
        description=HELP,
        epilog=epilog,
    )
    command.add_argument("--viewer", required=True, metavar="USERNAME|ID", help="whose feed")
    command.add_argument("--post", required=True, type=post_id, metavar="ID", help="which post")


def post_id(text: str) -> int:
    """An argument that may be a post's id."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= MAX_ID):
        raise argparse.ArgumentTypeError(f"{text!r} is no post's id")
    return int(text)


async def explain_feed(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:
    """Every check, then the answer."""
    async with opened_past(desk) as past:
        people = People(desk.log, past)
        viewer_id = await people.find(arguments.viewer)
        if not await people.name_of(viewer_id):
            raise NotFound("no-such-account", f"There is no account {viewer_id}.")
        evidence, names, answer = await look(desk, past, people, viewer_id, arguments.post)
        if answer.fault:
            # Between two questions things move; what is wrong is still so at a second look.
            evidence, names, answer = await look(desk, past, people, viewer_id, arguments.post)
    checks = tuple(tuple(each) for each in checks_of(evidence, names))
    yield Table(heads=("check", "verdict", "evidence"), rows=checks)
    if evidence.rows is None or evidence.window is None:
        yield Line("Not every engine answers, so not everything could be checked.", aside=True)
    yield Record(
        text=answer.sentence,
        fields={
            "viewer": str(viewer_id),
            "post": str(arguments.post),
            "shown": answer.shown,
            "fault": answer.fault,
            "conclusion": answer.sentence,
        },
        failed=answer.fault,
    )


async def look(
    desk: Desk, past: Past, people: People, viewer_id: int, wanted: int
) -> tuple[Evidence, Names, Answer]:
    evidence = await gather(desk, past, viewer_id, wanted)
    author_id = evidence.author_id
    author = await people.name_of(author_id) if author_id else ""
    viewer = await people.name_of(viewer_id)
    names = Names(viewer or str(viewer_id), author or str(author_id or "nobody"))
    return evidence, names, answer_of(evidence, names)
