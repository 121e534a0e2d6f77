"""All that decides whether one post is in one feed, read as it is now and changed by nothing."""

from typing import NamedTuple

import msgspec

from events.catalogue import tag_of
from events.consequences import delivery_of, read_found
from events.entries import CAUSE
from events.envelope import Event
from events.graph import FollowRequested
from events.ids import Address, Position, position_before, position_of, shard_of
from events.legible import Legible, read_entries
from events.log import Log
from events.past import Past
from events.posts import PostPublished, PostSubmitted
from events.status import announcements_of
from events.telling import Desk
from events.work import FanoutChunk
from runtime.connections import open_cache, open_database
from runtime.errors import Unavailable
from runtime.outages import is_outage
from runtime.reach import Reach
from stores.accounts import AccountRow, accounts_by_ids
from stores.database import reading
from stores.feeds import Feeds
from stores.follows import EdgeRow, wish_of
from stores.posts import PostRow, PostState, post_rows
from stores.progress import Fanouts, Progress
from stores.pulls import feed_pull
from stores.sightings import Outbox, Sighting, sight, sight_outbox
from workers.fates import Fate, fates_of
from workers.heard import notices_of

POSTGRES_SECONDS = 5.0


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """What Postgres has."""

    post: PostRow | None
    viewer: AccountRow | None
    author: AccountRow | None
    edge: EdgeRow | None
    pulled: bool
    """Whether a feed asked of Postgres has the post."""


class Names(NamedTuple):
    """How the two are called."""

    viewer: str
    author: str


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """An event on the way, and what has become of it; `what` says which it is."""

    what: str
    event: Legible
    fates: list[Fate]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """As of one look. Of engines that are away, None."""

    viewer_id: int
    post_id: int
    recorded: Legible | None
    """What stands at the post's id: its `post.submitted`, or something else."""
    author_id: int | None
    rows: Rows | None
    steps: list[Step]
    """What brings a post into a window or takes it out; looked at before the window is."""
    notices: list[Legible]
    window: Sighting | None
    outbox: Outbox | None
    """Of a pulled post."""
    progress: Progress | None
    """None also where the cache has forgotten it."""

    @property
    def is_pulled(self) -> bool:
        return bool(self.rows and self.rows.post and self.rows.post.pulled)

    @property
    def is_own(self) -> bool:
        return self.author_id == self.viewer_id

    def undone(self, what: str, role: str) -> Fate | None:
        """What a role has still to do about such a step, or could not do."""
        fates = [fate for each in self.steps if each.what == what for fate in each.fates]
        return next((each for each in fates if each.role == role and each.state != "done"), None)

    def heard(self, kind: type[Event]) -> int:
        """The latest notice of a kind between the two, or of this post: its version, 0 without.

        Of an acceptance it is the version of the wish that it answers.
        """
        versions = [0]
        for each in self.notices:
            says, event = each.payload, each.event or 0
            if each.type != tag_of(kind):
                continue
            if each.actor == self.author_id and says.get("post_id") == self.post_id:
                versions.append(event)
            if each.actor == self.viewer_id and says.get("followee_id") == self.author_id:
                versions.append(event)
            if each.actor == self.author_id and says.get("follower_id") == self.viewer_id:
                versions.append(says.get("wish_version", 0))
        return max(versions)


async def gather(desk: Desk, past: Past, viewer_id: int, post_id: int) -> Evidence:
    """One look. What was done by then shows in what is read after it."""
    log = desk.log
    partition = shard_of(post_id) % log.partitions
    found = await past.at(Address(PostSubmitted.TOPIC, partition, position_of(post_id)))
    recorded = await read_found(past, found) if found else None
    rows = await _rows(desk, viewer_id, post_id, recorded.actor if recorded else None)
    author_id = recorded.actor if recorded else None
    if rows and rows.post:
        author_id = rows.post.author_id
    steps = await _steps(desk, past, recorded, rows, viewer_id)
    notices = await notices_of(log, {viewer_id, author_id or viewer_id})
    window, outbox, progress = await _cached(desk, viewer_id, post_id, author_id or 0)
    return Evidence(
        viewer_id=viewer_id,
        post_id=post_id,
        recorded=recorded,
        author_id=author_id,
        rows=rows,
        steps=steps,
        notices=notices,
        window=window,
        outbox=outbox if rows and rows.post and rows.post.pulled else None,
        progress=progress,
    )


async def _rows(desk: Desk, viewer_id: int, post_id: int, actor: int | None) -> Rows | None:
    reach = Reach("metadata-unavailable", POSTGRES_SECONDS)
    try:
        async with (
            await open_database(desk.settings, reader=True, connections=1) as pool,
            reading(pool, reach) as db,
        ):
            post = (await post_rows(db, [post_id])).get(post_id)
            author_id = post.author_id if post else actor or 0
            accounts = await accounts_by_ids(db, [viewer_id, author_id])
            pulled = []
            if post and post.state is PostState.PUBLISHED and post.published_ms is not None:
                pulled = await feed_pull(db, viewer_id, (post.published_ms, post_id + 1), 1)
            return Rows(
                post=post,
                viewer=accounts.get(viewer_id),
                author=accounts.get(author_id),
                edge=await wish_of(db, viewer_id, author_id),
                pulled=any(each[1] == post_id for each in pulled),
            )
    except Unavailable:
        return None


async def _steps(
    desk: Desk, past: Past, recorded: Legible | None, rows: Rows | None, viewer_id: int
) -> list[Step]:
    """Each with its state in every role; the row is the guide, or else what the log recorded."""
    events: list[tuple[str, Legible | None]] = [("submission", recorded)]
    post, edge = (rows.post, rows.edge) if rows else (None, None)
    if post and post.published_ms is not None:
        events.append(("publication", await _publication(past, post, post.published_ms)))
    elif recorded and recorded.type == tag_of(PostSubmitted):
        events += [("publication", each) for each in await _decisions(past, recorded)]
    if edge and rows and rows.author:
        author_id, topic = rows.author.id, FollowRequested.TOPIC
        for what, actor, version in (
            ("wish", viewer_id, edge.wish_version),
            ("withdrawal", viewer_id, edge.withdrawn_version),
            ("verdict", author_id, edge.verdict_version),
        ):
            if version:
                at = _address(desk.log, topic, actor, version)
                events.append((what, await _read_at(past, at)))
    published = next((each for what, each in events if what == "publication" and each), None)
    if published:
        events += [("chunk", each) for each in await _chunks(past, published, viewer_id)]
    return [
        Step(what=what, event=each, fates=await fates_of(desk.log, desk.settings, each))
        for what, each in events
        if each
    ]


async def _publication(past: Past, post: PostRow, moment: int) -> Legible | None:
    """The one by which feeds order the post, whichever event its photos come from."""
    topic, partition = PostPublished.TOPIC, shard_of(post.id) % past.log.partitions
    async for run in past.since(topic, partition, position_before(Position(moment, 0))):
        entries = [each for each in run if Position.parse(each[0]).ms == moment]
        for each in await read_entries(past.log, topic, partition, entries):
            if each.type == tag_of(PostPublished) and each.payload.get("post_id") == post.id:
                return each
        if len(entries) < len(run):
            return None
    return None


async def _decisions(past: Past, recorded: Legible) -> list[Legible | None]:
    """What was announced of a post that has no row yet, or none that says so."""
    delivery = await delivery_of(past, recorded.address)
    announced = await announcements_of(past.log, delivery) if delivery else []
    return [await _read_at(past, Address.parse(each.address)) for each in announced]


async def _chunks(past: Past, published: Legible, viewer_id: int) -> list[Legible]:
    """The portions of its fan-out that have this follower in their range."""
    partition, cause, chunks = published.address.partition, str(published.address).encode(), []
    async for run in past.since(FanoutChunk.TOPIC, partition, published.address.position):
        planned = [each for each in run if each[1].get(CAUSE) == cause]
        chunks += await read_entries(past.log, FanoutChunk.TOPIC, partition, planned)
    return [
        each
        for each in chunks
        if each.payload.get("first_follower_id", 0)
        <= viewer_id
        <= each.payload.get("last_follower_id", 0)
    ]


async def _read_at(past: Past, address: Address) -> Legible | None:
    found = await past.at(address)
    return await read_found(past, found) if found else None


def _address(log: Log, topic: str, actor: int, version: int) -> Address:
    return Address(topic, shard_of(actor) % log.partitions, position_of(version))


async def _cached(
    desk: Desk, viewer_id: int, post_id: int, author_id: int
) -> tuple[Sighting | None, Outbox | None, Progress | None]:
    try:
        async with open_cache(desk.settings) as cache:
            asked = cache, desk.log.client, viewer_id, post_id, author_id
            progress = await Fanouts(Feeds(cache, desk.log.client)).of(post_id)
            return await sight(*asked), await sight_outbox(*asked), progress
    except Exception as error:
        if not is_outage(error):
            raise
        return None, None, None
