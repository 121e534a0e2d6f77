"""python -m gateway --role read|write|all (--socket PATH | --port N) [--operations-port N]."""

import argparse
import asyncio
import gc
import os
import sys
from pathlib import Path

import uvloop

from gateway.app import Role, build_app
from gateway.keys import NOTICES
from gateway.listening import listening
from gateway.room import check_of
from runtime.health import Check
from runtime.loglines import configure_logging, log
from runtime.operations import operated
from runtime.settings import Settings, SettingsError, load
from runtime.shutdown import stop_on_signals

ENGINES = ("log", "cache", "database", "objects")
OPTIONAL = ("cache", "database", "objects")
"""A gateway starts without them, in the degraded mode that each one's absence causes."""


async def serve(settings: Settings, arguments: argparse.Namespace) -> None:
    """Serve until told to stop: not ready first, then no new connections, then the active ones."""
    stopping = stop_on_signals()
    role: Role = arguments.role
    app = build_app(settings, role)

    async def heard() -> str:
        if not app[NOTICES].ready:
            raise ConnectionError("notices and revocations are still being read")
        return "notices and revocations are known"

    async def is_of_use() -> None:
        """Nobody is recognised before; and the edge passes over only those who do not listen."""
        waits = [asyncio.create_task(each.wait()) for each in (app[NOTICES].known, stopping)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()

    check = Check(
        name="notices",
        probe=heard,
        degraded="nobody can be recognised (503)",
        fix_when_down="the log has to answer first",
    )
    async with (
        operated(
            settings,
            ENGINES,
            port=arguments.operations_port,
            reader=True,
            optional=OPTIONAL,
            checks=[check, check_of(app)],
        ) as health,
        listening(app, socket=arguments.socket, port=arguments.port, once=is_of_use),
    ):
        log().info("gateway.started", role=role, at=str(arguments.socket or arguments.port))
        await stopping.wait()
        health.drain()
        log().info("gateway.stopping", role=role)


def collect_less() -> None:
    """Leave what is imported alone, and look for cycles less often: requests make few."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m gateway", description=__doc__)
    parser.add_argument("--role", choices=("read", "write", "all"), default="all")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--socket", type=Path, help="a unix socket to listen on")
    place.add_argument("--port", type=int, help="a port of 127.0.0.1 to listen on")
    parser.add_argument("--operations-port", type=int, default=0, help="0: any free one")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    try:
        settings = load(os.environ)
    except SettingsError as error:
        sys.exit(str(error))
    configure_logging(settings.log_level)
    collect_less()
    uvloop.run(serve(settings, arguments))


if __name__ == "__main__":
    main()
