"""A site in use, to be rebuilt: what members do, recorded in its log; its projections; its rows."""

import asyncio
import random
import re
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg

from events.accounts import AccountErased, AccountRegistered, PasswordChanged, ProfileEdited
from events.graph import FollowAccepted, FollowRequested, Unfollowed
from events.posts import PostDeleted, PostPublished, PostRejected, PostSubmitted
from runtime.connections import open_blocking_log
from tests.stories.in_process import Workers
from tests.workers.histories import rendered, staged
from workers.process import log_of, open_site, readers_of
from workers.rebuilding import Rebuilding, rebuild_metadata

ROLES = ("accounts", "posts", "graph", "fanout")
TABLES = ("accounts", "posts", "photo_references", "following", "followers")


class Members:
    """Do one thing after the other, at random but the same each time."""

    def __init__(self, log, seed=0):
        self.log, self.chance = log, random.Random(seed)
        self.ids, self.gone, self.posts = [], [], []
        self.actions = 0

    async def act(self, times):
        for _ in range(times):
            doing = self.chance.choices(
                (
                    self.sign_up,
                    self.edit,
                    self.submit,
                    self.end,
                    self.follow,
                    self.leave,
                    self.lock,
                    self.vanish,
                ),
                (20, 20, 40, 20, 80, 20, 10, 3),
            )[0]
            await (doing() if len(self.ids) > 2 else self.sign_up())
            self.actions += 1

    async def act_until(self, enough):
        """No faster than workers on a busy machine: it would take minutes to settle."""
        while not enough.is_set():
            await self.act(1)
            await asyncio.sleep(0.01)

    async def sign_up(self):
        name = f"member{len(self.ids) + len(self.gone)}"
        event = AccountRegistered(username=name, display_name=name.title(), password_hash="-")
        self.ids.append((await self.log.register(event)).id)

    async def edit(self):
        private = self.chance.choice([True, False])
        event = ProfileEdited(bio=f"bio {self.chance.random()}", private=private)
        await self.log.append(event, actor=self.anybody())

    async def lock(self):
        event = PasswordChanged(password_hash=f"={self.chance.random()}")
        await self.log.append(event, actor=self.anybody())

    async def vanish(self):
        if len(self.ids) > 6:
            self.gone.append(self.ids.pop(self.chance.randrange(len(self.ids))))
            self.posts = [each for each in self.posts if each[0] != self.gone[-1]]
            await self.log.append(AccountErased(), actor=self.gone[-1])

    async def submit(self):
        """Published by whoever decodes photos; or not yet."""
        author = self.anybody()
        event = PostSubmitted(photos=(staged(),), caption=f"caption {len(self.posts)}")
        post_id = (await self.log.append(event, actor=author)).id
        self.posts.append((author, post_id))
        if self.chance.random() < 0.8:
            photo = rendered(self.chance.choice("abcdef"))
            event = PostPublished(post_id=post_id, photos=(photo,))
            await self.log.append(event, actor=author)

    async def end(self):
        if self.posts:
            author, post_id = self.chance.choice(self.posts)
            rejected = PostRejected(post_id=post_id, code="bad", detail="It is no photo.")
            event = self.chance.choice([PostDeleted(post_id=post_id), rejected])
            await self.log.append(event, actor=author)

    async def follow(self):
        one, other = self.chance.sample(self.ids, 2)
        wish = await self.log.append(FollowRequested(followee_id=other), actor=one)
        if self.chance.random() < 0.2:  # as an owner may, of a wish that waits
            event = FollowAccepted(follower_id=one, wish_version=wish.id)
            await self.log.append(event, actor=other)

    async def leave(self):
        one, other = self.chance.sample(self.ids, 2)
        await self.log.append(Unfollowed(followee_id=other), actor=one)

    def anybody(self):
        return self.chance.choice(self.ids)


@asynccontextmanager
async def projecting(settings):
    """All roles that fold, in this process: `drain(batch)` has them do all there is to do."""
    async with AsyncExitStack() as stack:
        blocking = await stack.enter_async_context(open_blocking_log(settings, connections=64))
        sites = {role: await stack.enter_async_context(open_site(settings, role)) for role in ROLES}
        yield Workers(settings, sites, blocking)


@asynccontextmanager
async def at_work(workers):
    """The same, reading and waiting by themselves; what they leave undone, `drain` takes up."""
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for role, site in workers.sites.items():
            for reader in readers_of(role, workers.settings, site, workers.blocking):
                tasks.create_task(reader.run(stopping))
        try:
            yield
        finally:
            stopping.set()


async def rows_of(settings, schema="heliograph"):
    """Every row of the tables that a rebuild makes again, without what no event tells."""
    connection = await asyncpg.connect(settings.database_url)
    try:
        return {
            table: sorted(
                re.sub(r" pulled=\w+", "", repr(row))
                for row in await connection.fetch(f"TABLE {schema}.{table}")
            )
            for table in TABLES
        }
    finally:
        await connection.close()


async def rebuild(settings, log_client, **wanted):
    """What the command told."""
    wanted = Rebuilding(**({"schema": "heliograph_next"} | wanted))
    return [told async for told in rebuild_metadata(settings, log_of(settings, log_client), wanted)]


async def schemas_of(settings):
    connection = await asyncpg.connect(settings.database_url)
    try:
        rows = await connection.fetch(
            "SELECT nspname FROM pg_namespace WHERE nspname ~ '^heliograph' ORDER BY 1"
        )
        return [row["nspname"] for row in rows]
    finally:
        await connection.close()
