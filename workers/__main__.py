"""`python -m workers ROLE` serves one role until told to stop.

`python -m workers groups` makes every consumer group, so that nothing recorded before a role's
first start passes it by.
"""

import argparse
import os
import sys

import uvloop

from runtime.loglines import configure_logging, log
from runtime.operations import operated
from runtime.settings import Settings, SettingsError, load
from runtime.shutdown import stop_on_signals
from workers.process import create_groups, work
from workers.subscriptions import EFFECTS, SUBSCRIPTIONS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parser.add_argument("role", choices=[*SUBSCRIPTIONS, "groups"])
    parser.add_argument("--number", type=int, default=0, help="which process of the role this is")
    parser.add_argument("--operations-port", type=int, default=0, help="0: any free port")
    arguments = parser.parse_args()
    try:
        settings = load(os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    configure_logging(settings.log_level)
    if arguments.role == "groups":
        print(f"{uvloop.run(create_groups(settings))} consumer groups are in place")
        return 0
    uvloop.run(serve(settings, arguments.role, arguments.number, arguments.operations_port))
    return 0


async def serve(settings: Settings, role: str, number: int, operations_port: int) -> None:
    """Work until SIGTERM, with /livez, /readyz and /metrics beside it."""
    stopping = stop_on_signals()
    engines = ["log", "objects"] if role in EFFECTS else ["log", "database", "cache"]
    async with operated(settings, engines, port=operations_port, optional=["cache"]) as health:
        log().info("worker.started", role=role, number=number)
        # A wrong version of the tables, or a log that forgets, would make every attempt a fault.
        await work(settings, role, number, stopping, lambda: health.report().status != "not ready")
        log().info("worker.stopped", role=role, number=number)


if __name__ == "__main__":
    sys.exit(main())
