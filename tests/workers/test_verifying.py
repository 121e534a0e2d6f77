import pytest

from stores import edges, feeds, profiles, publications
from tests.workers.folding import FOLDING, all_applied
from tests.workers.histories import (
    deliver,
    new_site,
    open_windows,
    settle,
)
from tests.workers.one_history import ADA, BOB, CYD, HISTORY
from tests.workers.planting import plant, verdict_on
from tests.workers.recording import record
from workers import graph
from workers.looking import PROJECTIONS

FORWARDS, BACKWARDS = False, True

# The function, the phrase of it that is wrong, and what that breaks, told in which order.
FAULTS = {
    "a register without its version check": (
        profiles,
        "set_bios",
        "AND new.version > a.bio_version",
        "",
        BACKWARDS,
        ("accounts", {"bio", "bio_version"}),
    ),
    "one version for all of a row": (
        profiles,
        "set_bios",
        "bio_version = new.version",
        "bio_version = new.version, private_version = new.version",
        BACKWARDS,
        ("accounts", {"private", "private_version"}),
    ),
    "a counter that is not moved": (
        graph,
        "move_counters",
        "followers = a.followers + moved.followers",
        "followers = a.followers",
        FORWARDS,
        ("accounts", {"followers"}),
    ),
    "verdicts in the order in which they were announced": (
        edges,
        "write_verdicts_to_followers",
        "f.accepted_wish, f.verdict_version",
        "0, f.verdict_version",
        FORWARDS,
        ("following", {"accepted_wish", "verdict_version", "holds"}),
    ),
    "a rung that is lost": (
        publications,
        "write_rejections",
        "state = GREATEST(p.state, excluded.state)",
        "state = excluded.state",
        FORWARDS,
        ("posts", {"state"}),
    ),
    "the last publication's moment instead of the first's": (
        publications,
        "write_publications",
        "LEAST(p.published_ms, excluded.published_ms)",
        "excluded.published_ms",
        FORWARDS,
        ("posts", {"published_ms"}),
    ),
    "references that outlive their post": (
        publications,
        "write_deletions",
        "await write_references(db, post_ids)",
        "pass",
        FORWARDS,
        ("photo_references", set()),
    ),
}


@pytest.fixture
async def site(database, log_client, cache_client):
    site = new_site(database, log_client, cache_client)
    await open_windows(site, [ADA.actor, BOB.actor, CYD.actor])
    return site


@pytest.fixture
def tell(site):
    """Record a history and have the handlers fold it, one by one; or, but for sign-ups, backwards.

    What waited for its account would come in one batch, in which the handler's fold chooses.
    """

    async def tell(history=HISTORY, *, backwards=BACKWARDS):
        await record(site.log, history)
        if backwards:
            await settle(site, [[each] for each in [*history[:3], *history[:2:-1]]])
        else:
            for each in history:
                assert not await deliver(site, each, handlers=FOLDING)
        await all_applied(site.log)

    return tell


async def test_a_site_that_folded_everything_is_as_the_model_says(tell, ground):
    """Every table, every counter, every window, though all came from the back."""
    await tell()
    verdict = await verdict_on(ground)

    assert not verdict.findings
    assert not verdict.moving
    assert verdict.events == len(HISTORY)
    assert verdict.rows == dict(
        zip(PROJECTIONS, (3, 4, 3, 2, 2, verdict.rows["feed_windows"]), strict=True)
    )
    assert verdict.rows["feed_windows"]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_wrong_handler_is_found(fault, tell, ground, monkeypatch):
    """It agrees with itself, however often it is asked; the model knows better."""
    module, name, phrase, instead, backwards, (table, columns) = FAULTS[fault]
    plant(monkeypatch, module, name, phrase, instead)
    await tell(backwards=backwards)

    verdict = await verdict_on(ground)

    assert verdict.drifted[table]
    found = [each for each in verdict.findings if each.table == table]
    assert any(set(each.columns) >= columns for each in found)
    assert all(each.decided_by for each in found if each.columns != ("followers",))


@pytest.mark.parametrize(
    ("name", "phrase", "instead", "lacks"),
    [
        ("push", "await self.trips", "[] and await self.trips", True),
        ("hide", "await self.trips", "edges = () and await self.trips", False),
    ],
)
async def test_a_wrong_window_is_found(name, phrase, instead, lacks, tell, ground, monkeypatch):
    """A push that was lost is a hole; an author who was not hidden is still shown."""
    plant(monkeypatch, feeds, name, phrase, instead, of=feeds.Feeds)
    await tell(backwards=FORWARDS)

    verdict = await verdict_on(ground)

    assert set(verdict.drifted) == {"feed_windows"}
    assert all((each.live is None) == lacks for each in verdict.findings)
    assert all(each.decided_by for each in verdict.findings)
