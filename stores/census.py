"""What the cache holds, by kind: every key counted by its name, some of them weighed."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from runtime.functions import Client
from stores.epochs import Epochs, Generations

WEIGHED = 4  # of each kind on a page of keys: a scan meets keys in no order, so any are a sample
PAGE_KEYS = 500


class Kind(StrEnum):
    """What a key is for, as far as its name tells."""

    WINDOWS = "windows"
    HIDDEN = "hidden"
    OUTBOXES = "outboxes"
    LISTS = "lists"
    """Of who has an outbox, and of whom of them a viewer follows."""
    CARDS = "cards"
    COMING = "coming"
    """Of a generation of feeds that a rebuild writes."""
    UNREAD = "unread"
    """Of an earlier run of the server or an earlier generation: nobody looks there any more."""
    OTHERS = "others"


FEEDS = re.compile(
    rb"(feed|hidden|outbox|followed|roll):([0-9a-f]{8})\.([0-9]+):\{b[0-9]{3}\}:[0-9]*"
)
CARDS = re.compile(rb"(?:post|author):([0-9a-f]{8}):[0-9]+")
OF_NOUN = {
    b"feed": Kind.WINDOWS,
    b"hidden": Kind.HIDDEN,
    b"outbox": Kind.OUTBOXES,
    b"followed": Kind.LISTS,
    b"roll": Kind.LISTS,
}


class Present(NamedTuple):
    """What the names of keys that are read begin with."""

    epoch: bytes
    generation: int


async def present_of(cache: Client, log: Client) -> Present:
    """Of the cache's run and the log's generation of this moment."""
    return Present((await Epochs(cache).read()).encode(), await Generations(log).read())


def kind_of(key: bytes, present: Present) -> Kind:
    """A name that is not exactly one of ours is another's."""
    if found := FEEDS.fullmatch(key):
        noun, epoch, text = found.groups()
        generation = int(text)
        if epoch != present.epoch or generation < present.generation:
            return Kind.UNREAD
        return OF_NOUN[noun] if generation == present.generation else Kind.COMING
    if found := CARDS.fullmatch(key):
        return Kind.CARDS if found[1] == present.epoch else Kind.UNREAD
    return Kind.OTHERS


class Memory(NamedTuple):
    """The cache as its server sees it."""

    used_bytes: int
    most_bytes: int
    """Its byte budget, `maxmemory`; 0 where it has none."""
    evicted: int
    """Keys that had to leave for others, since the server started."""
    keys: int


async def memory_of(cache: Client) -> Memory:
    """Two questions to the server."""
    found = await cache.info("memory")
    stats = await cache.info("stats")
    return Memory(
        found["used_memory"] - found.get("mem_not_counted_for_evict", 0),
        found["maxmemory"],
        stats["evicted_keys"],
        await cache.dbsize(),
    )


@dataclass(slots=True)
class Census:
    """Keys counted so far, and what those that were weighed weigh together."""

    present: Present
    keys: Counter[Kind] = field(default_factory=Counter)
    weighed: Counter[Kind] = field(default_factory=Counter)
    weights: Counter[Kind] = field(default_factory=Counter)
    """Bytes of what was weighed."""
    entries: int = 0
    """In the windows that were weighed."""
    unpacked: int = 0
    """Of these windows, those that the server does not keep as a listpack."""

    def count(self, keys: Iterable[bytes]) -> dict[Kind, list[bytes]]:
        """Add these keys; they, by kind."""
        found: dict[Kind, list[bytes]] = defaultdict(list)
        for key in keys:
            found[kind_of(key, self.present)].append(key)
        for kind, some in found.items():
            self.keys[kind] += len(some)
        return found

    async def weigh(self, cache: Client, found: Mapping[Kind, Sequence[bytes]]) -> None:
        """Add the bytes of some of each kind; one trip. What is gone meanwhile weighs nothing."""
        some = [(kind, key) for kind, keys in found.items() for key in islice(keys, WEIGHED)]
        async with cache.pipeline(transaction=False) as pipeline:
            for _, key in some:
                pipeline.memory_usage(key)
                pipeline.zcard(key)
                pipeline.object("ENCODING", key)
            replies = iter(await pipeline.execute(raise_on_error=False))
        for kind, _ in some:
            size, members, encoding = next(replies), next(replies), next(replies)
            if not isinstance(size, int):
                continue
            self.weighed[kind] += 1
            self.weights[kind] += size
            if kind is Kind.WINDOWS and isinstance(members, int):
                self.entries += max(members - 1, 0)  # one carries the floor
                self.unpacked += encoding != b"listpack"

    def mean_bytes(self, kind: Kind) -> float:
        """Of one key with its value."""
        return self.weights[kind] / self.weighed[kind] if self.weighed[kind] else 0.0

    @property
    def mean_entries(self) -> float:
        """Of one window."""
        windows = self.weighed[Kind.WINDOWS]
        return self.entries / windows if windows else 0.0

    @property
    def entry_bytes(self) -> float:
        """Of a window, for each entry in it."""
        return self.weights[Kind.WINDOWS] / self.entries if self.entries else 0.0

    @property
    def unpacked_ratio(self) -> float:
        """Of windows."""
        windows = self.weighed[Kind.WINDOWS]
        return self.unpacked / windows if windows else 0.0


async def sampled(cache: Client, present: Present, most: int) -> Census:
    """A census of so many keys, or of all where there are no more."""
    census, cursor = Census(present), 0
    while True:
        cursor, keys = await cache.scan(cursor, count=PAGE_KEYS)
        await census.weigh(cache, census.count(keys))
        if cursor == 0 or census.keys.total() >= most:
            return census
