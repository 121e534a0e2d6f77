"""A folder of backups: the pool of objects that they share, and of each its manifest and files."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import msgspec

from runtime.errors import Conflict, NotFound
from workers.backup.pool import Kept, Pool, sha256_of

FORMAT = 1
MANIFEST, TABLES, LOG, OBJECTS = "manifest.json", "tables.dump", "log.keys", "objects.list"
POOL = "objects"
NAME = re.compile(r"\d{4}-\d\d-\d\dT\d{6}\.\d{3}Z")


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Written last: a folder without one is no backup."""

    format: int = FORMAT
    made_at: str
    partitions: int
    secret: str
    """The fingerprint of the site's secret, which is not in the backup: keep it elsewhere."""
    schema_version: int
    groups: tuple[tuple[str, str, int, str], ...]
    """Role, topic, partition, and the position behind which tables may lack events."""
    heads: dict[str, str]
    """Of each partition the last position of all, as it was when its keys were copied."""
    digests: dict[str, tuple[int, str]]
    """Of each table its rows and their digest."""
    objects: int
    object_bytes: int
    files: dict[str, str]
    """Of each file beside it the SHA-256."""


class Backup:
    """One backup of a folder of them; it need not be there yet."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def new(cls, folder: Path) -> Self:
        """The next of a folder, named for now."""
        now = datetime.now(UTC)
        made = cls(folder / f"{now:%Y-%m-%dT%H%M%S}.{now.microsecond // 1000:03}Z")
        made.path.mkdir(parents=True)
        return made

    def file(self, name: str) -> Path:
        return self.path / name

    def pool(self) -> Pool:
        """Shared with all backups beside it, whose lists spare reading again what is there."""
        known = [kept for each in backups_in(self.path.parent) for kept in each.objects()]
        return Pool(self.path.parent / POOL, known)

    def manifest(self) -> Manifest:
        """`NotFound` when it was never finished, `Conflict` when it is not of this format."""
        try:
            text = self.file(MANIFEST).read_bytes()
        except OSError:
            raise NotFound("no-backup", f"{self.path} holds no finished backup.") from None
        try:
            manifest = msgspec.json.decode(text, type=Manifest)
        except msgspec.MsgspecError as error:
            raise Conflict("backup-broken", f"{self.file(MANIFEST)}: {error}") from None
        if manifest.format != FORMAT:
            detail = f"The backup is of format {manifest.format}, this code reads {FORMAT}."
            raise Conflict("backup-format", detail)
        return manifest

    def finish(self, manifest: Manifest) -> None:
        """From now on it is one."""
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        self.file(MANIFEST).write_bytes(text + b"\n")

    def check(self, manifest: Manifest) -> None:
        """`Conflict` when a file is not what the manifest says."""
        for name, sha256 in manifest.files.items():
            if not self.file(name).is_file() or sha256_of(self.file(name)) != sha256:
                detail = f"{self.file(name)} is missing, or not what was backed up."
                raise Conflict("backup-broken", detail)

    def objects(self) -> Iterator[Kept]:
        """The list of objects, as far as it was written."""
        if self.file(OBJECTS).is_file():
            with self.file(OBJECTS).open("rb") as lines:
                for line in lines:
                    yield msgspec.json.decode(line, type=Kept)


def backups_in(folder: Path) -> list[Backup]:
    """Every finished one, the oldest first."""
    return [Backup(each.parent) for each in sorted(folder.glob(f"*/{MANIFEST}"))]


def broken_off(folder: Path, *, older_than_days: float) -> list[Path]:
    """What backups left that never came to their manifest."""
    before = time.time() - older_than_days * 86_400
    return [
        path
        for path in sorted(folder.iterdir())
        if path.is_dir()
        and NAME.fullmatch(path.name)
        and not (path / MANIFEST).exists()
        and path.stat().st_mtime < before
    ]


def age_days(backup: Backup) -> float:
    made = datetime.fromisoformat(backup.manifest().made_at)
    return (datetime.now(UTC) - made).total_seconds() / 86_400
