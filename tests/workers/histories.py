"""Deliveries made by hand, at positions a test chooses, and the running of their handlers."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
from redis.asyncio import Redis

from events.accounts import AccountErased, AccountRegistered, PasswordChanged, ProfileEdited
from events.entries import open_entries
from events.envelope import Delivery, Event
from events.graph import FollowAccepted, FollowRequested, Unfollowed
from events.ids import EPOCH_MS, Position, make_id, shard_of, shard_of_username
from events.log import Log
from events.posts import (
    PostDeleted,
    PostPublished,
    PostRejected,
    PostRerendered,
    PostSubmitted,
    RenderedPhoto,
    Rendition,
    StagedPhoto,
)
from stores.feeds import Feeds
from workers.accounts import change_passwords, edit_profiles, erase_accounts, open_accounts
from workers.fanout import backfill, hide_author, plan_fanout
from workers.forgetting import forget_author
from workers.graph import (
    end_follows,
    open_doors,
    record_verdicts,
    record_wishes,
    record_withdrawals,
)
from workers.posts import (
    delete_posts,
    erase_posts,
    publish_posts,
    reject_posts,
    renew_photos,
    submit_posts,
)
from workers.site import Site

PARTITIONS = 8
WINDOW_CAP = 2
"""So few that in most histories windows are trimmed."""
TABLES = ("accounts", "posts", "photo_references", "following", "followers")
LOCAL = ("pulled",)
HANDLERS = (
    # Nothing comes in a helpful order: a door is opened before the register says so.
    (AccountErased, end_follows),
    (AccountErased, erase_posts),
    (ProfileEdited, open_doors),
    (ProfileEdited, edit_profiles),
    (PasswordChanged, change_passwords),
    (PostDeleted, delete_posts),
    (PostRerendered, renew_photos),
    (PostPublished, publish_posts),
    (PostRejected, reject_posts),
    (PostSubmitted, submit_posts),
    (FollowAccepted, record_verdicts),
    (FollowRequested, record_wishes),
    (Unfollowed, record_withdrawals),
    (AccountErased, erase_accounts),
    (AccountRegistered, open_accounts),
)
WITH_FANOUT = (
    # A post is to be pushed before there is a row of it.
    (PostPublished, plan_fanout),
    (FollowAccepted, backfill),
    (Unfollowed, hide_author),
    (AccountErased, forget_author),
    *HANDLERS,
)


def new_site(database: asyncpg.Pool, log_client: Redis, cache_client: Redis) -> Site:
    """What a projection's worker holds, on the engines of the test."""
    return Site(
        log=Log(log_client, partitions=PARTITIONS, secret=b"s" * 32),
        database=database,
        feeds=Feeds(cache_client, log_client, cap=WINDOW_CAP),
    )


def registered(username: str, moment: int, **fields: str) -> Delivery[AccountRegistered]:
    """A sign-up; the delivery's `actor` is the new account's id."""
    actor = make_id(Position(EPOCH_MS + moment, 0), shard_of_username(username))
    return happened(AccountRegistered(username=username, **fields), actor, moment)


def happened(event: Event, actor: int, moment: int) -> Delivery[Any]:
    """What the actor did, so many milliseconds after the beginning of ids."""
    return Delivery(
        event=event,
        topic=event.TOPIC,
        partition=shard_of(actor) % PARTITIONS,
        position=Position(EPOCH_MS + moment, 0),
        actor=actor,
        time=EPOCH_MS + moment,
    )


def wished(follower: int, followee: int, moment: int) -> Delivery[FollowRequested]:
    return happened(FollowRequested(followee_id=followee), follower, moment)


def withdrawn(follower: int, followee: int, moment: int) -> Delivery[Unfollowed]:
    return happened(Unfollowed(followee_id=followee), follower, moment)


def accepted(wish: Delivery[FollowRequested], moment: int) -> Delivery[FollowAccepted]:
    event = FollowAccepted(follower_id=wish.actor, wish_version=wish.id)
    return happened(event, wish.event.followee_id, moment)


def staged(name: str = "a") -> StagedPhoto:
    return StagedPhoto(key=f"staging/{name}", sha256=name * 64, size_bytes=1)


def rendered(name: str = "a", recipe: str = "r1") -> RenderedPhoto:
    return RenderedPhoto(
        sha256=name * 64,
        size_bytes=1,
        width=640,
        height=480,
        placeholder="",
        recipe=recipe,
        renditions=(Rendition(width=640, height=480, extension="webp", size_bytes=9),),
    )


async def deliver(
    site: Site, *batch: Delivery[Any], handlers: Sequence[Any] = HANDLERS
) -> list[Delivery[Any]]:
    """Give one batch to every handler of it; what must come later, once for each handler."""
    leftover = []
    for kind, handler in handlers:
        if mine := [each for each in batch if type(each.event) is kind]:
            leftover += await handler(site, mine)
    return leftover


async def settle(site: Site, batches: Iterable[Sequence[Delivery[Any]]]) -> None:
    """Deliver the batches, then what was left over, until nothing is: three rounds suffice.

    Whom it has to wait for gets nothing twice: that would hide what he makes of it the first time.
    """
    waiting = [
        (each, left)
        for batch in batches
        for each in WITH_FANOUT
        for left in await deliver(site, *batch, handlers=[each])
    ]
    for _ in range(3):
        waiting = [
            (each, left)
            for each in WITH_FANOUT
            for left in await deliver(
                site, *(late for whose, late in waiting if whose is each), handlers=[each]
            )
        ]
    assert not waiting, f"these wait for ever: {waiting}"


async def settle_aloud(site: Site, batches: Iterable[Sequence[Delivery[Any]]]) -> None:
    """As `settle`, and deliver what the handlers announced meanwhile, until they fall silent."""
    await settle(site, batches)
    seen: set[str] = set()
    while news := [each for each in await announcements(site.log) if each.address not in seen]:
        await settle(site, [news])
        seen |= {each.address for each in news}


async def announcements(log: Log) -> list[Delivery[Any]]:
    """Everything in the topic `graph` of the log itself."""
    found = []
    for partition in range(log.partitions):
        entries = await log.client.xrange(f"graph:{{{partition}}}")
        found += await open_entries(log, "graph", partition, entries)
    return found


async def dump(site: Site) -> dict[str, list[dict[str, Any]]]:
    """Every row of the projections' tables, in the columns that events tell of."""
    return {
        table: [
            {name: value for name, value in row.items() if name not in LOCAL}
            for row in await site.database.fetch(f"TABLE {table} ORDER BY 1, 2, 3")
        ]
        for table in TABLES
    }


async def forget(site: Site) -> None:
    """Empty the projections' tables; for tests that tell many histories."""
    await site.database.execute(
        "DELETE FROM posts; DELETE FROM followers; DELETE FROM following; DELETE FROM accounts"
    )


async def open_windows(site: Site, viewer_ids: Iterable[int]) -> None:
    """Everybody read an empty feed before anything happened."""
    await site.feeds.refresh()
    for viewer_id in viewer_ids:
        token = await site.feeds.begin_build(viewer_id)
        assert token
        assert await site.feeds.finish_build(viewer_id, token, [], truncated=False)


async def assert_fed(site: Site, tables: dict[str, list[dict[str, Any]]]) -> None:
    """Every window shows what its viewer follows, above its floor: all of it and nothing else.

    Who is erased has no window, and stands in none.
    """
    erased = {row["id"] for row in tables["posts"] if row["state"] == 40}
    shown = {
        row["id"]: (row["published_ms"], row["id"], row["author_id"])
        for row in tables["posts"]
        if row["state"] == 21
    }
    follows = {(r["follower_id"], r["followee_id"]) for r in tables["following"] if r["holds"]}
    for account in tables["accounts"]:
        viewer_id = account["id"]
        window = await site.feeds.skeleton(viewer_id, None, 1_000)
        if account["erased_version"]:
            assert window is None
            continue
        assert window, "a window was lost"
        assert len(window.entries) <= WINDOW_CAP
        assert not erased & {post_id for _, post_id in window.entries}
        read = [shown[post_id] for _, post_id in window.entries if post_id in shown]
        due = [post for post in shown.values() if (viewer_id, post[2]) in follows]
        assert [post for post in read if post[2] not in window.hidden] == [
            post for post in sorted(due, reverse=True) if post[0] > window.floor
        ]


def assert_counted(tables: dict[str, list[dict[str, Any]]]) -> None:
    """Every counter says what counting the rows says."""
    posts = Counter(row["author_id"] for row in tables["posts"] if row["state"] == 21)
    followers = Counter(row["followee_id"] for row in tables["followers"] if row["holds"])
    following = Counter(row["follower_id"] for row in tables["following"] if row["holds"])
    for account in tables["accounts"]:
        counted = (posts[account["id"]], followers[account["id"]], following[account["id"]])
        assert counted == (account["posts"], account["followers"], account["following"])
