"""Posts on their way through the darkroom: staged, announced, stored."""

import io
import random

from PIL import Image

from events.posts import PostPublished, PostRejected
from stores.objects import original_key


async def stage(site, content):
    async def chunks():
        yield content

    return await site.objects.stage(chunks())


async def announced(site, delivery):
    """Both possible outcomes, None where it was not announced."""
    return [
        await site.log.announced(kind, cause=delivery) for kind in (PostPublished, PostRejected)
    ]


async def keys_of(site, sha256):
    prefixes = (f"photos/{sha256}/", original_key(sha256))
    return {each.key: each for prefix in prefixes async for each in site.objects.list(prefix)}


def jpeg(seed=None, size=(700, 500)):
    grain = random.Random(seed).randbytes(48 * 48 * 3)
    file = io.BytesIO()
    Image.frombytes("RGB", (48, 48), grain).resize(size).save(file, "JPEG")
    return file.getvalue()
