"""The reference for fan-out: ZADDs encoded beforehand, as many under way as keep the server busy.

Nothing is computed between them and only the replies' bytes are counted: what limits it is the
cache server, and the CPU time it spends meanwhile shows that.
"""

import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import hiredis

from bench.standing import Stopwatch

COMMANDS_A_PIECE = 500
REPLY_BYTES = len(b":1\r\n")
RECEIVED_AT_ONCE = 1 << 16
SILENT_SECONDS = 30


class Plain(NamedTuple):
    """What so many entries took."""

    seconds: float
    client_cpu_seconds: float
    cache_cpu_seconds: float


def encode(keys: Sequence[bytes], ms: float, post_id: int) -> list[bytes]:
    """One ZADD a key, some hundreds of them a piece."""
    score, member = b"%d" % ms, b"%d" % post_id
    commands = [hiredis.pack_command((b"ZADD", key, score, member)) for key in keys]
    return [
        b"".join(commands[first : first + COMMANDS_A_PIECE])
        for first in range(0, len(commands), COMMANDS_A_PIECE)
    ]


def add(cache_url: str, pieces: Sequence[bytes], count: int, cache_pid: int) -> Plain:
    """Send all pieces and wait for so many replies, each of which says that an entry is new."""
    with connect(cache_url) as connection:
        watch, client = Stopwatch(cache_pid), time.process_time()
        sending = threading.Thread(target=send, args=(connection, pieces))
        sending.start()
        missing = count * REPLY_BYTES
        while missing > 0:
            received = connection.recv(RECEIVED_AT_ONCE)
            if not received or b"-" in received or b":0" in received:
                message = f"not every entry is new: {received[:200]!r}"
                raise ConnectionError(message)
            missing -= len(received)
        seconds = watch.seconds()
        sending.join()
        return Plain(seconds, time.process_time() - client, *watch.cpu())


def send(connection: socket.socket, pieces: Sequence[bytes]) -> None:
    with suppress(OSError):  # whoever reads the replies has hung up, and says why
        for each in pieces:
            connection.sendall(each)


def carry_out(connection: socket.socket, commands: Sequence[bytes]) -> None:
    """Send all and wait for as many replies, none of which may be an error."""
    replies = hiredis.Reader()
    sending = threading.Thread(target=send, args=(connection, commands))
    sending.start()
    for _ in commands:
        while (reply := replies.gets()) is False:
            replies.feed(connection.recv(RECEIVED_AT_ONCE))
        if isinstance(reply, hiredis.ReplyError):
            raise reply
    sending.join()


def connect(cache_url: str) -> socket.socket:
    """To the server that an address names, by its unix socket or by TCP."""
    address = urlsplit(cache_url)
    if address.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(unquote(address.path))
    else:
        connection = socket.create_connection((address.hostname, address.port or 6379))
    connection.settimeout(SILENT_SECONDS)
    if address.password:
        user = unquote(address.username or "default")
        connection.sendall(hiredis.pack_command(("AUTH", user, unquote(address.password))))
        answer = connection.recv(RECEIVED_AT_ONCE)
        if answer != b"+OK\r\n":
            raise ConnectionError(answer.decode())
    return connection
