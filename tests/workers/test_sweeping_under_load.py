"""Nobody waits for anybody: people post and delete the same few photos while they are swept."""

import asyncio
import random
from datetime import timedelta

import pytest

from events.posts import PostDeleted
from stores import ledger
from stores.posts import PostState, post_rows
from tests.workers.posts import jpeg
from tests.workers.storing import let_nothing_be_young, opened_site
from workers.collecting import SWEPT, collect

PHOTOS = [jpeg(seed, size=(96, 64)) for seed in range(4)]
DEEDS = 30


@pytest.fixture
async def site(settings, clean_site, monkeypatch):
    """No grace and no quarantine: the photo of a deleted post is due at the second look."""
    let_nothing_be_young(monkeypatch)
    monkeypatch.setattr(ledger, "QUARANTINE", timedelta(0))
    async with opened_site(settings) as opened:
        yield opened


async def live(site, chance, standing, swept):
    """Post one or two photos, or delete a post, processed or not; until a few photos were swept."""
    deeds = 0
    while deeds < DEEDS or sum(swept) < 3:
        deeds += 1
        if len(standing) > chance.randint(0, 1):
            gone = standing.pop(chance.randrange(len(standing)))
            await site.log.append(PostDeleted(post_id=gone.id), actor=site.author)
        else:
            photos = chance.sample(PHOTOS, chance.randint(1, 2))
            standing.append(await site.submit(*photos))
        await asyncio.sleep(chance.random() / 5)  # for people there is nothing to be awaited
    standing.append(await site.submit(PHOTOS[0]))


async def again_and_again(done, act):
    while not done.is_set():
        await act()


async def test_every_post_that_stands_is_whole_and_nothing_else_is_stored(site):
    """Workers and collector go on side by side; at the end what is stored is what is shown."""
    done, standing, swept = asyncio.Event(), [], []

    async def sweep():
        swept.append((await collect(site.storeroom)).photos[SWEPT])

    async with asyncio.TaskGroup() as tasks:
        for role in ("accounts", "renditions", "posts"):
            work = lambda role=role: site.work(role, seconds=0.1)  # noqa: E731 - for its role
            tasks.create_task(again_and_again(done, work))
        tasks.create_task(again_and_again(done, sweep))
        async with asyncio.timeout(60):
            await live(site, random.Random(3), standing, swept)
        done.set()
    await site.work(rounds=50, seconds=10)

    rows = await post_rows(site.database, [each.id for each in standing])
    assert {row.state for row in rows.values()} == {PostState.PUBLISHED}
    for each in standing:
        await site.assert_whole(each)

    await collect(site.storeroom)
    await collect(site.storeroom)
    stored = {each.key.split("/")[1] async for each in site.objects.list("")}
    assert stored == {photo.sha256 for row in rows.values() for photo in row.photos}
