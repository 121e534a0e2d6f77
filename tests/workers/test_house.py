import asyncio

from events.accounts import AccountRegistered
from events.log import Log
from events.posts import PostSubmitted, StagedPhoto
from stores.objects import Objects
from workers import house
from workers.site import Darkroom


async def test_what_nobody_waits_for_is_swept_from_staging(settings, log_client, monkeypatch):
    """Left-over bytes go; those of a post that is still to be rendered stay, however old."""
    log = Log(log_client, partitions=8, secret=settings.secret.reveal().encode())
    monkeypatch.setattr(house, "STAGED_SECONDS", 0)
    async with Objects(settings.objects_url) as objects:

        async def photo():
            yield b"bytes"

        async def staged():
            return {each.key async for each in objects.list("staging/")}

        await objects.delete(await staged())
        left = await objects.stage(photo())
        await asyncio.sleep(1.1)  # S3 tells an object's age in whole seconds
        site = Darkroom(log=log, objects=objects, decoders=None)
        await house.sweep(site, "renditions")
        assert left.key not in await staged()

        waiting = await objects.stage(photo())
        event = PostSubmitted(photos=(StagedPhoto(key=waiting.key, sha256="", size_bytes=5),))
        actor = (await log.register(AccountRegistered(username="ada"))).id
        await log.append(event, actor=actor)
        await asyncio.sleep(1.1)
        await house.sweep(site, "renditions")
        assert waiting.key in await staged()
        assert await house.oldest_undone(log, "renditions")
