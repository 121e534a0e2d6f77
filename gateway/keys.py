"""What the app and a request carry, typed. `app.py` puts it there, handlers take it out."""

from typing import TYPE_CHECKING

from aiohttp import web

from gateway.viewer import Viewer
from runtime.settings import Settings

if TYPE_CHECKING:  # stores and the log need not be loaded to name what the app carries
    from asyncpg import Pool, Record
    from redis.asyncio import Redis

    from events.log import Log
    from gateway.notices import Notices
    from gateway.passwords import Passwords
    from gateway.tokens import Tokens
    from gateway.written import Written
    from runtime.reach import Reach
    from stores.cards import Cards
    from stores.feeds import Feeds
    from stores.objects import Objects
    from stores.pages import Pages

SETTINGS: web.AppKey[Settings] = web.AppKey("settings", Settings)
LOG: web.AppKey["Log"] = web.AppKey("log")
READER: web.AppKey["Pool[Record]"] = web.AppKey("reader")
"""Postgres under the role that can only read. Handlers take a connection by `metadata(request)`."""
READER_REACH: web.AppKey["Reach"] = web.AppKey("reader_reach")
"""Whether Postgres answers: one for all who ask it, so that a request finds out at most once."""
CACHE: web.AppKey["Redis"] = web.AppKey("cache")
CACHE_REACH: web.AppKey["Reach"] = web.AppKey("cache_reach")
OBJECTS: web.AppKey["Objects"] = web.AppKey("objects")
CARDS: web.AppKey["Cards"] = web.AppKey("cards")
FEEDS: web.AppKey["Feeds"] = web.AppKey("feeds")
WRITTEN: web.AppKey["Written"] = web.AppKey("written")
PAGES: web.AppKey["Pages"] = web.AppKey("pages")
NOTICES: web.AppKey["Notices"] = web.AppKey("notices")
TOKENS: web.AppKey["Tokens"] = web.AppKey("tokens")
PASSWORDS: web.AppKey["Passwords"] = web.AppKey("passwords")

VIEWER: web.RequestKey[Viewer | None] = web.RequestKey("viewer")
"""Who asks; None only on routes that are not `authenticated=True`. See `viewer_of`."""
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
FIELDS: web.RequestKey[dict[str, object]] = web.RequestKey("fields")
"""More fields for the request's one log line."""
DEGRADED: web.RequestKey[list[str]] = web.RequestKey("degraded")
"""The parts named in `Heliograph-Degraded`; see `answers.degrade`."""


def viewer_of(request: web.Request) -> Viewer:
    """Who asks, on a route that is `authenticated=True`."""
    viewer = request[VIEWER]
    if viewer is None:
        raise LookupError("this route does not demand a token")
    return viewer
