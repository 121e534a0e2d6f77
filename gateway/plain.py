"""What a plain request for a page of the feed says, read without a router, a URL or a task.

Plain is what nearly every request is. Of anything else `asked_of` makes None: the ordinary way
understands it, or refuses it in words.
"""

import re
from typing import NamedTuple

from aiohttp.http import HttpVersion11, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from gateway.cursors import DEFAULT_LIMIT, MOST, decode_cursor
from runtime.errors import Invalid
from stores.feeds import Place

PATH = "/v1/feed"
QUERY = re.compile(
    r"limit=([0-9]{1,3})|cursor=([A-Za-z0-9_-]*)"
    r"|limit=([0-9]{1,3})&cursor=([A-Za-z0-9_-]*)"
    r"|cursor=([A-Za-z0-9_-]*)&limit=([0-9]{1,3})"
)


class Asked(NamedTuple):
    """Which page, and what stands around the cursor in the address of the next one."""

    limit: int
    before: Place | None
    address: str = f"{PATH}?cursor="
    address_end: str = ""


FIRST = Asked(DEFAULT_LIMIT, None)


def asked_of(message: RawRequestMessage, payload: StreamReader) -> Asked | None:
    """The page that is asked for, if it is asked for plainly: `GET`, no body, nothing special."""
    if (
        message.method != "GET"
        or not message.path.startswith(PATH)
        or message.version != HttpVersion11
        or message.should_close
        or message.upgrade
        or payload is not EMPTY_PAYLOAD
    ):
        return None
    if len(message.path) == len(PATH):
        return FIRST
    if message.path[len(PATH)] != "?":
        return None
    return page_of(message.path[len(PATH) + 1 :])


def page_of(query: str) -> Asked | None:
    found = QUERY.fullmatch(query)
    if found is None:
        return None
    limit_alone, cursor_alone, limit_first, cursor_last, cursor_first, limit_last = found.groups()
    limit = limit_alone or limit_first or limit_last
    cursor = cursor_alone or cursor_last or cursor_first
    if limit is not None and not 1 <= int(limit) <= MOST:
        return None
    before = None
    if cursor:
        try:
            at, post_id = decode_cursor(cursor, 2)
        except Invalid:
            return None
        before = (at, post_id)
    start = f"{PATH}?limit={limit}&cursor=" if limit_alone or limit_first else f"{PATH}?cursor="
    return Asked(
        limit=int(limit) if limit else DEFAULT_LIMIT,
        before=before,
        address=start,
        address_end=f"&limit={limit}" if limit_last else "",
    )
