"""The arguments of `python -m events rebuild`: metadata, feeds, counters, all, drop."""

import argparse
from typing import Any

from events.arguments import add_command
from workers.rebuild_commands import counters, drop, everything, feeds, metadata, renditions
from workers.replay_arguments import rate

GROUP = """\
Tables, counters and feeds can be made again from what they derive from. The site goes on meanwhile:
what is made again stands aside until it is complete and verified, and then takes its place in one
step. Asks nothing; interrupted, killed or out of disk, the site is as it was, and the same command
goes on.
"""

EXAMPLES = """\
All tables from the first event on, verified and swapped in; or only as far as that:

  python -m events rebuild metadata
  python -m events rebuild metadata --no-swap
  python -m events rebuild drop next

After the database was lost with its tables, which need not be there; after the
cache was lost there is nothing to do, for windows are built when they are read:

  python -m events rebuild all

"""

GOES_ON = "Interrupted. The site is as it was; the same command goes on from where it was."


def declare(groups: Any, *, epilog: str) -> None:
    group = add_command(
        groups,
        "rebuild",
        None,
        "make tables and feeds again from what they derive from",
        description=GROUP,
        epilog=EXAMPLES + epilog,
    )
    commands = group.add_subparsers(metavar="WHAT", title="what")

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        return add_command(commands, name, run, text, epilog=EXAMPLES + epilog, interrupted=GOES_ON)

    _add_metadata(command("metadata", metadata, "make all tables again and swap them in"))
    command("feeds", feeds, "build every feed window anew from the tables")
    command("counters", counters, "count posts and follows again, in place")
    command(
        "renditions", renditions, "make photos again that storage lost, or has in an old recipe"
    )
    _add_metadata(command("all", everything, "metadata, and then the feeds from it"))
    dropping = command("drop", drop, "remove a shadow, or what a swap left behind")
    dropping.add_argument("schema", metavar="NAME", help="next, or heliograph_old_1763951234567")


def _add_metadata(command: argparse.ArgumentParser) -> None:
    command.add_argument("--shadow", default="next", metavar="NAME", help="next, if not said")
    command.add_argument("--no-swap", action="store_true", help="stop when it is verified")
    command.add_argument(
        "--no-verify",
        action="store_true",
        help="do not hold it to the model, which keeps all rows in memory",
    )
    command.add_argument(
        "--despite-faults",
        action="store_true",
        help="swap though events could not be folded that are no dead letters",
    )
    command.add_argument("--strict", action="store_true", help="stop at the first that fails")
    command.add_argument("--rate", type=rate, metavar="N", help="at most so many events a second")
