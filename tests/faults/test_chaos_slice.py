"""A minute of `make chaos` with a fixed seed, in every run of the tests."""

from runtime.embedded import ENGINES
from runtime.site import PROGRAMS
from tests.faults.chaos import chaos
from tests.faults.deck import ENDS, LINE_FAULTS, kind_of, whole_deck
from tests.faults.site import GATEWAYS, WORKERS

SEED = 3
SECONDS = 60
LEAST_FAULTS = 15
"""On a machine that is not too busy it is twice as many."""


async def test_a_minute_of_faults_loses_nothing_and_doubles_nothing(tmp_path):
    """Every acknowledged command acts once, nothing else appears, and the backlog goes in 60 s."""
    outcome = await chaos(SEED, SECONDS, tmp_path, say=lambda _: None)

    assert outcome.objections == []
    assert len(outcome.felt) >= LEAST_FAULTS
    assert outcome.storms
    assert outcome.facts["posts shown"] > 0
    assert outcome.facts["entries trimmed"] > outcome.facts["of them archived ones"] > 0
    left_open, values = outcome.left_open
    assert left_open < values / 10


def test_the_deck_has_every_fault_on_every_part_and_line():
    """Whoever adds a program to the site finds it missing here."""
    deck = whole_deck()
    parts = {card.target for card in deck if isinstance(card.target, str)}
    lines = {card.target for card in deck if isinstance(card.target, tuple)}

    assert {*GATEWAYS, *WORKERS} == set(PROGRAMS)
    assert parts == {*PROGRAMS, *ENGINES, "edge"}
    assert {kind_of(line) for line in lines} == {
        "client → edge",
        "edge → gateway",
        *(f"{user} → {engine}" for user in ("gateway", "worker") for engine in ENGINES),
    }
    # Storage has no restart that is not a kill.
    ends = len(parts) * len(ENDS) - 1
    assert len(set(deck)) == ends + len(lines) * len(LINE_FAULTS)
