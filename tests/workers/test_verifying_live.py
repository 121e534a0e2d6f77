"""Verified while it is in use: by real readers, with commands coming in all the time."""

import pytest

from events.log import Log
from stores.feeds import Feeds
from tests.workers.histories import open_windows
from tests.workers.living import People, in_use, workers
from tests.workers.planting import verdict_on
from workers.site import Site

# Short, for everything is near; the wait is only ever as long as the backlog.
LIVELY = {"looks_apart_seconds": 0.2, "wait_seconds": 20}


@pytest.fixture
def settings(settings):
    return settings.replace(partitions=2)


@pytest.fixture
async def site(settings, database, log_client, cache_client):
    log = Log(log_client, partitions=2, secret=settings.secret.reveal().encode())
    return Site(log=log, database=database, feeds=Feeds(cache_client, log_client, cap=8))


@pytest.fixture
async def people(site):
    people = People(site.log)
    await people.sign_up(8)
    await open_windows(site, people.ids)
    return people


async def test_a_site_in_use_is_verified(settings, people, ground):
    """While people edit, follow, post, delete and leave, nothing of it is taken for drift."""
    async with workers(settings):
        for _ in range(100):
            await people.act()
        async with in_use(people):
            for _ in range(3):
                before = people.commands
                verdict = await verdict_on(ground, **LIVELY)
                assert not verdict.findings
                assert verdict.rows["accounts"] >= 8
                assert verdict.rows["feed_windows"]
                assert people.commands > before
        assert not (await verdict_on(ground, **LIVELY)).findings


async def test_one_wrong_row_is_found_in_a_site_in_use(settings, people, ground, database):
    """And nothing else: what moves is not what is wrong."""
    quiet, counted = people.ids[:2]
    people.ids = people.ids[1:]
    async with workers(settings):
        for _ in range(60):
            await people.act()
        async with in_use(people):
            await verdict_on(ground, **LIVELY)
            await database.execute("UPDATE accounts SET bio = 'forged' WHERE id = $1", quiet)
            await database.execute(
                "UPDATE accounts SET followers = followers + 1 WHERE id = $1", counted
            )
            verdict = await verdict_on(ground, **LIVELY)
    wrong = {(each.key, each.columns) for each in verdict.findings}
    assert ((str(quiet),), ("bio",)) in wrong
    assert {key for key, _ in wrong} == {(str(quiet),), (str(counted),)}
    assert dict(verdict.drifted) == {"accounts": 2}
