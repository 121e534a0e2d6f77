"""A sweep that sleeps, dies or fails on the way deletes nothing that anybody comes to miss."""

import time

import pytest

from runtime.errors import Unavailable
from stores import ledger
from stores.condemned import CONDEMNED_SECONDS, any_condemned, key_of
from stores.ledger import Standing
from stores.objects import Objects
from tests.workers.posts import announced, jpeg
from tests.workers.storing import before, let_nothing_be_young, opened_site
from workers.collecting import SWEPT, collect

BYTES = jpeg(7, size=(400, 300))


@pytest.fixture
async def site(settings, clean_site, monkeypatch):
    let_nothing_be_young(monkeypatch)
    async with opened_site(settings) as opened:
        yield opened


async def fail():
    raise Unavailable("objects-unavailable")


async def test_a_sweeper_that_wakes_too_late_deletes_nothing(site, monkeypatch):
    """It slept for an hour before its first delete; what it would have deleted is shown by now."""
    photo = await site.leave_unshown(BYTES)
    awake = time.time

    async def sleep():
        monkeypatch.setattr(time, "time", lambda: awake() + 3600)

    before(monkeypatch, Objects, "delete", sleep)
    with pytest.raises(Unavailable):
        await collect(site.storeroom)

    await site.assert_stored(photo)


async def test_a_sweeper_that_dies_holds_up_an_upload_for_minutes_only(site, monkeypatch):
    """The post waits while deletes may be on their way; then what is missing is stored again."""
    photo = await site.leave_unshown(BYTES)

    with monkeypatch.context() as failing:
        before(failing, Objects, "delete", fail, call=2)
        with pytest.raises(Unavailable):
            await collect(site.storeroom)
    post = await site.submit(BYTES)
    await site.work()
    assert await announced(site, post) == [None, None]

    key = key_of(site.log, photo)
    assert 0 < await site.log.client.ttl(key) <= CONDEMNED_SECONDS
    await site.log.client.delete(key)  # as time does
    await site.work()
    await site.assert_whole(post)


async def test_a_sweep_that_fails_before_it_deletes_holds_up_nobody(site, monkeypatch):
    """No delete was sent, so an upload of the same bytes goes on, and the next pass may sweep."""
    photo = await site.leave_unshown(BYTES)

    with monkeypatch.context() as failing:
        before(failing, ledger, "doom", fail)
        with pytest.raises(Unavailable):
            await collect(site.storeroom)

    assert not await any_condemned(site.log, [photo])
    assert (await collect(site.storeroom)).photos == {Standing.DUE: 1, SWEPT: 1}


async def test_what_a_failed_sweep_may_have_begun_to_delete_is_not_restored(site, monkeypatch):
    """Its manifest is gone: nobody is told that it is out of quarantine; a post makes it whole."""
    photo = await site.leave_unshown(BYTES)

    with monkeypatch.context() as failing:
        before(failing, Objects, "delete", fail, call=2)
        with pytest.raises(Unavailable):
            await collect(site.storeroom)
    assert (await collect(site.storeroom)).photos == {Standing.DUE: 1}
    assert not await ledger.restore(site.database, photo)

    await site.log.client.delete(key_of(site.log, photo))  # as time does
    post = await site.publish(BYTES)
    await site.assert_whole(post)
    await site.delete(post)
    assert (await collect(site.storeroom)).photos == {Standing.QUARANTINED: 1}
    assert await ledger.restore(site.database, photo)
