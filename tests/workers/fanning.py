"""A site for fan-out: rows committed by hand, so that a test decides what is there when."""

import asyncio

from events.entries import open_entries
from events.envelope import Delivery
from events.graph import FollowAccepted, Unfollowed
from events.ids import EPOCH_MS, Position, make_id
from events.log import Log
from events.posts import PostPublished
from events.work import FanoutChunk
from stores import edges, publications, pulls
from stores.edges import Verdict, Wish
from stores.feeds import Feeds
from stores.profiles import NewAccount, add_accounts
from stores.publications import Publication
from workers.site import Site

NOW = EPOCH_MS + 10_000_000_000
ADA, BOB, EVE = (make_id(Position(NOW, n), 100 + n) for n in (1, 2, 3))


async def site_of(database, cache_client, log_client):
    await sign_up(database, [ADA, BOB, EVE])
    log = Log(log_client, partitions=8, secret=b"s" * 32)
    return Site(log=log, database=database, feeds=Feeds(cache_client, log_client, cap=20))


async def sign_up(database, ids):
    await add_accounts(database, [NewAccount(each, f"u{each}", "", "") for each in ids])


async def commit_post(database, author=ADA, ms=1, sequence=0):
    """Write a published post's row; answer its delivery."""
    shard = author >> 10 & 8_191
    position = Position(NOW + ms, sequence)
    post_id = make_id(Position(NOW + ms - 1, sequence), shard)
    event = PostPublished(post_id=post_id, photos=())
    delivery = deliver(event, author, position)
    await publications.write_publications(
        database, [Publication(post_id, author, position.ms, delivery.id, "[]")]
    )
    return delivery


async def commit_follow(database, follower=BOB, followee=ADA, ms=1):
    """Write a follow that holds; answer the verdict's delivery."""
    wish = Wish(follower, followee, True, make_id(Position(NOW + ms, 0), follower >> 10 & 8_191))
    event = FollowAccepted(follower_id=follower, wish_version=wish.version)
    delivery = deliver(event, followee, Position(NOW + ms, 1))
    verdict = Verdict(follower, followee, True, wish.version, delivery.id)
    async with database.acquire() as connection, connection.transaction():
        await edges.write_wishes_of_followers(connection, [wish])
        await edges.write_wishes_to_followees(connection, [wish])
        await edges.write_verdicts_to_followers(connection, [verdict])
        await edges.write_verdicts_of_followees(connection, [verdict])
    return delivery


async def commit_withdrawal(database, follower=BOB, followee=ADA, ms=5):
    delivery = deliver(Unfollowed(followee_id=followee), follower, Position(NOW + ms, 0))
    wish = Wish(follower, followee, False, delivery.id)
    await edges.write_wishes_of_followers(database, [wish])
    await edges.write_wishes_to_followees(database, [wish])
    return delivery


def deliver(event, actor, position):
    partition = (actor >> 10) % 8
    return Delivery(
        event=event,
        topic=event.TOPIC,
        partition=partition,
        position=position,
        actor=actor,
        time=position.ms,
    )


async def build(site, viewer=BOB):
    """What the feed route does for an absent window."""
    token = await site.feeds.begin_build(viewer)
    rows = await pulls.feed_pull(site.database, viewer, None, site.feeds.cap + 1)
    entries = [(ms, post_id) for ms, post_id, _ in rows][: site.feeds.cap]
    truncated = len(rows) > site.feeds.cap
    return token and await site.feeds.finish_build(viewer, token, entries, truncated=truncated)


async def ids_of(site, viewer=BOB):
    window = await site.feeds.skeleton(viewer, None, 100)
    return None if window is None else [post_id for _, post_id in window.entries]


class Pause:
    """Stops a store's function just before it reads, or just after, until `go`."""

    def __init__(self, monkeypatch, module, name, *, after=False):
        self.reached, self.resumed = asyncio.Event(), asyncio.Event()
        original = getattr(module, name)

        async def paused(*arguments, **options):
            answer = await original(*arguments, **options) if after else None
            monkeypatch.setattr(module, name, original)
            self.reached.set()
            await self.resumed.wait()
            return answer if after else await original(*arguments, **options)

        monkeypatch.setattr(module, name, paused)

    async def during(self, work, meanwhile):
        """Start `work`, do `meanwhile` while it is paused, finish `work`."""
        running = asyncio.create_task(work)
        async with asyncio.timeout(10):
            await self.reached.wait()
            await meanwhile()
            self.resumed.set()
            return await running


async def announced_chunks(site):
    partition = (ADA >> 10) % 8
    entries = await site.log.client.xrange(f"work:{{{partition}}}")
    opened = await open_entries(site.log, "work", partition, entries)
    assert all(isinstance(each.event, FanoutChunk) for each in opened)
    return [each.event for each in opened]
