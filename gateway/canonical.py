"""Around every request: its id, problem documents for refusals, one log line, figures."""

import re
import time
from functools import cache
from http import HTTPStatus
from secrets import token_hex

from aiohttp import web
from prometheus_client import Histogram

from gateway.answers import degrade
from gateway.keys import DEGRADED, FIELDS, REQUEST_ID
from gateway.limits import LEFT, headers_of
from gateway.problems import problem, refusal_of, refuse
from gateway.routing import Handler
from runtime.errors import TooMany, Unavailable
from runtime.loglines import log
from runtime.metrics import refused_requests, request_seconds

REQUEST_ID_FORM = re.compile(r"[A-Za-z0-9._:-]{1,64}")
PREPARED: web.RequestKey[bool] = web.RequestKey("prepared", bool)

REFUSED_FOR = {"log-full": "log", "clock-skew": "log"}
"""Refusals of a part that answers: as much a degraded mode as one that does not."""

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))

HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": (
        "Accept-Ranges, Allow, Content-Range, ETag, Heliograph-Degraded, Idempotency-Replayed, "
        "Link, Location, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, "
        "WWW-Authenticate, X-Request-Id"
    ),
    "Server": "heliograph",
    "X-Content-Type-Options": "nosniff",
}
PREFLIGHT = {
    "Access-Control-Allow-Headers": (
        "Accept, Authorization, Content-Type, Idempotency-Key, If-None-Match, If-Range, Range, "
        "X-Request-Id"
    ),
    "Access-Control-Max-Age": "86400",
}


# Held, since making one anew for each request costs as much as the line itself.
lines = log()


@web.middleware
async def every_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Outermost of all: whatever happens below becomes an answer, a log line and a figure."""
    started = time.perf_counter()
    request[REQUEST_ID] = request_id_of(request)
    fields: dict[str, object] = {}
    request[FIELDS] = fields
    status = 499  # the client left before there was an answer
    try:
        response = await answer(request, handler)
        status = response.status
        return response
    finally:
        seconds = time.perf_counter() - started
        route = route_of(request)
        method = request.method if request.method in METHODS else "other"
        figure(route, method, status).observe(seconds)
        lines.info(
            "request.served",
            request=request[REQUEST_ID],
            method=method,
            route=route,
            status=status,
            milliseconds=round(seconds * 1000, 2),
            **fields,
        )


async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return refused_by_router(request, error)
    except Exception as error:
        refusal = refusal_of(error)
        if request.get(PREPARED):
            if request.transport is None or request.transport.is_closing():
                raise  # the client left, or was cut for reading too slowly
            # Part of another answer has left already: all that can be said now is to hang up.
            lines.error("request.broken", request=request[REQUEST_ID], exc_info=error)
            raise ConnectionAbortedError from error
        if refusal is None:
            lines.error("request.failed", request=request[REQUEST_ID], exc_info=error)
            detail = "Something went wrong here; it has been noted under this request's id."
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            return problem(status, "internal-error", detail, request[REQUEST_ID])
        request[FIELDS]["code"] = refusal.code
        if isinstance(refusal, TooMany | Unavailable):
            refused_requests.labels(refusal.code).inc()
        if refusal.code in REFUSED_FOR:
            degrade(request, REFUSED_FOR[refusal.code])
        if error is not refusal or refusal.__cause__ is not None:
            request[FIELDS]["reason"] = repr(refusal.__cause__ or error)
        return refuse(refusal, request[REQUEST_ID])


def refused_by_router(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    """The router's own refusals, and `OPTIONS`, which every known path answers."""
    headers = {}
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted({*error.allowed_methods, "OPTIONS"}))
        headers["Allow"] = allowed
        if request.method == "OPTIONS":
            methods = {"Access-Control-Allow-Methods": allowed}
            return web.Response(status=204, headers=headers | PREFLIGHT | methods)
    status = HTTPStatus(error.status)
    code = status.phrase.lower().replace(" ", "-")
    return problem(status, code, "", request[REQUEST_ID], headers=headers)


async def finish_headers(request: web.Request, response: web.StreamResponse) -> None:
    """What every answer carries, streamed ones too."""
    request[PREPARED] = True
    headers = response.headers
    headers["X-Request-Id"] = request[REQUEST_ID]
    headers.update(HEADERS)
    headers.setdefault("Cache-Control", "no-store")
    left = request.get(LEFT)
    if left is not None:
        headers.update(headers_of(left))
    degraded = request.get(DEGRADED)
    if degraded:
        headers["Heliograph-Degraded"] = ", ".join(degraded)


@cache
def figure(route: str, method: str, status: int) -> Histogram:
    """The metric of these labels; there are as many as routes, methods and statuses."""
    return request_seconds.labels(route, method, status)


def request_id_of(request: web.Request) -> str:
    """The client's own id if it is a sane one, else a new one."""
    given = request.headers.get("X-Request-Id", "")
    return given if REQUEST_ID_FORM.fullmatch(given) else token_hex(16)


def route_of(request: web.Request) -> str:
    """The path as it was declared: what people type must not become a metric's label."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"
