"""Asks the gateway every page once, for a bare handler to give the same bytes; warms it, too."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from bench.bare import Pages, key_of
from bench.load import LENGTH
from bench.standing import child

AT_ONCE = 8
IN_MEMORY = 500
# aiohttp writes these itself, on both sides.
OWN_HEADERS = ("date", "content-length", "connection", "transfer-encoding")
TARGET = re.compile(rb"GET (\S+) ")
AUTHORIZATION = re.compile(rb"\r\nAuthorization: ([^\r]+)\r\n")
ANSWER_SECONDS = 10


@asynccontextmanager
async def answered_barely(
    gateway: Path, path: str, requests: Iterable[bytes]
) -> AsyncIterator[tuple[str, int, int]]:
    """A bare handler's socket and process, and how many bytes the largest answer has."""
    wanted = list(dict.fromkeys(requests))
    with TemporaryDirectory(prefix="heliograph-bare-") as folder:
        bodies = Path(folder) / "bodies"
        parts: dict[str, tuple[int, int]] = {}
        headers: dict[str, str] = {}
        with bodies.open("wb") as file:
            for first in range(0, len(wanted), IN_MEMORY):
                batch = wanted[first : first + IN_MEMORY]
                answers = await ask_all(gateway, batch)
                for request, (headers, body) in zip(batch, answers, strict=True):  # noqa: B007 - the last one's are given to all
                    parts[key_of_request(request)] = (file.tell(), len(body))
                    file.write(body)
        socket = f"{folder}/bare.sock"
        pages = Pages(socket, path, headers, str(bodies), parts)
        async with child("bench.bare", given=msgspec.json.encode(pages)) as bare:
            assert bare.stdout is not None  # noqa: S101  (PIPE was asked for)
            await bare.stdout.readline()
            yield socket, bare.pid, max(size for _, size in parts.values())


async def warm(gateway: Path, requests: Iterable[bytes]) -> None:
    """Ask each once, so that what is measured later finds everything at hand."""
    wanted = list(dict.fromkeys(requests))
    for first in range(0, len(wanted), IN_MEMORY):
        await ask_all(gateway, wanted[first : first + IN_MEMORY])


async def check(gateway: Path, expected: Sequence[tuple[bytes, list[int]]]) -> None:
    """What is fast has to be right: each request is answered with these posts, in this order."""
    answers = await ask_all(gateway, [request for request, _ in expected])
    for (_, post_ids), (_, body) in zip(expected, answers, strict=True):
        shown = [int(each["id"]) for each in msgspec.json.decode(body)["items"]]
        if shown != post_ids:
            message = f"a page shows {shown}, not {post_ids}"
            raise LookupError(message)


def key_of_request(request: bytes) -> str:
    target, authorization = TARGET.match(request), AUTHORIZATION.search(request)
    if target is None or authorization is None:
        message = "this is no request of a member"
        raise ValueError(message)
    return key_of(authorization[1].decode(), target[1].decode())


async def ask_all(gateway: Path, requests: Iterable[bytes]) -> list[tuple[dict[str, str], bytes]]:
    """Headers and body of each answer, in the order of the requests."""
    waiting = asyncio.Queue[tuple[int, bytes]]()
    for each in enumerate(requests):
        waiting.put_nowait(each)
    answers: dict[int, tuple[dict[str, str], bytes]] = {}

    async def ask() -> None:
        reader, writer = await asyncio.open_unix_connection(gateway)
        while not waiting.empty():
            number, request = waiting.get_nowait()
            writer.write(request)
            async with asyncio.timeout(ANSWER_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                length = LENGTH.search(head)
                body = await reader.readexactly(int(length[1]) if length else 0)
            status, *lines = head.decode().strip().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            if " 200 " not in status:
                message = f"{status}: {body.decode()}"
                raise ConnectionError(message)
            kept = {
                name: value for name, value in headers.items() if name.lower() not in OWN_HEADERS
            }
            answers[number] = (kept, body)
        writer.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(ask())
    return [answers[number] for number in range(len(answers))]
