"""A page out of this process's memory, in one pass and without waiting, or not at all.

Who may see a post is decided here as in `visibility`, at the moment of reading; what memory alone
cannot decide is left to the four steps of `feed`.
"""

from collections.abc import Sequence
from typing import NamedTuple

from aiohttp import web

from gateway.keys import NOTICES, WRITTEN
from gateway.notices import Notices
from gateway.visibility import HELD, Held, shown_at_once
from gateway.written import Written


class Memory(NamedTuple):
    """What a process remembers of posts, of what was just hidden, and of edges that hold."""

    written: Written
    notices: Notices
    held: Held


def memory_of(app: web.Application) -> Memory:
    return Memory(app[WRITTEN], app[NOTICES], app[HELD])


def items_at_once(
    memory: Memory, viewer_id: int, ids: Sequence[int], hidden: frozenset[int], now: float
) -> list[bytes] | None:
    """Those of the posts that this viewer may see now, in their order; None: ask elsewhere."""
    written, notices, held = memory
    expiries = written.expiries(now)
    careful = bool(hidden) or notices.has_edges(viewer_id)
    if not careful and (public := written.take_public(ids, expiries.public)) is not None:
        return public
    posts = written.take(ids, expiries)
    if posts is None:
        return None
    items = []
    for item, author in posts:
        if careful or author.private:
            shown = author.id not in hidden and shown_at_once(
                notices, held, viewer_id, author.id, private=author.private
            )
            if shown is None:
                return None
            if not shown:
                continue
        if item:
            items.append(item)
    return items
