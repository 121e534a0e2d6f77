"""What stands in a path: ids and usernames."""

import re

from aiohttp import web

from events.ids import MAX_ID
from runtime.errors import NotFound

USERNAME = re.compile(r"[a-z0-9_]{2,30}")


def id_in_path(request: web.Request, name: str = "id") -> int:
    """The id of a path; what is no decimal below 2^63 names nothing."""
    text = request.match_info[name]
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= MAX_ID):
        raise NotFound("not-found", "there is nothing with this id")
    return int(text)


def username_in_path(request: web.Request) -> str:
    """The case-folded username of a path; what cannot be a username names nobody."""
    username = request.match_info["username"].lower()
    if not USERNAME.fullmatch(username):
        raise unknown_account()
    return username


def unknown_account() -> NotFound:
    return NotFound("not-found", "there is no such account")
