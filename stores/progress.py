"""How far the fan-out of a post is: what each part of it met, for the author and whoever asks why.

A hash in the cache: it is told, and estimated from, but nothing rests on it. Each part has a field
of its own, so one that is done again is not counted twice.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from stores.feeds import TRIPS_SECONDS, Feeds
from stores.pushes import Pushed

SMALL_SECONDS = 86_400
LARGE_SECONDS = 30 * 86_400
"""Of authors with many followers the next decision is estimated from it."""


class Plan(NamedTuple):
    """How a post goes out, before it does."""

    pulled: bool
    followers: int
    """Of its author, when it was planned."""
    parts: int


class Note(NamedTuple):
    """Something to be remembered of one post's fan-out: its plan, a part that is done, or both."""

    post_id: int
    plan: Plan | None = None
    part: str = ""
    met: Pushed | None = None


class Progress(NamedTuple):
    """A fan-out as far as it has come, counted in windows of followers."""

    plan: Plan
    parts_done: int
    met: Pushed
    """All parts together; of a pulled post, what a sample of its author's followers met."""

    @property
    def written(self) -> int:
        """Windows that have the post."""
        return 0 if self.plan.pulled else self.met.targets - self.met.absent - self.met.below


class Fanouts:
    """Those of one cache. `Unavailable` when it is away."""

    def __init__(self, feeds: Feeds) -> None:
        self._feeds = feeds

    async def note(self, notes: Iterable[Note]) -> None:
        """In one trip; a repeat changes nothing."""
        cache, reach = self._feeds.server()
        epoch = (await self._feeds.current_names()).epoch
        async with reach.bounded(TRIPS_SECONDS), cache.pipeline(transaction=False) as pipeline:
            for each in notes:
                key = key_of(epoch, each.post_id)
                pipeline.hset(key, mapping=_fields(each))
                large = each.plan is None or each.plan.pulled or each.plan.parts > 1
                # A part that finds no plan must not stay for ever.
                pipeline.expire(key, LARGE_SECONDS if large else SMALL_SECONDS, nx=True)
            await pipeline.execute()

    async def of(self, post_id: int) -> Progress | None:
        """None: it was long ago, or has not begun, or the cache has lost it."""
        cache, reach = self._feeds.server()
        key = key_of((await self._feeds.current_names()).epoch, post_id)
        async with reach.bounded():
            fields: dict[Any, Any] = await cache.hgetall(key)
        plan = fields.pop(b"plan", None)
        if plan is None:
            return None
        pulled, followers, parts = map(int, plan.split(b","))
        met = [Pushed(*map(int, each.split(b","))) for each in fields.values()]
        together = Pushed(*map(sum, zip((0, 0, 0, 0), *met, strict=True)))
        return Progress(Plan(bool(pulled), followers, parts), len(met), together)


def key_of(epoch: str, post_id: int) -> str:
    return f"fanout:{epoch}:{post_id}"


def _fields(note: Note) -> dict[Any, Any]:
    fields: dict[str, str] = {}
    if note.plan is not None:
        fields["plan"] = f"{note.plan.pulled:d},{note.plan.followers},{note.plan.parts}"
    if note.met is not None:
        fields[note.part] = ",".join(map(str, note.met))
    return fields
