"""A minute of `make chaos` with a fixed seed, in every run of the tests."""

from tests.faults.chaos import chaos
from tests.faults.deck import whole_deck

SEED = 3
SECONDS = 60
LEAST_FAULTS = 15
"""On a machine that is not too busy it is twice as many."""


async def test_a_minute_of_faults_loses_nothing_and_doubles_nothing(tmp_path):
    """Every acknowledged command acts once, nothing else appears, and the backlog goes in 60 s."""
    outcome = await chaos(SEED, SECONDS, tmp_path, say=lambda _: None)

    assert outcome.objections == []
    assert len(outcome.strikes) >= LEAST_FAULTS
    assert outcome.storms
    assert outcome.facts["posts shown"] > 0


def test_the_deck_has_every_fault_on_every_part_and_line():
    """Whoever adds a kind of part finds it missing here."""
    deck = whole_deck()

    assert len(deck) == len(set(deck))
    assert {card.target for card in deck if isinstance(card.target, str)} == {
        "gateway-read", "gateway-write", "accounts", "renditions", "posts", "graph", "fanout",
        "edge", "log", "cache", "database", "objects",
    }  # fmt: skip
    assert {card.fault for card in deck} == {
        "kill", "restart", "freeze", "refuse", "stall", "delay", "drop", "cut", "half-close",
    }  # fmt: skip
