"""The feed: skeleton, hydrate, filter, present.

A page comes from the viewer's window and runs on in Postgres below its floor, behind one cursor.
What is not to be seen is left out here, at the moment of reading.
"""

from typing import NamedTuple

from aiohttp import web

from gateway.answers import degrade, page
from gateway.cursors import cursor_of, encode_cursor, limit_of
from gateway.keys import CARDS, FEEDS, NOTICES, viewer_of
from gateway.metadata import declare_absences
from gateway.outboxes import NOBODY, OUTBOXES, join, with_outboxes
from gateway.present import posts_json
from gateway.pulling import build, pull
from gateway.routing import Page, Route
from gateway.shapes import Post
from gateway.visibility import shown_authors
from runtime.errors import Invalid, Unavailable
from runtime.metrics import feed_slices
from stores.feeds import Place
from stores.fragments import AuthorCard, PostCard
from stores.posts import PostState
from stores.slices import Slice

# A page of which much is hidden is filled up, but a page never costs more than this.
SLICES = 3

HIT, MISS, BELOW, AWAY = (feed_slices.labels(each) for each in ("hit", "miss", "below", "away"))
PUBLISHED = PostState.PUBLISHED


class Skeleton(NamedTuple):
    """Where the next posts of a feed stand, newest first."""

    entries: list[Place]
    hidden: frozenset[int]
    end: bool
    """Nothing lies below the last entry."""


class Hydrated(NamedTuple):
    """The cards behind a skeleton, as far as they can be had."""

    posts: list[PostCard]
    authors: dict[int, AuthorCard]
    missing: bool


async def show_feed(request: web.Request) -> web.Response:
    """Newest posts of those the viewer follows; the cursor is that of the last entry examined."""
    refuse_unknown_order(request)
    limit = limit_of(request)
    cursor = cursor_of(request, 2)
    last: Place | None = (cursor[0], cursor[1]) if cursor else None
    items: list[bytes] = []
    cold = end = False
    for _ in range(SLICES):
        bones = await skeleton(request, last, limit - len(items))
        flesh = await hydrate(request, bones)
        posts = await sift(request, bones, flesh)
        items += posts_json(request.app, posts, flesh.authors)
        last = bones.entries[-1] if bones.entries else last
        cold = cold or flesh.missing
        end = bones.end
        if end or len(items) == limit:
            break
    if cold and not items:
        raise Unavailable("metadata-unavailable", "none of these posts is within reach")
    return page(items, None if end or last is None else encode_cursor(*last), request)


def refuse_unknown_order(request: web.Request) -> None:
    order = request.query.get("order", "recent")
    if order != "recent":
        detail = "order is `recent`"
        raise Invalid("bad-order", detail, errors=[{"field": "order", "detail": detail}])


async def skeleton(request: web.Request, before: Place | None, count: int) -> Skeleton:
    """The next entries below `before`: from the window as far as it reaches, then from Postgres."""
    app, viewer_id = request.app, viewer_of(request).account_id
    try:
        window = await whole_window(request, viewer_id, before, count + 1)
    except Unavailable:
        AWAY.inc()
        degrade(request, "cache")
        return bounded(await pull(app, viewer_id, before, count + 1), count)
    if window is None:
        MISS.inc()
        return bounded(await rebuilt(app, viewer_id, before, count + 1), count)

    entries = window.entries
    if len(entries) > count or window.floor == 0:
        HIT.inc()
        return bounded(entries, count, window.hidden)
    BELOW.inc()
    below = (window.floor + 1, 0) if before is None else min(before, (window.floor + 1, 0))
    try:
        entries = entries + await pull(app, viewer_id, below, count + 1 - len(entries))
    except Unavailable:
        if not entries:
            raise
        degrade(request, "metadata")
        return Skeleton(entries, window.hidden, end=False)
    return bounded(entries, count, window.hidden)


async def whole_window(
    request: web.Request, viewer_id: int, before: Place | None, count: int
) -> Slice | None:
    """A slice of the viewer's window and of the outboxes of those they follow."""
    outboxes = request.app[OUTBOXES]
    roll = outboxes.roll() or await outboxes.ask(request.app)
    window = await request.app[FEEDS].skeleton(
        viewer_id, before, count, followed=bool(roll.changed)
    )
    if roll is NOBODY:
        degrade(request, "metadata")
    if window is None or not roll.changed:
        return window
    known = join(outboxes, roll, window, before, count)
    return known or await with_outboxes(request, roll, window, before, count)


def bounded(entries: list[Place], count: int, hidden: frozenset[int] = frozenset()) -> Skeleton:
    """Of one entry more than was asked for, the page and whether it is the last."""
    return Skeleton(entries[:count], hidden, end=len(entries) <= count)


async def rebuilt(
    app: web.Application, viewer_id: int, before: Place | None, count: int
) -> list[Place]:
    """The page out of what a new window is built from; deeper than that, out of Postgres."""
    pulled = await build(app, viewer_id)
    entries = [each for each in pulled.entries if before is None or each < before][:count]
    if len(entries) == count or not pulled.truncated:
        return entries
    return await pull(app, viewer_id, before, count)


async def hydrate(request: web.Request, bones: Skeleton) -> Hydrated:
    """Cards of what is published still, in the skeleton's order, and of its authors."""
    cards, notices = request.app[CARDS], request.app[NOTICES]
    wanted = [post_id for _, post_id in bones.entries if not notices.is_deleted(post_id)]
    known, all_posts = await cards.posts_in_reach(wanted)
    found = [known[each] for each in wanted if each in known]
    posts = [each for each in found if each.state is PUBLISHED]
    authors, all_authors = await cards.authors_in_reach(list({each.author_id for each in posts}))
    declare_absences(request)
    if not (all_posts and all_authors):
        degrade(request, "metadata")
    return Hydrated(posts, authors, missing=not (all_posts and all_authors))


async def sift(request: web.Request, bones: Skeleton, flesh: Hydrated) -> list[PostCard]:
    """What this viewer may see now: `hidden`, privacy and notices decide."""
    viewer_id = viewer_of(request).account_id
    shown = await shown_authors(request, viewer_id, flesh.authors.values(), bones.hidden)
    return [each for each in flesh.posts if each.author_id in shown]


ROUTES = (
    Route(
        method="GET",
        path="/v1/feed",
        handler=show_feed,
        side="read",
        summary="Newest posts of those one follows",
        answer=Page[Post],
        queries=("limit", "cursor", "order"),
    ),
)
