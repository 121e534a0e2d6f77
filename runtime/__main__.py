"""python -m runtime up | stop | status | prepare | env | engines: a site as a whole."""

import argparse
import asyncio
import os
import shlex
import sys

from runtime.engines.place import PlaceError
from runtime.prepare import prepare
from runtime.schema import SchemaError
from runtime.settings import SettingsError
from runtime.site import find_site, status, take_down
from runtime.site_record import OtherSite
from runtime.up import StartError, up
from runtime.with_engines import with_engines

COMMANDS = {
    "up": "start the site here and stay until Ctrl-C or `stop`",
    "stop": "end every process of the site",
    "status": "list its processes and where each may be asked",
    "prepare": "bring tables, bucket and partitions up to this code",
    "env": "print the site's environment, passwords included, for eval in a shell",
    "engines": "run a command with the site's engines up, and nothing else of it",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m runtime")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in COMMANDS.items():
        made = commands.add_parser(name, help=text)
        if name == "engines":
            made.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND ...")
    arguments = parser.parse_args()
    try:
        if arguments.command == "engines":
            return with_engines(os.environ, arguments.words)
        return RUN[arguments.command]()
    except (SettingsError, PlaceError, StartError, SchemaError, OtherSite) as error:
        print(error, file=sys.stderr)
        return 1


def run_up() -> int:
    return up(os.environ)


def stop() -> int:
    site = find_site(os.environ)
    take_down(site)
    print(f"Nothing of {site.place.var} runs now")
    return 0


def say_status() -> int:
    for line in status(find_site(os.environ)):
        print(line)
    return 0


def run_prepare() -> int:
    async def say_each() -> None:
        async for sentence in prepare(find_site(os.environ).settings):
            print(sentence)

    asyncio.run(say_each())
    return 0


def env() -> int:
    inherited = dict(os.environ)
    for name, value in find_site(os.environ).environ.items():
        if inherited.get(name) != value:
            print(f"export {name}={shlex.quote(value)}")
    return 0


RUN = {"up": run_up, "stop": stop, "status": say_status, "prepare": run_prepare, "env": env}

if __name__ == "__main__":
    sys.exit(main())
