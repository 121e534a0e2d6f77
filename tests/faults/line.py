"""One connection through a proxy, and how it ends before its time."""

import asyncio
import socket
import struct
from contextlib import suppress

PIECE_BYTES = 65_536
RESET = struct.pack("ii", 1, 0)


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
        """Whether there was still somebody to tell."""
        self.requests_ended = True
        if self.server and not self.server[1].is_closing():
            with suppress(OSError):  # the server may just have ended it
                self.server[1].write_eof()
                return True
        return False

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
                self.proxy.touched += 1
                raise ConnectionResetError
            writer.write(piece)
            await writer.drain()

    async def next_piece(self, reader):
        piece = await reader.read(PIECE_BYTES)
        await self.proxy._pass(piece)
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
