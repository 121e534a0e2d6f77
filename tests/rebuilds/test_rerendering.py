"""Renditions that storage lost come back from their originals; what cannot is told."""

import msgspec
import pytest

from events.accounts import AccountRegistered
from events.posts import PostSubmitted
from events.telling import Table
from stores.objects import manifest_key, original_key
from tests.rebuilds.rebuilt import projecting
from tests.workers.posts import announced, jpeg, keys_of, stage
from workers import renditions, renewing, rerendering
from workers.process import log_of
from workers.renditions import render
from workers.rerendering import (
    COMPLETE,
    LOST,
    MADE,
    OLD,
    RENEWED,
    open_darkroom,
    rebuild_renditions,
)


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


@pytest.fixture
def next_recipe_later(monkeypatch):
    """From the call on, renditions are made by the recipe of a later release."""

    def begin():
        for module in (renditions, renewing, rerendering):
            monkeypatch.setattr(module, "RECIPE", "r2")

    return begin


async def test_an_older_recipe_gives_way_to_the_present_one(
    darkroom, post, rebuilt, database, settings, next_recipe_later
):
    """Posts change once all is stored; what was shown before stays for pages that are open."""
    one, other = await post(jpeg(4)), await post(jpeg(5))
    next_recipe_later()
    before = {sha256: set(await keys_of(darkroom, sha256)) for sha256 in (one, other)}

    assert await rebuilt() == ({RENEWED: 2}, False)
    async with projecting(settings) as workers:
        await workers.drain(50)

    for sha256, keys in before.items():
        now = set(await keys_of(darkroom, sha256))
        assert keys < now
        assert {key.replace("/r1/", "/r2/") for key in keys} < now
    shown = await database.fetch("SELECT photos::text AS photos, published_ms FROM posts")
    photos = [photo for row in shown for photo in msgspec.json.decode(row["photos"])]
    assert {(each["sha256"], each["recipe"], each["former"]) for each in photos} == {
        (sha256, "r2", "r1") for sha256 in before
    }
    assert await rebuilt() == ({COMPLETE: 2}, False)


async def test_an_older_recipe_stays_where_the_original_is_lost(
    darkroom, post, rebuilt, next_recipe_later
):
    """Its renditions stand, which is no failure, until one of them is lost as well."""
    sha256 = await post(jpeg(6))
    await darkroom.objects.delete([original_key(sha256)])
    next_recipe_later()

    assert await rebuilt() == ({OLD: 1}, False)

    rendition = next(key for key in await keys_of(darkroom, sha256) if key.endswith(".jpg"))
    await darkroom.objects.delete([rendition])
    assert await rebuilt() == ({LOST: 1}, True)
