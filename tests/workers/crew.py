"""A site whose projections work when they are told to, with shorthands for what people do on it."""

from contextlib import AsyncExitStack, asynccontextmanager

from events.accounts import AccountRegistered
from events.graph import FollowRequested, Unfollowed
from events.log import stream_key
from events.posts import PostPublished, PostRejected, PostSubmitted
from runtime.connections import open_blocking_log
from stores.pulls import feed_pull
from tests.workers.histories import rendered, staged
from workers.process import create_groups, open_site, readers_of

ROLES = ("accounts", "posts", "graph", "fanout")
PARTITIONS = 2


class Crew:
    """Accounts by name; every role on a clock of its own, so that nobody waits for a backoff."""

    def __init__(self, settings, sites, blocking):
        self.settings, self._sites, self._blocking = settings, sites, blocking
        self.site = sites["fanout"]
        self.log = self.site.log
        self.ids = {}
        self._now = 0.0

    async def sign_up(self, *names):
        for name in names:
            registered = AccountRegistered(username=name, display_name=name)
            self.ids[name] = (await self.log.register(registered)).id
        await self.work()

    async def follow(self, follower, followee):
        event = FollowRequested(followee_id=self.ids[followee])
        return await self.log.append(event, actor=self.ids[follower])

    async def unfollow(self, follower, followee):
        event = Unfollowed(followee_id=self.ids[followee])
        return await self.log.append(event, actor=self.ids[follower])

    async def submit(self, author):
        event = PostSubmitted(photos=(staged(),), caption="The sea")
        return await self.log.append(event, actor=self.ids[author])

    async def publish(self, author):
        """Submitted, and announced as the darkroom does; the post's id."""
        submitted = await self.submit(author)
        await self.decide(submitted, PostPublished(post_id=submitted.id, photos=(rendered(),)))
        return submitted.id

    async def reject(self, submitted):
        event = PostRejected(post_id=submitted.id, code="undecodable", detail="It is damaged.")
        await self.decide(submitted, event)

    async def decide(self, submitted, event):
        cause = await self.log.event_at(submitted.address)
        announced = await self.log.announce(event, actor=cause.actor, cause=cause)
        stream, client = stream_key(cause.topic, cause.partition), self.log.client
        await client.xreadgroup("renditions", "one", {stream: ">"})
        await client.xack(stream, "renditions", str(cause.position))
        return announced

    async def work(self, *roles):
        """Let these roles, or all, go on until nothing moves."""
        readers = [
            reader
            for role in roles or ROLES
            for reader in readers_of(
                role, self.settings, self._sites[role], self._blocking, clock=lambda: self._now
            )
        ]
        for _ in range(100):
            self._now += 100
            settled = [await reader.step() for reader in readers]
            if not any(settled) and not any(reader.claims.leases.held for reader in readers):
                return

    async def open_feed(self, name):
        """Read it for the first time: its window is built."""
        feeds, viewer_id = self.site.feeds, self.ids[name]
        await feeds.refresh()
        token = await feeds.begin_build(viewer_id)
        rows = await feed_pull(self.site.database, viewer_id, None, feeds.cap + 1)
        entries = [(ms, post_id) for ms, post_id, _ in rows]
        assert await feeds.finish_build(viewer_id, token, entries, truncated=False)


@asynccontextmanager
async def opened_crew(settings):
    async with AsyncExitStack() as stack:
        settings = settings.replace(partitions=PARTITIONS)
        blocking = await stack.enter_async_context(open_blocking_log(settings))
        sites = {role: await stack.enter_async_context(open_site(settings, role)) for role in ROLES}
        await create_groups(settings)
        yield Crew(settings, sites, blocking)
