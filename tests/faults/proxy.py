"""A bad line between two parts: bytes pass through here until a test says how they shall not."""

import asyncio
import shutil
import socket
import struct
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

PIECE_BYTES = 65_536
RESET = struct.pack("ii", 1, 0)


class Proxy:
    """`async with Proxy(upstream) as proxy`: clients connect to `proxy.address` instead.

    An address is a pair of host and port, or the path of a unix socket; both sides are of a kind.
    """

    def __init__(self, upstream, listen=None):
        self.upstream, self.address = upstream, listen
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
        await self._reset_all()

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

    def cut_after_request(self):
        """Let the next request through and reset its connection in place of the answer; once."""
        self._cuts_next = True

    def half_close(self):
        """End the direction towards the server, for each open connection."""
        for line in tuple(self._lines):
            line.end_requests()

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

    async def _pass(self):
        """Return when a piece that has come may go on."""
        if self._delay_seconds:
            await asyncio.sleep(self._delay_seconds)
        await self._passing.wait()

    def _takes_cut(self):
        """Whether this request is the one whose answer never comes."""
        taken, self._cuts_next = self._cuts_next, False
        return taken


class Line:
    """One connection through the proxy: two ends, two directions."""

    def __init__(self, proxy, reader, writer):
        self.proxy = proxy
        self.client, self.server = (reader, writer), None
        self.cut = self.requests_ended = False
        self.task = asyncio.create_task(self.run(), name="line")

    async def run(self):
        # A reset is this task's cancellation: nothing else cancels it.
        with suppress(OSError, asyncio.CancelledError):
            self.server = await self.proxy._connect()
            requests = asyncio.create_task(self.requests(), name="line's requests")
            try:
                await self.answers()
                self.client[1].close()
                await self.client[1].wait_closed()
            finally:
                requests.cancel()

    def close(self):
        abort(self.client)
        abort(self.server)

    def reset(self):
        self.task.cancel()

    def end_requests(self):
        self.requests_ended = True
        if self.server and not self.server[1].is_closing():
            with suppress(OSError):  # the server may just have ended it
                self.server[1].write_eof()

    async def requests(self):
        reader, writer = self.client[0], self.server[1]
        try:
            while piece := await self.next_piece(reader):
                self.cut = self.proxy._takes_cut() or self.cut
                # What is sent after a half-close is lost, as on a line that is gone.
                if not self.requests_ended:
                    writer.write(piece)
                    await writer.drain()
            if not self.requests_ended:
                self.end_requests()
        except OSError:
            self.reset()

    async def answers(self):
        """Return when the server has said its last word, or that word was to be cut."""
        reader, writer = self.server[0], self.client[1]
        while piece := await self.next_piece(reader):
            if self.cut:
                raise ConnectionResetError
            writer.write(piece)
            await writer.drain()

    async def next_piece(self, reader):
        piece = await reader.read(PIECE_BYTES)
        await self.proxy._pass()
        return piece


def abort(end):
    """Close at once; what was not sent is dropped, and over TCP the other side gets a reset."""
    if end is None:
        return
    transport = end[1].transport
    connection = transport.get_extra_info("socket")
    if connection.family == socket.AF_INET and not transport.is_closing():
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    transport.abort()


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
