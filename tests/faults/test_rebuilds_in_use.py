"""Tables and feeds are made again while members use the site, who lose no command by it."""

import pytest

from tests.faults.chaos import Outcome, in_use
from tests.faults.site import running_site


@pytest.fixture
async def site():
    async with running_site() as running:
        yield running


async def test_members_do_not_notice_that_all_is_made_again(site, tmp_path):
    """Commands flow through a rebuild and its swap; every one of them took effect once."""
    outcome = Outcome(seed=1)
    said = []

    async def rebuilt():
        said.append(await site.command("events", "rebuild", "all"))

    await in_use(site, outcome, tmp_path, rebuilt)

    assert outcome.objections == []
    assert "Swapped" in said[0]
    assert outcome.facts["posts shown"] > 0
    assert outcome.probes.failed_share("commands", [(0, 2e9)]) == 0
    assert outcome.probes.failed_share("reads", [(0, 2e9)]) == 0


async def test_a_site_that_lost_its_database_is_the_same_again(site, tmp_path):
    """Accounts and sign-in included, from archive, log and keys; meanwhile it answers as it can."""
    outcome = Outcome(seed=2)
    said = []

    async def lost_and_rebuilt():
        await site.lose_database()
        said.append(await site.command("events", "rebuild", "all"))

    await in_use(site, outcome, tmp_path, lost_and_rebuilt)

    assert outcome.objections == []
    assert "Swapped" in said[0]
    assert outcome.facts["posts shown"] > 0
    assert (await site.command("events", "verify")).strip()
