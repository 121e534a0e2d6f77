"""python -m events: what an operator asks of the log, and does to it."""

import argparse
import asyncio
import os
import sys
from contextlib import aclosing

from events import dead_letter_arguments
from events.log import Log
from events.printing import Printer
from events.telling import Desk
from runtime.connections import open_log
from runtime.errors import HeliographError
from runtime.outages import is_outage
from runtime.settings import Settings, SettingsError, load
from workers import archive_commands

GROUPS = (dead_letter_arguments, archive_commands)
"""Each declares its commands under a name of its own, and what runs them."""

SETTINGS = """\
The settings are those of every other process: HELIOGRAPH_LOG_URL, HELIOGRAPH_SECRET and the rest.
For a site of `make run`:

  eval "$(python -m runtime env)"

Exit status: 0 all done, 1 some could not be done, 2 the command or a setting is wrong.
"""


def main() -> int:
    arguments = parser().parse_args()
    try:
        return asyncio.run(carry_out(load(os.environ), arguments))
    except SettingsError as error:
        complain(f'{error}. For a site of `make run`: eval "$(python -m runtime env)"')
        return 2
    except KeyboardInterrupt:
        complain("Interrupted. What was told is done; of the rest nothing is, or all of it.")
        return 1
    except BrokenPipeError:  # whoever reads us has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m events",
        description=__doc__.partition(": ")[2],
        epilog=SETTINGS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    groups = made.add_subparsers(metavar="GROUP", required=True)
    for each in GROUPS:
        each.declare(groups, epilog=SETTINGS)
    return made


async def carry_out(settings: Settings, arguments: argparse.Namespace) -> int:
    """Run the command that was parsed; what it tells is printed as it comes."""
    with Printer(as_json=getattr(arguments, "json", False)) as printer:
        try:
            async with open_log(settings) as client:
                secret = settings.secret.reveal().encode()
                log = Log(client, partitions=settings.partitions, secret=secret)
                async with aclosing(arguments.run(Desk(settings, log), arguments)) as told:
                    async for each in told:
                        printer.say(each)
        except HeliographError as error:
            complain(error.detail or error.code)
            return 1
        except Exception as error:
            if isinstance(error, BrokenPipeError) or not is_outage(error):
                raise
            complain(f"The log does not answer as it should ({error}). What was told is done.")
            return 1
    return int(printer.failed)


def complain(sentence: str) -> None:
    print(sentence, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
