"""GET /media/...: the bytes of a rendition, for whoever holds an address that is still good.

The signature says that we gave the address; the card says whether the photo is to be seen *now*.
"""

import re
import time

from aiohttp import web

from gateway.addresses import Addresses, PhotoAddress
from gateway.keys import CARDS, OBJECTS, WRITTEN
from gateway.routing import Route
from gateway.visibility import visible
from runtime.errors import Forbidden, HeliographError, NotFound
from stores.fragments import PostCard, media_type
from stores.objects import rendition_key

SHARED_SECONDS = 3_600  # how long a shared cache may show what was hidden since
RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
MOST_DIGITS = 15  # beyond every photo, and within every storage's numbers

HEADERS = {
    "Accept-Ranges": "bytes",
    "Content-Security-Policy": "default-src 'none'",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


async def show_photo(request: web.Request) -> web.StreamResponse:
    """One rendition, or the part of it that was asked for."""
    now = time.time()
    addresses = request.app[WRITTEN].addresses
    address = addresses.verify(
        request.match_info["photo"],
        request.query.get("e", ""),
        request.query.get("s", ""),
        now=now,
    )
    post = await shown_post(request, address)
    key = key_of(post, address, addresses)
    etag = f'"{address.blob}.{address.width}.{address.extension}"'
    headers = HEADERS | {"ETag": etag, "Cache-Control": cache_control(address, now)}
    if has_already(request, etag):
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = media_type(address.extension)
    return await send(request, key, headers, range_of(request, etag))


async def shown_post(request: web.Request, address: PhotoAddress) -> PostCard:
    """The post, if whom the address was made for may still see it."""
    cards = request.app[CARDS]
    post = (await cards.posts([address.post_id])).get(address.post_id)
    if post is None:
        raise no_photo()
    author = (await cards.authors([post.author_id])).get(post.author_id)
    if author is None:
        raise no_photo()
    # A public address is worth what a stranger may see. A private one was given to somebody who
    # might see the photo minutes ago: it lasts while the post does.
    viewer_id = author.id if address.audience == "private" else None
    if not await visible(request.app, viewer_id, post, author):
        raise Forbidden("hidden", "This photo is not shown any more.")
    return post


def key_of(post: PostCard, address: PhotoAddress, addresses: Addresses) -> str:
    """Where storage keeps the rendition that the address names."""
    named = address.width, address.extension
    for photo in post.photos:
        if addresses.blob(photo.sha256, photo.recipe) == address.blob:
            if named in ((each.width, each.extension) for each in photo.renditions):
                return rendition_key(photo.sha256, photo.recipe, *named)
        # A page that is open shows the recipe of its day; only storage knows what that had.
        elif photo.former and addresses.blob(photo.sha256, photo.former) == address.blob:
            return rendition_key(photo.sha256, photo.former, *named)
    raise no_photo()


def cache_control(address: PhotoAddress, now: float) -> str:
    """Kept until the address ends, by shared caches for an hour at most."""
    left = max(0, address.expires - int(now))
    if address.audience == "private":
        return f"private, max-age={left}, immutable"
    return f"public, max-age={left}, s-maxage={min(left, SHARED_SECONDS)}, immutable"


def range_of(request: web.Request, etag: str) -> str:
    """The one range asked for; several, or one of another version, are answered with it all.

    Only GET knows ranges. If-Range has to name the version exactly: a weak tag never does.
    """
    wanted = RANGE.fullmatch(request.headers.get("Range", "").strip())
    same = request.headers.get("If-Range", etag).strip() == etag
    if wanted is None or request.method != "GET" or not same:
        return ""
    first, last = (clamped(each) if each else "" for each in wanted.groups())
    if not (first or last) or (first and last and int(last) < int(first)):
        return ""
    return f"bytes={first}-{last}"


def clamped(digits: str) -> str:
    digits = digits.lstrip("0") or "0"
    return digits if len(digits) <= MOST_DIGITS else "9" * MOST_DIGITS


def has_already(request: web.Request, etag: str) -> bool:
    """Whether the client names this version, or any, as one that it has."""
    value = ", ".join(request.headers.getall("If-None-Match", ()))
    tags = [each.strip().removeprefix("W/") for each in value.split(",")]
    return etag in tags or value.strip() == "*"


async def send(
    request: web.Request, key: str, headers: dict[str, str], byte_range: str
) -> web.StreamResponse:
    """Pass the bytes on as they come from storage; HEAD gets what GET would, without them."""
    try:
        async with request.app[OBJECTS].open(key, byte_range) as reading:
            response = web.StreamResponse(status=206 if reading.content_range else 200)
            response.headers.update(headers)
            response.content_length = reading.size_bytes
            if reading.content_range:
                response.headers["Content-Range"] = reading.content_range
            await response.prepare(request)
            if request.method != "HEAD":
                async for piece in reading.pieces:
                    await response.write(piece)
            await response.write_eof()
            return response
    except HeliographError as error:
        if error.code == "range-not-satisfiable":
            return await unsatisfiable(request, key, headers)
        if isinstance(error, NotFound):
            raise no_photo() from None
        raise


async def unsatisfiable(
    request: web.Request, key: str, headers: dict[str, str]
) -> web.StreamResponse:
    """416, with the size that would have been within range."""
    async with request.app[OBJECTS].open(key, "bytes=0-0") as reading:
        size_bytes = reading.content_range.rpartition("/")[2]
    kept = {name: headers[name] for name in ("ETag", "Accept-Ranges")}
    return web.Response(status=416, headers=kept | {"Content-Range": f"bytes */{size_bytes}"})


def no_photo() -> NotFound:
    return NotFound("not-found", "There is no photo at this address.")


ROUTES = (
    Route(
        "GET",
        "/media/{photo:.+}",
        show_photo,
        "read",
        authenticated=False,
        summary="The bytes of a rendition, at the address its post gives",
        answer_type="*/*",
        queries=("e", "s"),
    ),
)
