"""Opaque cursors: versioned, checked, never expiring. And the other parameter of lists, `limit`."""

from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from binascii import b2a_base64
from hashlib import blake2b
from struct import pack, unpack

from aiohttp import web

from runtime.errors import Invalid

VERSION = b"\x01"
CHECK_BYTES = 4
BEGUN = blake2b(digest_size=CHECK_BYTES, person=b"cursor")
URL_SAFE = bytes.maketrans(b"+/", b"-_")
DEFAULT_LIMIT = 30
MOST = 100


def encode_cursor(*numbers: int) -> str:
    """The position of the last entry examined, for the client to hand back."""
    body = VERSION + pack(f">{len(numbers)}q", *numbers)
    text = b2a_base64(body + check(body), newline=False)
    return text.translate(URL_SAFE, b"=").decode()


def decode_cursor(text: str, count: int) -> tuple[int, ...]:
    """What `encode_cursor` was given; anything else is refused, so no position is ever guessed."""
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (Base64Error, UnicodeEncodeError):
        raise bad_cursor() from None
    body = raw[:-CHECK_BYTES]
    if len(body) != len(VERSION) + 8 * count or body[:1] != VERSION or check(body) != raw[-4:]:
        raise bad_cursor()
    numbers = tuple(unpack(f">{count}q", body[1:]))
    # Base64 has several spellings, a cursor has one; and every entry lies above 0.
    if min(numbers) < 1 or encode_cursor(*numbers) != text:
        raise bad_cursor()
    return numbers


def cursor_of(request: web.Request, count: int) -> tuple[int, ...] | None:
    """The cursor of a request, None at the top of a list."""
    text = request.query.get("cursor", "")
    return decode_cursor(text, count) if text else None


def limit_of(request: web.Request) -> int:
    """How many items a page may hold."""
    text = request.query.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MOST):
        raise wrong("limit", f"limit is a whole number from 1 to {MOST}")
    return int(text)


def check(body: bytes) -> bytes:
    # Detects editing, keeps nothing secret: a cursor grants nothing.
    hashing = BEGUN.copy()
    hashing.update(body)
    return hashing.digest()


def bad_cursor() -> Invalid:
    return wrong("cursor", "the cursor is not one this list gave out")


def wrong(field: str, detail: str) -> Invalid:
    return Invalid(f"bad-{field}", detail, errors=[{"field": field, "detail": detail}])
