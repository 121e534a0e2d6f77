"""What fan-out promises: no window has a hole or a double, however commits and reads interleave."""

import asyncio

import pytest

from events.entries import open_entries
from events.envelope import Delivery
from events.graph import FollowAccepted, Unfollowed
from events.ids import EPOCH_MS, Position, make_id
from events.log import Log
from events.posts import PostPublished
from events.work import FanoutChunk
from stores import edges, follows, publications, pulls
from stores.edges import Verdict, Wish
from stores.feeds import Feeds
from stores.profiles import NewAccount, add_accounts
from stores.publications import Publication
from workers import fanout
from workers.site import Site

NOW = EPOCH_MS + 10_000_000_000
ADA, BOB, EVE = (make_id(Position(NOW, n), 100 + n) for n in (1, 2, 3))


@pytest.fixture
async def site(database, cache_client, log_client):
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

        async def paused(*arguments):
            answer = await original(*arguments) if after else None
            monkeypatch.setattr(module, name, original)
            self.reached.set()
            await self.resumed.wait()
            return answer if after else await original(*arguments)

        monkeypatch.setattr(module, name, paused)

    async def during(self, work, meanwhile):
        """Start `work`, do `meanwhile` while it is paused, finish `work`."""
        running = asyncio.create_task(work)
        async with asyncio.timeout(10):
            await self.reached.wait()
            await meanwhile()
            self.resumed.set()
            return await running


async def test_a_post_reaches_its_followers_windows(site):
    """Followers with a window get it; the others will read it from Postgres."""
    await commit_follow(site.database)
    await build(site)
    delivery = await commit_post(site.database)

    assert await fanout.plan_fanout(site, [delivery, delivery]) == []
    assert await fanout.plan_fanout(site, [delivery]) == []

    assert await ids_of(site) == [delivery.event.post_id]
    assert await ids_of(site, EVE) is None


async def test_a_post_without_its_row_comes_later(site):
    """Fan-out may hear of a publication before the row is committed; a deleted post is done."""
    await commit_follow(site.database)
    await build(site)
    known = await commit_post(site.database, ms=1)
    unknown = deliver(
        PostPublished(post_id=known.event.post_id + 1, photos=()), ADA, known.position
    )
    newer = deliver(known.event, ADA, Position(NOW + 2, 0))

    assert await fanout.plan_fanout(site, [known, unknown, newer]) == [unknown, newer]

    await publications.write_deletions(site.database, [known.event.post_id])
    gone = await commit_post(site.database, ms=3)
    await publications.write_deletions(site.database, [gone.event.post_id])
    assert await fanout.plan_fanout(site, [known, gone]) == []
    assert await ids_of(site) == [known.event.post_id]


async def test_many_followers_are_divided_into_chunks(site, monkeypatch):
    """Every follower is in exactly one chunk, and planning again after some left leaves no gap."""
    monkeypatch.setattr(fanout, "FOLLOWERS_PER_CHUNK", 3)
    followers = [make_id(Position(NOW, n), 200 + n) for n in range(10, 18)]
    await sign_up(site.database, followers)
    for each in followers:
        await commit_follow(site.database, each)
        await build(site, each)
    await site.database.execute("UPDATE accounts SET followers = 8 WHERE id = $1", ADA)
    delivery = await commit_post(site.database, ms=9)

    for _ in range(2):
        assert await fanout.plan_fanout(site, [delivery]) == []
    chunks = await announced_chunks(site)
    assert [sum(c.first_follower_id <= f <= c.last_follower_id for c in chunks) for f in followers]
    assert len(chunks) == 3

    await commit_withdrawal(site.database, followers[0], ms=20)
    await fanout.plan_fanout(site, [delivery])
    for chunk in await announced_chunks(site):
        await fanout.push_chunk(site, [deliver(chunk, ADA, Position(NOW + 30, 0))])
    for each in followers[1:]:
        assert await ids_of(site, each) == [delivery.event.post_id]


async def announced_chunks(site):
    partition = (ADA >> 10) % 8
    entries = await site.log.client.xrange(f"work:{{{partition}}}")
    opened = await open_entries(site.log, "work", partition, entries)
    assert all(isinstance(each.event, FanoutChunk) for each in opened)
    return [each.event for each in opened]


async def test_a_follow_brings_earlier_posts(site):
    """They stand in their place among the others; whoever has no window reads Postgres."""
    await commit_follow(site.database, BOB, EVE)
    old = await commit_post(site.database, ADA, ms=1)
    between = await commit_post(site.database, EVE, ms=2)
    new = await commit_post(site.database, ADA, ms=3)
    await build(site)

    accepted = await commit_follow(site.database, BOB, ADA, ms=4)
    assert await fanout.backfill(site, [accepted]) == []

    assert await ids_of(site) == [each.event.post_id for each in (new, between, old)]


async def test_a_follow_not_yet_folded_comes_later(site):
    """A verdict waits for its row and its wish; one that a later wish overtook is done."""
    folded = await commit_follow(site.database, ms=4)
    wish = folded.event.wish_version

    def verdict(wish_version, ms):
        event = FollowAccepted(follower_id=BOB, wish_version=wish_version)
        return deliver(event, ADA, Position(NOW + ms, 2))

    overtaken, on_time = verdict(wish - 1, 3), verdict(wish - 1, 9)
    newer, coming = verdict(wish, 9), verdict(wish + 1, 9)
    batch = [folded, overtaken, on_time, newer, coming]
    assert await fanout.backfill(site, batch) == [newer, coming]

    unknown = deliver(Unfollowed(followee_id=EVE), BOB, Position(NOW, 2))
    oneself = deliver(Unfollowed(followee_id=BOB), BOB, Position(NOW, 2))
    assert await fanout.hide_author(site, [unknown, oneself]) == [unknown]


async def test_a_prolific_followee_ends_the_window_higher(site):
    """A backfill that could not read everything must not pretend that it did."""
    posts = [await commit_post(site.database, EVE, ms=ms) for ms in range(10, 35)]
    await build(site)
    accepted = await commit_follow(site.database, BOB, EVE, ms=40)
    await fanout.backfill(site, [accepted])

    window = await site.feeds.skeleton(BOB, None, 100)
    newest = [each.event.post_id for each in reversed(posts)]
    assert [post_id for _, post_id in window.entries] == newest[: len(window.entries)]
    assert window.floor == NOW + 15


async def test_an_unfollowed_author_is_hidden_until_followed_again(site):
    """In whatever order the deliveries come, the window ends as the rows say."""
    accepted = await commit_follow(site.database)
    post = await commit_post(site.database)
    await build(site)
    withdrawn = await commit_withdrawal(site.database)

    assert await fanout.hide_author(site, [withdrawn]) == []
    assert (await site.feeds.skeleton(BOB, None, 9)).hidden == {ADA}

    again = await commit_follow(site.database, ms=7)
    for each in ([again], [accepted], [again, accepted]):
        assert await fanout.backfill(site, each) == []
        assert await fanout.hide_author(site, [withdrawn]) == []
        assert (await site.feeds.skeleton(BOB, None, 9)).hidden == frozenset()
    assert await ids_of(site) == [post.event.post_id]


async def test_a_slow_hide_does_not_outlive_a_new_follow(site, monkeypatch):
    """Two workers hold one edge: the one that read the older rows looks again after acting."""
    await commit_follow(site.database)
    await build(site)
    withdrawn = await commit_withdrawal(site.database)
    slow = Pause(monkeypatch, follows, "edges_of", after=True)

    async def followed_again():
        again = await commit_follow(site.database, ms=7)
        await fanout.backfill(site, [again])

    await slow.during(fanout.hide_author(site, [withdrawn]), followed_again)

    assert (await site.feeds.skeleton(BOB, None, 9)).hidden == frozenset()


async def test_fan_out_reads_followers_after_the_post_is_committed(site, monkeypatch):
    """Who follows while fan-out has read its followers already is backfilled with this very post.

    Were followers read before the row is committed, the backfill would not see the post either.
    """
    await build(site)
    delivery = await commit_post(site.database)
    slow = Pause(monkeypatch, follows, "holding_followers", after=True)

    async def follow():
        await fanout.backfill(site, [await commit_follow(site.database, ms=2)])

    await slow.during(fanout.plan_fanout(site, [delivery]), follow)

    assert await ids_of(site) == [delivery.event.post_id]


async def test_fan_out_of_an_uncommitted_post_reads_no_followers(site, monkeypatch):
    """The order itself: while the row is not there, nobody asks who follows."""
    asked = []
    monkeypatch.setattr(follows, "holding_followers", lambda *a: asked.append(a))
    early = deliver(
        PostPublished(post_id=make_id(Position(NOW, 0), 101), photos=()), ADA, Position(NOW, 5)
    )

    assert await fanout.plan_fanout(site, [early]) == [early]
    assert asked == []


async def test_backfill_reads_posts_after_the_follow_is_committed(site, monkeypatch):
    """A post committed before that read is in it; one committed later is pushed to the follower."""
    await build(site)
    before = await commit_post(site.database, ms=1)
    accepted = await commit_follow(site.database, ms=2)
    slow = Pause(monkeypatch, pulls, "recent_of_author", after=True)

    async def publish():
        after = await commit_post(site.database, ms=3)
        await fanout.plan_fanout(site, [after])

    await slow.during(fanout.backfill(site, [accepted]), publish)

    assert len(await ids_of(site)) == 2
    assert (await ids_of(site))[1] == before.event.post_id


async def test_backfill_of_an_uncommitted_follow_reads_no_posts(site, monkeypatch):
    """The order itself: a post published between such a read and the commit would be lost."""
    await build(site)
    asked = []
    monkeypatch.setattr(pulls, "recent_of_author", lambda *a: asked.append(a))
    event = FollowAccepted(follower_id=BOB, wish_version=5)

    assert await fanout.backfill(site, [deliver(event, ADA, Position(NOW, 1))]) != []
    assert asked == []


async def test_a_build_reads_posts_after_its_token_is_in_place(site, monkeypatch):
    """A post that the build's read just missed is pushed into the window under construction."""
    await commit_follow(site.database)
    slow = Pause(monkeypatch, pulls, "feed_pull", after=True)

    async def publish():
        delivery = await commit_post(site.database, ms=3)
        await fanout.plan_fanout(site, [delivery])

    assert await slow.during(build(site), publish)

    assert len(await ids_of(site)) == 1


async def test_names_are_read_after_rows(site, monkeypatch, log_client):
    """A generation raised while followers are read: the push goes where later builds look."""
    await commit_follow(site.database)
    await build(site)
    delivery = await commit_post(site.database)
    slow = Pause(monkeypatch, follows, "holding_followers", after=True)

    async def swap():
        await log_client.set("feeds:generation", 1)
        other = Feeds(site.feeds._cache, log_client, cap=20)
        token = await other.begin_build(BOB)
        assert await other.finish_build(BOB, token, [], truncated=False)

    await slow.during(fanout.plan_fanout(site, [delivery]), swap)

    assert await ids_of(site) == [delivery.event.post_id]
