"""One event per key, positions that only rise, never half an append: log.lua against a model."""

import asyncio
import time
from types import SimpleNamespace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

import events.log
from events.ids import Position
from tests.properties.appending import ERASED, NAMES, PARTITIONS, Judged, outcome_of
from tests.properties.exploring import examples

KEYS = st.one_of(st.none(), st.sampled_from("kl"))
WHICH = st.integers(0, ERASED - 1)
WHOM = st.integers(0, 9)
MEANINGS = st.sampled_from([b"one", b"one", b"two"])
PLACES = ("head", "topic", "record", "notices", "names", "keys", "revoked")


class Appends(Judged):
    """What people do, and everything that may go wrong between them and the log."""

    # What people do.

    @rule(name=st.sampled_from(NAMES), key=KEYS, meaning=MEANINGS)
    def register(self, name, key, meaning):
        self.open_account(name, key, meaning)

    @rule(whom=WHOM, which=WHICH, key=KEYS, meaning=MEANINGS)
    def append(self, whom, which, key, meaning):
        self.attempt(*self.deed(whom, which, key, meaning))

    @rule(whom=WHOM, which=WHICH, count=st.integers(2, 40))
    def append_many_at_once(self, whom, which, count):
        """Over several connections: each gets a place of its own."""
        deeds = [self.deed(whom, (which + n) % 2, None, b"") for n in range(count)]
        if any(self.expected(command, partition) != "ok" for partition, command, _ in deeds):
            for _, _, call in deeds:
                call.close()
            return
        before = self.now()
        appended = self.do(together([call for _, _, call in deeds]))
        for one, (partition, command, _) in sorted(zip(appended, deeds, strict=True)):
            self.recorded(partition, command, one.position, before)
        self.compare()

    @rule(whom=WHOM, forgotten=st.booleans(), key=KEYS)
    def erase(self, whom, forgotten, key):
        """The account's key is destroyed, and perhaps still in this process's memory."""
        self.attempt(*self.deed(whom, ERASED, key, b"one"))
        if forgotten:
            self.log.keyring.forget(self.actor(whom))

    # What goes wrong.

    @rule(ms=st.sampled_from([0, 0, 4_000, -4_000, 6_000, -6_000, 31_536_000_000]))
    def callers_clock_jumps(self, ms):
        self.skew.ms = ms

    @rule(
        partition=st.integers(0, PARTITIONS - 1),
        ahead_ms=st.sampled_from([1_000, 3_000, 8_000, 14_000]),
        sequence=st.sampled_from([0, 1_000, 1_022, 1_023]),
    )
    def servers_clock_went_back(self, partition, ahead_ms, sequence):
        """So the head is ahead of it, and the millisecond there may be almost full."""
        model = self.model[partition]
        head = max(model.head, Position(self.now() + ahead_ms, sequence))
        self.set_head(partition, head)

    @precondition(lambda self: any(m.head.ms > self.now() + 10_000 for m in self.model))
    @rule()
    def an_operator_mends_the_head(self):
        for partition, highest in enumerate(self.highest):
            self.set_head(partition, highest)

    @rule()
    def the_log_is_saved(self):
        keys = self.do(self.client.keys("*"))
        dumps = [
            (key, self.do(self.client.dump(key)), self.do(self.client.pttl(key))) for key in keys
        ]
        self.saved = (dumps, [each.copy() for each in self.model], list(self.accounts))

    @precondition(lambda self: self.saved)
    @rule()
    def an_older_log_is_restored(self):
        """Its head is set above everything, as the runbook says: no position is given twice."""
        dumps, model, accounts = self.saved
        self.do(self.client.flushall())
        for key, dumped, ttl in dumps:
            self.do(self.client.restore(key, max(ttl, 0), dumped))
        self.model, self.accounts = [each.copy() for each in model], list(accounts)
        for partition, highest in enumerate(self.highest):
            self.set_head(partition, max(highest, self.model[partition].head))

    @rule()
    def the_functions_are_gone(self):
        self.do(self.client.function_flush("SYNC"))

    @rule()
    def a_reply_will_be_lost(self):
        self.reply_lost = True

    @rule(whom=WHOM, which=WHICH, key=KEYS)
    def append_to_a_full_log(self, whom, which, key):
        """Refused whole, repeats too; nothing is half recorded."""
        partition, command, call = self.deed(whom, which, key, b"one")
        if self.expected(command, partition) not in ("ok", "replayed"):
            call.close()
            return
        self.do(self.client.config_set("maxmemory", 1))
        try:
            code, _ = self.do(outcome_of(call))
        finally:
            self.do(self.client.config_set("maxmemory", 0))
        assert code == "log-full"
        self.compare()

    @rule(whom=WHOM, which=WHICH, key=KEYS, place=st.sampled_from(PLACES), kind=st.booleans())
    def append_beside_a_broken_key(self, whom, which, key, place, kind):
        """One key is of another type, or ahead of the head: all of the append, or nothing."""
        self.attempt_beside(place, *self.deed(whom, which, key, b"one"), ahead=kind)

    @rule(name=st.sampled_from(NAMES), place=st.sampled_from(PLACES))
    def register_beside_a_broken_key(self, name, place):
        self.attempt_beside(place, *self.registration(name, None, b"one"), ahead=False)


async def together(calls):
    return await asyncio.gather(*calls)


@pytest.mark.usefixtures("log_client")
def test_an_append_is_whole_and_counts_once(engines, monkeypatch):
    """Repeats, taken names, erased keys, clocks, lost replies, broken keys, restored older logs."""
    shifted = SimpleNamespace(
        perf_counter=time.perf_counter,
        time_ns=lambda: time.time_ns() + Appends.skew.ms * 1_000_000,
    )
    monkeypatch.setattr(events.log, "time", shifted)
    machine = type("Machine", (Appends,), {"log_url": engines.log_url})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples(30), stateful_step_count=40)
    )
