"""The archive dies at every step of its own, again and again, and what it keeps is whole."""

import asyncio

import pytest
import pytest_asyncio

from events.history import History
from events.ids import START, Position
from events.log import stream_key
from events.trimming import archived
from stores.archive import ROOT, Archive
from tests.crashes import archiving
from tests.crashes.lives import DIED
from workers.archive import Trimmer, one_round
from workers.archive_check import Audit
from workers.archiving import Keeper
from workers.site import Library

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEATHS = 3
CHANGES = {"lease_seconds": 0.2, "log_budget_mebibytes": 1}
TOPICS = ("accounts", "graph", "posts")


@pytest_asyncio.fixture(loop_scope="module")
async def library(beginnings, stage):
    """A site on which everything was done by everybody, and nothing of it archived."""
    await beginnings.of("fanout")
    await stage.drain()
    await stage.objects.delete([each.key async for each in stage.objects.list(ROOT)])
    return Library(log=stage.log, archive=Archive(stage.objects))


async def told(library):
    """Every entry of every topic, by its place."""
    history = History(library.log, library.archive)
    return {
        (topic, partition): [
            entry async for page in history.pages(topic, partition) for entry in page
        ]
        for topic in TOPICS
        for partition in range(library.log.partitions)
    }


@pytest.mark.parametrize("point", archiving.POINTS)
async def test_deaths_of_the_archive_leave_no_trace(library, template, point, monkeypatch):
    """The next life goes on; nothing is lost, kept twice, or dropped before it is archived."""
    before = await told(library)
    assert any(before.values())
    for _ in range(DEATHS):
        code, said = await template.live(role="archive", point=point, changes=CHANGES)
        assert code == DIED, said
        assert await told(library) == before
        for (topic, partition), entries in before.items():
            kept = await library.log.client.xrange(stream_key(topic, partition))
            recorded = await archived(library.log, topic, partition) or START
            gone = {entry_id for entry_id, _ in entries} - {entry_id for entry_id, _ in kept}
            assert all(Position.parse(each) <= recorded for each in gone)

    archiving.hurry(monkeypatch)
    keepers = [Keeper(library, n, lease_seconds=0.2) for n in range(library.log.partitions)]
    async with asyncio.timeout(20):
        while not all([await keeper.owns() for keeper in keepers]):
            pass
        while await one_round(keepers, Trimmer(0)) == 0:
            pass
    assert await told(library) == before
    for topic, partition in before:
        faults = [each async for each in Audit(library, topic, partition).run() if each]
        assert faults == []
        assert await library.log.client.xlen(stream_key(topic, partition)) == 0
