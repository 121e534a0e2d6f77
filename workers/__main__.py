"""python -m workers: serve a role until told to stop, or see to what all roles share."""

import argparse
import asyncio
import os
import re
import sys

import uvloop

from runtime.errors import HeliographError
from runtime.loglines import configure_logging, log
from runtime.operations import operated
from runtime.outages import is_outage
from runtime.settings import Settings, SettingsError, load
from runtime.shutdown import stop_on_signals
from stores.ledger import restore
from workers.archive import keep_archive
from workers.collecting import collect, foretell
from workers.collector import collect_daily, open_storeroom, table
from workers.process import create_groups, work
from workers.subscriptions import SUBSCRIPTIONS
from workers.vacuuming import keep_cache
from workers.verifier import verify_daily

ENGINES = {"renditions": ["log", "objects"], "erasures": ["log", "database", "objects"]}
"""What an effect needs; every other role is a projection, and needs the same as the others."""


def main() -> int:
    arguments = parser().parse_args()
    try:
        settings = load(os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    configure_logging(settings.log_level)
    match arguments.command:
        case "groups":
            print(f"{uvloop.run(create_groups(settings))} consumer groups are in place")
        case "collect" if arguments.daily:
            uvloop.run(serve_collector(settings, arguments.operations_port))
        case "collect":
            return uvloop.run(collect_once(settings, arguments))
        case "verify":
            uvloop.run(serve_verifier(settings, arguments.operations_port))
        case "archive":
            uvloop.run(serve_archive(settings, arguments.operations_port))
        case role:
            uvloop.run(serve(settings, role, arguments.number, arguments.operations_port))
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    commands = made.add_subparsers(dest="command", required=True)
    for role in SUBSCRIPTIONS:
        served = commands.add_parser(role, help="serve this role until told to stop")
        served.add_argument("--number", type=int, default=0, help="which process of the role")
        add_operations_port(served)
    commands.add_parser(
        "groups",
        help="make every consumer group, so that nothing recorded before a role's first start "
        "passes it by",
    )
    collecting = commands.add_parser(
        "collect",
        help="mark stored photos that no post shows, and sweep those whose quarantine is over",
    )
    instead = collecting.add_mutually_exclusive_group()
    instead.add_argument("--dry-run", action="store_true", help="only say what a pass would do")
    instead.add_argument(
        "--restore", type=digest, metavar="SHA256", help="take a photo out of quarantine"
    )
    instead.add_argument("--daily", action="store_true", help="a pass a day until told to stop")
    add_operations_port(collecting)
    archiving = commands.add_parser(
        "archive",
        help="copy every topic into object storage, and keep topics within the log's budget; "
        "until told to stop",
    )
    add_operations_port(archiving)
    verifying = commands.add_parser(
        "verify",
        help="hold the site to its history once a day, until told to stop; `python -m events "
        "verify` does it now",
    )
    add_operations_port(verifying)
    return made


def add_operations_port(command: argparse.ArgumentParser) -> None:
    command.add_argument("--operations-port", type=int, default=0, help="0: any free port")


def digest(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise argparse.ArgumentTypeError("64 hexadecimal digits name a photo")
    return text


async def serve(settings: Settings, role: str, number: int, operations_port: int) -> None:
    """Work until SIGTERM, with /livez, /readyz and /metrics beside it."""
    stopping = stop_on_signals()
    engines = ENGINES.get(role, ["log", "database", "cache"])
    async with operated(settings, engines, port=operations_port, optional=["cache"]) as health:
        log().info("worker.started", role=role, number=number)
        # A wrong version of the tables, or a log that forgets, would make every attempt a fault.
        await work(settings, role, number, stopping, lambda: health.report().status)
        log().info("worker.stopped", role=role, number=number)


async def serve_collector(settings: Settings, operations_port: int) -> None:
    """Collect until SIGTERM, and what erased accounts showed at once, with the same beside it."""
    stopping = stop_on_signals()
    async with operated(settings, ENGINES["erasures"], port=operations_port) as health:

        def state() -> str:
            return health.report().status

        log().info("collector.started")
        async with asyncio.TaskGroup() as tasks:
            collecting = collect_daily(settings, stopping, lambda: state() == "ready")
            tasks.create_task(collecting, name="collector")
            tasks.create_task(work(settings, "erasures", 0, stopping, state), name="erasures")
            # Not among its engines: photos are collected whether there is a cache or not.
            tasks.create_task(keep_cache(settings, stopping), name="vacuum")
        log().info("collector.stopped")


async def serve_archive(settings: Settings, operations_port: int) -> None:
    """Archive until SIGTERM, with the same beside it."""
    stopping = stop_on_signals()
    async with operated(settings, ["log", "objects"], port=operations_port) as health:
        log().info("archive.started")
        await keep_archive(settings, stopping, lambda: health.report().status == "ready")
        log().info("archive.ended")


async def serve_verifier(settings: Settings, operations_port: int) -> None:
    """Verify until SIGTERM, with the same beside it."""
    stopping = stop_on_signals()
    engines = ["log", "database", "cache", "objects"]
    async with operated(settings, engines, port=operations_port) as health:
        log().info("verifier.started")
        await verify_daily(settings, stopping, lambda: health.report().status == "ready")
        log().info("verifier.stopped")


async def collect_once(settings: Settings, arguments: argparse.Namespace) -> int:
    """One pass, or what one would do, told as a table; or one photo restored."""
    try:
        async with open_storeroom(settings) as site:
            if arguments.restore:
                if await restore(site.database, arguments.restore):
                    print("It is out of quarantine, for 30 days.")
                    return 0
                print("It is in no quarantine, or being swept.", file=sys.stderr)
                return 1
            for line in table(await (foretell if arguments.dry_run else collect)(site)):
                print(line)
    except Exception as error:
        if not (is_outage(error) or isinstance(error, HeliographError)):
            raise
        print(f"Nothing more was done: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
