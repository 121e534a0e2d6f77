"""Posts as the API shows them: taken as they were written, or put together anew."""

import time
from collections.abc import Mapping, Sequence

from aiohttp import web

from gateway.keys import CARDS, NOTICES, WRITTEN
from gateway.visibility import is_private
from gateway.written import write
from stores.fragments import AuthorCard, PostCard


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
    moment = time.time() if now is None else now
    return [post_of(app, each, authors[each.author_id], moment) for each in posts]


def post_of(app: web.Application, post: PostCard, author: AuthorCard, now: float) -> bytes:
    written, cards = app[WRITTEN], app[CARDS]
    expiries = written.expiries(now)
    # The very cards that are remembered; others are older than a notice, and not to be kept.
    if cards.held_post(post.id) is post and cards.held_author(author.id) is author:
        known = written.take((post.id,), expiries)
        if known and known[0].item:
            return known[0].item
    private = is_private(app[NOTICES], author)
    return write(post, author, written.addresses, expiries[private], private=private)
