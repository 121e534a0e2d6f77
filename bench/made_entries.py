"""Entries as appends leave them in the log, made without one: of every type, random where they are.

`python -m bench.made_entries` adds them to a log at a rate, told as JSON on its standard input.
"""

import asyncio
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec
from redis.asyncio import Redis

from events import codec
from events.accounts import AccountRegistered, PasswordChanged, ProfileEdited, SessionOpened
from events.catalogue import tag_of
from events.entries import ACTOR, AFTER, CAUSE, PAYLOAD, REQUEST, SEALED, TIME, TYPE
from events.envelope import Event
from events.graph import FollowAccepted, FollowRequested, Unfollowed
from events.ids import Position, make_id
from events.log import stream_key
from events.posts import (
    PostDeleted,
    PostPublished,
    PostSubmitted,
    RenderedPhoto,
    Rendition,
    StagedPhoto,
)

SEALING_BYTES = 12 + 16  # nonce and tag
WIDTHS = (320, 640, 1280, 2048)
TICK_SECONDS = 0.02
MONTH_MS = 30 * 86_400_000

# As many as a site has: mostly follows and sessions, then posts. The rest is small change.
WEIGHTS = {
    "follow.requested": 30,
    "follow.accepted": 30,
    "follow.withdrawn": 4,
    "session.opened": 12,
    "post.submitted": 10,
    "post.published": 10,
    "profile.edited": 2,
    "account.registered": 1,
    "password.changed": 0.5,
    "post.deleted": 0.5,
}


class Order(msgspec.Struct, frozen=True):
    """So many a second, for so long."""

    url: str
    partitions: int
    rate: int
    seconds: float


class Maker:
    """Makes entries behind each other, in each stream its own chain."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.last: dict[str, bytes] = {}
        self.kinds = {tag_of(type(make())): make for make in self._makers()}

    def entry(self, tag: str, partition: int, now_ms: int) -> tuple[str, bytes, dict[bytes, bytes]]:
        """Stream, id and fields of the next."""
        event = self.kinds[tag]()
        stream = stream_key(event.TOPIC, partition)
        ms, _, sequence = self.last.get(stream, b"0-0").partition(b"-")
        same = int(ms) >= now_ms
        entry_id = b"%d-%d" % (max(int(ms), now_ms), int(sequence) + 1 if same else 0)
        clear, half = codec.encode(event)
        fields = {
            AFTER: self.last.get(stream, b"0-0"),
            TIME: b"%d" % (now_ms - self.dice.randrange(2)),
            TYPE: tag.encode(),
            ACTOR: b"%d" % self.some_id(),
            REQUEST: os.urandom(16).hex().encode(),
        }
        if isinstance(event, FollowAccepted | PostPublished):
            fields[CAUSE] = b"%s.%d.%d-0" % (event.TOPIC.encode(), partition, now_ms - 200)
        fields |= {PAYLOAD: clear} if clear else {}
        fields |= {SEALED: os.urandom(len(half) + SEALING_BYTES)} if half else {}
        self.last[stream] = entry_id
        return stream, entry_id, fields

    def tags(self, count: int) -> Sequence[str]:
        return self.dice.choices(list(WEIGHTS), list(WEIGHTS.values()), k=count)

    def some_id(self) -> int:
        """Of some account or post of the last month."""
        ms = time.time_ns() // 1_000_000 - self.dice.randrange(MONTH_MS)
        return make_id(Position(ms, 0), self.dice.randrange(8_192))

    def _makers(self) -> Iterator[Callable[[], Event]]:
        dice, some_id = self.dice, self.some_id
        password = "$argon2id$v=19$m=19456,t=2,p=1$" + "x" * 66
        yield lambda: FollowRequested(followee_id=some_id())
        yield lambda: FollowAccepted(follower_id=some_id(), wish_version=some_id())
        yield lambda: Unfollowed(followee_id=some_id())
        yield lambda: SessionOpened(
            client_address="192.0.2.7", user_agent="x" * 110, account=b"x" * 300
        )
        yield lambda: PostSubmitted(photos=(staged(dice),), caption="x" * dice.randrange(10, 140))
        yield lambda: PostPublished(post_id=some_id(), photos=(rendered(dice),))
        yield lambda: ProfileEdited(bio="x" * dice.randrange(10, 100))
        yield lambda: AccountRegistered(
            username=os.urandom(5).hex(), display_name="x" * 12, password_hash=password
        )
        yield lambda: PasswordChanged(password_hash=password)
        yield lambda: PostDeleted(post_id=some_id())


def staged(dice: random.Random) -> StagedPhoto:
    return StagedPhoto(
        key=f"staging/{os.urandom(16).hex()}",
        sha256=os.urandom(32).hex(),
        size_bytes=dice.randrange(1_000_000, 9_000_000),
    )


def rendered(dice: random.Random) -> RenderedPhoto:
    return RenderedPhoto(
        sha256=os.urandom(32).hex(),
        size_bytes=dice.randrange(1_000_000, 9_000_000),
        width=4_032,
        height=3_024,
        placeholder=os.urandom(24).hex(),
        recipe="r1",
        renditions=tuple(
            Rendition(width=w, height=w * 3 // 4, extension="webp", size_bytes=dice.randrange(9**6))
            for w in WIDTHS
        ),
    )


async def feed(order: Order) -> int:
    """Add entries at the rate; how many that were."""
    maker, added = Maker(seed=1), 0
    began = time.monotonic()
    async with Redis.from_url(order.url) as client:
        while (passed := time.monotonic() - began) < order.seconds:
            due = int(passed * order.rate) - added
            await add(client, maker, due, order.partitions)
            added += due
            await asyncio.sleep(TICK_SECONDS)
        await add(client, maker, rest := int(order.rate * order.seconds) - added, order.partitions)
    return added + rest


async def add(client: Redis, maker: Maker, count: int, partitions: int) -> None:
    """Add so many, in one trip; with what the log itself says of its ends."""
    now_ms = time.time_ns() // 1_000_000
    async with client.pipeline(transaction=False) as pipeline:
        for tag in maker.tags(count):
            partition = maker.dice.randrange(partitions)
            stream, entry_id, fields = maker.entry(tag, partition, now_ms)
            pipeline.xadd(stream, fields, entry_id)
            pipeline.hset(f"head:{{{partition}}}", stream.partition(":")[0], entry_id)
        await pipeline.execute()


if __name__ == "__main__":
    print(asyncio.run(feed(msgspec.json.decode(sys.stdin.buffer.read(), type=Order))))
