"""Every kind of fault on every kind of part and line, dealt like cards, and how each is done."""

import asyncio
import time
from dataclasses import dataclass

from tests.faults.proxy import Proxy

ENDS = ("kill", "restart", "freeze")
LINE_FAULTS = ("refuse", "stall", "delay", "drop", "cut", "half-close")
FAULT_SECONDS = (0.5, 4)
DELAY_SECONDS = (0.02, 0.4)
PATIENCE_SECONDS = 30
ENGINES_OF = {
    "gateway-read": ("log", "cache", "database", "objects"),
    "gateway-write": ("log", "cache", "database", "objects"),
    "accounts": ("log", "cache", "database"),
    "renditions": ("log", "objects"),
    "posts": ("log", "cache", "database"),
    "graph": ("log", "cache", "database"),
    "fanout": ("log", "cache", "database"),
    "collect": ("log", "database", "objects"),
}


@dataclass(frozen=True)
class Card:
    """`target` is a kind of part, or a pair of kinds for the line between them."""

    fault: str
    target: str | tuple[str, str]


@dataclass
class Strike:
    """One fault that was done, and when; `alone` if nothing else was wrong."""

    card: Card
    target: str
    alone: bool
    began: float
    ended: float = 0.0

    @property
    def row(self):
        return f"{self.card.fault} {kind_of(self.card.target)}"


def kind_of(target):
    """What a table shows: roles of workers are one kind, both gateways are one."""
    if isinstance(target, tuple):
        return " → ".join(map(kind_of, target))
    if target.startswith("gateway"):
        return "gateway"
    return "worker" if target in ENGINES_OF else target


def whole_deck():
    """Parts first, then lines: from clients to the edge, on to gateways, from all to engines."""
    parts = [*ENGINES_OF, "edge", "log", "cache", "database", "objects"]
    lines = [("client", "edge"), ("edge", "gateway-read"), ("edge", "gateway-write")]
    for engine in ("log", "cache", "database", "objects"):
        users = {kind_of(user): user for user, used in ENGINES_OF.items() if engine in used}
        lines += [(user, engine) for user in users.values()]
    return [Card(fault, part) for part in parts for fault in ENDS] + [
        Card(fault, line) for line in lines for fault in LINE_FAULTS
    ]


class Dealer:
    """Deals every card once before any comes again; of the same kind of line, any one line."""

    def __init__(self, dice):
        self.dice, self.left = dice, []

    def deal(self, site, count=1):
        """This many cards, each with a target of its own."""
        dealt = {}
        while len(dealt) < count:
            if not self.left:
                self.left = whole_deck()
                self.dice.shuffle(self.left)
            card = self.left.pop()
            dealt.setdefault(self.target(site, card), card)
        return [(card, target) for target, card in dealt.items()]

    def target(self, site, card):
        if isinstance(card.target, str):
            names = [name for name in site.parts if name.rpartition("-")[0] == card.target]
            return self.dice.choice(names or [card.target])
        near, far = map(kind_of, card.target)
        return self.dice.choice(
            [
                (source, end)
                for source, end in site.lines
                if kind_of(source.rpartition("-")[0] or source) == near
                and kind_of(end.rpartition("-")[0] or end) == far
                and (far in ("edge", "gateway") or far in ENGINES_OF[source.rpartition("-")[0]])
                and (far != "gateway" or end.startswith(card.target[1]))
            ]
        )


async def strike(site, card, target, dice, *, alone):
    """Do it, wait as long as it lasts, undo it, and wait until the part answers again."""
    done = Strike(card, str(target), alone, time.time())
    seconds = dice.uniform(*FAULT_SECONDS)
    if isinstance(target, tuple):
        await strain(site.lines[target], card.fault, seconds, dice)
    else:
        await hurt(site.parts[target], card.fault, seconds)
    done.ended = time.time()
    return done


async def hurt(part, fault, seconds):
    starts = part.starts
    if fault == "freeze":
        part.freeze()
        await asyncio.sleep(seconds)
        part.thaw()
    elif fault == "kill":
        part.kill()
    else:
        part.ask_to_end()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while fault != "freeze" and part.starts == starts:  # noqa: ASYNC110 - its keeper starts it
                await asyncio.sleep(0.02)
    except TimeoutError:
        # As supervisor does; but whoever is asked to end should.
        part.stubborn += 1
        part.kill()
    await part.ready()


async def strain(line: Proxy, fault, seconds, dice):
    match fault:
        case "refuse":
            await line.refuse()
        case "stall":
            line.stall()
        case "delay":
            line.delay(dice.uniform(*DELAY_SECONDS))
        case "drop":
            line.drop()
        case "cut":
            line.cut_after_request()
        case "half-close":
            line.half_close()
    await asyncio.sleep(seconds if fault not in ("drop", "half-close") else 0.5)
    await line.heal()
