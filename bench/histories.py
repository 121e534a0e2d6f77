"""A history made by hand: raw entries in the streams of a log, as appends would have left them."""

import os
import random
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from events import codec, sealing
from events.accounts import AccountRegistered
from events.catalogue import tag_of
from events.entries import ACTOR, AFTER, CAUSE, PAYLOAD, REQUEST, SEALED, TIME, TYPE, Entry
from events.envelope import Event
from events.graph import FollowAccepted, FollowRequested
from events.ids import END, EPOCH_MS, START, Position, make_id, shard_of, shard_of_username
from events.log import Log, stream_key
from events.posts import PostPublished, PostSubmitted, RenderedPhoto, Rendition, StagedPhoto

PIPELINE = 1_000
WIDTHS = (320, 640, 1_280, 2_048)


class Account(NamedTuple):
    id: int
    key: Any


class History:
    """Writes entries at positions of its own, one millisecond after the other."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.accounts: list[Account] = []
        self._ms = EPOCH_MS + 1
        self._last: dict[str, Position] = {}
        self._heads: dict[int, dict[str, str]] = {}
        self._pipeline = log.client.pipeline(transaction=False)

    async def sign_up(self, count: int) -> None:
        for number in range(count):
            username = f"member{number}"
            shard = shard_of_username(username)
            key, wrapped = self.log.keyring.new_key()
            event = AccountRegistered(
                username=username, display_name=f"Member {number}", password_hash="-" * 97
            )
            position = await self._add(event, shard, None, key)
            partition = shard % self.log.partitions
            self._pipeline.hset(f"keys:{{{partition}}}", str(position), wrapped)
            self.accounts.append(Account(make_id(position, shard), key))
        await self.end()

    async def follow(self, count: int) -> None:
        """So many wishes, each accepted: twice as many events."""
        for _ in range(count):
            one, other = random.sample(self.accounts, 2)
            wish = await self._add(FollowRequested(followee_id=other.id), None, one)
            version = make_id(wish, shard_of(one.id))
            yes = FollowAccepted(follower_id=one.id, wish_version=version)
            await self._add(yes, None, other)
        await self.end()

    async def post(self, count: int) -> None:
        """So many posts, each published: twice as many events."""
        for _ in range(count):
            author = random.choice(self.accounts)
            sha256 = os.urandom(32).hex()
            staged = StagedPhoto(key=f"staging/{sha256[:32]}", sha256=sha256, size_bytes=5_000_000)
            said = PostSubmitted(photos=(staged,), caption="evening light " * 4, alts=("a tree",))
            position = await self._add(said, None, author)
            photo = RenderedPhoto(
                sha256=sha256,
                size_bytes=5_000_000,
                width=4_000,
                height=3_000,
                placeholder="1QcSHQRnh493V4dIh4eXh1h4kJUI",
                recipe="r1",
                renditions=tuple(
                    Rendition(
                        width=width, height=width * 3 // 4, extension="webp", size_bytes=width * 90
                    )
                    for width in WIDTHS
                ),
            )
            post_id = make_id(position, shard_of(author.id))
            await self._add(PostPublished(post_id=post_id, photos=(photo,)), None, author)
        await self.end()

    async def end(self) -> None:
        for partition, topics in self._heads.items():
            self._pipeline.hset(f"head:{{{partition}}}", mapping=topics)
        await self._pipeline.execute()

    async def _add(
        self, event: Event, shard: int | None, actor: Account | None, key: Any = None
    ) -> Position:
        shard = shard_of(actor.id) if actor else shard or 0
        partition = shard % self.log.partitions
        stream = stream_key(event.TOPIC, partition)
        self._ms += 1
        position = Position(self._ms, 0)
        clear, half = codec.encode(event)
        tag = tag_of(type(event))
        fields: dict[Any, Any] = {
            AFTER: str(self._last.get(stream, "0-0")),
            TYPE: tag,
            TIME: str(self._ms),
            REQUEST: os.urandom(8).hex(),
            PAYLOAD: clear,
        }
        if actor:
            fields |= {ACTOR: str(actor.id), CAUSE: f"{event.TOPIC}.{partition}.{position}"}
        if half:
            fields[SEALED] = sealing.seal(actor.key if actor else key, tag, half)
        self._last[stream] = position
        self._heads.setdefault(partition, {}).update(
            {event.TOPIC: str(position), "head": str(position)}
        )
        self._pipeline.xadd(stream, fields, id=str(position))
        if len(self._pipeline) >= PIPELINE:
            await self._pipeline.execute()
        return position


class Streams:
    """The streams alone as a history, for a log of which nothing was archived."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def pages(
        self, topic: str, partition: int, *, after: Position = START, until: Position | None = None
    ) -> AsyncIterator[list[Entry]]:
        while page := await self._log.page(topic, partition, after, until or END, PIPELINE):
            yield page
            after = Position.parse(page[-1][0])
