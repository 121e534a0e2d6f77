"""What stands in an address: ids, usernames, and how long to wait."""

import re

from aiohttp import web

from events.ids import MAX_ID
from runtime.errors import Invalid, NotFound

USERNAME = re.compile(r"[A-Za-z0-9_]{2,30}")
MOST_WAIT_SECONDS = 10


def id_in_path(request: web.Request, name: str = "id") -> int:
    """The id of a path; what is no decimal below 2^63 names nothing."""
    text = request.match_info[name]
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= MAX_ID):
        raise NotFound("not-found", "there is nothing with this id")
    return int(text)


def username_in_path(request: web.Request) -> str:
    """The case-folded username of a path; what cannot be a username names nobody."""
    username = request.match_info["username"]
    if not USERNAME.fullmatch(username):
        raise unknown_account()
    return username.lower()


def seconds_to_wait(request: web.Request) -> float:
    """`?wait=`: how long an answer may be held back until a state is final; 0 when not asked."""
    text = request.query.get("wait", "0")
    if not (re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,3})?", text) and float(text) <= MOST_WAIT_SECONDS):
        raise Invalid("bad-wait", f"wait is a number of seconds from 0 to {MOST_WAIT_SECONDS}")
    return float(text)


def unknown_account() -> NotFound:
    return NotFound("not-found", "there is no such account")
