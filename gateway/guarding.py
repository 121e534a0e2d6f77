"""Before a handler runs, and before a byte of the body is read.

In this order, so that no refusal costs an allowance: whether there is a place for the request,
whether the client takes what the route gives, who asks, whether there is room for what a command
asks and the engines it needs are there, as far as is known, and whether the allowance has one left.
"""

import time
from functools import lru_cache

from aiohttp import web

from gateway.inflight import REQUESTS
from gateway.keys import FIELDS, LOG, NOTICES, TOKENS, VIEWER
from gateway.limits import charge
from gateway.room import CAPACITY
from gateway.routing import Handler, Route
from gateway.viewer import Viewer
from runtime.errors import HeliographError, Unauthenticated, Unavailable


class NotAcceptable(HeliographError):
    """The client takes nothing that this route can give."""


class Misdirected(HeliographError):
    """This process serves the other side: reads or commands."""


def guarded(route: Route) -> Handler:
    """The route's handler behind its guards."""
    kind, limit = route.answer_type, route.limited_by

    async def answer(request: web.Request) -> web.StreamResponse:
        # Several lines are one list; nearly everybody sends one, which then is it.
        accept = ", ".join(request.headers.getall("Accept", ()))
        if accept and not accepts(accept, kind):
            raise NotAcceptable("not-acceptable", f"this answers with {kind}")
        request[VIEWER] = authenticate(request, route) if route.authenticated else None
        if route.side == "write":
            request.app[LOG].reach.refuse_while_away()
            request.app[CAPACITY].refuse_when_full()
        if route.room is not None:
            await route.room(request)
        if limit is not None:
            await charge(request, limit)
        return await route.handler(request)

    async def answer_in_place(request: web.Request) -> web.StreamResponse:
        places = request.app[REQUESTS]
        entered = places.enter()
        try:
            return await answer(request)
        finally:
            places.leave(entered)

    return answer_in_place


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
