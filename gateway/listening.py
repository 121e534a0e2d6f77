"""Accepting connections: where, with which limits, and how it ends.

The limits are aiohttp's, named here once.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway.connections import Connection
from gateway.express import EXPRESS

# Longer than nginx keeps its own side, so it never writes into a connection being closed. For
# aiohttp this also is the time a client has for the first request's headers.
KEEPALIVE_SECONDS = 75.0
LINGERING_SECONDS = 5.0  # reading on after an early refusal, or clients see a reset instead of it
DRAIN_SECONDS = 30.0
BACKLOG = 1_024
LIMITS: dict[str, Any] = {
    "access_log": None,
    "keepalive_timeout": KEEPALIVE_SECONDS,
    "lingering_time": LINGERING_SECONDS,
    "max_line_size": 8_190,
    "max_field_size": 8_190,
    "max_headers": 64,
    # A compressed body of a kilobyte may unpack to gigabytes; handlers refuse Content-Encoding.
    "auto_decompress": False,
}


@asynccontextmanager
async def listening(
    app: web.Application,
    *,
    socket: Path | None = None,
    port: int | None = None,
    once: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[asyncio.Server]:
    """Serve the app on a unix socket or a loopback port; the end waits for active requests.

    `once`: what the app, already set up, is waited for before anybody may connect.
    """
    runner = web.AppRunner(app, shutdown_timeout=DRAIN_SECONDS, access_log=None)
    await runner.setup()
    server = runner.server
    if server is None:
        raise RuntimeError("the runner was set up and has a server")
    loop = asyncio.get_running_loop()

    def connected() -> Connection:
        connection = Connection(server, loop=loop, **LIMITS)
        connection.express = app.get(EXPRESS)
        return connection

    listener: asyncio.Server | None = None
    try:
        if once is not None:
            await once()
        if socket is not None:
            listener = await loop.create_unix_server(connected, str(socket), backlog=BACKLOG)
        else:
            listener = await loop.create_server(
                connected, "127.0.0.1", port, backlog=BACKLOG, reuse_port=True
            )
        yield listener
    finally:
        if listener is not None:
            listener.close()
        await runner.cleanup()
