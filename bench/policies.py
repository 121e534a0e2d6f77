"""Ways to keep cards true to their rows: by time, written by workers, by notices, and not at all.

The one by notices is the site's own (stores/cards.py). The others are as plain as they can be, over
the same engines, clients, keys and bytes.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec
from redis.asyncio import Redis

from events.envelope import Delivery
from stores.cards import AUTHORS_BYTES, POSTS_BYTES, Cards, read_authors, read_posts
from stores.database import Database
from stores.fragments import AuthorCard, PostCard
from stores.lru import Lru
from stores.shelves import CACHED_SECONDS, Card

C = TypeVar("C", bound=Card)


class Taken(NamedTuple):
    """The cards of one page."""

    posts: dict[int, PostCard]
    authors: dict[int, AuthorCard]


class Counted:
    """A pool of connections to PostgreSQL that counts how often one was taken: once a statement."""

    def __init__(self, pool: Any) -> None:
        self.pool, self.statements = pool, 0

    def acquire(self, *arguments: Any, **named: Any) -> Any:
        self.statements += 1
        return self.pool.acquire(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pool, name)


class Policy(Protocol):
    """Of one gateway; `written` is called on a worker's own."""

    async def take(self, post_ids: Sequence[int]) -> Taken: ...

    def hear(self, delivery: Delivery[Any]) -> None:
        """A notice of a change, from the log."""

    async def written(self, post_ids: Sequence[int], author_ids: Sequence[int]) -> None:
        """The worker has committed changes of these rows."""

    async def close(self) -> None: ...


class ByNotices:
    """As shipped: memory and cache keep a card until a notice names a later version."""

    def __init__(self, cache: Redis, database: Counted) -> None:
        pool: Any = database
        self.cards = Cards(cache, pool)

    async def take(self, post_ids: Sequence[int]) -> Taken:
        posts, _ = await self.cards.posts_in_reach(post_ids)
        authors, _ = await self.cards.authors_in_reach(authors_of(posts))
        return Taken(posts, authors)

    def hear(self, delivery: Delivery[Any]) -> None:
        self.cards.hear(delivery)

    async def written(self, post_ids: Sequence[int], author_ids: Sequence[int]) -> None: ...

    async def close(self) -> None:
        await self.cards.close()


class Plainly:
    """Memory and cache for so long each; written by workers too, or by readers alone."""

    def __init__(
        self,
        cache: Redis,
        database: Counted,
        *,
        memory_seconds: float,
        cache_seconds: float,
        written_through: bool = False,
    ) -> None:
        self.written_through = written_through
        where: Any = {
            "cache": cache,
            "database": database,
            "lives": (memory_seconds, cache_seconds),
        }
        self.posts = Shelf("post", PostCard, read_posts, memory_bytes=POSTS_BYTES, **where)
        self.authors = Shelf(
            "author", AuthorCard, read_authors, memory_bytes=AUTHORS_BYTES, **where
        )

    async def take(self, post_ids: Sequence[int]) -> Taken:
        posts = await self.posts.take(post_ids)
        return Taken(posts, await self.authors.take(authors_of(posts)))

    def hear(self, delivery: Delivery[Any]) -> None: ...

    async def written(self, post_ids: Sequence[int], author_ids: Sequence[int]) -> None:
        if self.written_through:
            await self.posts.write(post_ids)
            await self.authors.write(author_ids)

    async def close(self) -> None: ...


class Shelf(Generic[C]):
    """Cards of one kind. A life of 0 seconds: that place is not used."""

    def __init__(
        self,
        noun: str,
        kind: type[C],
        read: Callable[[Database, Sequence[int]], Awaitable[dict[int, C]]],
        *,
        cache: Redis,
        database: Counted,
        memory_bytes: int,
        lives: tuple[float, float],
    ) -> None:
        self.noun, self.read, self.cache, self.database = noun, read, cache, database
        self.memory_seconds, self.cache_seconds = lives
        self.memory: Lru[int, tuple[C, float]] = Lru(memory_bytes)
        self.decode: Callable[[bytes], C] = msgspec.msgpack.Decoder(kind).decode
        self.encode = msgspec.msgpack.Encoder().encode

    async def take(self, ids: Sequence[int]) -> dict[int, C]:
        found: dict[int, C] = {}
        missing = list(ids)
        if self.memory_seconds:
            now = time.monotonic()
            held, _ = self.memory.many(ids)
            found = {each: card for each, (card, until) in held.items() if until > now}
            missing = [each for each in ids if each not in found]
        if missing and self.cache_seconds:
            raw = await self.cache.mget([self.key(each) for each in missing])
            for each, encoded in zip(missing, raw, strict=True):
                if encoded is not None:
                    found[each] = self.decode(encoded)
                    self.remember(found[each], len(encoded))
            missing = [each for each in missing if each not in found]
        if missing:
            read = await self.rows(missing)
            await self.keep(read.values(), only_if_absent=True)
            found |= read
        return found

    async def write(self, ids: Sequence[int]) -> None:
        if ids:
            await self.keep((await self.rows(ids)).values(), only_if_absent=False)

    async def rows(self, ids: Sequence[int]) -> dict[int, C]:
        async with self.database.acquire() as connection:
            return await self.read(connection, ids)

    async def keep(self, cards: Iterable[C], *, only_if_absent: bool) -> None:
        """A reader's row may be older than what a worker wrote meanwhile: that one stays."""
        encoded = [(card, self.encode(card)) for card in cards if card.whole]
        for card, raw in encoded:
            self.remember(card, len(raw))
        if encoded and self.cache_seconds:
            async with self.cache.pipeline(transaction=False) as pipeline:
                for card, raw in encoded:
                    life = int(self.cache_seconds * 1_000)
                    pipeline.set(self.key(card.id), raw, px=life, nx=only_if_absent)
                await pipeline.execute()

    def remember(self, card: C, size: int) -> None:
        if self.memory_seconds:
            self.memory.put(card.id, (card, time.monotonic() + self.memory_seconds), size)

    def key(self, card_id: int) -> str:
        return f"{self.noun}:{card_id}"


def authors_of(posts: dict[int, PostCard]) -> list[int]:
    return list({each.author_id for each in posts.values()})


Make = Callable[[Redis, Counted], Policy]


def by_time(seconds: float) -> Make:
    return lambda cache, database: Plainly(
        cache, database, memory_seconds=seconds, cache_seconds=seconds
    )


def by_workers(memory_seconds: float) -> Make:
    return lambda cache, database: Plainly(
        cache,
        database,
        memory_seconds=memory_seconds,
        cache_seconds=CACHED_SECONDS,
        written_through=True,
    )


def without(cache: Redis, database: Counted) -> Policy:
    return Plainly(cache, database, memory_seconds=0, cache_seconds=0)
