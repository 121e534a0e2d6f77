"""Whoever uploads a photo while the same bytes are swept shows a whole photo in the end."""

import asyncio

import pytest

from events import undone
from events.dead_letters import DEAD, Drop, Undelivered, drop, letters_key, retry
from events.log import stream_key
from stores import ledger
from stores.condemned import any_condemned
from stores.objects import Objects, manifest_key
from tests.workers.posts import jpeg
from tests.workers.storing import before, keys_in, let_nothing_be_young, opened_site
from workers import renditions, sweeping
from workers.collecting import SWEPT, collect
from workers.imaging.recipe import RECIPE

BYTES = jpeg(7, size=(400, 300))


@pytest.fixture
async def site(settings, clean_site, monkeypatch):
    let_nothing_be_young(monkeypatch)
    async with opened_site(settings) as opened:
        yield opened


STEPS = {
    "condemning": (sweeping, "condemn", 1),
    "reading the log": (sweeping, "named_in_log", 1),
    "reading the rows": (ledger, "doom", 1),
    "deleting the manifest": (Objects, "delete", 1),
    "deleting the renditions": (Objects, "delete", 2),
    "deleting the original": (Objects, "delete", 3),
    "striking it out": (ledger, "strike_out", 1),
    "absolving": (sweeping, "absolve", 1),
}


@pytest.mark.parametrize("step", STEPS)
async def test_an_upload_at_any_step_ends_whole(site, monkeypatch, step):
    """Workers go as far as they come between two steps, and on when it is over."""
    await site.leave_unshown(BYTES)
    uploaded = []

    async def upload():
        monkeypatch.undo()  # staged bytes are deleted by the same call
        let_nothing_be_young(monkeypatch)
        uploaded.append(await site.submit(BYTES))
        await site.work()

    owner, name, call = STEPS[step]
    before(monkeypatch, owner, name, upload, call=call)
    await collect(site.storeroom)
    await site.work()

    await site.assert_whole(uploaded[0])


async def test_a_post_that_was_looked_at_before_is_spared(site, monkeypatch):
    """A worker believed the manifest, then came the whole sweep: the log names what it shows."""
    photo = await site.leave_unshown(BYTES)
    post = await site.submit(BYTES)
    await site.work("posts")
    look, swept = any_condemned, []

    async def looked(*arguments):
        answer = await look(*arguments)
        swept.append(await collect(site.storeroom))
        return answer

    monkeypatch.setattr(renditions, "any_condemned", looked)
    await site.work()

    assert swept[0].photos[SWEPT] == 0
    assert not await look(site.log, [photo])
    await site.assert_whole(post)


async def test_a_post_that_is_decided_while_the_log_is_read_is_spared(site, monkeypatch):
    """It was looked at before, and moves from one role's work to the other's between two looks."""
    await site.leave_unshown(BYTES)
    post = await site.submit(BYTES)
    await site.work("posts")
    look, ask, asked = any_condemned, undone.undone, []
    reading, decided = asyncio.Event(), asyncio.Event()
    collecting = []

    async def looked(*arguments):
        answer = await look(*arguments)
        collecting.append(asyncio.create_task(collect(site.storeroom)))
        await reading.wait()
        return answer

    async def asking(log, role, topic, partition):
        asked.append(partition)
        if asked.count(post.partition) == 2:
            reading.set()
            await decided.wait()
        return await ask(log, role, topic, partition)

    monkeypatch.setattr(renditions, "any_condemned", looked)
    monkeypatch.setattr(undone, "undone", asking)
    await site.work("renditions")
    decided.set()
    assert (await collecting[0]).photos[SWEPT] == 0

    await site.work()
    await site.assert_whole(post)


async def test_a_published_post_without_a_row_is_spared(site):
    """What `posts` has not written yet, the log still says."""
    await site.leave_unshown(BYTES)
    post = await site.submit(BYTES)
    await site.work("renditions")
    assert (await collect(site.storeroom)).photos[SWEPT] == 0

    await site.work()
    await site.assert_whole(post)


@pytest.mark.parametrize("role", ["renditions", "posts"])
async def test_what_dead_letters_show_is_spared(site, monkeypatch, role):
    """A buried or dropped delivery may be retried, and then misses nothing."""
    await site.leave_unshown(BYTES)
    handler = {"renditions": "settle", "posts": "publications.write_publications"}[role]
    module = {"renditions": "workers.renditions", "posts": "workers.posts"}[role]

    async def fails(*_):
        raise ValueError("a fault of ours")

    with monkeypatch.context() as faulty:
        faulty.setattr(f"{module}.{handler}", fails)
        post = await site.submit(BYTES)
        await site.work(rounds=20)
    (what,) = await buried(site)
    assert (await collect(site.storeroom)).photos[SWEPT] == 0
    await drop(site.log.client, what, Drop(who="me", why="to see", dropped_ms=1))
    assert (await collect(site.storeroom)).photos[SWEPT] == 0

    await retry(site.log.client, what)
    await site.work(rounds=20)
    await site.assert_whole(post)


async def buried(site):
    return [
        Undelivered.named(name, partition)
        for partition in range(site.log.partitions)
        for name in await site.log.client.hkeys(letters_key(DEAD, partition))
    ]


async def test_nothing_is_swept_while_an_event_cannot_be_read(site):
    """An event of a newer version may show any photo."""
    photo = await site.leave_unshown(BYTES)
    await site.log.client.xadd(stream_key("posts", 0), {"type": "post.framed"})

    assert (await collect(site.storeroom)).photos[SWEPT] == 0
    await site.assert_stored(photo)


async def test_a_manifest_is_believed_only_while_all_is_there(site):
    """A frozen worker may write it last, when a sweep had taken the rest."""
    first = await site.publish(BYTES)
    photo = first.event.photos[0].sha256
    keys = await keys_in(site.objects, photo)
    await site.objects.delete(keys - {manifest_key(photo, RECIPE)})

    await site.assert_whole(await site.publish(BYTES))


async def test_what_is_restored_during_a_pass_is_spared(site, monkeypatch):
    """From the moment an operator was told so."""
    photo = await site.leave_unshown(BYTES)

    async def restored():
        assert await ledger.restore(site.database, photo)

    before(monkeypatch, ledger, "doom", restored)
    assert (await collect(site.storeroom)).photos[SWEPT] == 0
    await site.assert_stored(photo)
