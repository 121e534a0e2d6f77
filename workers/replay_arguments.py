"""The arguments of `python -m events replay`."""

import argparse
import time
from typing import Any

from events.arguments import add_command, moment
from events.catalogue import BY_TAG, EVENTS, tag_of
from workers.replay_commands import replay

TEACHING = """\
Reads all events, or those that are wanted, from archive and log as one sequence, and folds them
once more: accounts first, then posts, then who follows whom. Nothing is announced, no photo is
touched, no feed is pushed to. Into a shadow, a schema of its own beside the site's, that is made
when it is not there; one that was begun is gone on with. Folding again what is folded already
changes nothing.
"""

EXAMPLES = """\
What there is to fold; then all of it into a shadow, to be looked at or verified:

  python -m events replay --dry-run
  python -m events replay --into look
  python -m events verify --against look
  python -m events rebuild drop look

Once more for one account, into the site's own tables:

  python -m events replay --account ada --into live --yes

"""


def declare(groups: Any, *, epilog: str) -> None:
    made = add_command(
        groups,
        "replay",
        replay,
        "fold events once more, into a shadow or into the site",
        description=TEACHING,
        epilog=EXAMPLES + epilog,
        interrupted="Interrupted. The same command goes on from where it was.",
    )
    made.set_defaults(check=check)
    made.add_argument("--into", default="", metavar="NAME", help="a shadow's name; or `live`")
    made.add_argument("--yes", action="store_true", help="into the site's own tables indeed")
    made.add_argument("--dry-run", action="store_true", help="only count, by type")
    made.add_argument("--rate", type=rate, metavar="N", help="at most so many events a second")
    made.add_argument("--strict", action="store_true", help="stop at the first that fails")
    filters = made.add_argument_group("filters, all of which must hold")
    filters.add_argument(
        "--from", dest="since", type=moment, metavar="WHEN", help="events since: 2h, or a date"
    )
    filters.add_argument("--until", type=past, metavar="WHEN", help="events before")
    filters.add_argument(
        "--types", type=types, default=frozenset(), help="post.published,PostDeleted,..."
    )
    filters.add_argument("--account", metavar="NAME|ID", help="what this account did")


def check(arguments: argparse.Namespace) -> None:
    """What does not go together is refused before anything is opened."""
    if not (arguments.into or arguments.dry_run):
        arguments.teaching.error("--into NAME says where to; --dry-run only counts")
    if arguments.into == "live" and not (arguments.yes or arguments.dry_run):
        arguments.teaching.error("--into live writes into the site's own tables: say --yes too")
    if arguments.since and arguments.until and arguments.since >= arguments.until:
        arguments.teaching.error("--from must be before --until")


def past(text: str) -> int:
    """An argument that says when, and not in the future: nothing is recorded there."""
    ms = moment(text)
    if ms > time.time() * 1000:
        message = f"{text!r} is still to come"
        raise argparse.ArgumentTypeError(message)
    return ms


def rate(text: str) -> float:
    """An argument that is a number of events a second."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < float("inf"):
        message = f"{text!r} is no rate"
        raise argparse.ArgumentTypeError(message)
    return value


def types(text: str) -> frozenset[str]:
    """An argument that names types of events, by tag or by class, with commas between."""
    tags = {kind.__name__: tag_of(kind) for kind in EVENTS}
    named = frozenset(tags.get(each, each) for each in text.split(","))
    if unknown := named - BY_TAG.keys():
        message = f"no such type: {', '.join(sorted(unknown))}"
        raise argparse.ArgumentTypeError(message)
    return named
