"""The reference for pages: an aiohttp + uvloop handler that does nothing but return the same bytes.

`python -m bench.bare`, told by JSON on stdin; says one line when it listens, ends by SIGTERM.
"""

import asyncio
import signal
import sys
from pathlib import Path

import msgspec
import uvloop
from aiohttp import web


class Pages(msgspec.Struct, frozen=True):
    """Answers, and the unix socket to give them on."""

    socket: str
    path: str
    headers: dict[str, str]
    bodies: str
    """A file with all of them."""
    parts: dict[str, tuple[int, int]]
    """From `key_of` a request to the first byte of its answer, and how many there are."""


def key_of(authorization: str, target: str) -> str:
    return f"{authorization} {target}"


async def serve(pages: Pages) -> None:
    whole = await asyncio.to_thread(Path(pages.bodies).read_bytes)
    bodies = {key: whole[first : first + size] for key, (first, size) in pages.parts.items()}
    del whole

    async def answer(request: web.Request) -> web.Response:
        key = key_of(request.headers["Authorization"], request.raw_path)
        return web.Response(body=bodies[key], headers=pages.headers)

    app = web.Application()
    app.router.add_get(pages.path, answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.UnixSite(runner, pages.socket).start()
    print("listening", flush=True)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await stopping.wait()
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(serve(msgspec.json.decode(sys.stdin.buffer.read(), type=Pages)))
