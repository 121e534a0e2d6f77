"""What storage's answers mean: that it is done, that nothing is there, or nothing at all."""

from collections.abc import AsyncIterator

from aiohttp import ClientError, ClientResponse

from runtime.errors import Invalid, NotFound, Unavailable

PIECE_BYTES = 64 * 1024

_REFUSAL_BYTES = 4096


class AlreadyThere(Exception):
    """`If-None-Match: *` found something."""


async def judge(response: ClientResponse, key: str) -> None:
    """Raise what any answer but one of status 2xx means."""
    match response.status:
        case 200 | 204 | 206:
            return
        case 404 if response.method == "HEAD" or await says_no_such_key(response):
            raise NotFound("object-not-found", key)
        case 412:
            raise AlreadyThere
        case 416:
            raise Invalid("range-not-satisfiable", "The object ends before that range.")
        case status:
            # A refused signature and a missing bucket too: an operator has to act, and nothing may
            # be taken for lost.
            raise unavailable(f"Object storage answered {status}.")


async def says_no_such_key(response: ClientResponse) -> bool:
    """Whether a 404 is about the key: a bucket that is not there says nothing of what it held."""
    try:
        return b"<Code>NoSuchKey</Code>" in await response.content.read(_REFUSAL_BYTES)
    except (ClientError, TimeoutError, OSError):
        return False


async def pieces_of(response: ClientResponse) -> AsyncIterator[bytes]:
    """The body of an answer as it comes; `Unavailable` when it breaks off."""
    try:
        async for piece in response.content.iter_chunked(PIECE_BYTES):
            yield piece
    except (ClientError, TimeoutError, OSError) as error:
        raise unavailable("Object storage broke off its answer.") from error


def unavailable(detail: str) -> Unavailable:
    return Unavailable("objects-unavailable", detail, retry_after=2)
