"""/livez, /readyz and /metrics of every process, on a loopback port and a thread of their own.

The thread answers even while the event loop is stuck: that is when /livez matters.
"""

import asyncio
import socketserver
import threading
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import msgspec
from prometheus_client import make_wsgi_app

from runtime.engine_checks import engine_checks
from runtime.health import Check, Health, stop_watching
from runtime.settings import Settings

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

# A slow scraper must not hold a thread for ever.
REQUEST_SECONDS = 10


@asynccontextmanager
async def operated(
    settings: Settings,
    engines: Collection[str],
    *,
    port: int,
    reader: bool = False,
    optional: Collection[str] = (),
    checks: Iterable[Check] = (),
) -> AsyncIterator[Health]:
    """Watch the named engines and answer on `port` until the block ends.

    `checks` are the process's own conditions, such as having read the notices.
    """
    async with engine_checks(settings, engines, reader=reader, optional=optional) as found:
        health = Health([*found, *checks])
        with served(health, port):
            watching = asyncio.create_task(health.watch(), name="health.watch")
            try:
                yield health
            finally:
                health.drain()
                await stop_watching(watching)


@contextmanager
def served(health: Health, port: int) -> Iterator[int]:
    """Answer on 127.0.0.1; the port is free to choose when it is 0."""
    server = ThreadingServer(("127.0.0.1", port), QuietHandler)
    server.set_app(operations_app(health))
    thread = threading.Thread(target=server.serve_forever, name="operations", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def operations_app(health: Health) -> "WSGIApplication":
    metrics = make_wsgi_app()

    def answer(environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case "/livez":
                return say(start, health.alive(), b"ok\n" if health.alive() else b"stuck\n")
            case "/readyz":
                report = health.report()
                verbose = "verbose" in environ.get("QUERY_STRING", "")
                ready = report.status != "not ready"
                if verbose:
                    return say(start, ready, msgspec.json.encode(report), "application/json")
                return say(start, ready, f"{report.status}\n".encode())
            case "/metrics":
                return cast("Iterable[bytes]", metrics(environ, start))
        start("404 Not Found", [("Content-Type", "text/plain")])
        return [b"/livez /readyz /readyz?verbose /metrics\n"]

    return answer


def say(start: "StartResponse", well: object, body: bytes, kind: str = "text/plain") -> list[bytes]:
    status = "200 OK" if well else "503 Service Unavailable"
    start(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


class ThreadingServer(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False

    def server_bind(self) -> None:
        """As `HTTPServer` does, without asking a name server who we are."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])
        self.setup_environ()


class QuietHandler(WSGIRequestHandler):
    timeout = REQUEST_SECONDS

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's name
        """Scrapes are not worth a line."""
