"""The arguments of `python -m events digest`, `verify` and `until`."""

import argparse
from typing import Any

from events.arguments import add_command, moment
from stores.digests import LIVE
from workers.looking import PROJECTIONS
from workers.verify_commands import digest, until, verify_site

SHOWN = 20

DIGEST = """\
A digest of what every projection holds, of the live site or of a shadow: equal digests mean equal
rows. Changes nothing.
"""

VERIFY = """\
Reads every event there ever was, works out from them what tables and feed windows must hold, by
other rules than those of the handlers, and holds the live site to it while that goes on working. A
row has drifted when two looks some seconds apart find the same in it and no event that waits, is a
dead letter or was dropped explains it. Changes nothing; ends with status 1 on drift.
"""

UNTIL = """\
What an account or a post was at a moment in the past, by the events up to then: every register, and
which event had set it. Changes nothing. What was sealed shows while its author's key exists.
"""

EXAMPLES = """\
  python -m events digest
  python -m events verify
  python -m events verify --sample 10000 --tables accounts,following
  python -m events verify --against next
  python -m events until --account ada --at 2026-11-24T12:00Z
  python -m events until --post 284759187530000384 --at 2h

"""


def declare(groups: Any, *, epilog: str) -> None:
    """Add the three of them."""
    shared = {"epilog": EXAMPLES + epilog}
    digesting = add_command(
        groups,
        "digest",
        digest,
        "say what projections hold, as digests",
        description=DIGEST,
        **shared,
    )
    digesting.add_argument("--schema", default=LIVE, metavar="SHADOW", help="of a shadow instead")
    verifying = add_command(
        groups,
        "verify",
        verify_site,
        "hold tables and feeds to the events they come from",
        description=VERIFY,
        **shared,
    )
    verifying.add_argument(
        "--against", default="", metavar="SHADOW", help="hold tables to those of a shadow instead"
    )
    verifying.add_argument("--tables", type=projections, help=f"of {', '.join(PROJECTIONS)}")
    verifying.add_argument(
        "--sample",
        type=several,
        metavar="N",
        help="only shards of about so many accounts; no feeds",
    )
    verifying.add_argument(
        "--limit", type=several, default=SHOWN, help=f"show so many rows that differ ({SHOWN})"
    )
    asking = add_command(
        groups, "until", until, "show what an account or a post was", description=UNTIL, **shared
    )
    which = asking.add_mutually_exclusive_group(required=True)
    which.add_argument("--account", metavar="NAME|ID")
    which.add_argument("--post", metavar="ID")
    asking.add_argument(
        "--at", type=moment, required=True, metavar="WHEN", help="15m, 2h, 3d ago, or a date"
    )


def projections(text: str) -> tuple[str, ...]:
    """An argument that names some of them, with commas between."""
    named = tuple(text.split(","))
    if unknown := set(named) - set(PROJECTIONS):
        message = f"no such projection: {', '.join(sorted(unknown))}"
        raise argparse.ArgumentTypeError(message)
    return named


def several(text: str) -> int:
    """An argument that is a number of things, at least one."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 1")
    return int(text)
