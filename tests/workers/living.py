"""A site that lives: its projections' workers at work in this process, and people who go on."""

import asyncio
import itertools
import random
from contextlib import asynccontextmanager

from events.accounts import AccountErased, AccountRegistered, PasswordChanged, ProfileEdited
from events.graph import FollowRequested, Unfollowed
from events.posts import PostDeleted, PostPublished, PostSubmitted
from tests.workers.histories import rendered, staged
from workers.process import work
from workers.subscriptions import EFFECTS, SUBSCRIPTIONS

BREATH_SECONDS = 0.01  # between two commands, or workers of the same process would starve


@asynccontextmanager
async def workers(settings):
    """Every projection's process, as tasks."""
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for role in SUBSCRIPTIONS:
            if role not in EFFECTS:
                tasks.create_task(work(settings, role, 0, stopping, lambda: "ready"))
        yield
        stopping.set()


class People:
    """Some who edit, follow, post and delete at random, always the same random."""

    def __init__(self, log, seed=1):
        self.log, self.random = log, random.Random(seed)
        self.ids, self.posts = [], []
        self.commands = 0
        self.numbers = itertools.count()

    async def sign_up(self, count):
        for _ in range(count):
            name = f"p{next(self.numbers)}"
            event = AccountRegistered(username=name, display_name="P", password_hash="-")
            self.ids.append((await self.log.register(event)).id)

    async def go_on(self, stopping):
        while not stopping.is_set():
            await self.act()
            await asyncio.sleep(BREATH_SECONDS)

    async def act(self):
        me, other = self.random.sample(self.ids, 2)
        number = self.commands = self.commands + 1
        if number % 40 == 0:
            await self.leave(other)
            return
        match self.random.randrange(8):
            case 0:
                event = ProfileEdited(bio=f"bio {number}", private=self.random.random() < 0.3)
            case 1:
                event = PasswordChanged(password_hash=f"hash {number}")
            case 2 | 3:
                event = FollowRequested(followee_id=other)
            case 4:
                event = Unfollowed(followee_id=other)
            case 5 if self.posts:
                author, post_id = self.posts.pop(self.random.randrange(len(self.posts)))
                await self.log.append(PostDeleted(post_id=post_id), actor=author)
                return
            case _:
                await self.post(me, number)
                return
        await self.log.append(event, actor=me)

    async def leave(self, account):
        """One is erased, with all its posts, and another comes."""
        self.ids.remove(account)
        self.posts = [each for each in self.posts if each[0] != account]
        await self.log.append(AccountErased(), actor=account)
        await self.sign_up(1)

    async def post(self, author, number):
        submitted = PostSubmitted(photos=(staged(),), caption=f"caption {number}")
        appended = await self.log.append(submitted, actor=author)
        cause = await self.log.event_at(appended.address)
        photos = (rendered(self.random.choice("ab")),)
        published = PostPublished(post_id=appended.id, photos=photos)
        await self.log.announce(published, actor=author, cause=cause)
        self.posts.append((author, appended.id))


@asynccontextmanager
async def in_use(people):
    """People go on for as long as the block runs."""
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(people.go_on(stopping))
        yield
        stopping.set()
