"""Before a handler runs: whether the client takes what the route gives, and who asks."""

import time
from functools import lru_cache

from aiohttp import web

from gateway.keys import FIELDS, NOTICES, TOKENS, VIEWER
from gateway.routing import Handler, Route
from gateway.viewer import Viewer
from runtime.errors import HeliographError, Unauthenticated, Unavailable


class NotAcceptable(HeliographError):
    """The client takes nothing that this route can give."""


class Misdirected(HeliographError):
    """This process serves the other side: reads or commands."""


def guarded(route: Route) -> Handler:
    """The route's handler behind its guards."""
    kind = route.answer_type

    async def answer(request: web.Request) -> web.StreamResponse:
        # Several lines are one list; nearly everybody sends one, which then is it.
        accept = ", ".join(request.headers.getall("Accept", ()))
        if accept and not accepts(accept, kind):
            raise NotAcceptable("not-acceptable", f"this answers with {kind}")
        request[VIEWER] = authenticate(request, route) if route.authenticated else None
        return await route.handler(request)

    return answer


async def misdirected(_: web.Request) -> web.StreamResponse:
    """GET and HEAD go to read gateways, the rest to write gateways; nginx sees to it."""
    raise Misdirected("misdirected", "this process does not serve this method")


def authenticate(request: web.Request, route: Route) -> Viewer | None:
    """Who asks. `Unavailable` until revocations are known: else an ended token would still work."""
    header = request.headers.get("Authorization")
    if header is None:
        if route.authenticated == "optional":
            return None
        raise Unauthenticated("unauthenticated", "This needs `Authorization: Bearer <token>`.")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("unauthenticated", "The only scheme is Bearer.")
    viewer = request.app[TOKENS].verify(token.strip(), time.time())
    notices = request.app[NOTICES]
    if not notices.ready:
        raise Unavailable("starting", "Sessions cannot be checked yet.", retry_after=1)
    if notices.is_revoked(viewer.account_id, viewer.token_id):
        raise Unauthenticated("revoked-token", "This session was ended.")
    request[FIELDS]["account"] = viewer.account_id
    return viewer


@lru_cache(maxsize=1_000)
def accepts(header: str, kind: str) -> bool:
    """Whether an Accept header allows a media type: the most specific range decides (RFC 9110)."""
    family = kind.partition("/")[0]
    verdicts = {}
    for media_range in header.split(","):
        name, *parameters = (part.strip().lower() for part in media_range.split(";"))
        quality = next((each[2:].strip() for each in parameters if each.startswith("q=")), "1")
        verdicts[name] = quality.strip("0.") != ""
    ranges = (kind, f"{family}/*", "*/*")
    if kind == "*/*":  # photos: the address already names the format
        return True
    return next((verdicts[each] for each in ranges if each in verdicts), False)
