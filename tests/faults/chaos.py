"""`make chaos`: a site under load, hurt in every way for minutes, then asked whether all is there.

python -m tests.faults.chaos [--seed N] [--seconds N] [--clients N] [--write]
"""

import argparse
import asyncio
import random
import secrets
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from redis.exceptions import RedisError

from tests.faults.deck import KILLS_TO_FEEL, PATIENCE_SECONDS, Dealer, strike
from tests.faults.load import Load, Record
from tests.faults.model import read_record
from tests.faults.probes import Probes
from tests.faults.sight import look
from tests.faults.site import WORKERS, running_site
from tests.faults.table import table_of
from tests.faults.verdict import objections
from tests.faults.watch import Watch

RESULTS = Path(__file__).resolve().parents[2] / "bench" / "results"
DEFAULT_SECONDS = 600
LEAST_FAULTS = 200
"""In that time."""
WARM_SECONDS = 4
CALM_SECONDS = 1.5
"""Between a fault that is to be blamed alone and the next."""
STORM = (3, 6)
DRAIN_SECONDS = 60
MOST_KILLED_SECONDS = 2
GAUGES_SECONDS = 25
"""Workers publish what is left every ten seconds."""


@dataclass
class Outcome:
    """Of one run: what was done, what it cost, and what is wrong."""

    seed: int
    strikes: list = field(default_factory=list)
    storms: list = field(default_factory=list)
    objections: list = field(default_factory=list)
    probes: Probes | None = None
    facts: dict = field(default_factory=dict)
    left_open: tuple = ()
    """How many values the record leaves open, of how many."""

    @property
    def felt(self):
        """The strikes that met something."""
        return [each for each in self.strikes if each.touched]


async def chaos(seed, seconds, folder, *, say, clients=8, workers=WORKERS):
    """Run it all; the folder keeps the record, and the processes' logs if something is wrong."""
    outcome, dice = Outcome(seed), random.Random(seed)
    async with running_site(workers) as site:
        await in_use(
            site, outcome, folder, lambda: hurt(site, outcome, dice, seconds, say), clients=clients
        )
        outcome.objections += kills_that_were_felt(outcome)
        if outcome.objections:
            shutil.copytree(site.place.var / "logs", folder / "logs", dirs_exist_ok=True)
    return outcome


async def in_use(site, outcome, folder, happens, *, clients=8):
    """Whatever happens, while members use the site; then it is healed, drained, and judged."""
    record = Record(folder / "record.jsonl")
    load = Load(site.address, record, random.Random(outcome.seed))
    outcome.probes, watch = Probes(site.address), Watch(site.settings)
    over = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(watch.run(over), name="watch")
        tasks.create_task(outcome.probes.run(over), name="probes")
        members = tasks.create_task(load.run(clients), name="load")
        await asyncio.sleep(WARM_SECONDS)
        await happens()
        await site.heal()
        healed = time.time()
        load.stopping.set()
        await members
        await drain(outcome, watch, healed)
        over.set()
    record.close()
    await judge(site, outcome, folder)
    outcome.objections += sorted(watch.said)
    outcome.objections += [each async for each in watch.audit()]
    outcome.objections += [
        f"{name} was told to end, and did not within {PATIENCE_SECONDS} s"
        for name, part in site.parts.items()
        if part.stubborn
    ]
    outcome.facts |= {"commands": record.lines, "members": load.born}
    outcome.facts |= {"entries trimmed": watch.trimmed}
    outcome.facts |= {"of them archived ones": watch.topics_trimmed}


async def hurt(site, outcome, dice, seconds, say):
    """Faults alone, each in a calm of its own, and storms of several, until time is over."""
    dealer, until = Dealer(dice), time.time() + seconds
    said = time.time()
    while time.time() < until:
        for _ in range(3):
            if time.time() < until:
                card, target = dealer.deal_alone(site)
                outcome.strikes.append(await strike(site, card, target, dice, alone=True))
                await asyncio.sleep(CALM_SECONDS)
        began = time.time()
        if began < until:
            cards = dealer.deal(site, dice.randint(*STORM))
            outcome.strikes += await asyncio.gather(
                *(strike(site, card, target, dice, alone=False) for card, target in cards)
            )
            outcome.storms.append((began, time.time()))
            await asyncio.sleep(CALM_SECONDS)
        if time.time() > said + 30:
            said = time.time()
            say(f"  {len(outcome.strikes)} faults, {max(0, until - said):.0f} s to go")


async def drain(outcome, watch, healed):
    """Wait until no group has anything left; longer than promised is objected to."""
    while True:
        with suppress(RedisError):
            if await watch.is_done():
                break
        if time.time() > healed + 2 * DRAIN_SECONDS:
            break
        await asyncio.sleep(0.25)
    took = time.time() - healed
    outcome.facts["seconds from the last heal to no backlog"] = round(took, 1)
    if took > DRAIN_SECONDS:
        outcome.objections.append(f"the backlog was not gone {DRAIN_SECONDS} s after the heal")


async def judge(site, outcome, folder):
    model = read_record(folder / "record.jsonl")
    operations = {part.name: site.operations(part) for part in site.consumers}
    until = time.time() + GAUGES_SECONDS
    while True:
        sight = await look(site.address, model, site.settings.objects_url, operations)
        if not any(any(each.values()) for each in sight["workers"].values()):
            break
        if time.time() > until:
            break
        await asyncio.sleep(2)
    outcome.objections += objections(model, sight)
    outcome.left_open = model.left_open()
    outcome.facts["values whose end the record leaves open"] = "{} of {}".format(*outcome.left_open)
    outcome.facts["posts shown"] = sum(
        each["account"]["counts"]["posts"] for each in sight["members"].values()
    )


def kills_that_were_felt(outcome):
    """Of one gateway or worker while another of its role ran: nobody waits longer than 2 s."""
    for row in KILLS_TO_FEEL:
        kills = [each for each in outcome.strikes if each.alone and each.card.row == row]
        if not kills:
            yield f"no lone {row} happened"
        for each in kills:
            for kind in ("reads", "commands"):
                without = outcome.probes.longest_without(kind, each.began, each.ended)
                if without > MOST_KILLED_SECONDS:
                    yield f"{row} ({each.target}): no {kind} for {without:.1f} s"
                failing = outcome.probes.longest_failing(kind, each.began, each.ended)
                if failing > MOST_KILLED_SECONDS:
                    yield f"{row} ({each.target}): {kind} kept failing for {failing:.1f} s"


def parse():
    parser = argparse.ArgumentParser("make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--seconds", type=float, default=DEFAULT_SECONDS)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--write", action="store_true", help="keep the table in bench/results")
    return parser.parse_args()


async def run(arguments):
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    tell(f"seed {arguments.seed}: {arguments.seconds:g} s of faults")
    folder = Path(tempfile.mkdtemp(prefix="hg-chaos-record-"))
    keep = False
    try:
        outcome = await chaos(
            arguments.seed, arguments.seconds, folder, clients=arguments.clients, say=tell
        )
        if arguments.seconds >= DEFAULT_SECONDS and len(outcome.felt) < LEAST_FAULTS:
            outcome.objections.append("the machine was too busy for enough faults")
        keep = bool(outcome.objections)
    finally:
        if not keep:
            shutil.rmtree(folder)
    text = table_of(outcome)
    tell(text)
    if arguments.write:
        (RESULTS / f"chaos-{arguments.seed}.md").write_text(text, encoding="utf-8")
    if keep:
        tell(f"record and logs: {folder}")
    return int(keep)


def tell(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(asyncio.run(run(parse())))
    sys.exit(130)
