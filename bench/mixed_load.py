"""Whether feeds stay quick while photos come in: five minutes of both, and of ten times the reads.

350 feed reads a second, each due at its moment whatever became of those before, by ten thousand
members; uploads of 2 MB at half of what the pipeline takes. All through the site's one address. The
reads are first, and again at the end, measured with nothing else going on.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from bench.answered import warm
from bench.decoding import decoders_alone
from bench.members import make_members
from bench.moving_in import move_in, open_windows
from bench.photos import camera_photo
from bench.plots import save, spread
from bench.reading import draw, requests_of
from bench.spending import most, standing_cpu
from bench.standing import Standing, child, output_of
from bench.steady_reads import Reads, Seen
from bench.table import Row, milliseconds, percentile, ratio
from bench.upload_to_feed import Capacity, Journey, Uploading

MEMBERS = 10_000
RATE = 350.0
TIMES = 10
REQUESTS = 20_000


class Size(NamedTuple):
    """Seconds, and photos at once for the capacity."""

    idle: float
    mixed: float
    tenfold: float
    burst: int


async def measure(standing: Standing, *, quick: bool) -> list[Row]:
    size = Size(4, 10, 3, 6) if quick else Size(60, 300, 30, 40)
    photo = await asyncio.to_thread(camera_photo)
    alone = await decoders_alone(photo, 2 if quick else 5)
    requests = await members_reading(standing)
    # Pages are warm, so that it is uploads alone that make a difference.
    await warm(standing.socket("gateway-read"), requests[: int(RATE * size.mixed)])
    async with Uploading.of(standing.people, photo) as uploading:
        capacity = await uploading.capacity(standing, size.burst)
        calm = await reads(standing, requests, RATE, size.idle)
        uploads = max(1, int(capacity.rate / 2 * size.mixed))
        spent = standing_cpu(standing)
        mixed, journeys = await asyncio.gather(
            reads(standing, requests, RATE, size.mixed),
            uploading.photos.send(uploads, every=size.mixed / uploads),
        )
        spent = standing_cpu(standing) - spent
        calm_again = await reads(standing, requests, RATE, size.idle)
    tenfold = await reads(standing, requests, TIMES * RATE, size.tenfold)
    idle = Seen(
        calm.latencies + calm_again.latencies,
        {200: calm.statuses.get(200, 0) + calm_again.statuses.get(200, 0)},
    )
    await asyncio.to_thread(plot, idle, mixed, tenfold, quick=quick)
    each = f"{len(photo) / 1e6:.1f} MB, {capacity.rate / 2:.1f} uploads/s"
    beside = f"mixed_load: {size.mixed:.0f} s of {RATE:.0f} feed reads/s and {each}"
    return [
        reading(beside, mixed, idle, "≤ 3 at p99"),
        uploading_row(beside, journeys, capacity, alone.seconds),
        Row(
            "mixed_load: CPU seconds meanwhile",
            f"{most(spent, 7)}",
            f"what two cores have: {2 * size.mixed:.0f}",
            ratio(spent.total(), 2 * size.mixed),
        ),
        reading(f"mixed_load: {TIMES * RATE:,.0f} feed reads/s alone", tenfold, idle, "")._replace(
            ratio=f"{tenfold.served:.0%} answered"
        ),
    ]


async def members_reading(standing: Standing) -> list[bytes]:
    """What the members of bench/feed_read.py ask."""
    settings = standing.behind.settings
    members = await asyncio.to_thread(make_members, MEMBERS)
    await move_in(settings, members)
    await open_windows(settings, members, range(MEMBERS))
    return requests_of(draw(settings, members, range(MEMBERS), REQUESTS))


async def reads(standing: Standing, requests: list[bytes], rate: float, seconds: float) -> Seen:
    port = int(urlsplit(standing.people.address).port or 0)
    given = msgspec.json.encode(Reads(port, requests, rate, seconds))
    async with child("bench.steady_reads", given=given) as reader:
        return msgspec.json.decode(await output_of(reader, seconds + 60), type=Seen)


def reading(what: str, seen: Seen, idle: Seen, aim: str) -> Row:
    """A read that was not answered 200 has no latency; it is counted out loud."""
    others = {status: many for status, many in seen.statuses.items() if status != 200}
    refused = f"; NOT 200: {others}" if others else ""
    return Row(
        f"{what}: reads",
        f"{latencies(seen)}{refused}",
        f"{RATE:.0f}/s, nothing else: {latencies(idle)}",
        ratio(percentile(seen.latencies, 99), percentile(idle.latencies, 99)),
        aim,
    )


def latencies(seen: Seen) -> str:
    p50, p99 = (milliseconds(percentile(seen.latencies, percent)) for percent in (50, 99))
    return f"p50 {p50}, p99 {p99}"


def uploading_row(
    what: str, journeys: Sequence[Journey], capacity: Capacity, alone_seconds: float
) -> Row:
    seconds = [each.in_feed for each in journeys]
    p50, p99 = percentile(seconds, 50), percentile(seconds, 99)
    return Row(
        f"{what}: upload until it stands in a feed",
        f"p50 {milliseconds(p50)}, p99 {milliseconds(p99)} (capacity {capacity.rate:.1f}/s)",
        f"decoder alone: {milliseconds(alone_seconds)}",
        f"{ratio(p50, alone_seconds)} (p99 {ratio(p99, alone_seconds)})",
        "≤ 2 at p50",
    )


def plot(idle: Seen, mixed: Seen, tenfold: Seen, *, quick: bool) -> None:
    series = {
        f"{RATE:.0f}/s alone": idle.latencies,
        f"{RATE:.0f}/s beside uploads": mixed.latencies,
        f"{TIMES * RATE:,.0f}/s alone ({tenfold.served:.0%} answered)": tenfold.latencies,
    }
    panel = spread("share of reads answered within so many ms", series)
    save("feeds-mixed-load", "Feed reads and uploads on the same two cores", [panel], quick=quick)
