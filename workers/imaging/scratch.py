"""Folders for photos on their way: a bounded number a process, and none outlives its process long.

What lies there are originals, with all that a camera writes into them: who is killed leaves them,
and whoever starts next on that machine removes them.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, gettempdir, mkdtemp
from types import TracebackType
from typing import Self

PREFIX = "heliograph-photos-"


class Scratch:
    """One folder of this process, locked while the process lives, with `places` folders in it."""

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(remove_abandoned)
        self._root, self._lock = make_locked()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        rmtree(self._root, ignore_errors=True)
        os.close(self._lock)

    @asynccontextmanager
    async def folder(self) -> AsyncIterator[Path]:
        """An empty folder, once one of the places is free; it is removed afterwards."""
        async with self._places:
            with TemporaryDirectory(dir=self._root) as folder:
                yield Path(folder)


def make_locked() -> tuple[Path, int]:
    """A new folder and the handle that locks it, until that is closed, by whatever end."""
    while True:
        root = Path(mkdtemp(prefix=PREFIX))
        with suppress(FileNotFoundError):
            lock = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if root.exists():
                return root, lock
            os.close(lock)  # somebody who started just now has taken it for abandoned


def remove_abandoned() -> None:
    """Remove the folders that nobody has locked: a process id would say less, they come again."""
    for root in Path(gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # locked, another user's, or just gone
            lock = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                rmtree(root, ignore_errors=True)
            finally:
                os.close(lock)
