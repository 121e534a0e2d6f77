"""How fast one post reaches 1,000, 10,000 and 100,000 active followers.

The post is uploaded and fanned out by the site's own processes; only the crowd is made by hand
(bench/crowd.py). Against ZADDs of one more entry to the same windows, encoded beforehand and sent
so that the cache server is busy with nothing else (bench/plain_adds.py).
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from statistics import median
from typing import Any, NamedTuple

import redis

from bench.batches import Lines, covered
from bench.client import Person
from bench.crowd import Crowd, gather_crowd
from bench.photos import another, camera_photo
from bench.plain_adds import Plain, add, encode
from bench.plots import lines, save
from bench.standing import Standing, Stopwatch
from bench.table import Row, milliseconds, ratio
from events.ids import shard_of
from events.lag import lag_of
from events.log import Log, stream_key
from events.posts import PostPublished
from events.work import FanoutChunk
from runtime.connections import open_log
from workers.process import log_of

FILL = 200  # entries in each window before; the cap is 256
AIM_AT = 10_000
COMMANDS_A_TRIP = 5_000
POLL_SECONDS = 0.02
FANOUT_SECONDS = 60
# Each leaves two more entries in every window: more of them would come near the cap.
ROUNDS = {1_000: 8, 10_000: 8, 100_000: 4}
QUICK_ROUNDS = {1_000: 4, 10_000: 4}


class Pushed(NamedTuple):
    """One post's way into all windows."""

    whole_seconds: float
    """From the moment of publication, which is the event's, until the last chunk was done."""
    busy_seconds: float
    """What planning and chunks took, without the waiting before and between them."""
    worker_cpu_seconds: float
    cache_cpu_seconds: float


class Compared(NamedTuple):
    """Rounds of both, by turns."""

    followers: int
    pushed: list[Pushed]
    plain: list[Plain]

    def rate(self, seconds: Sequence[float]) -> float:
        """Entries a second, the median."""
        return self.followers / median(seconds)


async def measure(standing: Standing, *, quick: bool) -> list[Row]:
    measured, earlier = [], 0
    async with open_log(standing.behind.settings) as client:
        log = log_of(standing.behind.settings, client)
        for followers, rounds in (QUICK_ROUNDS if quick else ROUNDS).items():
            measured.append(await compare(standing, log, followers, rounds, earlier))
            earlier += followers
    await asyncio.to_thread(plot, measured, quick=quick)
    return [row for each in measured for row in rows_of(each)]


async def compare(
    standing: Standing, log: Log, followers: int, rounds: int, earlier: int
) -> Compared:
    settings = standing.behind.settings
    author = await standing.people.sign_up("author")
    photo = camera_photo(width=300, height=400)
    await published(standing, author, photo)
    crowd = await gather_crowd(settings, int(author.account_id), followers, FILL, earlier=earlier)
    compared = Compared(followers, [], [])
    with redis.Redis.from_url(settings.cache_url) as cache:
        for number in range(rounds):
            watch = Stopwatch(standing.pid("fanout"), standing.pid("cache"))
            said = Lines(standing.log_file("fanout"))
            before = await chunks_of(log, int(author.account_id))
            post_id = await published(standing, author, another(photo, number))
            await fanned_out(log, int(author.account_id))
            cpu = watch.cpu()
            chunks = await chunks_of(log, int(author.account_id)) - before
            done = await said.all_of(chunks)
            moment = await asyncio.to_thread(verify, cache, crowd.windows, post_id)
            compared.pushed.append(pushed_of(done, moment, cpu))
            pieces = encode(crowd.windows, moment + 1, int(post_id) + 1)
            compared.plain.append(
                await asyncio.to_thread(
                    add, settings.cache_url, pieces, followers, standing.pid("cache")
                )
            )
        await asyncio.to_thread(leave, cache, crowd)
    # The first of each finds nothing warm.
    return Compared(followers, compared.pushed[1:], compared.plain[1:])


async def published(standing: Standing, author: Person, photo: bytes) -> str:
    post_id = str((await standing.people.upload(author, [photo]))["id"])
    while (await standing.people.post(author, post_id, wait=10))["state"] == "processing":
        pass
    return post_id


async def chunks_of(log: Log, author_id: int) -> int:
    """How many were ever put into the author's partition."""
    stream = stream_key(FanoutChunk.TOPIC, shard_of(author_id) % log.partitions)
    if not await log.client.exists(stream):
        return 0
    return int((await log.client.xinfo_stream(stream))["entries-added"])


async def fanned_out(log: Log, author_id: int) -> None:
    """Until nothing of the author's partition waits for the planner or in a chunk."""
    partition = shard_of(author_id) % log.partitions
    async with asyncio.timeout(FANOUT_SECONDS):
        for topic in (PostPublished.TOPIC, FanoutChunk.TOPIC):
            while True:
                lag = await lag_of(log, "fanout", topic, partition)
                if not (lag.entries or lag.pending):
                    break
                await asyncio.sleep(POLL_SECONDS)


def verify(cache: redis.Redis, windows: Sequence[bytes], post_id: str) -> float:
    """When the post was published, as every window says."""
    scores: set[float | None] = set()
    for first in range(0, len(windows), COMMANDS_A_TRIP):
        with cache.pipeline(transaction=False) as pipeline:
            for window in windows[first : first + COMMANDS_A_TRIP]:
                pipeline.zscore(window, post_id)
            scores.update(pipeline.execute())
    moment = scores.pop()
    if scores or moment is None:
        message = f"the post is not in every window: {scores}, {moment}"
        raise LookupError(message)
    return moment


def pushed_of(done: Sequence[dict[str, Any]], moment: float, cpu: Sequence[float]) -> Pushed:
    ends = [datetime.fromisoformat(each["timestamp"]).timestamp() for each in done]
    spans = [(end - each["ms"] / 1000, end) for end, each in zip(ends, done, strict=True)]
    worker, cache = cpu
    return Pushed(max(ends) - moment / 1000, covered(spans), worker, cache)


def leave(cache: redis.Redis, crowd: Crowd) -> None:
    for first in range(0, len(crowd.windows), COMMANDS_A_TRIP):
        cache.unlink(*crowd.windows[first : first + COMMANDS_A_TRIP])


def rows_of(compared: Compared) -> list[Row]:
    pushed, plain = compared.pushed, compared.plain
    reference = median(each.seconds for each in plain)
    saturated = median(each.cache_cpu_seconds / each.seconds for each in plain)
    rate = f"{compared.rate([reference]):,.0f} entries/s"
    plainly = f"pipelined ZADD: {rate}, cache at {saturated:.0%} of a core"
    whole = median(each.whole_seconds for each in pushed)
    busy = median(each.busy_seconds for each in pushed)
    worker, cache = each_entry(compared, pushed)
    client, plain_cache = each_entry(compared, plain)
    crowd = f"fan_out: {compared.followers:,} windows of {FILL} entries"
    return [
        Row(
            f"{crowd}, from publication to the last",
            f"{compared.rate([whole]):,.0f} entries/s ({milliseconds(whole)})",
            plainly,
            ratio(reference, whole),
            "≥ 0.70" if compared.followers >= AIM_AT else "",
        ),
        Row(
            f"{crowd}, planning and pushing alone",
            f"{compared.rate([busy]):,.0f} entries/s ({milliseconds(busy)})",
            plainly,
            ratio(reference, busy),
        ),
        Row(
            f"{crowd}, CPU an entry",
            f"worker {worker:.1f} µs, cache {cache:.1f} µs",
            f"pipelined ZADD: client {client:.1f} µs, cache {plain_cache:.1f} µs",
            f"{ratio(worker + cache, client + plain_cache)} "
            f"(cache alone {ratio(cache, plain_cache)})",
        ),
    ]


def each_entry(
    compared: Compared, rounds: Sequence[Pushed] | Sequence[Plain]
) -> tuple[float, float]:
    """CPU microseconds of the client and of the cache, over all rounds."""
    entries = len(rounds) * compared.followers
    return sum(r[-2] for r in rounds) / entries * 1e6, sum(r[-1] for r in rounds) / entries * 1e6


def plot(measured: Sequence[Compared], *, quick: bool) -> None:
    at = [each.followers for each in measured]
    plain = [each.rate([r.seconds for r in each.plain]) for each in measured]
    busy = [each.rate([r.busy_seconds for r in each.pushed]) for each in measured]
    whole = [each.rate([r.whole_seconds for r in each.pushed]) for each in measured]
    series = {
        "pipelined ZADD, server saturated": plain,
        "planning and pushing": busy,
        "publication to the last": whole,
    }
    title = f"Fan-out of one post into windows of {FILL} entries"
    save("feeds-fan-out", title, [lines("entries a second", "followers", at, series)], quick=quick)
