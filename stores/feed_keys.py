"""How feed keys are named: epoch and generation, then a bucket whose windows share a slot."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from events.ids import shard_of

BUCKETS = 64
# Longer calls would keep everybody else's commands waiting.
WINDOWS_PER_CALL = 128


class Names(NamedTuple):
    """Prefixes of one epoch's and generation's keys, one a bucket; and one key of its own."""

    windows: tuple[bytes, ...]
    hidden: tuple[bytes, ...]
    outboxes: tuple[bytes, ...]
    followed: tuple[bytes, ...]
    """Lists of those on the roll whom a viewer follows."""
    roll: bytes
    """Everybody who has an outbox."""
    epoch: str


def names_of(epoch: str, generation: int) -> Names:
    tails = [f":{epoch}.{generation}:{{b{bucket:03d}}}:".encode() for bucket in range(BUCKETS)]
    windows, hidden, outboxes, followed = (
        tuple(noun + each for each in tails)
        for noun in (b"feed", b"hidden", b"outbox", b"followed")
    )
    return Names(windows, hidden, outboxes, followed, b"roll" + tails[0], epoch)


def bucket_of(account_id: int) -> int:
    return shard_of(account_id) % BUCKETS


def window_key(names: Names, viewer_id: int) -> bytes:
    return b"%b%d" % (names.windows[shard_of(viewer_id) % BUCKETS], viewer_id)


def both_keys(names: Names, viewer_id: int) -> list[bytes]:
    """The viewer's window, and the authors hidden from it."""
    bucket = shard_of(viewer_id) % BUCKETS
    return [
        b"%b%d" % (names.windows[bucket], viewer_id),
        b"%b%d" % (names.hidden[bucket], viewer_id),
    ]


def all_keys(names: Names, viewer_id: int) -> list[bytes]:
    """The same, and the viewer's list of followed authors."""
    return [*both_keys(names, viewer_id), list_key(names, viewer_id)]


def list_key(names: Names, viewer_id: int) -> bytes:
    return b"%b%d" % (names.followed[bucket_of(viewer_id)], viewer_id)


def outbox_keys(names: Names, author_id: int) -> list[bytes]:
    """The author's outbox, and in place of what a window has hidden, which no outbox has."""
    bucket = bucket_of(author_id)
    return [
        b"%b%d" % (names.outboxes[bucket], author_id),
        b"%b%d.hidden" % (names.outboxes[bucket], author_id),
    ]


def grouped(names: Names, viewer_ids: Iterable[int]) -> Iterator[list[bytes]]:
    """The viewers' windows, each group of one bucket and small enough for one call."""
    windows = names.windows
    buckets: list[list[bytes]] = [[] for _ in range(BUCKETS)]
    for viewer_id in viewer_ids:
        bucket = shard_of(viewer_id) % BUCKETS
        buckets[bucket].append(b"%b%d" % (windows[bucket], viewer_id))
    for keys in buckets:
        for first in range(0, len(keys), WINDOWS_PER_CALL):
            yield keys[first : first + WINDOWS_PER_CALL]
