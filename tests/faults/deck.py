"""Every kind of fault on every kind of part and line, dealt like cards, and how each is done."""

import asyncio
import time
from dataclasses import dataclass

from tests.faults.proxy import Proxy

ENDS = ("kill", "restart", "freeze")
KILLS_TO_FEEL = ("kill gateway", "kill worker")
"""Of one while another of its role runs, which nobody should feel."""
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
    "archive": ("log", "objects"),
    "collect": ("log", "database", "objects"),
    "verify": ("log", "cache", "database", "objects"),
}


@dataclass(frozen=True)
class Card:
    """`target` is a kind of part, or a pair of kinds for the line between them."""

    fault: str
    target: str | tuple[str, str]

    @property
    def row(self):
        return f"{self.fault} {kind_of(self.target)}"


@dataclass
class Strike:
    """One fault that was done, and when; `alone` if nothing else was wrong.

    `touched` is how much of what passed or ran it met: a strike at an idle line meets nothing.
    """

    card: Card
    target: str
    alone: bool
    began: float
    ended: float = 0.0
    touched: int = 0


def kind_of(target):
    """What a table shows: roles of workers are one kind, both gateways are one."""
    if isinstance(target, tuple):
        return " → ".join(map(kind_of, target))
    if target.startswith("gateway"):
        return "gateway"
    return "worker" if target in ENGINES_OF else target


def whole_deck():
    """Parts first, then lines: from clients to the edge, on to gateways, from all to engines.

    Storage does not end when it is told to: its restart would be its kill again, so it has none.
    """
    parts = [*ENGINES_OF, "edge", "log", "cache", "database", "objects"]
    lines = [("client", "edge"), ("edge", "gateway-read"), ("edge", "gateway-write")]
    for engine in ("log", "cache", "database", "objects"):
        users = {kind_of(user): user for user, used in ENGINES_OF.items() if engine in used}
        lines += [(user, engine) for user in users.values()]
    ends = [Card(fault, part) for part in parts for fault in ENDS]
    ends.remove(Card("restart", "objects"))
    return ends + [Card(fault, line) for line in lines for fault in LINE_FAULTS]


class Dealer:
    """Two decks, shuffled anew when they are empty; of the same kind of line, any one line.

    Faults that come alone have one card of each row of the table, so that soon each row was
    measured; those of storms have them all.
    """

    def __init__(self, dice):
        self.dice, self.alone, self.together = dice, [], []

    def deal_alone(self, site):
        """First the kills somebody may have felt, then what else ends or freezes, then lines."""
        if not self.alone:
            rows = {card.row: card for card in self.shuffled()}
            self.alone = sorted(rows.values(), key=turn)
        card = self.alone.pop(0)
        return card, self.target(site, card)

    def deal(self, site, count):
        """For a storm: this many cards, each with a target of its own."""
        dealt = {}
        while len(dealt) < count:
            self.together = self.together or self.shuffled()
            card = self.together.pop()
            dealt.setdefault(self.target(site, card), card)
        return [(card, target) for target, card in dealt.items()]

    def shuffled(self):
        deck = whole_deck()
        self.dice.shuffle(deck)
        return deck

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


def turn(card):
    return card.row not in KILLS_TO_FEEL, isinstance(card.target, tuple)


async def strike(site, card, target, dice, *, alone):
    """Do it, wait as long as it lasts, undo it, and wait until the part answers again."""
    done = Strike(card, str(target), alone, time.time())
    seconds = dice.uniform(*FAULT_SECONDS)
    if isinstance(target, tuple):
        line = site.lines[target]
        before = line.touched
        await strain(line, card.fault, seconds, dice)
        done.touched = line.touched - before
    else:
        await hurt(site.parts[target], card.fault, seconds)
        done.touched = 1
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
