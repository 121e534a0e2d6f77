"""One kind of card in three places: this process's memory, the cache, Postgres."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from operator import ge
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec
from asyncpg import Pool, Record
from redis.asyncio import Redis

from runtime.errors import Unavailable
from runtime.reach import Reach
from stores.database import Database, reading
from stores.epochs import Epochs
from stores.fetching import Fetching, Taken
from stores.link import Link
from stores.lru import Lru

CACHED_SECONDS = 86_400
# Of a card that a notice made old: less than notices are kept, so it is gone before they are. Until
# then it is what can be shown while Postgres is away.
OLD_SECONDS = 3_000
# What notices made old must not come back while a projection lags, and it may lag for hours.
MOST_WANTED = 100_000
CLOSING_SECONDS = 1.0
AGED_AT_ONCE = 200


class Card(Protocol):
    """What a shelf needs to know of its cards."""

    @property
    def id(self) -> int: ...

    @property
    def versions(self) -> tuple[int, ...]: ...

    @property
    def whole(self) -> bool: ...


class Places(NamedTuple):
    """Where cards are found beside a process's memory, and whether anybody answers there."""

    cache: Redis
    cache_reach: Reach
    epochs: Epochs
    database: "Pool[Record]"
    database_reach: Reach
    link: Link | None = None
    """To the same cache, for whoever reads all the time."""


C = TypeVar("C", bound=Card)
Read = Callable[[Database, Sequence[int]], Awaitable[dict[int, C]]]


def card_key(noun: str, epoch: str, card_id: int) -> str:
    """Where the cache keeps a card."""
    return f"{noun}:{epoch}:{card_id}"


class Shelf(Generic[C]):
    """Takes cards from the nearest place that has them new enough, and puts them nearer."""

    def __init__(
        self,
        noun: str,
        kind: type[C],
        read: Read[C],
        places: Places,
        *,
        memory_bytes: int,
        emptied: Callable[[C], C | None] = lambda _: None,
    ) -> None:
        """`emptied`: what is to be kept in place of a card whose words may be nowhere any more."""
        self._noun = noun
        self._decode: Callable[[bytes], C] = msgspec.msgpack.Decoder(kind).decode
        self._encode = msgspec.msgpack.Encoder().encode
        self._read = read
        self._cache = places.cache
        self._link = places.link
        self._cache_reach = places.cache_reach
        self._epochs = places.epochs
        self._database = places.database
        self._database_reach = places.database_reach
        self._memory: Lru[int, C] = Lru(memory_bytes)
        self._emptied = emptied
        self._wanted: OrderedDict[int, tuple[int, ...]] = OrderedDict()
        self._to_age: dict[int, int] = {}
        self._listeners: list[Callable[[int], None]] = []
        self._fetching: Fetching[C] = Fetching(self._fetch)
        self._aging: asyncio.Task[None] | None = None

    async def take(self, ids: Sequence[int]) -> Taken[C]:
        """Those that exist, as far as they can be had; whether that is all there is to have."""
        found, missing = self._memory.many(ids)
        if not missing:
            return found, True
        fetched, complete = await self._fetching.take(missing)
        return found | fetched, complete

    async def _fetch(self, missing: Sequence[int]) -> Taken[C]:
        """While Postgres is away, an older card than was asked for is better than none."""
        found: dict[int, C] = {}
        cached = await self._take_cached(missing)
        old = {each: card for each, card in cached.items() if not self._is_new(card)}
        found |= cached
        missing = [each for each in missing if each not in cached or each in old]
        if not missing:
            return found, True
        try:
            async with reading(self._database, self._database_reach) as connection:
                read = await self._read(connection, missing)
        except Unavailable:
            return found, False
        await self._keep(read.values())
        return found | read, True

    def when_forgotten(self, listener: Callable[[int], None]) -> None:
        """Call `listener` with the id of a card of which nothing made before is to be used."""
        self._listeners.append(listener)

    def held(self, card_id: int) -> C | None:
        """The card, if this process remembers it: then it is as new as all that was heard of it."""
        return self._memory.get(card_id)

    async def put(self, card: C) -> None:
        """Keep a card that was made of a row read elsewhere, unless it is here already."""
        if self._memory.get(card.id) != card:
            await self._keep([card])

    def forget(self, card_id: int, *versions: int) -> None:
        """Believe no card of which any part is older than its version, from here or the cache.

        One for all parts would not do: a later edit of one may be folded before an earlier one of
        another, whose worker died.
        """
        wanted = self._wanted.get(card_id)
        self._wanted[card_id] = tuple(map(max, versions, wanted)) if wanted else versions
        self._wanted.move_to_end(card_id)
        if len(self._wanted) > MOST_WANTED:
            self._wanted.popitem(last=False)
        remembered = self._memory.get(card_id)
        if remembered is not None and not self._is_new(remembered):
            self._memory.drop(card_id)
        for listener in self._listeners:
            listener(card_id)
        self._age(card_id)

    def forget_words(self) -> None:
        """Some cards are to be emptied: here, and where this process may have put them, there."""
        for each in self._memory.values():
            emptied = self._emptied(each)
            if emptied is not None:
                self._memory.put(each.id, emptied, 0)
                self._age(each.id, 0)

    async def close(self) -> None:
        """Wait until the cache knows what is old, unless it is away."""
        if self._aging is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._aging, CLOSING_SECONDS)

    def _is_new(self, card: C) -> bool:
        known = card.whole and all(map(ge, card.versions, self._wanted.get(card.id, ())))
        return known and self._emptied(card) is None

    async def _take_cached(self, ids: Sequence[int]) -> dict[int, C]:
        try:
            async with self._cache_reach.bounded():
                raw = await self._cached([await self._key(each) for each in ids])
        except Unavailable:
            return {}
        cards = {}
        for each, encoded in zip(ids, raw, strict=True):
            if not isinstance(encoded, bytes):
                continue
            try:
                card = self._decode(encoded)
            except msgspec.DecodeError:  # written by a process that knows other cards
                continue
            cards[each] = card
            if self._is_new(card):
                self._memory.put(each, card, len(encoded))
        return cards

    async def _cached(self, keys: list[str]) -> Sequence[object]:
        if self._link is None:
            return list(await self._cache.mget(keys))
        return list(await self._link.call("MGET", *keys))

    async def _keep(self, cards: Iterable[C]) -> None:
        kept = [(card, self._encode(card)) for card in cards if self._is_new(card)]
        if not kept:
            return
        for card, encoded in kept:
            self._memory.put(card.id, card, len(encoded))
        try:
            async with self._cache_reach.bounded(), self._cache.pipeline(False) as pipeline:
                for card, encoded in kept:
                    pipeline.set(await self._key(card.id), encoded, ex=CACHED_SECONDS)
                await pipeline.execute()
        except Unavailable:
            return
        for card, _ in kept:
            if not self._is_new(card):  # a notice came while it was being written
                self._age(card.id, 0 if self._emptied(card) else OLD_SECONDS)

    async def _key(self, card_id: int) -> str:
        return card_key(self._noun, await self._epochs.current(), card_id)

    def _age(self, card_id: int, seconds: int = OLD_SECONDS) -> None:
        self._to_age[card_id] = min(seconds, self._to_age.get(card_id, seconds))
        if self._aging is None or self._aging.done():
            self._aging = asyncio.create_task(self._age_all(), name=f"cards.forget.{self._noun}")

    async def _age_all(self) -> None:
        """Tell the cache, for as long as it takes: a new gateway would believe an old card."""
        while self._to_age:
            some = dict(islice(self._to_age.items(), AGED_AT_ONCE))
            for each in some:
                del self._to_age[each]
            try:
                async with self._cache_reach.bounded(), self._cache.pipeline(False) as pipeline:
                    for each, seconds in some.items():
                        pipeline.expire(await self._key(each), seconds, lt=True)
                    await pipeline.execute()
            except Unavailable:
                for each, seconds in some.items():
                    self._to_age[each] = min(seconds, self._to_age.get(each, seconds))
                await asyncio.sleep(1)
