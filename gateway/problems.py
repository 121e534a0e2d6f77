"""Every refusal as an RFC 9457 problem document: one table from class to status."""

from http import HTTPStatus

import msgspec
from aiohttp import web

from gateway.bodies import TooSlow
from gateway.guarding import Misdirected, NotAcceptable
from runtime import errors
from runtime.errors import HeliographError, Unavailable
from runtime.outages import is_outage

PROBLEM = "application/problem+json"
STATUS: dict[type[HeliographError], HTTPStatus] = {
    errors.Malformed: HTTPStatus.BAD_REQUEST,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
    TooSlow: HTTPStatus.REQUEST_TIMEOUT,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Gone: HTTPStatus.GONE,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedMedia: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    Misdirected: HTTPStatus.MISDIRECTED_REQUEST,
    errors.TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
STATUS_OF_CODE = {"idempotency-key-reused": HTTPStatus.UNPROCESSABLE_ENTITY}
"""Codes that the HTTP contract gives another status than their class."""


def refusal_of(error: Exception) -> HeliographError | None:
    """The refusal behind an exception: itself, an engine away, or None: our fault."""
    if isinstance(error, HeliographError):
        return error
    if is_outage(error):
        return Unavailable("engine-unavailable", "a part this needs does not answer right now")
    return None


def status_of(error: HeliographError) -> HTTPStatus:
    if error.code in STATUS_OF_CODE:
        return STATUS_OF_CODE[error.code]
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def refuse(error: HeliographError, request_id: str) -> web.Response:
    """The problem document of a refusal, with the headers that belong to its status."""
    status = status_of(error)
    headers = {}
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="heliograph"'
    if isinstance(error, errors.TooMany | errors.Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    more = dict(error.extras)
    if isinstance(error, errors.Invalid) and error.errors:
        more["errors"] = error.errors
    return problem(status, error.code, error.detail, request_id, headers=headers, more=more)


def problem(
    status: HTTPStatus,
    code: str,
    detail: str,
    request_id: str,
    *,
    headers: dict[str, str] | None = None,
    more: dict[str, object] | None = None,
) -> web.Response:
    document = {
        "type": f"/problems/{code}",
        "title": status.phrase,
        "status": status.value,
        "detail": detail or status.description or status.phrase,
        "code": code,
        "instance": request_id,
    }
    body = msgspec.json.encode(document | (more or {}))
    return web.Response(status=status, body=body, content_type=PROBLEM, headers=headers)
