"""What five times the uploads that the site can work off do to it, and to those who read.

First the rate that it can keep up with, and the feed while nothing else goes on; then the flood,
with the same reads beside it; then it has to finish what it accepted. Reads and uploads come from
processes of their own, through the site's one address, on the same two cores as the site.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from bench.client import Person, Site
from bench.feed_page import filled, request_of
from bench.flood import Answered, Flood
from bench.photos import another, camera_photo
from bench.spending import family, standing_cpu
from bench.standing import Standing, child, memory_mebibytes, output_of
from bench.steady_reads import Reads, Seen
from bench.table import Row, milliseconds, percentile, ratio
from runtime.connections import open_log

TIMES = 5
AUTHORS, POSTS_EACH, READERS, UPLOADERS = 4, 5, 12, 40
READS_A_SECOND = 40.0
SAMPLE_SECONDS = 0.5
PUBLISHED_SECONDS = 300
REFUSALS = (429, 503)


class Size(NamedTuple):
    burst: int
    unloaded_seconds: float
    flood_seconds: float


class Peak(NamedTuple):
    """MiB of one part, in the beginning and at most."""

    before: float
    most: float


async def measure(standing: Standing, *, quick: bool) -> list[Row]:
    size = Size(8, 8, 15) if quick else Size(24, 20, 60)
    people, port = standing.people, int(urlsplit(standing.people.address).port or 0)
    photo = await asyncio.to_thread(camera_photo)
    readers = await populate(people)
    uploaders = [await people.sign_up("flooder") for _ in range(UPLOADERS)]
    sustainable = await capacity(people, uploaders, photo, size.burst)
    requests = [request_of(each) for each in readers]
    calm = await reads(Reads(port, requests, READS_A_SECOND, size.unloaded_seconds))

    watch = Watch(standing)
    watching = asyncio.create_task(watch.run(), name="watching")
    rate, cpu = TIMES * sustainable, standing_cpu(standing)
    with TemporaryDirectory(prefix="heliograph-flood-") as folder:
        path = Path(folder) / "photo.jpg"
        path.write_bytes(photo)
        tokens = [each.token for each in uploaders]
        order = Flood(port, tokens, str(path), time.time_ns(), rate, size.flood_seconds)
        storm, answers = await asyncio.gather(
            reads(Reads(port, requests, READS_A_SECOND, size.flood_seconds)), flood(order)
        )
    busy = standing_cpu(standing) - cpu
    accepted = [each for each in answers if each.status == 202]
    missing, seconds = await finished(
        people, accepted, patience=60 + 4 * len(accepted) / sustainable
    )
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    offered = (
        f"{TIMES} × the sustainable {sustainable:.1f} uploads/s for {size.flood_seconds:.0f} s"
    )
    return [
        Row(
            f"overload: {offered}",
            f"{len(accepted)} accepted, {told(answers)}; {completed(missing, seconds)}",
            f"{len(answers)} offered, {len(photo) / 1e6:.1f} MB each",
            ratio(len(accepted), len(answers)),
            "all accepted ones complete, each refusal is 429 or 503 with Retry-After",
        ),
        reading(calm, storm),
        Row(
            "overload: CPU seconds in the flood, decoders with their worker",
            ", ".join(f"{name} {spent:.0f}" for name, spent in busy.most_common(7)),
            f"what two cores have: {2 * size.flood_seconds:.0f}",
        ),
        Row(
            "overload: memory at most, from the flood's begin to its last photo",
            "; ".join(f"{name} {peak.most:.0f} MiB" for name, peak in watch.peaks.items()),
            "; ".join(f"{name} {peak.before:.0f} MiB" for name, peak in watch.peaks.items()),
            "",
            "bounded",
        ),
    ]


def told(answers: Sequence[Answered]) -> str:
    """How the rest was refused. A refusal that breaks its promise is said loudly, twice."""
    refused = [each for each in answers if each.status != 202]
    counted = Counter(f"{each.status} {each.code}".strip() for each in refused)
    said = ", ".join(f"{many} × {what}" for what, many in counted.items()) or "none refused"
    broken = [each for each in refused if each.status not in REFUSALS or each.retry_after is None]
    if broken:
        said += f" — PROMISE BROKEN: {len(broken)} refused otherwise than told"
        print(f"overload: {len(broken)} refusals were none of ours: {broken[:5]}", file=sys.stderr)
    return said


def completed(missing: int, seconds: float) -> str:
    if missing:
        print(f"overload: {missing} accepted uploads were never published", file=sys.stderr)
        return f"PROMISE BROKEN: {missing} of them not published within {seconds:.0f} s"
    return f"all published {seconds:.0f} s after the flood"


def reading(calm: Seen, storm: Seen) -> Row:
    """A read that was not answered 200 has no latency; it is counted out loud."""
    p99 = percentile(storm.latencies, 99)
    reference = percentile(calm.latencies, 99)
    others = {status: many for status, many in storm.statuses.items() if status != 200}
    refused = f"; NOT 200: {others}" if others else ""
    return Row(
        f"overload: {READS_A_SECOND:.0f} feed reads/s beside the flood",
        f"p50 {milliseconds(percentile(storm.latencies, 50))}, p99 {milliseconds(p99)}{refused}",
        f"before it: p50 {milliseconds(percentile(calm.latencies, 50))}, "
        f"p99 {milliseconds(reference)}",
        ratio(p99, reference),
        "≤ 3 at p99",
    )


async def populate(people: Site) -> list[Person]:
    """Readers whose feeds hold a page of posts."""
    photo = camera_photo(width=700, height=2100)
    authors = [await people.sign_up("author") for _ in range(AUTHORS)]
    readers = [await people.sign_up("reader") for _ in range(READERS)]
    for reader in readers:
        for author in authors:
            await people.follow(reader, author)
    number = time.time_ns()
    for each in range(AUTHORS * POSTS_EACH):
        author = authors[each % AUTHORS]
        await people.upload(author, [another(photo, number + each)], f"Post {each} 🌅", "a view")
    at_once = asyncio.Semaphore(READERS)
    await asyncio.gather(*(filled(people, each, AUTHORS * POSTS_EACH, at_once) for each in readers))
    return readers


async def capacity(people: Site, uploaders: Sequence[Person], photo: bytes, burst: int) -> float:
    """Photos a second that come in and are published, when many come at once."""
    number = time.time_ns()
    # The first few find everything cold.
    for measured in (2, burst):
        began = time.perf_counter()
        await asyncio.gather(
            *(published(people, uploaders[n], another(photo, number + n)) for n in range(measured))
        )
        number += measured
    return burst / (time.perf_counter() - began)


async def published(people: Site, person: Person, photo: bytes) -> None:
    answer = await people.upload(person, [photo])
    async with asyncio.timeout(PUBLISHED_SECONDS):
        while (await people.post(person, answer["id"], wait=10))["state"] == "processing":
            pass


async def reads(order: Reads) -> Seen:
    async with child("bench.steady_reads", given=msgspec.json.encode(order)) as reader:
        return msgspec.json.decode(await output_of(reader, order.seconds + 60), type=Seen)


async def flood(order: Flood) -> list[Answered]:
    async with child("bench.flood", given=msgspec.json.encode(order)) as sender:
        said = await output_of(sender, order.seconds + 180)
        return msgspec.json.decode(said, type=list[Answered])


async def finished(
    people: Site, accepted: Sequence[Answered], patience: float
) -> tuple[int, float]:
    """How many were not published in time, and how long that took from now."""
    began = time.monotonic()
    for n, each in enumerate(accepted):
        person = Person("", "", each.token)
        while (await people.post(person, each.post_id, wait=10))["state"] != "published":
            if time.monotonic() - began > patience:
                return len(accepted) - n, patience
    return 0, time.monotonic() - began


class Watch:
    """How much memory gateways, workers with their decoders, and the log take over time."""

    def __init__(self, standing: Standing) -> None:
        self.standing = standing
        self.peaks: dict[str, Peak] = {}

    async def run(self) -> None:
        async with open_log(self.standing.behind.settings, connections=1) as log:
            while True:
                memory = await log.info("memory")
                self.note("log", memory["used_memory"] / 2**20)
                for process in self.standing.behind.supervisor.processes():
                    if process.pid and process.program.startswith(("gateway", "renditions")):
                        self.note(process.name, sum(resident(process.pid)))
                await asyncio.sleep(SAMPLE_SECONDS)

    def note(self, name: str, mebibytes: float) -> None:
        known = self.peaks.get(name, Peak(mebibytes, mebibytes))
        self.peaks[name] = Peak(known.before, max(known.most, mebibytes))


def resident(pid: int) -> Iterator[float]:
    """MiB of a process and of each of its children."""
    for each in family(pid):
        with suppress(OSError):
            yield memory_mebibytes(each, "VmRSS")
