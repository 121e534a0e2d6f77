"""Members who follow and post as people do: few are followed and post much, most of them little.

Made here, from a seed, and put into no engine: bench/moving_in.py does that.
"""

import random
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from events.ids import EPOCH_MS, SHARDS, Position, make_id
from stores.feeds import Place

# A day after the crowds of bench/crowd.py, so that no two ids are the same.
SIGNED_UP_MS = EPOCH_MS + 86_400_000
POSTED_MS, POSTED_FOR_MS = EPOCH_MS + 2 * 86_400_000, 60 * 86_400_000
PUBLISHED_AFTER_MS = 900  # what a photo takes
FOLLOWED = 30
# Who is first of all posts so much, the 10,000th a tenth of it.
MOST_POSTS, LEAST_POSTS, FALLING = 40, 2, 0.25
SEQUENCES = 1_024


class Members(NamedTuple):
    """By rank, from the one most followed: everybody's id, their posts, and whom they follow."""

    ids: list[int]
    posts: list[list[Place]]
    followed: list[list[int]]
    """Ranks."""

    def feed(self, rank: int, count: int) -> list[Place]:
        """The newest entries of a member's feed, newest first."""
        posts = self.posts
        entries = [entry for author in self.followed[rank] for entry in posts[author]]
        entries.sort(reverse=True)
        return entries[:count]


def make_members(
    count: int, *, seed: int = 1, followed: int = FOLLOWED, posting: bool = True, earlier: int = 0
) -> Members:
    """Whoever stands at rank r is followed as often as 1/r says, and posts as r^-0.25 does.

    `earlier`: so many have moved into the same site before.
    """
    dice = random.Random(seed)
    ids = [
        make_id(Position(SIGNED_UP_MS + number, 0), dice.randrange(SHARDS))
        for number in range(earlier, earlier + count)
    ]
    falling = zipf(count)
    return Members(
        ids,
        [posts_of(dice, ids[rank], posts_at(rank) if posting else 0) for rank in range(count)],
        [choose(dice, falling, rank, followed) for rank in range(count)],
    )


def zipf(count: int) -> list[float]:
    """Cumulative weights of ranks, each 1/rank: what `random.choices` takes."""
    return list(accumulate(1 / (rank + 1) for rank in range(count)))


def posts_at(rank: int) -> int:
    return max(LEAST_POSTS, round(MOST_POSTS * (rank + 1) ** -FALLING))


def posts_of(dice: random.Random, author_id: int, count: int) -> list[Place]:
    """Moments of publication, and ids of the submissions a little before."""
    shard = author_id >> 10 & (SHARDS - 1)
    moments = [POSTED_MS + dice.randrange(POSTED_FOR_MS) for _ in range(count)]
    return [
        (ms, make_id(Position(ms - PUBLISHED_AFTER_MS, dice.randrange(SEQUENCES)), shard))
        for ms in moments
    ]


def choose(dice: random.Random, falling: Sequence[float], rank: int, count: int) -> list[int]:
    """So many others, none twice, in no order."""
    chosen: set[int] = set()
    most = min(count, len(falling) - 1)
    while len(chosen) < most:
        chosen.update(dice.choices(range(len(falling)), cum_weights=falling, k=most - len(chosen)))
        chosen.discard(rank)
    return list(chosen)
