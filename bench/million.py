"""One post to a million active followers, all of them pushed to, and whether it delays an upload.

A site of its own. The followers are rows made by one statement and windows that the cache server
copies, of few entries each: their memory is what bounds it. Photos come at a steady rate, in turns
on a quiet site and while a post is on its way to the million; for the reference the same entries
are added to the same windows by plain ZADD, encoded beforehand.
"""

import asyncio
import time
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from redis.asyncio import Redis

from bench.crowd import build_windows
from bench.lanes import Journey, Uploads
from bench.photos import camera_photo
from bench.plain_adds import Plain, add, encode
from bench.standing import Standing, Stopwatch, memory_mebibytes, standing
from bench.table import Row, milliseconds, percentile, ratio
from bench.upload_to_feed import Follower
from events.ids import EPOCH_MS, SHARDS, Position, make_id, shard_of
from events.lag import lag_of
from events.log import Log
from events.posts import PostSubmitted
from events.status import wait_for
from events.work import FanoutChunk
from runtime.connections import open_cache, open_database, open_log
from workers.process import log_of

FILL = 20
PUSH_ALL = "1000000000"
SIGNED_UP_MS = EPOCH_MS + 10_000
STRIDE = 5_003  # odd: followers' shards run through all there are
KEYS_A_LOOK = 1_000
POLL_SECONDS = 0.05
FANOUT_SECONDS = 120
HOLDING = """
local count = 0
for _, key in ipairs(KEYS) do
    if redis.call('ZSCORE', key, ARGV[1]) then count = count + 1 end
end
return count
"""


class Size(NamedTuple):
    """How many followers, how many turns, and how many photos in each turn."""

    followers: int
    turns: int
    photos: int


class Delivery(NamedTuple):
    """One post's way into all windows."""

    post_id: int
    published_ms: float
    seconds: float
    """From the moment of publication, which is the event's, until the last chunk was done."""
    worker_cpu_seconds: float
    cache_cpu_seconds: float


class Turn(NamedTuple):
    """Photos on a quiet site, photos beside deliveries, and the same entries added plainly."""

    quiet: list[Journey]
    beside: list[Journey]
    deliveries: list[Delivery]
    plain: Plain


class Star:
    """Somebody whom all of them follow."""

    def __init__(
        self, site: Standing, log: Log, cache: Redis, account_id: int, windows: Sequence[bytes]
    ) -> None:
        self.site, self.log, self.cache, self.id = site, log, cache, account_id
        self.windows = windows

    async def post(self) -> Delivery:
        """Without photos: they cost the decoders nothing, and fan-out as much as any."""
        watch = Stopwatch(self.site.pid("fanout"), self.site.pid("cache"))
        submitted = await self.log.append(PostSubmitted(photos=()), actor=self.id)
        await wait_for(self.log, submitted.address, FANOUT_SECONDS)  # planned, that is
        await self.all_pushed()
        ended, cpu = time.time(), watch.cpu()
        published_ms = await self.cache.zscore(self.windows[-1], str(submitted.id))
        if published_ms is None:
            message = "the post is not in the last window"
            raise LookupError(message)
        return Delivery(submitted.id, published_ms, ended - published_ms / 1000, *cpu)

    async def all_pushed(self) -> None:
        partition = shard_of(self.id) % self.log.partitions
        async with asyncio.timeout(FANOUT_SECONDS):
            while True:
                lag = await lag_of(self.log, "fanout", FanoutChunk.TOPIC, partition)
                if lag.entries + lag.pending == 0:
                    return
                await asyncio.sleep(POLL_SECONDS)

    async def verify(self, delivery: Delivery) -> None:
        looks = self.cache.register_script(HOLDING)
        count = 0
        for first in range(0, len(self.windows), KEYS_A_LOOK):
            count += await looks(self.windows[first : first + KEYS_A_LOOK], [delivery.post_id])
        if count != len(self.windows):
            message = f"{count} of {len(self.windows)} windows have the post"
            raise LookupError(message)

    def add_plainly(self, twin: Delivery) -> Plain:
        """Another post a millisecond later, into the same windows."""
        pieces = encode(self.windows, twin.published_ms + 1, twin.post_id + 1)
        cache_url, pid = self.site.behind.settings.cache_url, self.site.pid("cache")
        return add(cache_url, pieces, len(self.windows), pid)


async def measure(*, quick: bool) -> list[Row]:
    size = Size(100_000, 2, 6) if quick else Size(1_000_000, 4, 25)
    async with standing(pull_above=PUSH_ALL) as site:
        people, settings = site.people, site.behind.settings
        star, uploader, looking = [
            await people.sign_up(name) for name in ("star", "uploader", "looking")
        ]
        await people.follow(looking, uploader)
        follower = Follower(people, looking)
        photo = await asyncio.to_thread(camera_photo)
        uploads = Uploads(people, follower, uploader, photo)
        looks = asyncio.create_task(follower.look(), name="looks")
        async with open_log(settings) as client, open_cache(settings) as cache:
            ids, star_id = ids_of(size.followers), int(star.account_id)
            await add_followers(site, star_id, len(ids))
            before = memory_mebibytes(site.pid("cache"), "VmRSS")
            crowd = await build_windows(cache, client, ids, FILL)
            window = (memory_mebibytes(site.pid("cache"), "VmRSS") - before) * 2**20 / len(ids)
            posting = Star(site, log_of(settings, client), cache, star_id, crowd.windows)
            try:
                await uploads.send(2)  # connections open, everything warm
                await posting.post()
                turns = [await one_turn(posting, uploads, size.photos) for _ in range(size.turns)]
            finally:
                looks.cancel()
    return rows_of(f"{size.followers:,} windows of {FILL} entries", window, turns)


def ids_of(count: int) -> list[int]:
    """As the statement below makes them."""
    return [
        make_id(Position(SIGNED_UP_MS + number, 0), number * STRIDE % SHARDS)
        for number in range(count)
    ]


async def add_followers(site: Standing, account_id: int, count: int) -> None:
    """Rows of who follows, as fan-out reads them, and of nothing else."""
    pool = await open_database(site.behind.settings)
    async with pool, pool.acquire() as db, db.transaction():
        await db.execute(
            """
            INSERT INTO followers (shard, followee_id, follower_id,
                                   wish, wish_version, accepted, accepted_wish, verdict_version)
            SELECT shard_of($1), $1, (($2::bigint + n) << 23) | ((n * $3 % $4) << 10),
                   true, 1, true, 1, 1
            FROM generate_series(0::bigint, $5::bigint - 1) AS n
            """,
            *(account_id, SIGNED_UP_MS - EPOCH_MS, STRIDE, SHARDS, count),
            timeout=FANOUT_SECONDS,
        )
        await db.execute(
            "UPDATE accounts SET followers = $2 WHERE shard = shard_of($1) AND id = $1",
            account_id,
            count,
        )


async def one_turn(star: Star, uploads: Uploads, photos: int) -> Turn:
    """Post after post is on its way for as long as photos are."""
    quiet = await uploads.send(photos)
    sending = asyncio.create_task(uploads.send(photos), name="photos")
    deliveries = []
    while not sending.done():
        deliveries.append(await star.post())
    beside = await sending
    for each in deliveries:
        await star.verify(each)
    plain = await asyncio.to_thread(star.add_plainly, deliveries[-1])
    return Turn(quiet, beside, deliveries, plain)


def rows_of(crowd: str, window_bytes: float, turns: Sequence[Turn]) -> list[Row]:
    deliveries = [each for turn in turns for each in turn.deliveries]
    entries = int(crowd.partition(" ")[0].replace(",", ""))
    seconds = median(each.seconds for each in deliveries)
    plainly = median(turn.plain.seconds for turn in turns)
    server = median(turn.plain.cache_cpu_seconds / turn.plain.seconds for turn in turns)
    worker = sum(each.worker_cpu_seconds for each in deliveries) / len(deliveries) / entries * 1e6
    cache = sum(each.cache_cpu_seconds for each in deliveries) / len(deliveries) / entries * 1e6
    client = median(turn.plain.client_cpu_seconds for turn in turns) / entries * 1e6
    plain = median(turn.plain.cache_cpu_seconds for turn in turns) / entries * 1e6
    return [
        Row(
            f"million: {crowd} ({window_bytes:,.0f} bytes each), from publication to the last, "
            "beside uploads",
            f"{seconds:.1f} s, {entries / seconds:,.0f} entries/s",
            f"plain ZADD, nothing beside: {entries / plainly:,.0f} entries/s "
            f"({server:.0%} of a core)",
            ratio(plainly, seconds),
            "≤ 15 s",
        ),
        Row(
            f"million: CPU an entry, {crowd}",
            f"worker {worker:.1f} µs, cache {cache:.1f} µs",
            f"plain ZADD: client {client:.1f} µs, cache {plain:.1f} µs",
            ratio(worker + cache, client + plain),
        ),
        *(upload_row(what, turns, at) for at, what in enumerate(("published", "in a feed"))),
    ]


def upload_row(what: str, turns: Sequence[Turn], at: int) -> Row:
    """`at`: which moment of a journey."""
    quiet = [journey[at] for turn in turns for journey in turn.quiet]
    beside = [journey[at] for turn in turns for journey in turn.beside]
    return Row(
        f"million: upload until {what}, beside the delivery",
        f"p50 {milliseconds(median(beside))}, p99 {milliseconds(percentile(beside, 99))}",
        f"quiet: p50 {milliseconds(median(quiet))}, p99 {milliseconds(percentile(quiet, 99))}",
        f"{ratio(median(beside), median(quiet))} "
        f"(p99 {ratio(percentile(beside, 99), percentile(quiet, 99))})",
        "≤ 1.10 at p99",
    )
