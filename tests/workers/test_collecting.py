"""Bytes that no post shows are freed after their quarantine, and no others ever."""

import asyncio

import pytest

from runtime.errors import Conflict, Unavailable
from stores import ledger, passes
from stores.ledger import Standing, restore
from stores.photo_references import write_references
from stores.posts import PostState
from tests.workers.posts import jpeg
from tests.workers.storing import keys_in, let_nothing_be_young, opened_site, pass_days
from workers.collecting import SWEPT, collect, foretell


@pytest.fixture
async def site(settings, clean_site, monkeypatch):
    let_nothing_be_young(monkeypatch)
    async with opened_site(settings) as opened:
        yield opened


async def ledger_of(site):
    rows = await site.database.fetch("TABLE storage.ledger")
    return {row["sha256"].hex(): dict(row) for row in rows}


async def test_a_deleted_photo_goes_after_its_quarantine(site):
    """Shown, it stands for ever; deleted, for seven days; then every byte of it is gone."""
    post = await site.publish(jpeg(1))
    photo = post.event.photos[0].sha256
    assert (await collect(site.storeroom)).photos == {Standing.REFERENCED: 1}
    await site.delete(post)

    marked = await collect(site.storeroom)
    assert marked.photos == {Standing.MARKED: 1}
    await pass_days(site.database, 6)
    assert (await collect(site.storeroom)).photos == {Standing.QUARANTINED: 1}
    await site.assert_stored(photo)

    await pass_days(site.database, 2)
    swept = await collect(site.storeroom)

    assert swept.photos == {Standing.DUE: 1, SWEPT: 1}
    assert swept.bytes[SWEPT] == marked.bytes[Standing.MARKED] > 0
    assert await keys_in(site.objects, photo) == set()
    assert await ledger_of(site) == {}


async def test_a_dry_run_says_what_a_pass_would_do_and_does_nothing(site):
    """Counts and bytes of every step; no mark, no row, no byte changes."""
    photo = await site.leave_unshown(jpeg(1))
    await site.delete(await site.publish(jpeg(2)))
    await site.publish(jpeg(3))
    before = await ledger_of(site), {each.key async for each in site.objects.list("")}

    told = await foretell(site.storeroom)

    assert told.photos == {Standing.DUE: 1, Standing.MARKED: 1, Standing.REFERENCED: 1}
    assert told.objects[Standing.DUE] == len(await keys_in(site.objects, photo))
    assert told.bytes[Standing.DUE] == before[0][photo]["bytes"]
    assert (await ledger_of(site), {each.key async for each in site.objects.list("")}) == before
    assert not await site.database.fetchval("SELECT count(*) > 1 FROM storage.passes")


async def test_what_was_just_stored_is_not_marked(site, monkeypatch):
    """Between the storing of a photo and the row that shows it nobody references it."""
    monkeypatch.undo()
    await site.delete(await site.publish(jpeg(1)))

    assert (await collect(site.storeroom)).photos == {Standing.YOUNG: 1}
    assert [row["marked_at"] for row in (await ledger_of(site)).values()] == [None]


async def test_a_post_in_time_ends_the_quarantine(site):
    """The same bytes uploaded again are believed stored, shown at once, and unmarked."""
    photo = await site.leave_unshown(jpeg(1))

    again = await site.publish(jpeg(1))
    assert (await collect(site.storeroom)).photos == {Standing.REFERENCED: 1}

    await site.assert_whole(again)
    assert (await ledger_of(site))[photo]["marked_at"] is None


async def test_a_deletion_begins_the_quarantine_anew(site):
    """Seven days from when it was last shown, though no pass came while it was."""
    photo = await site.leave_unshown(jpeg(1))
    await site.delete(await site.publish(jpeg(1)))

    assert (await collect(site.storeroom)).photos == {Standing.QUARANTINED: 1}
    await pass_days(site.database, 6)
    assert (await collect(site.storeroom)).photos == {Standing.QUARANTINED: 1}
    await site.assert_stored(photo)
    await pass_days(site.database, 2)
    assert (await collect(site.storeroom)).photos == {Standing.DUE: 1, SWEPT: 1}


async def test_an_operator_may_end_the_quarantine(site):
    """What is restored stands for thirty days more, and is marked anew after them."""
    photo = await site.leave_unshown(jpeg(1))

    assert await restore(site.database, photo)
    assert not await restore(site.database, photo)
    assert (await collect(site.storeroom)).photos == {Standing.KEPT: 1}
    await pass_days(site.database, 31)
    assert (await collect(site.storeroom)).photos == {Standing.MARKED: 1}


async def test_an_erased_accounts_photos_need_no_quarantine(site):
    """They go with the next pass, unless somebody else shows the same photo."""
    alone, shared = await site.publish(jpeg(1)), await site.publish(jpeg(2))
    other = await site.publish(jpeg(2))
    await site.database.execute(
        "UPDATE posts SET state = $1 WHERE id = ANY ($2)", PostState.ERASED, [alone.id, shared.id]
    )
    await write_references(site.database, [alone.id, shared.id])

    assert (await collect(site.storeroom)).photos == {
        Standing.DUE: 1,
        SWEPT: 1,
        Standing.REFERENCED: 1,
    }
    assert await keys_in(site.objects, alone.event.photos[0].sha256) == set()
    await site.assert_whole(other)


async def test_an_erased_account_ends_nobody_elses_quarantine(site):
    """Who deleted the same photo, and lives, has seven days for theirs."""
    erased, other = await site.publish(jpeg(1)), await site.publish(jpeg(1))
    await site.database.execute(
        "UPDATE posts SET state = $1 WHERE id = $2", PostState.ERASED, erased.id
    )
    await write_references(site.database, [erased.id])
    await site.delete(other)

    assert (await collect(site.storeroom)).photos == {Standing.MARKED: 1}
    await pass_days(site.database, 6)
    assert (await collect(site.storeroom)).photos == {Standing.QUARANTINED: 1}


async def test_one_pass_at_a_time(site, monkeypatch):
    """A second one refuses while the first is under way, and may follow it."""
    outcomes = await asyncio.gather(
        collect(site.storeroom), collect(site.storeroom), return_exceptions=True
    )

    assert [isinstance(each, Conflict) for each in outcomes].count(True) == 1
    await collect(site.storeroom)


async def test_a_pass_that_broke_off_is_gone_on_with(site, monkeypatch):
    """Where an engine went away, or the process ended; it tells of everything in the end."""
    monkeypatch.setattr("workers.collecting.PAGE", 2)
    photos = [f"{number:02x}" * 32 for number in range(5, 250, 50)]
    for each in photos:
        await site.objects.put_if_absent(f"originals/{each}", b"original", "image/jpeg")
        await site.objects.put_if_absent(f"photos/{each}/r0/320.webp", b"small", "image/webp")
    judge, looked_at = ledger.judge, []

    async def failing(database, page):
        looked_at.extend(each.sha256 for each in page)
        if len(looked_at) == 4:
            raise Unavailable("metadata-unavailable")
        return await judge(database, page)

    monkeypatch.setattr(ledger, "judge", failing)
    with pytest.raises(Unavailable):
        await collect(site.storeroom)
    assert await passes.is_due(site.database)
    assert (await collect(site.storeroom)).photos == {Standing.MARKED: 5}

    assert looked_at == [*photos[:4], *photos[2:]]
    assert set(await ledger_of(site)) == set(photos)
    assert not await passes.is_due(site.database)
    assert (await collect(site.storeroom)).photos == {Standing.QUARANTINED: 5}


async def test_the_ledger_follows_the_bucket_over_many_pages(site, monkeypatch):
    """Every page is entered, what vanished is struck out, and foreign objects are left alone."""
    monkeypatch.setattr("workers.collecting.PAGE", 2)
    photos = [f"{number:02x}" * 32 for number in range(5, 250, 50)]
    for each in photos:
        await site.objects.put_if_absent(f"originals/{each}", b"original", "image/jpeg")
        await site.objects.put_if_absent(f"photos/{each}/r0/320.webp", b"small", "image/webp")
    await site.objects.put_if_absent("photos/notes.txt", b"somebody's", "text/plain")
    await collect(site.storeroom)
    assert {each: row["bytes"] for each, row in (await ledger_of(site)).items()} == dict.fromkeys(
        photos, len(b"originalsmall")
    )

    gone = (photos[0], photos[2], photos[4])
    await site.objects.delete([f"originals/{each}" for each in gone])
    await site.objects.delete([f"photos/{each}/r0/320.webp" for each in gone])
    await collect(site.storeroom)

    assert set(await ledger_of(site)) == {photos[1], photos[3]}
    assert await site.objects.exists("photos/notes.txt")
