"""python -m events: what an operator asks of the log, and does to it."""

import argparse
import asyncio
import os
import signal
import sys
from contextlib import aclosing
from pathlib import Path

from events import dead_letter_arguments, tail_command
from events.log import Log
from events.printing import Printer
from events.telling import Desk
from runtime.connections import open_log
from runtime.errors import HeliographError, Invalid
from runtime.outages import is_outage
from runtime.settings import Settings, SettingsError, load
from runtime.site_record import OtherSite, hold_to_site
from workers import (
    archive_commands,
    backlog,
    explaining,
    rebuild_arguments,
    replay_arguments,
    showing,
    stock,
    verify_arguments,
)
from workers.backup import arguments as backup_arguments

GROUPS = (
    tail_command,
    showing,
    explaining,
    backlog,
    stock,
    dead_letter_arguments,
    archive_commands,
    verify_arguments,
    replay_arguments,
    rebuild_arguments,
    backup_arguments,
)
"""Each declares its commands under a name of its own, and what runs them."""

INTERRUPTED, TERMINATED, UNREAD = (128 + each for each in (signal.SIGINT, signal.SIGTERM, 13))

TEACHING = """\
Everything that ever happened on a site is an event in its log: by topic, in partitions, each at a
position. Roles read them and build from them what people see. Here one asks the log.

An event is named by its id (284759187530000384), by its address (posts.3.1763951234567-0), or by
its position alone (1763951234567-0).
"""

EXAMPLES = """\
What is happening, just now and from now on; then all of one kind since an hour ago:

  {name} tail
  {name} tail --no-follow --since 1h --type post.rejected

What became of one command, and which event led to which:

  {name} explain event 284759187530000384
  {name} show 284759187530000384

Why somebody does not see a post; and who is behind:

  {name} explain feed --viewer bob --post 284759187530000384
  {name} lag

`{name} COMMAND --help` says more. With --json every command tells one JSON object a line.

"""

SETTINGS = """\
The settings are those of every other process: HELIOGRAPH_LOG_URL, HELIOGRAPH_SECRET and the rest.
For a site of `make run`:

  eval "$(python -m runtime env)"

Exit status: 0 all done; 1 something could not be done, was not found, or differs; 2 the command or
a setting is wrong; 130 interrupted, 143 terminated, 141 nobody reads on.
"""


def main() -> int:
    arguments = parser().parse_args()
    if arguments.run is None:
        arguments.teaching.print_help()
        return 0
    try:
        return asyncio.run(until_told(load(os.environ), arguments))
    except (SettingsError, OtherSite) as error:
        hint = 'For a site of `make run`: eval "$(python -m runtime env)"'
        complain(f"{str(error).rstrip('.')}. {hint}")
        return 2
    except KeyboardInterrupt:
        complain(arguments.interrupted)
        return INTERRUPTED
    except BrokenPipeError:  # whoever reads us has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD


def parser() -> argparse.ArgumentParser:
    called = Path(sys.argv[0]).name
    name = "python -m events" if called == "__main__.py" else called
    made = argparse.ArgumentParser(
        prog=name,
        description=TEACHING,
        epilog=EXAMPLES.format(name=name) + SETTINGS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.set_defaults(
        run=None, teaching=made, interrupted="Interrupted.", check=None, begins_log=False
    )
    groups = made.add_subparsers(metavar="COMMAND", title="commands")
    for each in GROUPS:
        each.declare(groups, epilog=SETTINGS)
    return made


async def until_told(settings: Settings, arguments: argparse.Namespace) -> int:
    """Carry a command out; SIGTERM, as cron and `timeout` send it, ends it as well as Ctrl-C."""
    running, terminated = asyncio.current_task(), asyncio.Event()

    def terminate() -> None:
        terminated.set()
        if running:
            running.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
    try:
        return await carry_out(settings, arguments)
    except asyncio.CancelledError:
        if not terminated.is_set():
            raise
        complain(arguments.interrupted)
        return TERMINATED


async def carry_out(settings: Settings, arguments: argparse.Namespace) -> int:
    """Run the command that was parsed; what it tells is printed as it comes."""
    if arguments.check:
        arguments.check(arguments)
    with Printer(as_json=getattr(arguments, "json", False)) as printer:
        try:
            async with open_log(settings) as client:
                if not arguments.begins_log:
                    await hold_to_site(client, settings)
                secret = settings.secret.reveal().encode()
                log = Log(client, partitions=settings.partitions, secret=secret)
                async with aclosing(arguments.run(Desk(settings, log), arguments)) as told:
                    async for each in told:
                        printer.say(each)
        except HeliographError as error:
            complain(error.detail or error.code)
            return 2 if isinstance(error, Invalid) else 1
        except Exception as error:
            if isinstance(error, BrokenPipeError) or not is_outage(error):
                raise
            complain(
                f"{engine_of(error)} does not answer as it should ({error}). What was told is done."
            )
            return 1
    return int(printer.failed)


def engine_of(error: Exception) -> str:
    """Who it was that did not answer, as far as the driver's error tells."""
    drivers = {"asyncpg": "PostgreSQL", "botocore": "Object storage", "aiohttp": "Object storage"}
    return drivers.get(type(error).__module__.partition(".")[0], "The log")


def complain(sentence: str) -> None:
    print(sentence, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
