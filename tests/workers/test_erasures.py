"""Bytes that an erased account alone showed are gone at once; what others show or post stays."""

from hashlib import sha256

import pytest

from events.accounts import AccountErased, AccountRegistered
from events.dead_letters import Drop, drop, retry
from events.ids import shard_of
from events.undone import waiting_entries
from stores import ledger
from stores.posts import PostState, post_rows
from tests.workers.posts import jpeg
from tests.workers.storing import before, keys_in, opened_site
from tests.workers.test_sweeping import buried
from workers import erasures, sweeping
from workers.collecting import SWEPT, collect

BYTES, OTHER = jpeg(11, size=(400, 300)), jpeg(12, size=(300, 400))
PHOTO = sha256(BYTES).hexdigest()


@pytest.fixture
async def site(settings, clean_site):
    """Every photo here is young: only an erasure sweeps one of this day."""
    async with opened_site(settings, "erasures") as opened:
        yield opened


@pytest.fixture
async def bob(site):
    registered = AccountRegistered(username="bob", display_name="Bob", password_hash="-")
    return (await site.log.register(registered)).id


async def erase(site, account_id, **how):
    await site.log.append(AccountErased(), actor=account_id)
    await site.work(**how)


async def publish_as(site, author, content):
    ada, site.author = site.author, author
    try:
        return await site.publish(content)
    finally:
        site.author = ada


async def test_what_it_alone_showed_is_gone_with_it(site):
    """Originals, renditions, manifests, of posts it had deleted too; the ledger tells of none."""
    await site.publish(BYTES, OTHER)
    await site.delete(await site.publish(jpeg(13, size=(300, 300))))
    await collect(site.storeroom)
    await erase(site, site.author)

    assert [each.key async for each in site.objects.list("")] == []
    assert await site.database.fetchval("SELECT count(*) FROM storage.ledger") == 0


async def test_a_photo_of_two_stays_until_the_other_is_erased_too(site, bob):
    """Whoever comes first, and whatever came between."""
    await site.publish(BYTES)
    bobs = await publish_as(site, bob, BYTES)
    await erase(site, site.author)
    await site.assert_whole(bobs)

    await erase(site, bob)
    assert await keys_in(site.objects, PHOTO) == set()


async def test_what_somebody_living_deleted_waits_out_its_quarantine(site, bob):
    """It may be restored for them: an erasure of somebody else does not take that away."""
    await site.publish(BYTES)
    ada, site.author = site.author, bob
    await site.delete(await site.publish(BYTES))
    await erase(site, ada)

    await site.assert_stored(PHOTO)


async def test_what_an_operator_restored_goes_all_the_same(site, monkeypatch):
    """The order to erase is the account's own."""
    deleted = await site.publish(BYTES)
    await site.delete(deleted)
    monkeypatch.setattr(ledger, "GRACE", -ledger.GRACE)
    await collect(site.storeroom)
    assert await ledger.restore(site.database, PHOTO)
    await erase(site, site.author)

    assert await keys_in(site.objects, PHOTO) == set()


async def test_an_upload_under_way_is_waited_for(site):
    """Recorded before the erasure, rendered after it: its bytes are stored, and then swept."""
    await site.work()
    post = await site.submit(BYTES)
    await erase(site, site.author)

    row = (await post_rows(site.database, [post.id]))[post.id]
    assert (row.state, row.photos, row.caption) == (PostState.ERASED, (), "")
    assert [each.key async for each in site.objects.list("")] == []


STEPS = {"condemn": sweeping, "named_in_log": sweeping, "doom": ledger}


@pytest.mark.parametrize("step", STEPS)
async def test_the_same_photo_posted_meanwhile_is_spared(site, bob, monkeypatch, step):
    """Somebody else uploads the bytes while they are swept."""
    await site.publish(BYTES)
    ada, posts = site.author, []

    async def upload():
        site.author = bob
        posts.append(await site.submit(BYTES))

    with monkeypatch.context() as patch:
        before(patch, STEPS[step], step, upload)
        await erase(site, ada, rounds=12)
    await site.assert_whole(posts[0])


@pytest.mark.parametrize("dropped", [False, True])
async def test_a_dead_letter_of_its_own_keeps_nothing(site, monkeypatch, dropped):
    """What was staged for it goes, and a retry then shows nobody anything."""
    await site.publish(BYTES)

    async def fails(*_):
        raise ValueError("a fault of ours")

    with monkeypatch.context() as faulty:
        faulty.setattr("workers.renditions.settle", fails)
        post = await site.submit(BYTES)
        await site.work(rounds=20)
    (what,) = await buried(site)
    if dropped:
        await drop(site.log.client, what, Drop(who="me", why="to see", dropped_ms=1))
    await erase(site, site.author)
    assert [each.key async for each in site.objects.list("")] == []

    await retry(site.log.client, what)
    await site.work(rounds=20)
    row = (await post_rows(site.database, [post.id]))[post.id]
    assert row.state is PostState.ERASED
    assert [each.key async for each in site.objects.list("")] == []


async def test_what_another_letter_names_is_left_to_the_collector(site, bob, monkeypatch):
    """It may be retried: the erasure does not wait for ever, the daily pass looks again."""
    await site.publish(BYTES)

    async def fails(*_):
        raise ValueError("a fault of ours")

    with monkeypatch.context() as faulty:
        faulty.setattr("workers.renditions.settle", fails)
        ada, site.author = site.author, bob
        await site.submit(BYTES)
        await site.work(rounds=20)
    monkeypatch.setattr(erasures, "PATIENCE_SECONDS", -1.0)
    await erase(site, ada)
    await site.assert_stored(PHOTO)
    assert not [
        entry
        async for entry in waiting_entries(
            site.log, ["erasures"], "accounts", shard_of(ada) % site.log.partitions
        )
    ]

    (what,) = await buried(site)
    await retry(site.log.client, what)
    await site.work(rounds=20)
    await erase(site, bob)
    assert await keys_in(site.objects, PHOTO) == set()


async def test_the_daily_pass_finds_what_is_left(site, monkeypatch):
    """An erasure that could not be swept in time is due at once, young as its photos are."""
    await site.publish(BYTES)

    async def spares(*_arguments):
        return set()

    with monkeypatch.context() as patient:
        patient.setattr(erasures, "sweep", spares)
        patient.setattr(erasures, "PATIENCE_SECONDS", -1.0)
        await erase(site, site.author)
    await site.assert_stored(PHOTO)

    assert (await collect(site.storeroom)).photos[SWEPT] == 1
    assert await keys_in(site.objects, PHOTO) == set()
