"""Feed windows built anew hold what they should, whatever is published and followed meanwhile."""

import asyncio

import pytest

from events import set_back
from events.graph import FollowRequested
from events.model_decided import FEEDS
from events.posts import PostPublished, PostSubmitted
from runtime.errors import Conflict
from stores.epochs import Generations
from tests.rebuilds.rebuilt import at_work, projecting
from tests.workers.histories import rendered, staged
from workers import refilling
from workers.ground import open_ground
from workers.process import log_of
from workers.refilling import finish_feeds, rebuild_feeds
from workers.shadowing import TABLES_AND_FEEDS, alone
from workers.verifying import Verdict, verify


@pytest.fixture
async def rebuilds(settings, log_client):
    """Rebuild the feeds; what was told."""

    async def rebuilt(**options):
        log = log_of(settings, log_client)
        return [told async for told in rebuild_feeds(settings, log, **options)]

    return rebuilt


@pytest.fixture
async def wrong_windows(settings, log_client):
    """Every entry of a window that should not be there, or should."""

    async def found():
        async with open_ground(settings, log_of(settings, log_client)) as ground:
            looks = verify(ground, tables=(FEEDS,), looks_apart_seconds=0.1)
            [verdict] = [each async for each in looks if isinstance(each, Verdict)]
        return verdict.findings, verdict.rows[FEEDS]

    return found


async def read_feeds(workers, members):
    """Everybody looks at an empty feed, as somebody new does."""
    feeds = workers.sites["fanout"].feeds
    await feeds.refresh()
    for each in members.ids:
        if token := await feeds.begin_build(each):
            await feeds.finish_build(each, token, [], truncated=False)


async def publish(members, author):
    event = PostSubmitted(photos=(staged(),))
    post_id = (await members.log.append(event, actor=author)).id
    event = PostPublished(post_id=post_id, photos=(rendered(),))
    await members.log.append(event, actor=author)
    return post_id


async def window_of(workers, viewer):
    feeds = workers.sites["fanout"].feeds
    await feeds.refresh()
    return await feeds.skeleton(viewer, None, 1_000)


async def test_new_windows_hold_what_they_should(
    settings, log_client, members, rebuilds, wrong_windows
):
    """Every post above the floor of those whom the viewer follows, and for as long as before."""
    async with projecting(settings) as workers:
        for _ in range(12):
            await members.sign_up()
        await read_feeds(workers, members)
        readers = set(members.ids)
        await members.act(400)
        await workers.drain(50)

        await rebuilds()
        assert await Generations(log_client).read() == 1
        assert (await wrong_windows())[0] == ()
        assert all([await window_of(workers, each) for each in readers & set(members.ids)])

        await rebuilds(cap=3)
        findings, entries = await wrong_windows()
    assert findings == ()
    assert entries > 12


async def test_windows_end_where_more_was_not_read(members, settings, rebuilds):
    async with projecting(settings) as workers:
        for _ in range(3):
            await members.sign_up()
        ada, bob, eve = members.ids
        await read_feeds(workers, members)
        await members.log.append(FollowRequested(followee_id=bob), actor=ada)
        await workers.drain(50)
        posts = [await publish(members, bob) for _ in range(6)]
        await workers.drain(50)

        await rebuilds(cap=3)

        window = await window_of(workers, ada)
        assert [post_id for _, post_id in window.entries] == posts[:3:-1]
        assert window.floor > 0
        assert (await window_of(workers, eve)) == (0, [], frozenset(), b"")


async def test_feeds_are_rebuilt_while_all_goes_on(
    settings, log_client, members, rebuilds, wrong_windows
):
    async with projecting(settings) as workers:
        for _ in range(12):
            await members.sign_up()
        await read_feeds(workers, members)
        async with at_work(workers):
            enough = asyncio.Event()
            acting = asyncio.create_task(members.act_until(enough))
            for _ in range(3):
                await rebuilds()
            enough.set()
            await acting
        await workers.drain(50)

        findings, entries = await wrong_windows()
    assert findings == ()
    assert entries


async def test_what_is_pushed_meanwhile_is_pushed_again(
    settings, log_client, members, rebuilds, monkeypatch
):
    """Also by a worker, where whoever rebuilt died after the new windows were the ones read."""
    log, fill = log_of(settings, log_client), refilling.fill
    async with projecting(settings) as workers:
        for _ in range(3):
            await members.sign_up()
        ada, bob, _ = members.ids
        await read_feeds(workers, members)
        await members.log.append(FollowRequested(followee_id=bob), actor=ada)
        await workers.drain(50)
        published = []

        async def slow_fill(*arguments):
            """All has been read; then something is published, and pushed into the old windows."""
            published.append(await publish(members, bob))
            await workers.drain(50)
            return await fill(*arguments)

        async def die(*_):
            raise Conflict("dead")

        with monkeypatch.context() as patch:
            patch.setattr(refilling, "fill", slow_fill)
            patch.setattr(refilling, "finish_feeds", die)
            with pytest.raises(Conflict, match="dead"):
                await rebuilds()

        assert (await window_of(workers, ada)).entries == []
        assert await finish_feeds(log)
        assert not await finish_feeds(log)
        await workers.drain(50)
        assert [each for _, each in (await window_of(workers, ada)).entries] == published


async def test_a_rebuild_that_died_leaves_the_windows_that_are_read(
    settings, log_client, members, rebuilds, monkeypatch
):
    """And nothing of what it wrote is ever read: its windows miss what came later."""
    log = log_of(settings, log_client)
    async with projecting(settings) as workers:
        for _ in range(3):
            await members.sign_up()
        ada, bob, _ = members.ids
        await read_feeds(workers, members)
        await members.log.append(FollowRequested(followee_id=bob), actor=ada)
        await workers.drain(50)

        async def die(*_):
            raise Conflict("dead")

        with monkeypatch.context() as patch:
            patch.setattr(Generations, "raise_to", die)
            with pytest.raises(Conflict, match="dead"):
                await rebuilds()
        assert not await finish_feeds(log)
        first = await publish(members, bob)
        await workers.drain(50)
        assert [each for _, each in (await window_of(workers, ada)).entries] == [first]

        await rebuilds()

        assert await Generations(log_client).read() == 2
        assert await set_back.written_down(log, refilling.INTENT) is None
        assert [each for _, each in (await window_of(workers, ada)).entries] == [first]


async def test_feeds_are_rebuilt_once_at_a_time(settings, members, rebuilds):
    await members.act(5)
    async with alone(settings, TABLES_AND_FEEDS):
        with pytest.raises(Conflict, match="Another run"):
            await rebuilds()
