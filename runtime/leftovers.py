"""Processes that a killed supervisord left behind, found by what only this site's can hold.

Python and Go processes are known by their environment. PostgreSQL, Valkey and nginx write over
theirs, and are known by the owner of their socket or by their pid file.
"""

import os
import signal
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path

from runtime.engines.place import Place

PATIENCE_SECONDS = 10
LISTENERS = ("log.sock", "cache.sock", ".s.PGSQL.5432")
# To PostgreSQL: end the sessions and write a checkpoint.
GENTLY = {".s.PGSQL.5432": signal.SIGINT}


def end_leftovers(place: Place) -> None:
    """End them: those that work first, then the engines."""
    end(dict.fromkeys([*by_environment(place), *by_pid_file(place)], signal.SIGTERM))
    owners = {name: owner(place.sockets / name) for name in LISTENERS}
    end({pid: GENTLY.get(name, signal.SIGTERM) for name, pid in owners.items() if pid})


def by_environment(place: Place) -> list[int]:
    """What this site's supervisord started, and theirs; it tells each where it listens."""
    mark = f"SUPERVISOR_SERVER_URL=unix://{place.sockets}/supervisor.sock".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def by_pid_file(place: Place) -> list[int]:
    """Supervisord and nginx, if the pid that they wrote down is still theirs."""
    found = []
    for name, word in (("supervisord.pid", "supervisord"), ("nginx.pid", "nginx")):
        with suppress(OSError, ValueError):
            pid = int((place.var / name).read_text(encoding="ascii"))
            if word in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8"):
                found.append(pid)
    return found


def owner(path: Path) -> int:
    """The process that listens on a unix socket, or 0."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        try:
            client.connect(str(path))
        except OSError:
            return 0
        credentials = client.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
        )
    return int(struct.unpack("3i", credentials)[0])


def end(signals: dict[int, signal.Signals]) -> None:
    """Ask each once, then insist."""
    for pid, number in signals.items():
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(map(is_alive, signals)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in filter(is_alive, signals):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"
