"""`python -m events archive`: what is in the archive, and whether all of it is as it was."""

import argparse
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

from events.catalogue import ARCHIVED
from events.ids import Position
from events.telling import Desk, Line, Progress, Record, Table, Told
from events.trimming import hold, release
from runtime.errors import Invalid
from stores.archive import Archive
from stores.objects import Objects
from workers.archive_check import Audit, Fault
from workers.site import Library

HOLD_SECONDS = 120.0
RENEW_SECONDS = 20.0

GROUP_HELP = """\
Every event ever recorded is in the archive: immutable, compressed segments in object storage, each
with a manifest. The role `archive` writes them half a minute behind the log; what is archived and
done may then be trimmed from the log, and is read from the archive from then on.
"""

EXAMPLES = """\
  python -m events archive list
  python -m events archive list --topic posts --partition 3 --segments
  python -m events archive verify
  python -m events archive verify --topic posts --json

`verify` reads every segment: its bytes are hashed, decoded and held against its manifest, and each
entry must follow the one before it, through all segments, into the live topic, up to its head. What
the log still holds of a segment must be the same. It changes nothing, and may be interrupted.

"""


def declare(groups: Any, *, epilog: str) -> None:
    """Add `archive` and its commands."""

    def command(to: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = to.add_parser(
            name,
            help=text,
            description=f"{text}.",
            epilog=EXAMPLES + epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(run=run)
        return made

    group = command(groups, "archive", None, "see what is archived, and prove that it is whole")
    group.description = GROUP_HELP
    commands = group.add_subparsers(metavar="COMMAND", required=True)
    listing = command(commands, "list", list_segments, "list what the archive holds")
    listing.add_argument("--segments", action="store_true", help="each segment, not only sums")
    verifying = command(commands, "verify", verify, "prove that nothing is missing or changed")
    for each in (listing, verifying):
        each.add_argument("--topic", choices=sorted(ARCHIVED), help="only this one")
        each.add_argument("--partition", type=int, metavar="N", help="only this one")
        each.add_argument("--json", action="store_true", help="one JSON object a line")


class Row(NamedTuple):
    """What `list` says of a segment, or of several that follow each other."""

    topic: str
    partition: int
    segments: int
    entries: int
    bytes: int
    first: str
    last: str

    def and_then(self, other: "Row") -> "Row":
        sums = (self.segments + other.segments, self.entries + other.entries)
        return Row(*self[:2], *sums, self.bytes + other.bytes, self.first, other.last)


async def list_segments(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:
    """A row for each topic and partition, or for each segment."""
    heads = ("topic", "partition", "segments", "entries", "bytes", "first", "last", "from", "to")
    rows = []
    async with open_archive(desk) as library:
        for topic, partition in places(desk, arguments):
            total: Row | None = None
            async for manifest in library.archive.manifests(topic, partition):
                size_bytes, ends = manifest.size_bytes, (manifest.first, manifest.last)
                row = Row(topic, partition, 1, manifest.count, size_bytes, *ends)
                if arguments.segments:
                    rows.append(row)
                total = total.and_then(row) if total else row
            if total and not arguments.segments:
                rows.append(total)
    if rows:
        timed = ((*row, moment(row.first), moment(row.last)) for row in rows)
        yield Table(heads=heads, rows=tuple(timed))
    else:
        yield Line("Nothing is archived yet.", aside=True)


async def verify(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:
    """Every fault as it is found, then what was looked at; fails if there is a fault."""
    heads = ("topic", "partition", "segments", "entries", "bytes", "live", "faults")
    rows, name = [], f"verify {os.getpid()}"
    await hold(desk.log, name, HOLD_SECONDS)
    renew_at = time.monotonic() + RENEW_SECONDS
    try:
        async with open_archive(desk) as library:
            for topic, partition in places(desk, arguments):
                audit = Audit(library, topic, partition)
                async for fault in audit.run():
                    if time.monotonic() >= renew_at:
                        await hold(desk.log, name, HOLD_SECONDS)
                        renew_at = time.monotonic() + RENEW_SECONDS
                    if fault:
                        yield complaint(fault)
                    what = f"{topic}.{partition}"
                    yield Progress(
                        what=what, done=audit.segments, total=audit.of_segments, unit="segments"
                    )
                rows.append(
                    (
                        topic,
                        partition,
                        audit.segments,
                        audit.entries,
                        audit.size_bytes,
                        audit.live,
                        audit.faults,
                    )
                )
    finally:
        await release(desk.log, name)
    yield Table(heads=heads, rows=tuple(rows))
    if not any(row[-1] for row in rows):
        yield Line("All of it is whole: nothing is missing, changed or out of order.", aside=True)


@asynccontextmanager
async def open_archive(desk: Desk) -> AsyncIterator[Library]:
    async with Objects(desk.settings.objects_url) as objects:
        yield Library(log=desk.log, archive=Archive(objects))


def places(desk: Desk, arguments: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """The topics and partitions that were asked for."""
    only = arguments.partition
    if only is not None and not 0 <= only < desk.log.partitions:
        raise Invalid(detail=f"This site has the partitions 0 to {desk.log.partitions - 1}.")
    for topic in [arguments.topic] if arguments.topic else sorted(ARCHIVED):
        for partition in range(desk.log.partitions) if only is None else [only]:
            yield topic, partition


def complaint(fault: Fault) -> Record:
    """A fault, for people and for machines."""
    where = f"{fault.topic}.{fault.partition}.{fault.position}"
    text = f"{where} is {fault.kind}: {fault.detail}."
    return Record(text=text, fields=fault._asdict(), failed=True)


def moment(position: str) -> str:
    """When that was, to the second."""
    at = datetime.fromtimestamp(Position.parse(position).ms / 1000, UTC)
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
