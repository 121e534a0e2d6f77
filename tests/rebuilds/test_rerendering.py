"""Renditions that storage lost come back from their originals; what cannot is told."""

import pytest

from events.accounts import AccountRegistered
from events.posts import PostSubmitted
from events.telling import Table
from stores.objects import manifest_key, original_key
from tests.rebuilds.rebuilt import projecting
from tests.workers.posts import announced, jpeg, keys_of, stage
from workers.process import log_of
from workers.renditions import render
from workers.rerendering import COMPLETE, LOST, MADE, OLD, open_darkroom, rebuild_renditions


@pytest.fixture
async def darkroom(settings, log_client, archive):
    one = settings.replace(decoders=1)
    async with open_darkroom(one, log_of(settings, log_client)) as opened:
        yield opened


@pytest.fixture
async def post(darkroom, settings):
    """Publish a photo, and have it folded; its digest."""
    ada = (await darkroom.log.register(AccountRegistered(username="ada"))).id

    async def posted(content):
        staged = await stage(darkroom, content)
        appended = await darkroom.log.append(PostSubmitted(photos=(staged,)), actor=ada)
        delivery = await darkroom.log.event_at(appended.address)
        await render(darkroom, [delivery])
        assert (await announced(darkroom, delivery))[0]
        async with projecting(settings) as workers:
            await workers.drain(50)
        return staged.sha256

    return posted


@pytest.fixture
async def rebuilt(settings, log_client):
    """The table that is told, and whether anything failed."""

    async def rebuilding():
        log = log_of(settings, log_client)
        told = [each async for each in rebuild_renditions(settings.replace(decoders=1), log)]
        [counts, *_] = [each for each in told if isinstance(each, Table)]
        return dict(counts.rows), any(getattr(each, "failed", False) for each in told)

    return rebuilding


async def test_what_is_missing_is_made_again(darkroom, post, rebuilt):
    """The same bytes under the same names; what is there is left alone, nothing is announced."""
    whole, holed = await post(jpeg(1)), await post(jpeg(2))
    before = await keys_of(darkroom, holed)
    first = await keys_of(darkroom, whole)
    rendition = next(key for key in before if key.endswith(".jpg"))
    await darkroom.objects.delete([rendition, manifest_key(holed, "r1")])
    head = await darkroom.log.client.hgetall("head:{0}")

    assert await rebuilt() == ({COMPLETE: 1, MADE: 1}, False)

    after = await keys_of(darkroom, holed)
    assert {key: each.size_bytes for key, each in after.items()} == {
        key: each.size_bytes for key, each in before.items()
    }
    assert await keys_of(darkroom, whole) == first
    assert await darkroom.log.client.hgetall("head:{0}") == head
    assert await rebuilt() == ({COMPLETE: 2}, False)


async def test_what_is_lost_is_told(darkroom, post, rebuilt):
    sha256 = await post(jpeg(3))
    rendition = next(key for key in await keys_of(darkroom, sha256) if key.endswith(".jpg"))
    await darkroom.objects.delete([rendition, original_key(sha256)])

    assert await rebuilt() == ({LOST: 1}, True)


async def test_an_older_recipe_is_only_looked_at(darkroom, post, rebuilt, settings):
    """Its renditions stand, or are missed: there is no decoder for them any more."""
    sha256 = await post(jpeg(4))
    async with projecting(settings) as workers:
        await workers.sites["posts"].database.execute(
            "UPDATE posts SET photos = replace(photos::text, '\"r1\"', '\"r0\"')::jsonb"
        )

    assert await rebuilt() == ({OLD: 1}, True)
    assert await keys_of(darkroom, sha256)
