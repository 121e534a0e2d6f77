"""The spool: an upload waits in an unlinked file until it is whole, hashed on the way.

S3 wants the length before the first byte, and a form does not say it. Nothing is kept in memory:
reads and writes go to the page cache in pieces small enough for the event loop.
"""

import hashlib
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Self

from runtime.errors import TooLarge
from stores.answers import PIECE_BYTES


class Spool:
    """One upload's bytes. Used as a context manager; the file is gone when it ends."""

    def __init__(self, folder: Path | None = None) -> None:
        self.size_bytes = 0
        self._hash = hashlib.sha256()
        self._file = TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._file.close()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    async def fill(self, chunks: AsyncIterable[bytes], *, max_bytes: int) -> None:
        """Take everything; `TooLarge` as soon as it is more than `max_bytes`."""
        async for chunk in chunks:
            self.size_bytes += len(chunk)
            if self.size_bytes > max_bytes:
                detail = f"A photo may have at most {max_bytes} bytes."
                raise TooLarge("too-large", detail, max_bytes=max_bytes)
            self._hash.update(chunk)
            rest = memoryview(chunk)
            while rest:
                rest = rest[self._file.write(rest) :]

    async def pieces(self) -> AsyncIterator[bytes]:
        """Everything from the start, any number of times."""
        self._file.seek(0)
        while piece := self._file.read(PIECE_BYTES):
            yield piece


def size_of(source: Path | bytes) -> int:
    return source.stat().st_size if isinstance(source, Path) else len(source)


async def pieces_in(source: Path | bytes) -> AsyncIterator[bytes]:
    """A file's bytes, or these, piece by piece."""
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb", buffering=0) as file:
        while piece := file.read(PIECE_BYTES):
            yield piece
