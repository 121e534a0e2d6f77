"""The arguments of `python -m events dead-letters`: list, show, retry, drop."""

import argparse
from typing import Any

from events.arguments import ASKED, DECIDED, add_command, moment
from events.dead_letter_commands import (
    check_choice,
    drop_letters,
    list_letters,
    retry_letters,
    show_letters,
)
from events.workbench import Named

LISTED = 50

GROUP_HELP = """\
A delivery that failed too often, or could not be read, is buried: its event stays in the log, its
role goes on with the next, and a letter tells what happened. Look at it, mend the cause, retry it;
or drop it, when its effect is not wanted any more.
"""

EXAMPLES = """\
A letter is named by its event's id, by the address (posts.3.1763951234567-0), or, where several
roles failed at the same event, by role:address as in the list.

  python -m events dead-letters list --role posts --since 2h
  python -m events dead-letters show posts:posts.3.1763951234567-0
  python -m events dead-letters retry --type post.published --until 2026-11-24T12:00Z --dry-run
  python -m events dead-letters retry --all
  python -m events dead-letters drop 284759187530000384 --why "posted by a load test"

"""


def declare(groups: Any, *, epilog: str) -> None:
    """Add `dead-letters` and its commands."""

    def command(
        to: Any, name: str, run: Any, text: str, *, interrupted: str = ASKED
    ) -> argparse.ArgumentParser:
        return add_command(to, name, run, text, epilog=EXAMPLES + epilog, interrupted=interrupted)

    group = command(groups, "dead-letters", None, "see and decide what could not be done")
    group.description = GROUP_HELP
    commands = group.add_subparsers(metavar="COMMAND", title="commands")

    listing = command(commands, "list", list_letters, "list the letters that stand")
    _add_filters(listing)
    listing.add_argument("--limit", type=int, default=LISTED, help="at most so many; 0: all")
    showing = command(commands, "show", show_letters, "show everything about some letters")
    showing.add_argument("named", nargs="+", type=named, metavar="ID")

    decided = {"interrupted": DECIDED}
    retrying = command(commands, "retry", retry_letters, "have deliveries tried again", **decided)
    text = "give deliveries up for good, on record"
    dropping = command(commands, "drop", drop_letters, text, **decided)
    dropping.add_argument("--why", required=True, type=reason, help="kept with the letter")
    for each in (retrying, dropping):
        each.add_argument("named", nargs="*", type=named, metavar="ID")
        each.add_argument("--all", action="store_true", help="every letter that the filters admit")
        each.add_argument("--dry-run", action="store_true", help="only say which they are")
        each.set_defaults(check=check_choice, dropped=False)
    _add_filters(retrying)
    _add_filters(dropping, dropped=False)


def named(text: str) -> Named:
    """An argument that names an event."""
    try:
        return Named.parse(text)
    except ValueError:
        message = f"{text!r} is no event's id, no address and no role:address"
        raise argparse.ArgumentTypeError(message) from None


def reason(text: str) -> str:
    """An argument that must say something."""
    if not text.strip():
        raise argparse.ArgumentTypeError("say why, in a few words")
    return text.strip()


def _add_filters(parser: argparse.ArgumentParser, *, dropped: bool = True) -> None:
    filters = parser.add_argument_group("filters, all of which must hold")
    filters.add_argument("--role", default="", help="the role that could not do it")
    filters.add_argument("--topic", default="", help="the topic of the event")
    filters.add_argument("--type", default="", help="as post.published or PostPublished")
    filters.add_argument("--reason", default="", metavar="PREFIX", help="how its reason begins")
    filters.add_argument("--since", type=moment, metavar="WHEN", help="buried since: 2h, or a date")
    filters.add_argument("--until", type=moment, metavar="WHEN", help="buried before: as --since")
    if dropped:
        filters.add_argument("--dropped", action="store_true", help="the dropped ones instead")
