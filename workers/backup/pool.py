"""The objects of all backups of a folder, each once: under its key nothing ever changes."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Collection, Iterator
from pathlib import Path

import msgspec

from runtime.errors import Conflict, NotFound
from stores.objects import Objects

AT_ONCE = 8
PART = ".part"


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """One object of one backup: a line of its list."""

    key: str
    size_bytes: int
    sha256: str


class Pool:
    """Files by the keys of their objects. `known` is what earlier lists say of them."""

    def __init__(self, folder: Path, known: Collection[Kept] = ()) -> None:
        self.folder = folder
        self._known = {each.key: each for each in known}

    async def copy(self, objects: Objects) -> AsyncIterator[Kept]:
        """Every object of the bucket; what vanishes meanwhile was staged, and is done with."""
        waiting: set[asyncio.Task[Kept | None]] = set()
        async for found in objects.list(""):
            waiting.add(asyncio.create_task(self._keep(objects, found.key, found.size_bytes)))
            if len(waiting) == AT_ONCE:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for kept in filter(None, map(asyncio.Task.result, done)):
                    yield kept
        for kept in filter(None, await asyncio.gather(*waiting)):
            yield kept

    async def put_back(self, objects: Objects, wanted: Collection[Kept]) -> AsyncIterator[Kept]:
        """Store each that is not there; `Conflict` when a file is not what its list says."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def put(kept: Kept) -> Kept:
            async with turns:
                path = self.path(kept.key)
                if not path.is_file() or await asyncio.to_thread(sha256_of, path) != kept.sha256:
                    detail = f"{path} is missing, or not what was backed up."
                    raise Conflict("backup-broken", detail)
                await objects.put_if_absent(kept.key, path, content_type_of(kept.key))
                return kept

        for each in asyncio.as_completed([put(kept) for kept in wanted]):
            yield await each

    def prune(self, wanted: Collection[str]) -> int:
        """Remove the files of all keys but these; how many bytes that were."""
        freed = 0
        for path in list(self._files()):
            if path.relative_to(self.folder).as_posix() not in wanted:
                freed += path.stat().st_size
                path.unlink()
        return freed

    def path(self, key: str) -> Path:
        return self.folder / key

    async def _keep(self, objects: Objects, key: str, size_bytes: int) -> Kept | None:
        path, known = self.path(key), self._known.get(key)
        if known and known.size_bytes == size_bytes and path.is_file():
            return known
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + PART)
        try:
            fetched = await objects.fetch_to(key, part)
        except NotFound:
            part.unlink(missing_ok=True)
            return None
        os.replace(part, path)  # noqa: PTH105 - Path.replace says the same; half a file never counts
        return Kept(key, fetched.size_bytes, fetched.sha256)

    def _files(self) -> Iterator[Path]:
        return (path for path in self.folder.rglob("*") if path.is_file())


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_type_of(key: str) -> str:
    """As it was when it was first stored; what clients are told comes from elsewhere."""
    return "image/jpeg" if key.endswith(".jpg") else "application/octet-stream"
