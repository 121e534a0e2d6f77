"""A bad line between two parts: bytes pass through here until a test says how they shall not."""

import asyncio
import shutil
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.faults.line import Line


class Proxy:
    """`async with Proxy(upstream) as proxy`: clients connect to `proxy.address` instead.

    An address is a pair of host and port, or the path of a unix socket; both sides are of a kind.
    `touched` counts the connections that were reset, cut or half closed, and the pieces held.
    """

    def __init__(self, upstream, listen=None):
        self.upstream, self.address = upstream, listen
        self.touched = 0
        self._folder = None
        self._server = None
        self._lines = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._delay_seconds = 0.0
        self._cuts_next = False

    async def refuse(self):
        """Be a stopped engine: nobody listens, and every connection is reset."""
        self._close_listener()
        self.touched += len(self._lines)
        await self._reset_all()

    async def upstream_accepts(self):
        """Whether somebody listens where we connect to."""
        try:
            _, writer = await self._connect()
        except OSError:
            return False
        writer.close()
        return True

    def stall(self):
        """Be a frozen engine: connections are taken and kept, and no byte goes either way.

        What is sent meanwhile arrives once healed, even of those who left: as kernels keep it.
        """
        self._passing.clear()

    def delay(self, seconds):
        """Let each piece of bytes wait that long."""
        self._delay_seconds = seconds

    def drop(self):
        """Reset every connection that is open now; new ones are welcome."""
        for line in tuple(self._lines):
            line.reset()
            self.touched += 1

    def cut_after_request(self):
        """Let the next request through and reset its connection in place of the answer; once."""
        self._cuts_next = True

    def half_close(self):
        """End the direction towards the server, for each open connection."""
        for line in tuple(self._lines):
            self.touched += line.end_requests()

    async def heal(self):
        """Let everything pass again."""
        self._delay_seconds = 0.0
        self._cuts_next = False
        self._passing.set()
        await self.reopen()

    async def reopen(self):
        """End a refusal, and that alone."""
        if self._server is None:
            await self._open_listener()

    async def __aenter__(self):
        if self.address is None and isinstance(self.upstream, Path):
            self._folder = Path(tempfile.mkdtemp(prefix="hg-line-"))
            self.address = self._folder / "s.sock"
        await self._open_listener()
        return self

    async def __aexit__(self, *_):
        self._close_listener()
        await self._reset_all()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _open_listener(self):
        if isinstance(self.upstream, Path):
            self._server = await asyncio.start_unix_server(self._accept, self.address)
        else:
            # The port of the first time is the port of every time: clients know it.
            host, port = self.address or ("127.0.0.1", 0)
            self._server = await asyncio.start_server(self._accept, host, port)
            self.address = self._server.sockets[0].getsockname()[:2]

    def _close_listener(self):
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _reset_all(self):
        lines = tuple(self._lines)
        for line in lines:
            line.reset()
        # One that was reset before its task began has only been cancelled.
        await asyncio.gather(*(line.task for line in lines), return_exceptions=True)

    def _accept(self, reader, writer):
        if self._server is None:  # taken from the queue as the listener closed
            writer.transport.abort()
            return
        line = Line(self, reader, writer)
        self._lines.add(line)
        line.task.add_done_callback(lambda _: self._forget(line))

    def _forget(self, line):
        self._lines.discard(line)
        line.close()

    async def _connect(self):
        if isinstance(self.upstream, Path):
            return await asyncio.open_unix_connection(self.upstream)
        return await asyncio.open_connection(*self.upstream)

    async def _pass(self, piece):
        """Return when the piece that has come may go on; an empty one is the end of all."""
        if piece and (self._delay_seconds or not self._passing.is_set()):
            self.touched += 1
        if self._delay_seconds:
            await asyncio.sleep(self._delay_seconds)
        await self._passing.wait()

    def _takes_cut(self):
        """Whether this request is the one whose answer never comes."""
        taken, self._cuts_next = self._cuts_next, False
        return taken


@asynccontextmanager
async def proxied(settings):
    """The settings of a process whose every engine stands behind a proxy, and the four proxies."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hg-lines-")))
        proxies = {
            name: await stack.enter_async_context(proxy)
            for name, proxy in proxies_in(folder, settings).items()
        }
        yield settings.replace(**through(proxies, settings)), proxies


def proxies_in(folder, settings):
    """A proxy before each of the four engines; sockets stand in this folder."""
    told = parse_qs(urlsplit(settings.database_url).query)
    database = Path(told["host"][0], f".s.PGSQL.{told.get('port', ['5432'])[0]}")
    objects = urlsplit(settings.objects_url)
    return {
        "log": Proxy(Path(urlsplit(settings.log_url).path), folder / "log.sock"),
        "cache": Proxy(Path(urlsplit(settings.cache_url).path), folder / "cache.sock"),
        # PostgreSQL's clients are told a folder and know the name.
        "database": Proxy(database, folder / database.name),
        "objects": Proxy((objects.hostname, objects.port)),
    }


def through(proxies, settings):
    """The addresses of the engines, each replaced by that of its proxy."""
    ends = {name: (str(each.upstream), str(each.address)) for name, each in proxies.items()}
    each = proxies["database"]
    folders = f"host={each.upstream.parent}", f"host={each.address.parent}"
    there, here = proxies["objects"].upstream, proxies["objects"].address
    objects = f"@{there[0]}:{there[1]}/", f"@{here[0]}:{here[1]}/"
    return {
        "log_url": settings.log_url.replace(*ends["log"]),
        "cache_url": settings.cache_url.replace(*ends["cache"]),
        "database_url": settings.database_url.replace(*folders),
        "database_reader_url": settings.database_reader_url.replace(*folders),
        "objects_url": settings.objects_url.replace(*objects),
    }
