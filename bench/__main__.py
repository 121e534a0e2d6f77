"""`python -m bench [--quick] [--cold] [QUESTION ...]`: measure, print the tables and keep them.

One site of our own for most questions; some start their own, or engines alone.
"""

import argparse
import asyncio
import sys
import time
import traceback
from collections.abc import Awaitable, Collection

from bench import (
    archive,
    cache_policy,
    celebrity_read,
    digest,
    fan_out,
    feed_memory,
    feed_page,
    feed_read,
    follows,
    gateway_memory,
    growth,
    lanes,
    million,
    mixed_load,
    overload,
    rebuild_feeds,
    replay,
    returning,
    start_up,
    upload_to_feed,
)
from bench.standing import standing
from bench.table import Row, Sheet, write

# In this order: each leaves the site at rest for the next.
QUESTIONS = {
    "feed_read": feed_read.measure,
    "fan_out": fan_out.measure,
    "returning": returning.measure,
    "follows": follows.measure,
    "upload_to_feed": upload_to_feed.measure,
    "mixed_load": mixed_load.measure,
    "feed_page": feed_page.measure,
    "lanes": lanes.measure,
    "gateway_memory": gateway_memory.measure,
    "overload": overload.measure,
}
# On sites of their own, or on engines alone.
ALONE = {
    "celebrity_read": celebrity_read.measure,
    "growth": growth.measure,
    "million": million.measure,
    "cache_policy": cache_policy.measure,
    "feed_memory": feed_memory.measure,
    "archive": archive.measure,
    "replay": replay.measure,
    "rebuild_feeds": rebuild_feeds.measure,
    "digest": digest.measure,
}
NAMES = (*QUESTIONS, *ALONE, "start_up")
# What --quick asks when it is not told: as much as two minutes allow.
QUICK = ("feed_read", "fan_out", "follows", "mixed_load")
FEEDS = ("feed_read", "fan_out", "follows", "upload_to_feed", "mixed_load", "celebrity_read")
FEEDS += ("growth", "million", "cache_policy", "feed_memory", "returning")
SHEETS = {
    Sheet("feeds", "Feeds, measured", feed_read.NOTES): FEEDS,
    Sheet("main-job", "The main job, measured"): tuple(n for n in NAMES if n not in FEEDS),
}
SECONDS_A_QUESTION = 1_800


class Bench:
    """Asks question after question; what was measured is kept, whatever fails later."""

    def __init__(self, *, quick: bool, cold: bool) -> None:
        self.quick, self.cold = quick, cold
        self.tables: dict[str, str] = {}
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
            sheet, order = next(each for each in SHEETS.items() if name in each[1])
            self.tables[sheet.name] = write(sheet, rows, quick=self.quick, order=order)


def say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {what}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=", ".join(NAMES))
    parser.add_argument(
        "--quick", action="store_true", help="fewer and shorter rounds of the first questions"
    )
    parser.add_argument("--cold", action="store_true", help="start_up also from a new clone")
    arguments = parser.parse_args()
    if unknown := set(arguments.questions) - set(NAMES):
        parser.error(
            f"no such question: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}"
        )
    names = arguments.questions or list(QUICK if arguments.quick else NAMES)
    bench = Bench(quick=arguments.quick, cold=arguments.cold)
    asyncio.run(bench.run(names))
    print("\n\n".join(bench.tables.values()))
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
