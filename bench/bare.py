"""The reference for pages: an aiohttp + uvloop handler that does nothing but return the same bytes.

`python -m bench.bare`, told by JSON on stdin; says one line when it listens, ends by SIGTERM.
"""

import asyncio
import signal
import sys

import msgspec
import uvloop
from aiohttp import web


class Page(msgspec.Struct, frozen=True):
    """One answer, and the unix socket to give it on."""

    socket: str
    path: str
    headers: dict[str, str]
    body: bytes


async def serve(page: Page) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=page.body, headers=page.headers)

    app = web.Application()
    app.router.add_get(page.path, answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.UnixSite(runner, page.socket).start()
    print("listening", flush=True)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await stopping.wait()
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(serve(msgspec.json.decode(sys.stdin.buffer.read(), type=Page)))
