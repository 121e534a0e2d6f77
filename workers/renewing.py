"""Posts whose photos were made by a recipe of the past show them in the present one.

After `rerendering.py` has made the renditions: each post is announced once they all are stored, and
its pages change when `posts` has folded that. What is open meanwhile keeps its addresses.
"""

import msgspec
from asyncpg import Pool, Record

from events.history import ever_at
from events.ids import Address, position_of, shard_of
from events.posts import PostRerendered, PostSubmitted, RenderedPhoto
from stores.shown_photos import Outdated, outdated_posts
from workers.imaging.recipe import RECIPE
from workers.renditions import stored_photo, together
from workers.site import Darkroom

PAGE = 50


async def renew_posts(site: Darkroom, database: "Pool[Record]") -> int:
    """Announce every post that can be shown in the present recipe; how many there were."""
    renewed, after = 0, None
    while page := await outdated_posts(database, RECIPE, after, PAGE):
        after = page[-1]
        renewed += sum(await together(renew(site, post) for post in page))
    return renewed


async def renew(site: Darkroom, post: Outdated) -> bool:
    """False when nothing of it is stored in the present recipe, or its submission is nowhere."""
    photos = tuple(await together(present(site, each) for each in post.photos))
    if photos == post.photos:
        return False
    partition = shard_of(post.post_id) % site.log.partitions
    address = Address(PostSubmitted.TOPIC, partition, position_of(post.post_id))
    submitted = await ever_at(site.log, address)
    if submitted is None:
        return False
    event = PostRerendered(post_id=post.post_id, photos=photos)
    await site.log.announce(event, actor=post.author_id, cause=submitted, part=RECIPE)
    return True


async def present(site: Darkroom, photo: RenderedPhoto) -> RenderedPhoto:
    """A photo in the present recipe if it is stored so, else as it is shown."""
    if photo.recipe == RECIPE:
        return photo
    stored = await stored_photo(site.objects, photo.sha256)
    return msgspec.structs.replace(stored, former=photo.recipe) if stored else photo
