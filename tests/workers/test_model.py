"""The model, by itself and against what handlers made of the same history, however it came."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import model as modelling
from events.catalogue import EVENTS
from events.entries import open_entries
from events.ids import START
from events.model import NOTES, Model
from events.model_reading import READ
from events.model_rows import rows_of
from stores.archive import ROOT
from stores.digests import TABLES
from tests.properties.exploring import examples
from tests.workers.drawing import NAMES, histories, orders
from tests.workers.folding import all_applied
from tests.workers.histories import dump, forget, new_site, open_windows, settle_aloud
from tests.workers.planting import verdict_on
from tests.workers.recording import archive_up_to, record
from workers.subscriptions import REPLAYED

bounded = settings(max_examples=examples(12))
SILENT = {"SessionOpened", "SessionsRevoked", "FanoutChunk"}
"""Events that no table and no window shows."""


def test_every_event_is_folded_or_known_to_be_silent():
    """A new kind of event makes somebody think about what it changes."""
    folded = {kind.__name__ for kind in NOTES}
    assert folded | SILENT == {kind.__name__ for kind in EVENTS}
    assert not folded & SILENT


def rows(model):
    return {table: sorted(rows_of(model, table)) for table in TABLES}


@settings(max_examples=examples(100))
@given(data=st.data())
def test_the_model_knows_no_order_either(data):
    """Shuffled, repeated, and with all but a few facts of each thing left, it says the same."""
    history = data.draw(histories())
    in_order = Model()
    in_order.fold(history)
    shuffled = Model()
    few, modelling.MOST_FACTS = modelling.MOST_FACTS, data.draw(st.integers(2, 12))
    try:
        for batch in data.draw(orders(history)):
            shuffled.fold(batch)
    finally:
        modelling.MOST_FACTS = few
    assert rows(shuffled) == rows(in_order)


@pytest.fixture
async def site(database, log_client, cache_client):
    return new_site(database, log_client, cache_client)


@bounded
@given(data=st.data())
async def test_replay_live_and_model_agree(data, site, ground, objects, archive):
    """state(replay(archive + stream)) == live state == model, wherever the archive ends.

    Live it came shuffled, repeated, in batches of any size; what was decided stands in the log.
    """
    history = data.draw(histories(least=8))
    await site.log.client.flushall()
    await objects.delete([each.key async for each in objects.list(ROOT)])
    await forget(site)
    await site.feeds._cache.flushdb()
    await open_windows(site, [each.actor for each in history[: len(NAMES)]])

    await record(site.log, history)
    await all_applied(site.log)
    await settle_aloud(site, data.draw(orders(history)))
    await all_applied(site.log)
    live = await dump(site)
    everything = await recorded(ground)
    cut = data.draw(st.sampled_from([START, *everything]))
    await archive_up_to(site.log, archive, cut)
    assert sorted(await recorded(ground)) == everything

    verdict = await verdict_on(ground)
    assert not verdict.findings
    assert verdict.events == len(everything)

    await forget(site)
    await replay(site, ground.history)
    assert await dump(site) == live
    verdict = await verdict_on(ground)
    assert not verdict.findings


async def recorded(ground):
    """The position of everything that history has."""
    positions = []
    for topic in READ:
        for partition in range(ground.log.partitions):
            async for page in ground.history.pages(topic, partition):
                opened = await open_entries(ground.log, topic, partition, page)
                positions += [each.position for each in opened]
    return sorted(positions)


async def replay(site, history):
    """All of history into empty tables, role after role, as a rebuild does."""
    for handlers in REPLAYED.values():
        for topic in sorted({kind.TOPIC for kind in handlers}):
            for partition in range(site.log.partitions):
                async for page in history.pages(topic, partition):
                    for each in await open_entries(site.log, topic, partition, page):
                        if handler := handlers.get(type(each.event)):
                            assert not await handler(site, [each])
