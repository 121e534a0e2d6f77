"""Nothing is lost and nothing held up: the consumer as a state machine, on a real stream.

Workers die, freeze past their lease and come back, lose answers of the log, find poison and what
kills them; an operator retries and drops what was buried.
"""

import asyncio
import time
from types import SimpleNamespace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

import events.settling
from events.dead_letters import DEAD, Drop, drop, letters, retry
from tests.properties.consuming import (
    NAMES,
    PARTITION,
    READABLE,
    UNREADABLE,
    Death,
    Judged,
)
from tests.properties.exploring import examples

names = st.sampled_from(NAMES)
anything = st.sampled_from([*READABLE, *UNREADABLE])
which = st.integers(0, 30)


class Workers(Judged):
    """Three workers of one group, and everything that may happen to them."""

    @rule(kinds=st.lists(anything, min_size=1, max_size=6))
    def entries_are_appended(self, kinds):
        for kind in kinds:
            self.add(kind)

    @rule(name=names, pause=st.sampled_from(["", "", "", "before", "after", "unheard"]))
    def a_worker_steps(self, name, pause):
        """To its end; or it freezes before or after its effect, or is not heard by the log."""
        if name not in self.frozen() and self.readers[name]:
            self.pauses[name] = pause
            self.step(name)

    @rule(name=names)
    def the_log_is_not_heard(self, name):
        """An answer is lost: perhaps the very entries that were given."""
        self.proxy.cut_after_request()
        self.a_worker_steps(name, "")

    @precondition(lambda self: self.turns)
    @rule(which=which)
    def a_frozen_worker_comes_back(self, which):
        name = self.frozen()[::-1][which % len(self.frozen())]
        try:
            self.do(self.turns.advance(which, 99))
        except Death:
            self.readers[name] = None

    @rule(name=names)
    def a_worker_dies(self, name):
        """In the middle of its batch, or between two."""
        if name in self.frozen():
            self.do(self.turns.kill(self.frozen()[::-1].index(name)))
        self.readers[name] = None

    @rule(name=names)
    def a_worker_is_started(self, name):
        if self.readers[name] is None:
            self.restart(name)

    @rule(name=names)
    def a_worker_is_not_heard_of_for_long(self, name):
        self.do(self.leases_pass(name))

    @rule(name=names)
    def a_worker_renews_its_leases(self, name):
        if self.readers[name]:
            self.do(self.readers[name].claims.renew())

    @rule(seconds=st.sampled_from([1, 60, 600, 2_000]))
    def time_passes(self, seconds):
        self.now += seconds
        self.hours.seconds += seconds

    @rule(down=st.booleans())
    def the_database_goes_or_comes(self, down):
        self.database_down = down

    @precondition(lambda self: "early" in self.kinds.values())
    @rule()
    def what_was_missing_arrives(self):
        self.kinds = {n: "plain" if k == "early" else k for n, k in self.kinds.items()}

    @rule(which=which, mended=st.booleans())
    def an_operator_retries(self, which, mended):
        """Before or after the handler was mended."""
        if standing := self.do(self.standing()):
            what, _ = standing[which % len(standing)]
            number = what.position.ms - self.first_ms
            if mended and self.kinds[number] in ("poison", "deadly"):
                self.kinds[number] = "plain"
            assert self.do(retry(self.client, what)) == "retried"
            self.retried[number] += 1

    @rule(which=which)
    def an_operator_drops(self, which):
        if standing := self.do(self.standing()):
            what, _ = standing[which % len(standing)]
            note = Drop(who="Ada", why="never", dropped_ms=0)
            assert self.do(drop(self.client, what, note)) == "dropped"

    @precondition(lambda self: not self.database_down)
    @rule(name=names)
    def nothing_that_waits_holds_up_what_is_new(self, name):
        """However much failed, waits or is another's: a worker gets to all that is new."""
        if name in self.frozen() or not self.readers[name] or "deadly" in self.kinds.values():
            return
        new = range(self.do(self.look())[0] + 1, len(self.kinds))
        for _ in range(2 * len(new) + 2):
            self.step(name)
        assert all(self.effects[each] for each in new if self.kinds[each] == "plain")

    async def standing(self):
        return [each async for each in letters(self.client, PARTITION, shelf=DEAD)]


@pytest.mark.usefixtures("log_client")
def test_every_delivery_comes_to_its_end(engines, monkeypatch):
    """Done, buried or later, through death, frost, deafness, poison, outage and retry."""
    later = SimpleNamespace(time=lambda: time.time() + Workers.hours.seconds)
    monkeypatch.setattr(events.settling, "time", later)
    with asyncio.Runner() as runner:
        machine = type(
            "Machine", (Workers,), {"log_url": engines.log_url, "loop": runner.get_loop()}
        )
        run_state_machine_as_test(
            machine, settings=settings(max_examples=examples(30), stateful_step_count=40)
        )
