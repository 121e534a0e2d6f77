"""What the table of faults is worth depends on what the probes count, and on who is dealt what."""

import random
from types import SimpleNamespace

from tests.faults.chaos import Outcome, kills_that_were_felt
from tests.faults.deck import ENGINES_OF, KILLS_TO_FEEL, Card, Dealer, Strike, whole_deck
from tests.faults.probes import Probe, Probes
from tests.faults.table import table_of


def probes_of(reads):
    probes = Probes("nowhere")
    probes.asked["reads"] = reads
    probes.asked["commands"] = [Probe(at / 10, at / 10 + 0.01, True) for at in range(200)]
    return probes


def first(name):
    """The process of that program."""
    return f"{name}-0" if name in ENGINES_OF else name


def test_every_second_read_failing_is_seen_though_somebody_is_always_answered():
    """No long gap, and yet half of them failed and one took three seconds."""
    probes = probes_of([Probe(at / 10, at / 10 + 0.02, at % 2 == 0) for at in range(100)])
    probes.asked["reads"].append(Probe(7, 10, True))
    outcome = Outcome(1, probes=probes)
    kill = Card("kill", "cache")
    outcome.strikes = [Strike(kill, "cache", True, 5.0, 9.0, 1)]

    [row] = [line for line in table_of(outcome).splitlines() if "kill cache" in line]

    assert row == "| kill cache | 1 | 0 | 1 | 0.2 | 49 | 3.00 | 0.1 | 0 | 0.01 |"


def test_a_strike_that_met_nothing_is_shown_as_idle_and_measures_nothing():
    """Else an unused line would prove that its loss costs nobody anything."""
    outcome = Outcome(1, probes=probes_of([]))
    drop = Card("drop", ("collect", "objects"))
    outcome.strikes = [Strike(drop, "a line", True, 5.0, 9.0, 0)]

    assert outcome.felt == []
    assert "| drop worker → objects | 0 | 1 | 0 | - | - | - | - | - | - |" in table_of(outcome)


def test_only_being_held_up_for_long_excuses_a_gap():
    """The small lateness of each tick adds up to much in a long gap, and explains none of it."""
    probes = probes_of([Probe(1, 1, True), Probe(5, 5, True)])
    probes.late = [(1 + tick / 10, 0.1) for tick in range(40)]
    assert probes.longest_without("reads", 2, 3) == 4

    probes.late.append((2, 1.5))
    assert probes.longest_without("reads", 2, 3) == 2.5


def test_the_first_faults_alone_are_the_kills_to_feel_and_then_each_row_comes_once():
    """So even a short run has them, and a long one measures every row."""
    deck = whole_deck()
    targets = [card.target for card in deck]
    parts = {first(target): None for target in targets if isinstance(target, str)}
    lines = {tuple(map(first, ends)): None for ends in targets if isinstance(ends, tuple)}
    site = SimpleNamespace(parts=parts, lines=lines)
    rows = {card.row for card in deck}

    dealer = Dealer(random.Random(1))
    dealt = [dealer.deal_alone(site)[0] for _ in rows]

    assert {card.row for card in dealt[:2]} == set(KILLS_TO_FEEL)
    assert {card.row for card in dealt} == rows
    kinds = [isinstance(card.target, tuple) for card in dealt]
    assert kinds == sorted(kinds)
    storm = dealer.deal(site, 6)
    assert len({target for _, target in storm}) == 6


def test_requests_that_keep_failing_are_an_outage_though_every_second_one_is_answered():
    """One failure now and another seconds later are not: between the two all went well."""
    every_second = [Probe(at / 10, at / 10 + 0.02, at % 2 == 0) for at in range(50, 90)]
    assert 3.8 < probes_of(every_second).longest_failing("reads", 5, 9) < 4

    now_and_then = [Probe(at / 10, at / 10 + 0.02, at % 30 != 0) for at in range(50, 90)]
    assert probes_of(now_and_then).longest_failing("reads", 5, 9) < 0.1

    kills = [
        Strike(Card("kill", target), target, True, 5.0, 9.0, 1)
        for target in ("gateway-read", "renditions")
    ]
    said = list(kills_that_were_felt(Outcome(1, strikes=kills, probes=probes_of(every_second))))
    assert len(said) == 2
    assert all("kept failing" in each for each in said)


def test_a_run_without_a_lone_kill_proves_nothing_about_kills():
    outcome = Outcome(1, probes=probes_of([Probe(at / 10, at / 10, True) for at in range(200)]))
    assert len(list(kills_that_were_felt(outcome))) == len(KILLS_TO_FEEL)

    outcome.strikes = [
        Strike(Card("kill", target), target, True, 5.0, 6.0, 1)
        for target in ("gateway-read", "renditions")
    ]
    assert list(kills_that_were_felt(outcome)) == []

    outcome.probes.asked["reads"] = [Probe(1, 1, True), Probe(9, 9, True)]
    assert len(list(kills_that_were_felt(outcome))) == 2
