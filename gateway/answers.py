"""How answers are written: JSON bytes, 202 for commands, pages with a cursor."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from gateway.keys import DEGRADED
from gateway.routing import Accepted

if TYPE_CHECKING:
    from events.appended import Appended

JSON = "application/json"
_encode = msgspec.json.Encoder().encode


def json_answer(
    body: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with a struct, or with bytes that are JSON already."""
    encoded = body if isinstance(body, bytes) else _encode(body)
    return web.Response(body=encoded, status=status, headers=headers, content_type=JSON)


def accepted(
    appended: "Appended", thing_id: int | None = None, location: str | None = None
) -> web.Response:
    """202: the command is in the log. `thing_id` is what it created, else the event's own id."""
    answer = Accepted(id=str(thing_id or appended.id), event=str(appended.address))
    headers = replay_header(replayed=appended.replayed)
    if location is not None:
        headers["Location"] = location
    return json_answer(answer, status=202, headers=headers)


def replay_header(*, replayed: bool) -> dict[str, str]:
    return {"Idempotency-Replayed": "true"} if replayed else {}


def page(
    items: Sequence[bytes] | Sequence[msgspec.Struct],
    next_cursor: str | None,
    request: web.Request,
) -> web.Response:
    """A list: items that are JSON already are joined, not decoded."""
    encoded = b",".join(each if isinstance(each, bytes) else _encode(each) for each in items)
    body = b"".join((b'{"items":[', encoded, b'],"next":', _encode(next_cursor), b"}"))
    headers = {}
    if next_cursor is not None:
        headers["Link"] = f'<{next_address(request, next_cursor)}>; rel="next"'
    return json_answer(body, headers=headers)


def next_address(request: web.Request, cursor: str) -> str:
    """This request's own address with another cursor. Most have no query: that is made by hand."""
    if not request.rel_url.raw_query_string:
        return f"{request.rel_url.raw_path}?cursor={cursor}"
    return str(request.rel_url.update_query(cursor=cursor))


def degrade(request: web.Request, part: str) -> None:
    """Declare that this answer was made without `part`, in `Heliograph-Degraded`."""
    parts = request.setdefault(DEGRADED, [])
    if part not in parts:
        parts.append(part)


def rfc3339(unix_ms: int) -> str:
    """UTC with milliseconds, as every time in an answer."""
    moment = datetime.fromtimestamp(unix_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{unix_ms % 1000:03d}Z"
