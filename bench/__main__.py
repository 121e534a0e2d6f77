"""`python -m bench [--quick] [--cold] [QUESTION ...]`: measure, print the table and keep it.

One site of our own for all questions but the last two, which start their own.
"""

import argparse
import asyncio
import sys
import time
import traceback
from collections.abc import Awaitable, Collection
from pathlib import Path

from bench import (
    archive,
    digest,
    fan_out,
    feed_page,
    gateway_memory,
    lanes,
    overload,
    rebuild_feeds,
    replay,
    start_up,
    upload_to_feed,
)
from bench.standing import standing
from bench.table import Row, write

# In this order: each leaves the site at rest for the next.
QUESTIONS = {
    "feed_page": feed_page.measure,
    "upload_to_feed": upload_to_feed.measure,
    "fan_out": fan_out.measure,
    "lanes": lanes.measure,
    "gateway_memory": gateway_memory.measure,
    "overload": overload.measure,
}
# On engines of their own: a site has no part in them.
ALONE = {
    "archive": archive.measure,
    "replay": replay.measure,
    "rebuild_feeds": rebuild_feeds.measure,
    "digest": digest.measure,
}
NAMES = (*QUESTIONS, *ALONE, "start_up")
RESULTS = Path(__file__).parent / "results" / "main-job.md"
SECONDS_A_QUESTION = 1_200


class Bench:
    """Asks question after question; what was measured is kept, whatever fails later."""

    def __init__(self, *, quick: bool, cold: bool) -> None:
        self.quick, self.cold = quick, cold
        self.table = ""
        self.failed = False

    async def run(self, names: Collection[str]) -> None:
        wanted = [name for name in QUESTIONS if name in names]
        if wanted:
            say("starting a site")
            async with standing() as site:
                for name in wanted:
                    await self.ask(name, QUESTIONS[name](site, quick=self.quick))
        for name, measure in ALONE.items():
            if name in names:
                await self.ask(name, measure(quick=self.quick))
        if "start_up" in names:
            await self.ask("start_up", start_up.measure(cold=self.cold))

    async def ask(self, name: str, measuring: Awaitable[list[Row]]) -> None:
        say(name)
        try:
            async with asyncio.timeout(SECONDS_A_QUESTION):
                rows = await measuring
        except Exception:  # noqa: BLE001  (whatever it was, the next question can be asked)
            traceback.print_exc()
            self.failed = True
        else:
            self.table = write(RESULTS, rows, quick=self.quick, order=NAMES)


def say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {what}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--cold", action="store_true", help="start_up also from a new clone")
    arguments = parser.parse_args()
    if unknown := set(arguments.questions) - set(NAMES):
        parser.error(
            f"no such question: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}"
        )
    names = arguments.questions or list(NAMES)
    bench = Bench(quick=arguments.quick, cold=arguments.cold)
    asyncio.run(bench.run(names))
    print(bench.table)
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
