"""Reading what a client sends: JSON into a struct under limits, and the idempotency key."""

import asyncio
import re
from typing import Any, TypeVar

import msgspec
from aiohttp import ClientPayloadError, web

from events.idempotency import Idempotency
from runtime.errors import HeliographError, Invalid, Malformed, TooLarge, UnsupportedMedia

T = TypeVar("T")
MAX_BYTES = 64 * 1024
SECONDS = 10.0
KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,62}[\x21-\x7e])?")


class TooSlow(HeliographError):
    """The client took too long to send what it announced."""


async def read_command(request: web.Request, kind: type[T], *, max_bytes: int = MAX_BYTES) -> T:
    """The JSON body as `kind`: malformed is 400, wrong types or lengths are 422 with each field."""
    refuse_other_than(request, "application/json")
    raw = await read_bytes(request, max_bytes)
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise field_refused(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        # The parser's own words quote what was sent.
        raise Malformed("malformed-json", "the body is not JSON in UTF-8") from None
    except RecursionError:
        raise Malformed("malformed-json", "the JSON is nested too deep") from None


def refuse_other_than(request: web.Request, content_type: str) -> None:
    """415 for another type, and for compressed bodies: a small one may unpack to gigabytes."""
    if request.content_type != content_type:
        raise UnsupportedMedia("unsupported-media", f"send this as {content_type}")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMedia("unsupported-media", "send the body without Content-Encoding")


async def read_bytes(request: web.Request, max_bytes: int) -> bytes:
    """The whole body, if it is within its size and arrives in time."""
    if (request.content_length or 0) > max_bytes:
        raise too_large(max_bytes)
    raw = bytearray()
    try:
        async with asyncio.timeout(SECONDS):
            while chunk := await request.content.readany():
                raw += chunk
                if len(raw) > max_bytes:
                    raise too_large(max_bytes)
    except TimeoutError:
        raise TooSlow("too-slow", f"the body did not arrive within {SECONDS:g} s") from None
    except (ClientPayloadError, ConnectionError):
        raise Malformed("cut-short", "the body ended before its length") from None
    return bytes(raw)


def idempotency_of(
    request: web.Request, scope: int | str, command: msgspec.Struct | bytes
) -> Idempotency | None:
    """The client's key and what it stands for; `scope` is an account's id or a username.

    The command is compared with its method and path, so one key never serves two routes.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not KEY.fullmatch(key):
        raise Invalid("bad-idempotency-key", "Idempotency-Key is 1 to 64 printable characters")
    # A username may look like an id; only the sign before it keeps the two apart.
    scoped = f"@{scope}" if isinstance(scope, str) else str(scope)
    return Idempotency(scope=scoped, key=key, command=canonical(request, command))


def canonical(request: web.Request, command: msgspec.Struct | bytes) -> bytes:
    body = command if isinstance(command, bytes) else msgspec.json.encode(command, order="sorted")
    return f"{request.method} {request.path}\n".encode() + body


def field_refused(error: msgspec.ValidationError) -> Invalid:
    """One refused field as `errors[]`; msgspec writes its path as `$.name` at the end."""
    detail, _, path = str(error).rpartition(" - at `$")
    if not detail:
        detail, path = str(error), ""
    if missing := re.search(r"missing required field `([^`]+)`", detail):
        path = f"{path.rstrip('`')}.{missing[1]}"
    field = path.strip("`.")
    return Invalid("invalid", detail, errors=[{"field": field, "detail": detail}])


def too_large(max_bytes: int) -> TooLarge:
    return TooLarge("too-large", f"the body is over {max_bytes} bytes", max_bytes=max_bytes)


def refused(field: str, detail: str, code: str = "invalid", **extras: Any) -> Invalid:
    """422 for one field that was read and does not hold."""
    return Invalid(code, detail, errors=[{"field": field, "detail": detail}], **extras)
