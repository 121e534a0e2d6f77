"""A group's stream under several workers, judged after every step of test_consumer_machine.py.

Whatever a worker did, died of or slept through: an entry is not yet given, pending, or has ended by
its effect or by a letter that says why.
"""

import time
from collections import Counter, defaultdict
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from events import codec
from events.catalogue import tag_of
from events.claims import ensure_group
from events.consumer import Limits, Reader
from events.dead_letters import SHELVES, letters
from events.entries import ACTOR, PAYLOAD, TYPE
from events.ids import Position, make_id, shard_of
from events.log import Log, stream_key
from events.posts import PostDeleted
from runtime.connections import open_redis
from runtime.errors import Unavailable
from tests.faults.proxy import Proxy
from tests.properties.turns import Turns

LIMITS = Limits(batch=4, in_flight=100, lease_seconds=1_000, attempts=3)
ADA = make_id(Position(1_800_000_000_000, 0), 0)
GROUP, TOPIC, PARTITION = "posts", "posts", shard_of(ADA)
STREAM = stream_key(TOPIC, PARTITION)
NAMES = ("one", "two", "three")
READABLE = ("plain", "plain", "plain", "flaky", "early", "poison", "deadly")
UNREADABLE = {"unknown": ("post.levitated", b""), "broken": ("post.deleted", b"\xc1")}
REASONS = {
    "ValueError": {"poison", "flaky"},
    "dependency-missing": {"early"},
    "unknown-type": {"unknown"},
    "undecodable": {"broken"},
}


class Death(BaseException):
    """What ends a process, whatever it catches."""


class Judged(RuleBasedStateMachine):
    """The stream, its workers, and what became of each entry by the test's own account."""

    log_url = ""
    hours = SimpleNamespace(seconds=0)
    loop = None

    def __init__(self):
        super().__init__()
        self.kinds, self.mended = {}, set()
        self.effects, self.tries = Counter(), Counter()
        self.cut_short, self.retried = Counter(), Counter()
        self.now, self.database_down = 0.0, False
        self.readers, self.pauses = {}, defaultdict(str)
        self.hours.seconds = 0

    def do(self, awaitable):
        return self.loop.run_until_complete(awaitable)

    @initialize()
    def open(self):
        self.do(self._open())
        for name in NAMES:
            self.restart(name)

    async def _open(self):
        self.client = open_redis(self.log_url, 4, 5)
        socket = urlsplit(self.log_url).path
        self.proxy = await Proxy(Path(socket)).__aenter__()
        self.proxied = open_redis(self.log_url.replace(socket, str(self.proxy.address)), 8, 5)
        await self.client.flushall()
        await ensure_group(self.client, STREAM, GROUP)
        # Old enough to wait for a newer worker by the minute, young enough to wait at all.
        self.first_ms = time.time_ns() // 1_000_000 - 1_800_000
        self.log = Log(self.proxied, partitions=PARTITION + 1, secret=b"s" * 32)
        self.turns = Turns()

    def teardown(self):
        if hasattr(self, "turns"):
            self.everybody_works_until_nothing_is_left()
            self.do(self.proxied.aclose())
            self.do(self.client.aclose())
            self.do(self.proxy.__aexit__(None, None, None))

    # Entries and workers.

    def add(self, kind):
        number = len(self.kinds)
        tag, payload = UNREADABLE.get(kind) or (
            tag_of(PostDeleted),
            codec.encode(PostDeleted(post_id=number))[0],
        )
        self.kinds[number] = kind
        fields = {TYPE: tag, ACTOR: str(ADA), PAYLOAD: payload}
        self.do(self.client.xadd(STREAM, fields, id=f"{self.first_ms + number}-0"))

    def restart(self, name):
        """A new life under the same name."""
        self.readers[name] = Reader(
            self.log,
            self.proxied,
            group=GROUP,
            consumer=name,
            topic=TOPIC,
            partition=PARTITION,
            handlers={PostDeleted: lambda _site, batch: self.handle(name, batch)},
            site=None,
            limits=LIMITS,
            clock=lambda: self.now,
            state=lambda: "degraded" if self.database_down else "ready",
        )

    def step(self, name):
        """Let it attempt one batch, up to its end, its pause or its death."""
        try:
            self.do(self.turns.start(self.readers[name].step(), name, calls=0))
        except Death:
            self.readers[name] = None
        self.pauses[name] = ""

    def frozen(self):
        return self.turns.subjects()

    async def handle(self, name, batch):
        """What a role's handler does: all of it in one transaction, as far as it may."""
        numbers = [each.event.post_id for each in batch]
        self.tries.update(numbers)
        if self.pauses[name] == "before":
            await self.interrupted(numbers)
        if self.database_down:
            raise Unavailable("database-unavailable")
        if any(self.kinds[each] == "deadly" for each in numbers):
            self.cut_short.update(numbers)
            raise Death
        if any(self.fails(each) for each in numbers):
            message = "no luck"
            raise ValueError(message)
        later = [each for each in batch if self.kinds[each.event.post_id] == "early"]
        self.effects.update(set(numbers) - {each.event.post_id for each in later})
        if self.pauses[name] == "after":
            await self.interrupted(numbers)
        if self.pauses[name] == "unheard":
            self.proxy.cut_after_request()
        return later

    async def interrupted(self, numbers):
        self.cut_short.update(numbers)
        await self.turns.mine()

    def fails(self, number):
        kind = self.kinds[number]
        return kind == "poison" or (kind == "flaky" and self.tries[number] < LIMITS.attempts)

    # What must hold, always and in the end.

    @invariant()
    def every_entry_waits_or_has_ended(self):
        if not hasattr(self, "turns"):
            return
        given, pending, buried = self.do(self.look())
        for number, kind in self.kinds.items():
            letter, effect = buried.get(number), self.effects[number]
            states = (number > given, number in pending, bool(letter or effect))
            assert any(states), f"{kind} {number} is lost"
            assert not (letter and number in pending), f"{kind} {number} is pending and buried"
            assert pending.get(number, 0) <= LIMITS.attempts + 1
            assert effect <= 1 + self.cut_short[number] + self.retried[number]
            if letter:
                self.judge(number, kind, letter)

    def judge(self, number, kind, letter):
        """A letter says truly why."""
        reason = letter.reason.partition(":")[0]
        if reason == "worker-died":
            assert self.cut_short[number] + self.tries[number] >= LIMITS.attempts
        else:
            assert kind in REASONS[reason], (kind, letter.reason)
        assert letter.attempts <= LIMITS.attempts + 1, (kind, letter)

    async def look(self):
        """The last entry that was given, the pending with their counts, and the letters."""
        [group] = await self.client.xinfo_groups(STREAM)
        rows = await self.client.xpending_range(STREAM, GROUP, "-", "+", 1_000)
        found = [
            each for shelf in SHELVES async for each in letters(self.client, PARTITION, shelf=shelf)
        ]
        return (
            self.number(group["last-delivered-id"]),
            {self.number(row["message_id"]): int(row["times_delivered"]) for row in rows},
            {what.position.ms - self.first_ms: letter for what, letter in found},
        )

    def number(self, entry_id):
        """Which entry that is; -1 before the first."""
        return max(Position.parse(entry_id).ms - self.first_ms, -1)

    def everybody_works_until_nothing_is_left(self):
        """With every engine up and every process restarted, all there is comes to an end."""
        self.database_down = False
        self.do(self.proxy.heal())
        while self.turns:
            self.do(self.turns.kill(0))
        for name in NAMES:
            self.restart(name)
        # Each death makes what the worker held wait its hour anew: more entries take more rounds.
        for _ in range(60 + 10 * len(self.kinds)):
            self.now += 400
            self.hours.seconds += 400
            self.do(self.leases_pass())
            for name in NAMES:
                if self.readers[name] is None:
                    self.restart(name)
                self.step(name)
            given, pending, buried = self.do(self.look())
            if not pending and given == len(self.kinds) - 1:
                break
        self.every_entry_waits_or_has_ended()
        assert (pending, given) == ({}, len(self.kinds) - 1)
        for number, kind in self.kinds.items():
            if kind in ("plain", "mended"):
                assert self.effects[number] or buried[number].reason == "worker-died"
            if kind in ("poison", "deadly", "broken", "unknown", "early"):
                assert number in buried

    async def leases_pass(self, *names):
        """As if nothing had been heard of them for long."""
        for row in await self.client.xpending_range(STREAM, GROUP, "-", "+", 1_000):
            if not names or row["consumer"].decode() in names:
                await self.client.xclaim(
                    STREAM, GROUP, row["consumer"], 0, [row["message_id"]], idle=10**9, justid=True
                )
