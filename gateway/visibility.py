"""The one rule of who may see a post: published, and its author public, oneself, or followed.

Rows and cards may be old, so notices count beside them. Edges that hold are remembered: whatever
ends one is heard as a notice.
"""

import time
from collections.abc import Collection, Mapping, Sequence

from aiohttp import web

from gateway.answers import degrade
from gateway.keys import NOTICES, READER, READER_REACH
from gateway.notices import Notices
from runtime.errors import Unavailable
from stores.accounts import AccountRow, viewer_relations
from stores.database import reading
from stores.fragments import AuthorCard, PostCard
from stores.lru import Lru
from stores.posts import PostState

# Within the time that notices are kept, so the end of an edge read before was surely heard.
HELD_SECONDS = 1_800.0
HELD_BYTES = 16 * 2**20


class Held:
    """Which follows were read to hold, and when."""

    def __init__(self) -> None:
        self._read: Lru[tuple[int, int], float] = Lru(HELD_BYTES)

    def remembers(self, viewer_id: int, author_id: int) -> bool:
        read = self._read.get((viewer_id, author_id))
        return read is not None and time.monotonic() - read < HELD_SECONDS

    def remember(self, viewer_id: int, author_id: int, read: float) -> None:
        self._read.put((viewer_id, author_id), read, 0)


HELD: web.AppKey[Held] = web.AppKey("held", Held)


async def visible(
    app: web.Application, viewer_id: int | None, post: PostCard, author: AuthorCard
) -> bool:
    """Whether this viewer, or a stranger, may see this post now; else `Unavailable`."""
    return bool(await visible_posts(app, viewer_id, [post], {author.id: author}))


async def visible_posts(
    app: web.Application,
    viewer_id: int | None,
    posts: Sequence[PostCard],
    authors: Mapping[int, AuthorCard],
) -> list[PostCard]:
    """Those of the posts that this viewer, or a stranger, may see now, in their order.

    Authors also see what is not published yet, and what was rejected.
    """
    notices = app[NOTICES]
    shown = [
        each
        for each in posts
        if each.author_id in authors
        and (
            each.state is PostState.PUBLISHED
            or (each.author_id == viewer_id and each.state < PostState.DELETED)
        )
        and not notices.is_deleted(each.id)
        and not is_erased(notices, authors[each.author_id])
    ]
    private_ids = {
        each.author_id
        for each in shown
        if each.author_id != viewer_id and is_private(notices, authors[each.author_id])
    }
    if not private_ids:
        return shown
    followed = await followed_by(app, viewer_id, private_ids) if viewer_id else set()
    return [each for each in shown if each.author_id not in private_ids - followed]


async def shown_authors(
    request: web.Request, viewer_id: int, authors: Collection[AuthorCard], hidden: Collection[int]
) -> set[int]:
    """Of the authors in a viewer's feed, those whose posts are to be shown now.

    They were followed when their posts came in; since then the viewer may have left them. While
    Postgres is away, that they came in, are not hidden, and no notice ended it, is the answer.
    """
    notices = request.app[NOTICES]
    shown = {
        each.id
        for each in authors
        if each.id not in hidden
        and not is_erased(notices, each)
        and heard_edge(notices, viewer_id, each.id) is not False
    }
    private_ids = {each.id for each in authors if each.id in shown and is_private(notices, each)}
    if not private_ids:
        return shown
    try:
        followed = await followed_by(request.app, viewer_id, private_ids)
    except Unavailable:
        degrade(request, "metadata")
        return shown
    return shown - (private_ids - followed)


def shown_at_once(
    notices: Notices, held: Held, viewer_id: int, author_id: int, *, private: bool
) -> bool | None:
    """As `shown_authors` of one that is not erased, by what is remembered; None: ask the row."""
    verdict = heard_edge(notices, viewer_id, author_id)
    if verdict is False:
        return False
    return True if verdict or not private or held.remembers(viewer_id, author_id) else None


def is_erased(notices: Notices, account: AuthorCard | AccountRow) -> bool:
    """By the card or row, or by a notice: nothing takes an erasure back."""
    return account.erased or notices.is_erased(account.id)


def is_private(notices: Notices, author: AuthorCard | AccountRow) -> bool:
    """By the card or row, unless a later notice says otherwise."""
    heard = notices.privacy(author.id)
    if heard is not None and heard[1] > author.private_version:
        return heard[0]
    return author.private


async def followed_by(app: web.Application, viewer_id: int, author_ids: set[int]) -> set[int]:
    """Those of the authors whom the viewer follows now."""
    notices, held = app[NOTICES], app[HELD]
    verdicts = {each: heard_edge(notices, viewer_id, each) for each in author_ids}
    unknown = [
        each
        for each, verdict in verdicts.items()
        if verdict is None and not held.remembers(viewer_id, each)
    ]
    followed = {each for each in author_ids if verdicts[each] is not False}
    if unknown:
        read = time.monotonic()
        async with reading(app[READER], app[READER_REACH]) as connection:
            relations = await viewer_relations(connection, viewer_id, unknown)
        for each in unknown:
            if relations[each].following == "yes":
                held.remember(viewer_id, each, read)
            else:
                followed.discard(each)
    return followed


def heard_edge(notices: Notices, viewer_id: int, author_id: int) -> bool | None:
    """Whether the viewer follows the author, as far as notices tell; None: ask the row.

    An acceptance alone tells nothing: the wish it answers may have been withdrawn long ago.
    """
    edge = notices.edge(viewer_id, author_id)
    if edge is None:
        return None
    if edge.withdrawn_version > edge.accepted_wish:
        return False
    if edge.accepted_wish == edge.wished_version > edge.withdrawn_version:
        return True
    return None
