"""How fast one post reaches 10,000 active followers.

The post is uploaded and fanned out by the site's own processes; only the crowd is made by hand
(bench/crowd.py). Against the entries that one redis-py client adds to twins of the same windows by
plain ZADD in pipelines of 500.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import msgspec
import redis

from bench.client import Person
from bench.crowd import gather_crowd
from bench.photos import another, camera_photo
from bench.standing import Standing, Stopwatch
from bench.table import Row, milliseconds, ratio
from workers.fanout import FOLLOWERS_PER_CHUNK

FOLLOWERS = 10_000
FILL = 200  # entries in each window before; the cap is 256
PIPELINE = 500
POLL_SECONDS = 0.02
FANOUT_SECONDS = 60


class Pushed(NamedTuple):
    """One post's way into all windows."""

    whole_seconds: float
    """From the moment of publication, which is the event's, until the last chunk was done."""
    busy_seconds: float
    """What planning and chunks took, without the waiting before and between them."""
    worker_cpu_seconds: float
    cache_cpu_seconds: float


class Plain(NamedTuple):
    """The same entries by pipelined ZADD."""

    seconds: float
    client_cpu_seconds: float
    cache_cpu_seconds: float


async def measure(standing: Standing, *, quick: bool) -> list[Row]:
    author = await standing.people.sign_up("author")
    photo = camera_photo(width=300, height=400)
    await standing.people.post(author, await publish(standing, author, photo), wait=10)
    crowd = await gather_crowd(standing.behind.settings, int(author.account_id), FOLLOWERS, FILL)
    pushed, plain = [], []
    with redis.Redis.from_url(standing.behind.settings.cache_url) as cache:
        for number in range(4 if quick else 8):
            watch = Stopwatch(standing.pid("fanout"), standing.pid("cache"))
            lines = Lines(standing.log_file("fanout"))
            post_id = await publish(standing, author, another(photo, number))
            done = await chunks_done(lines)
            published_ms = await asyncio.to_thread(verify, cache, crowd.windows, post_id)
            pushed.append(pushed_of(done, published_ms, watch))
            entry = {str(post_id): published_ms}
            cache_pid = standing.pid("cache")
            plain.append(await asyncio.to_thread(add_plainly, cache, crowd.twins, entry, cache_pid))
    return rows_of(pushed[1:], plain[1:])  # the first of each finds nothing warm


async def publish(standing: Standing, author: Person, photo: bytes) -> str:
    return str((await standing.people.upload(author, [photo]))["id"])


class Lines:
    """What a process writes into its log from now on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.from_byte = path.stat().st_size

    def batches(self) -> Iterator[dict[str, Any]]:
        with self.path.open("rb") as file:
            file.seek(self.from_byte)
            for line in file:
                if line.endswith(b"}\n") and b'"batch.attempted"' in line:
                    yield msgspec.json.decode(line)


async def chunks_done(lines: Lines) -> list[dict[str, Any]]:
    """The lines of the plan and its chunks, once every chunk is done."""
    async with asyncio.timeout(FANOUT_SECONDS):
        while True:
            await asyncio.sleep(POLL_SECONDS)
            done = [each for each in lines.batches() if not each["later"] and not each["poison"]]
            chunks = sum(each["count"] for each in done if each["event_type"] == "FanoutChunk")
            if chunks == ceil(FOLLOWERS / FOLLOWERS_PER_CHUNK):
                return done


def pushed_of(done: Sequence[dict[str, Any]], published_ms: float, watch: Stopwatch) -> Pushed:
    last = max(datetime.fromisoformat(each["timestamp"]).timestamp() for each in done)
    busy = sum(each["ms"] for each in done) / 1000
    return Pushed(last - published_ms / 1000, busy, *watch.cpu())


def verify(cache: redis.Redis, windows: Sequence[bytes], post_id: str) -> float:
    """When the post was published, as every window says."""
    with cache.pipeline(transaction=False) as pipeline:
        for window in windows:
            pipeline.zscore(window, post_id)
        scores = set(pipeline.execute())
    if len(scores) != 1 or None in scores:
        message = f"the post is not in every window: {scores}"
        raise LookupError(message)
    return float(scores.pop())


def add_plainly(
    cache: redis.Redis, keys: Sequence[bytes], entry: dict[str, float], cache_pid: int
) -> Plain:
    watch, client = Stopwatch(cache_pid), time.thread_time()
    for first in range(0, len(keys), PIPELINE):
        with cache.pipeline(transaction=False) as pipeline:
            for key in keys[first : first + PIPELINE]:
                pipeline.zadd(key, entry)
            pipeline.execute()
    return Plain(watch.seconds(), time.thread_time() - client, *watch.cpu())


def rows_of(pushed: Sequence[Pushed], plain: Sequence[Plain]) -> list[Row]:
    reference = median(each.seconds for each in plain)
    plainly = f"plain ZADD: {rate(reference)}"
    whole = median(each.whole_seconds for each in pushed)
    busy = median(each.busy_seconds for each in pushed)
    worker, cache = each_entry(pushed)
    client, plain_cache = each_entry(plain)
    crowd = f"fan_out: {FOLLOWERS:,} windows of {FILL} entries"
    return [
        Row(
            f"{crowd}, from publication to the last",
            f"{rate(whole)} ({milliseconds(whole)})",
            plainly,
            ratio(reference, whole),
            "≥ 0.5",
        ),
        Row(
            f"{crowd}, planning and pushing alone",
            f"{rate(busy)} ({milliseconds(busy)})",
            plainly,
            ratio(reference, busy),
        ),
        Row(
            "fan_out: CPU an entry",
            f"worker {worker:.1f} µs, cache {cache:.1f} µs",
            f"plain ZADD: client {client:.1f} µs, cache {plain_cache:.1f} µs",
            ratio(worker + cache, client + plain_cache),
        ),
    ]


def rate(seconds: float) -> str:
    return f"{FOLLOWERS / seconds:,.0f} entries/s"


def each_entry(rounds: Sequence[Pushed] | Sequence[Plain]) -> tuple[float, float]:
    """CPU microseconds of the client and of the cache; ticks are coarse, so over all rounds."""
    entries = len(rounds) * FOLLOWERS
    return sum(r[-2] for r in rounds) / entries * 1e6, sum(r[-1] for r in rounds) / entries * 1e6
