"""Posts one by one and by author: showing them, from their row or still from the log, and deleting.

Until a post has a row, the log at the id's own position tells its author about it.
"""

import asyncio
import time
from typing import NamedTuple

from aiohttp import web

from events.envelope import Delivery
from events.ids import MAX_ID, Address, position_of, shard_of
from events.posts import PostDeleted, PostSubmitted
from gateway.answers import accepted, degrade, json_answer, page
from gateway.cursors import cursor_of, encode_cursor, limit_of
from gateway.fanouts import with_fanout
from gateway.keys import CARDS, LOG, NOTICES, REQUEST_ID, SETTINGS, viewer_of
from gateway.metadata import declare_absences, metadata
from gateway.paths import id_in_path, username_in_path
from gateway.present import post_json, posts_json
from gateway.profiles import (
    just_registered,
    not_folded_yet,
    profile_named,
    refuse_unless_shown_to,
)
from gateway.routing import Accepted, Page, Route
from gateway.shapes import Post
from gateway.visibility import is_erased, is_private, visible, visible_posts
from gateway.waits import held_back
from runtime.errors import Forbidden, Gone, NotFound, Unavailable
from stores.fragments import AuthorCard, PostCard, author_card, post_card
from stores.posts import PostRow, PostState, posts_of_author

FIRST_LOOK_SECONDS = 0.02
LONGEST_LOOK_SECONDS = 0.25


class Found(NamedTuple):
    """A post and its author, as far as anybody knows them now."""

    post: PostCard
    author: AuthorCard


async def show_post(request: web.Request) -> web.Response:
    """The post as the viewer may see it; `?wait=` holds the answer until its state is final."""
    post_id = id_in_path(request)
    with held_back(request) as seconds:
        found = await find_within(request, post_id, seconds)
    body = post_json(request.app, found.post, found.author)
    own = found.post.author_id == viewer_of(request).account_id
    if own and found.post.state is PostState.PUBLISHED:
        body = await with_fanout(request, post_id, body)
    return json_answer(body)


async def find_within(request: web.Request, post_id: int, seconds: float) -> Found:
    """The post as the viewer may see it, once its state is final or the time is over."""
    deadline, look = time.monotonic() + seconds, FIRST_LOOK_SECONDS
    while True:
        found = await find(request, post_id)
        await refuse_unless_visible(request, found)
        left = deadline - time.monotonic()
        if found.post.whole or left <= 0:
            return found
        await asyncio.sleep(min(look, left))
        look = min(look * 1.5, LONGEST_LOOK_SECONDS)


async def delete_post(request: web.Request) -> web.Response:
    """Record that its author took the post back; again if asked again."""
    post_id, viewer_id = id_in_path(request), viewer_of(request).account_id
    if await author_of(request, post_id) != viewer_id:
        await refuse_unless_visible(request, await find(request, post_id))
        raise Forbidden("not-yours", "Only its author deletes a post.")
    appended = await request.app[LOG].append(
        PostDeleted(post_id=post_id), actor=viewer_id, request=request[REQUEST_ID]
    )
    return accepted(appended)


async def list_posts(request: web.Request) -> web.Response:
    """What an account published, newest publication first."""
    username, viewer_id = username_in_path(request), viewer_of(request).account_id
    limit, cursor = limit_of(request), cursor_of(request, 2)
    owner = await profile_named(request, username)
    async with metadata(request) as db:
        await refuse_unless_shown_to(request, db, viewer_id, owner)
        before = (cursor[0], cursor[1]) if cursor else None
        places = await posts_of_author(db, owner.id, before, limit + 1)
    ids = [post_id for _, post_id in places[:limit]]
    cards, authors = await request.app[CARDS].posts(ids), {owner.id: author_card(owner)}
    posts = [cards[each] for each in ids if each in cards]
    shown = await visible_posts(request.app, viewer_id, posts, authors)
    more = len(places) > limit
    return page(
        posts_json(request.app, shown, authors),
        encode_cursor(*places[limit - 1]) if more else None,
        request,
    )


async def find(request: web.Request, post_id: int) -> Found:
    """The post in whatever state it is. `Unavailable` when only an absent engine could tell."""
    cards = request.app[CARDS]
    posts, complete = await cards.posts_in_reach([post_id])
    post = posts.get(post_id)
    if post is None:
        post = await just_submitted(request, post_id, complete=complete)
    authors, complete = await cards.authors_in_reach([post.author_id])
    author = authors.get(post.author_id)
    if author is None:
        # To anybody else, one who may have gone private since must not look as on the first day.
        own = post.author_id == viewer_of(request).account_id
        row = just_registered if complete or own else not_folded_yet
        author = author_card(await row(request, post.author_id))
    declare_absences(request)
    if not complete:
        degrade(request, "metadata")
    return Found(post, author)


async def just_submitted(request: web.Request, post_id: int, *, complete: bool) -> PostCard:
    """The post as its own event in the log tells of it: processing, for its author alone."""
    submitted = await submission_of(request, post_id)
    if submitted is not None and submitted.actor == viewer_of(request).account_id:
        return post_card(row_to_be(submitted))
    if complete:
        raise unknown_post()
    raise Unavailable("metadata-unavailable", "The post is not within reach now.")


async def submission_of(request: web.Request, post_id: int) -> Delivery[PostSubmitted] | None:
    """The event that created the post, found at the id's own position."""
    partition = shard_of(post_id) % request.app[SETTINGS].partitions
    address = Address(PostSubmitted.TOPIC, partition, position_of(post_id))
    delivery = await request.app[LOG].event_at(address)
    if delivery is None or not isinstance(delivery.event, PostSubmitted) or delivery.id != post_id:
        return None
    return delivery


def row_to_be(submitted: Delivery[PostSubmitted]) -> PostRow:
    post = submitted.event
    return PostRow(
        id=submitted.id,
        author_id=submitted.actor,
        state=PostState.PROCESSING,
        caption=post.caption,
        caption_version=submitted.id,
        alts=post.alts,
        alts_version=submitted.id,
        latitude=post.place.latitude if post.place else None,
        longitude=post.place.longitude if post.place else None,
        published_ms=None,
        published_version=0,
        photos=(),
        problem_code=None,
        problem_detail=None,
    )


async def author_of(request: web.Request, post_id: int) -> int:
    """Who posted it, by its card or, with every other engine away, by the log."""
    posts, complete = await request.app[CARDS].posts_in_reach([post_id])
    if post_id in posts:
        return posts[post_id].author_id
    submitted = await submission_of(request, post_id)
    if submitted is not None:
        return submitted.actor
    if complete:
        raise unknown_post()
    raise Unavailable("metadata-unavailable", "The post is not within reach now.")


async def refuse_unless_visible(request: web.Request, found: Found) -> None:
    """404 for what the viewer may not know of; 410 for their own, and what was once published."""
    viewer_id, (post, author) = viewer_of(request).account_id, found
    if await visible(request.app, viewer_id, post, author):
        return
    notices = request.app[NOTICES]
    deleted = post.state >= PostState.DELETED or notices.is_deleted(post.id)
    deleted = deleted or is_erased(notices, author)
    # As the row will tell: what was published after its deletion was never shown.
    in_time = post.published_ms < (notices.deleted_ms(post.id) or MAX_ID)
    shown_once = post.published_ms > 0 and in_time and not is_private(notices, author)
    if deleted and (viewer_id == post.author_id or shown_once):
        raise Gone("gone", "The post was deleted.")
    raise unknown_post()


def unknown_post() -> NotFound:
    return NotFound("not-found", "There is no such post.")


ROUTES = (
    Route(
        "GET",
        "/v1/posts/{id}",
        show_post,
        "read",
        summary="One post; while it is processed only its author sees it",
        answer=Post,
        queries=("wait",),
    ),
    Route(
        "DELETE",
        "/v1/posts/{id}",
        delete_post,
        "write",
        summary="Take a post back",
        answer=Accepted,
        status=202,
    ),
    Route(
        "GET",
        "/v1/accounts/{username}/posts",
        list_posts,
        "read",
        summary="What an account published, newest first",
        answer=Page[Post],
        queries=("limit", "cursor"),
    ),
)
