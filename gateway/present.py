"""Posts as the API shows them: fragments of cards and signed addresses, put together as bytes.

What one gateway wrote for one viewer of a day it gives to every other: addresses are the same.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from events.accounts import AccountErased
from events.envelope import Delivery
from gateway.addresses import Addresses
from gateway.keys import NOTICES
from gateway.visibility import is_private
from stores.fragments import AuthorCard, PhotoCard, PostCard
from stores.lru import Lru

WRITTEN_BYTES = 64 * 2**20

NOT_LIKED = b'],"counts":{"likes":0,"comments":0},"viewer":{"liked":false}}'


class Written:
    """Posts as they were last written, each with the cards and the expiry it was written from."""

    def __init__(self, addresses: Addresses) -> None:
        self.addresses = addresses
        self.posts: Lru[int, tuple[PostCard, AuthorCard, tuple[bool, int], bytes]] = Lru(
            WRITTEN_BYTES
        )

    def hear(self, delivery: Delivery[Any]) -> None:
        """A notice: what an erased account said is not remembered any longer."""
        if isinstance(delivery.event, AccountErased):
            for post, author, *_ in self.posts.values():
                if author.id == delivery.actor:
                    self.posts.drop(post.id)


WRITTEN: web.AppKey[Written] = web.AppKey("written", Written)


def post_json(
    app: web.Application, post: PostCard, author: AuthorCard, now: float | None = None
) -> bytes:
    """One `post` of the API. Whether the viewer may see it was asked before."""
    return posts_json(app, [post], {author.id: author}, now)[0]


def posts_json(
    app: web.Application,
    posts: Sequence[PostCard],
    authors: Mapping[int, AuthorCard],
    now: float | None = None,
) -> list[bytes]:
    """Each as one `post` of the API. Whether the viewer may see them was asked before."""
    written, notices = app[WRITTEN], app[NOTICES]
    moment = time.time() if now is None else now
    expiries = [written.addresses.expiry(private=each, now=moment) for each in (False, True)]
    private_ids = {each.id for each in authors.values() if is_private(notices, each)}
    remembered, _ = written.posts.many([each.id for each in posts])
    items = []
    for post in posts:
        author = authors[post.author_id]
        private = author.id in private_ids
        expires = expiries[private]
        known = remembered.get(post.id)
        # The very cards it was written from: a card is replaced, never changed.
        if known and known[0] is post and known[1] is author and known[2] == (private, expires):
            items.append(known[3])
            continue
        item = write(post, author, written.addresses, expires, private=private)
        written.posts.put(post.id, (post, author, (private, expires), item), len(item))
        items.append(item)
    return items


def write(
    post: PostCard, author: AuthorCard, addresses: Addresses, expires: int, *, private: bool
) -> bytes:
    photos = [
        photo_json(post.id, photo, addresses, expires, private=private) for photo in post.photos
    ]
    return b"".join(
        (post.before_author, author.fragment, post.before_photos, b",".join(photos), NOT_LIKED)
    )


def photo_json(
    post_id: int, photo: PhotoCard, addresses: Addresses, expires: int, *, private: bool
) -> bytes:
    blob = addresses.blob(photo.sha256, photo.recipe)
    renditions = [
        each.before_url
        + addresses.photo_url(
            post_id, blob, each.width, each.extension, private=private, expires=expires
        ).encode()
        + b'"}'
        for each in photo.renditions
    ]
    return photo.before_renditions + b",".join(renditions) + b"]}"
