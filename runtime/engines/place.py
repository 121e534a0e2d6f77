"""Where a site lives: its `var/` folder, a short folder for sockets, its secrets and its ports."""

import fcntl
import hashlib
import os
import secrets
import shutil
import socket
import stat
from collections.abc import Iterable
from pathlib import Path

import msgspec

# A block is a thousand loopback ports, below the ports that outgoing connections are given.
BLOCKS = range(11, 32)
# The hundred of a block that each program has; supervisord.conf writes the same digits.
HUNDREDS = {
    "gateway-read": 0,
    "gateway-write": 1,
    "accounts": 2,
    "renditions": 3,
    "posts": 4,
    "graph": 5,
    "fanout": 6,
    "archive": 7,
    "collect": 8,
    "verify": 8,
    "objects": 9,
}
# Programs of one process that have the second half of another's hundred.
HALVES = {"verify": 50}
ENGINE_PORTS = 8


class PlaceError(Exception):
    """The site cannot live here; the text says why and what to do."""


class Place(msgspec.Struct, frozen=True):
    """One site's folders. Everything in `var` persists; `sockets` holds only sockets."""

    var: Path
    sockets: Path

    def folder(self, name: str) -> Path:
        path = self.var / name
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def secret(self, name: str) -> str:
        """The secret of that name, made on first use; a file only its owner may read."""
        path = self.folder("secrets") / name
        if not path.exists():
            write_private(path, secrets.token_hex(24))
        return path.read_text(encoding="ascii")

    @property
    def block(self) -> str:
        """The first two digits of every port this site listens on beside its one address."""
        path = self.var / "ports"
        if not path.exists():
            path.write_text(pick_block(self.var), encoding="ascii")
        return path.read_text(encoding="ascii")

    def port(self, program: str, number: int = 0) -> int:
        offset = HUNDREDS[program] * 100 + HALVES.get(program, 0)
        return int(self.block) * 1000 + offset + number

    def clear_sockets(self) -> None:
        """Once nothing of the site runs: leave nothing in the public place."""
        shutil.rmtree(self.sockets, ignore_errors=True)

    def move_if_taken(self, ports: Iterable[int]) -> None:
        """Choose other ports for a site that is not running, if somebody took one of its own."""
        if not all(is_free(port) for port in ports):
            (self.var / "ports").unlink()


def open_place(var: Path) -> Place:
    """The place of a site, its folders made, readable by their owner only."""
    var = var.absolute()
    var.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Socket paths end at about 100 characters, so they cannot stand below a deep `var`.
    name = hashlib.sha256(os.fsencode(var.resolve())).hexdigest()[:12]
    return Place(var, private_folder(Path(f"/tmp/heliograph-{name}")))  # noqa: S108 - checked below


def private_folder(path: Path) -> Path:
    """A folder in a public place: ours alone, or refused, since sockets in it are trusted."""
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PlaceError(f"{path} belongs to somebody else; remove it or set HELIOGRAPH_VAR")
    path.chmod(0o700)
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file that never was readable by others, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def pick_block(var: Path) -> str:
    """A block whose ports are free, and that of all those was picked the longest ago.

    Whoever picked one just now may not listen there yet. Of those that were never picked, one that
    other sites are unlikely to try first.
    """
    start = int(hashlib.sha256(os.fsencode(var)).hexdigest(), 16) % len(BLOCKS)
    blocks = [BLOCKS[(start + step) % len(BLOCKS)] for step in range(len(BLOCKS))]
    picks = private_folder(Path(f"/tmp/heliograph-ports-{os.getuid()}"))  # noqa: S108 - checked
    with (picks / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for block in sorted(blocks, key=lambda block: picked_ns(picks / str(block))):
            firsts = [block * 1000 + hundred * 100 for hundred in HUNDREDS.values()]
            engine = range(firsts[-1], firsts[-1] + ENGINE_PORTS)
            if all(is_free(port) for port in (*firsts, *engine)):
                (picks / str(block)).touch()
                return str(block)
    raise PlaceError("no block of loopback ports is free between 11000 and 31999")


def picked_ns(pick: Path) -> int:
    return pick.stat().st_mtime_ns if pick.exists() else 0


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
