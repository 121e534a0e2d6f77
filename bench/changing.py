"""A site in which cards change while they are read: what changes when, and who was shown the old.

Changes are appended to the log as a gateway's, and folded into their rows by statements of the
workers' own. From the moment an append is answered, the card before it is old.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, NamedTuple

from asyncpg import Pool

from bench.members import Members, zipf
from bench.policies import Taken
from events.accounts import ProfileEdited
from events.log import Log
from events.posts import PostDeleted
from stores.database import shards_of
from stores.posts import PostState
from stores.profiles import set_privacy

PAGE = 30
CELEBRITIES = 3
EDIT, DELETE, PUBLISH = "edit", "delete", "publish"
# Of a hundred changes; a celebrity's post stands on top of every page from then on.
SHARES = {EDIT: 60, DELETE: 30, PUBLISH: 10}

Written = Callable[[Sequence[int], Sequence[int]], Awaitable[None]]


class Change(NamedTuple):
    kind: str
    author_id: int
    post_id: int


class Old(NamedTuple):
    """A change that was answered: from when its version counts."""

    answered: float
    version: int


class World:
    """Members, their pages, and what became of the cards on them."""

    def __init__(self, members: Members) -> None:
        self.members = members
        self.falling = zipf(len(members.ids))
        # Of those everybody follows, nothing is published yet.
        self.unpublished = {
            post_id: Change(PUBLISH, members.ids[rank], post_id)
            for rank in range(CELEBRITIES)
            for _, post_id in members.posts[rank]
        }
        self.pages = [self.first_page(rank) for rank in self.ranks]
        self.author_of = {
            post_id: members.ids[rank] for rank in self.ranks for _, post_id in members.posts[rank]
        }
        self.fresh: list[int] = []
        self.private: dict[int, bool] = {}
        self.edited: dict[int, list[Old]] = {}
        self.deleted: dict[int, Old] = {}
        self.seen_old: dict[Old, float] = {}

    @property
    def ranks(self) -> range:
        return range(len(self.members.ids))

    def first_page(self, rank: int) -> list[int]:
        feed = self.members.feed(rank, PAGE + len(self.unpublished))
        return [post_id for _, post_id in feed if post_id not in self.unpublished][:PAGE]

    def page_of(self, dice: random.Random) -> list[int]:
        """What somebody, drawn by Zipf, is shown: newest first."""
        (rank,) = dice.choices(self.ranks, cum_weights=self.falling)
        return [*reversed(self.fresh[-PAGE:]), *self.pages[rank]][:PAGE]

    def changes(self, count: int, dice: random.Random) -> Iterator[Change]:
        """Of what is read most, most: authors by Zipf, posts out of pages by Zipf."""
        kinds = dice.choices(list(SHARES), list(SHARES.values()), k=count)
        coming, gone = iter(self.unpublished.values()), set()
        for kind in kinds:
            (rank,) = dice.choices(self.ranks, cum_weights=self.falling)
            if kind == PUBLISH and (change := next(coming, None)):
                yield change
            elif kind == DELETE:
                page = [each for each in self.page_of(dice) if each not in gone]
                if page:
                    gone.add(post_id := dice.choice(page))
                    yield Change(DELETE, self.author_of[post_id], post_id)
            else:
                yield Change(EDIT, self.members.ids[rank], 0)

    async def append(self, log: Log, change: Change) -> int:
        """The change's version, once it is on disk: from now on what was before is old."""
        event: Any = PostDeleted(post_id=change.post_id)
        if change.kind == EDIT:
            private = not self.private.get(change.author_id, False)
            self.private[change.author_id] = private
            event = ProfileEdited(private=private)
        version = (await log.append(event, actor=change.author_id)).id
        old = Old(time.monotonic(), version)
        if change.kind == EDIT:
            self.edited.setdefault(change.author_id, []).append(old)
        else:
            self.deleted[change.post_id] = old
        return version

    async def fold(self, database: "Pool[Any]", change: Change, version: int) -> None:
        if change.kind == EDIT:
            private = self.private[change.author_id]
            await set_privacy(database, [(change.author_id, version, private)])
            return
        state = PostState.DELETED if change.kind == DELETE else PostState.PUBLISHED
        await set_states(database, [change.post_id], state)

    def show(self, change: Change) -> None:
        """What fan-out does once the row is written."""
        if change.kind == PUBLISH:
            self.fresh.append(change.post_id)

    def judge(self, taken: Taken, began: float) -> None:
        """Note what is old of it: as it stood when the page was asked for."""
        now = time.monotonic()
        for post_id, post in taken.posts.items():
            old = self.deleted.get(post_id)
            if old is not None and old.answered < began:
                shown = now - old.answered if post.state < PostState.DELETED else 0.0
                self.seen_old[old] = max(shown, self.seen_old.get(old, 0.0))
        for author_id, author in taken.authors.items():
            for old in self.edited.get(author_id, ()):
                if old.answered < began:
                    shown = now - old.answered if author.private_version < old.version else 0.0
                    self.seen_old[old] = max(shown, self.seen_old.get(old, 0.0))

    async def begin(self, database: "Pool[Any]") -> None:
        """Every row as it was before anything changed."""
        everything = list(self.author_of)
        await set_states(database, everything, PostState.PUBLISHED)
        await set_states(database, list(self.unpublished), PostState.PROCESSING)


async def set_states(database: "Pool[Any]", post_ids: Sequence[int], state: PostState) -> None:
    await database.execute(
        """
        UPDATE posts AS p
        SET state = $3
        FROM unnest($1::smallint[], $2::bigint[]) AS changed (shard, id)
        WHERE p.shard = changed.shard AND p.id = changed.id AND p.state <> $3
        """,
        shards_of(post_ids),
        list(post_ids),
        state,
    )


async def change_all(
    world: World,
    log: Log,
    database: "Pool[Any]",
    changes: Sequence[Change],
    *,
    seconds: float,
    written: Written,
) -> None:
    """One after the other over so many seconds; the worker folds each as soon as it has it."""
    began = time.monotonic()
    folding: asyncio.Queue[tuple[Change, int] | None] = asyncio.Queue()

    async def fold() -> None:
        while (next_one := await folding.get()) is not None:
            change, version = next_one
            await world.fold(database, change, version)
            is_edit = change.kind == EDIT
            await written(
                [] if is_edit else [change.post_id], [change.author_id] if is_edit else []
            )
            world.show(change)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fold())
        for number, change in enumerate(changes):
            await asyncio.sleep(began + number * seconds / len(changes) - time.monotonic())
            version = 0 if change.kind == PUBLISH else await world.append(log, change)
            await folding.put((change, version))
        await folding.put(None)
