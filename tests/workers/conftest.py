"""A pool of decoders, a darkroom to develop posts in, and what to put into them."""

import asyncpg
import pytest
from PIL import Image

from events.accounts import AccountRegistered
from events.history import History
from events.log import Log
from events.posts import PostSubmitted
from stores.objects import Objects
from tests.workers.posts import stage
from workers.imaging.decoders import Decoders
from workers.imaging.recipe import Refused
from workers.looking import Ground
from workers.site import Darkroom


@pytest.fixture
async def decoders():
    async with Decoders(1) as opened:
        yield opened


@pytest.fixture
def render(decoders, tmp_path):
    async def rendered(content, among=decoders):
        path = tmp_path / "photo"
        path.write_bytes(content)
        return await among.render(path, tmp_path)

    return rendered


@pytest.fixture(scope="module")
def scene():
    """A picture of four plain quarters, each of another colour."""
    image = Image.new("RGB", (700, 500), (200, 40, 40))
    image.paste((40, 180, 60), (350, 0, 700, 250))
    image.paste((50, 60, 200), (0, 250, 350, 500))
    image.paste((230, 220, 90), (350, 250, 700, 500))
    return image


@pytest.fixture
async def show(tmp_path):
    """Render bytes; the answer, and the renditions as opened files, by width."""
    async with Decoders(1) as decoders:

        async def rendered(content, name="photo"):
            (tmp_path / name).write_bytes(content)
            answer = await decoders.render(tmp_path / name, tmp_path)
            if isinstance(answer, Refused):
                return answer, {}
            return answer, {
                each.width: tmp_path / f"{each.width}.{each.extension}"
                for each in answer.renditions
            }

        yield rendered


@pytest.fixture
async def darkroom(settings, log_client):
    secret = settings.secret.reveal().encode()
    async with Objects(settings.objects_url) as objects, Decoders(2) as decoders:
        log = Log(log_client, partitions=settings.partitions, secret=secret)
        yield Darkroom(log=log, objects=objects, decoders=decoders)


@pytest.fixture
async def ada(darkroom):
    registered = AccountRegistered(username="ada", display_name="Ada", password_hash="-")
    return (await darkroom.log.register(registered)).id


@pytest.fixture
def submit(darkroom, ada):
    """Stage these files and record a post of them: the delivery a worker gets."""

    async def submitted(*files, staged=None):
        photos = staged or [await stage(darkroom, each) for each in files]
        appended = await darkroom.log.append(PostSubmitted(photos=tuple(photos)), actor=ada)
        return await darkroom.log.event_at(appended.address)

    return submitted


@pytest.fixture
async def ground(settings, site, archive, cache_client):
    """What a site is verified with, in a session of its own."""
    connection = await asyncpg.connect(settings.database_url)
    yield Ground(site.log, History(site.log, archive), connection, cache_client)
    await connection.close()
