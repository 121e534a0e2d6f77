"""One post on its way into many windows, and what became of it there."""

from collections.abc import Sequence
from typing import NamedTuple


class Push(NamedTuple):
    """One published post and the followers into whose windows it goes."""

    published_ms: int
    post_id: int
    follower_ids: Sequence[int]


class Pushed(NamedTuple):
    """What became of one push, counted in windows. What remains of `targets` had it before."""

    targets: int
    landed: int
    absent: int
    """Whoever has no window reads Postgres."""
    below: int
    """Their windows end above the post, which is read from Postgres there."""

    def plus(self, other: "Pushed") -> "Pushed":
        """Of both."""
        return Pushed(*(one + more for one, more in zip(self, other, strict=True)))


NOBODY = Pushed(0, 0, 0, 0)
