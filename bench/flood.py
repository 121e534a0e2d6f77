"""Uploads at a steady rate from many clients: `python -m bench.flood`, told by JSON on stdin.

Each on a connection of its own, begun when it is due, whatever became of those before. A client
reads while it sends, as real ones do: one that is refused stops sending.
"""

import asyncio
import re
import sys
import time
from pathlib import Path

import msgspec
import uvloop

from bench.photos import another

BOUNDARY = "a-bench-sent-this"
HEAD = (
    f"--{BOUNDARY}\r\n"
    'Content-Disposition: form-data; name="photo"; filename="IMG_0001.jpg"\r\n'
    "Content-Type: image/jpeg\r\n\r\n"
).encode()
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()
PIECE_BYTES = 64 * 1024
ANSWER_SECONDS = 120.0
HEADER = re.compile(rb"(?i)\r\n(content-length|retry-after): *(\d+)")


class Flood(msgspec.Struct, frozen=True):
    """Upload the photo in the file, never twice the same, so many times a second."""

    port: int
    tokens: list[str]
    photo: str
    first: int
    rate: float
    seconds: float


class Answered(msgspec.Struct, frozen=True):
    """What became of one upload. Status 0: the connection ended without an answer."""

    status: int
    token: str
    post_id: str = ""
    code: str = ""
    retry_after: int | None = None


class Body(msgspec.Struct):
    """Of an answer, what is looked at."""

    id: str = ""
    code: str = ""


async def flood(order: Flood) -> list[Answered]:
    photo = await asyncio.to_thread(Path(order.photo).read_bytes)
    began = time.perf_counter()

    async def one(number: int) -> Answered:
        await asyncio.sleep(began + number / order.rate - time.perf_counter())
        token = order.tokens[number % len(order.tokens)]
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await upload(order.port, token, another(photo, order.first + number))
        except (OSError, EOFError):
            return Answered(0, token)

    return await asyncio.gather(*(one(each) for each in range(int(order.rate * order.seconds))))


async def upload(port: int, token: str, photo: bytes) -> Answered:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sending = asyncio.create_task(send(writer, token, photo))
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        found = {name.lower(): int(value) for name, value in HEADER.findall(head)}
        raw = await reader.readexactly(found[b"content-length"])
        said = msgspec.json.decode(raw, type=Body)
        status = int(head.split(None, 2)[1])
        return Answered(status, token, said.id, said.code, found.get(b"retry-after"))
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()


async def send(writer: asyncio.StreamWriter, token: str, photo: bytes) -> None:
    writer.write(
        f"POST /v1/posts HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        f"Content-Length: {len(HEAD) + len(photo) + len(TAIL)}\r\n\r\n".encode()
        + HEAD
    )
    for first in range(0, len(photo), PIECE_BYTES):
        writer.write(photo[first : first + PIECE_BYTES])
        await writer.drain()
    writer.write(TAIL)


if __name__ == "__main__":
    told = msgspec.json.decode(sys.stdin.buffer.read(), type=Flood)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(flood(told))))
