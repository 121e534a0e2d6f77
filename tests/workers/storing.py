"""A bucket of one's own, what lies in it, and time that passes for it."""

from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from hashlib import sha256

import msgspec

from events.accounts import AccountRegistered
from events.posts import PostDeleted, PostSubmitted, RenderedPhoto
from runtime.bucket import make_bucket
from runtime.connections import open_blocking_log
from stores import ledger
from stores.objects import manifest_key, original_key, rendition_key
from stores.posts import PostState, post_rows
from tests.workers.posts import stage
from workers.collecting import collect
from workers.collector import open_storeroom
from workers.imaging.recipe import RECIPE
from workers.process import open_site, readers_of

BUCKET = "collected"
MADE = set()


async def own_bucket(settings):
    """Settings of a bucket that nobody else uses."""
    settings = settings.replace(objects_url=settings.objects_url.rpartition("/")[0] + f"/{BUCKET}")
    if settings.objects_url not in MADE:
        await make_bucket(settings.objects_url)
        MADE.add(settings.objects_url)
    return settings


async def empty(objects):
    await objects.delete([each.key async for each in objects.list("")])


def let_nothing_be_young(monkeypatch):
    """Storage tells ages in whole seconds; nobody waits for one."""
    monkeypatch.setattr(ledger, "GRACE", timedelta(seconds=-60))


async def pass_days(database, days):
    """What was marked, restored or deleted is so many days older."""
    passed = timedelta(days=days)
    await database.execute(
        "UPDATE storage.ledger SET marked_at = marked_at - $1::interval, "
        "kept_until = kept_until - $1::interval",
        passed,
    )
    await database.execute(
        "UPDATE posts SET deleted_ms = deleted_ms - $1", passed // timedelta(milliseconds=1)
    )


def before(monkeypatch, owner, name, happens, *, call=1):
    """Let something happen before this step of a sweep is taken for the n-th time."""
    step, calls = getattr(owner, name), iter(range(1, 100))

    async def paused(*arguments, **options):
        if next(calls) == call:
            await happens()
        return await step(*arguments, **options)

    monkeypatch.setattr(owner, name, paused)


async def keys_in(objects, photo):
    """Everything that is stored of a photo, by its digest."""
    prefixes = (f"photos/{photo}/", f"originals/{photo}")
    return {each.key for prefix in prefixes async for each in objects.list(prefix)}


class Site:
    """A site's workers and its collector, each run when told to, over one bucket."""

    def __init__(self, settings, sites, storeroom, blocking, author):
        self.storeroom, self.author = storeroom, author
        self.log, self.objects = storeroom.log, storeroom.objects
        self.database = storeroom.database
        self._now = 0.0
        self._readers = {
            role: readers_of(role, settings, site, blocking, clock=lambda: self._now)
            for role, site in sites.items()
        }

    async def work(self, *roles, rounds=5, seconds=100):
        """Let these roles, or all, go on until nothing moves, or as far as they come."""
        for _ in range(rounds):
            self._now += seconds
            readers = [each for role in roles or self._readers for each in self._readers[role]]
            settled = [await each.step() for each in readers]
            if not any(settled) and not any(each.claims.leases.held for each in readers):
                return

    async def submit(self, *files):
        """Upload a post of these files; the delivery that workers get."""
        photos = [await stage(self, each) for each in files]
        appended = await self.log.append(PostSubmitted(photos=tuple(photos)), actor=self.author)
        return await self.log.event_at(appended.address)

    async def publish(self, *files):
        delivery = await self.submit(*files)
        await self.work()
        return delivery

    async def delete(self, delivery):
        await self.log.append(PostDeleted(post_id=delivery.id), actor=self.author)
        await self.work()

    async def leave_unshown(self, content):
        """A photo whose only post was deleted, and whose quarantine is over; its digest."""
        await self.delete(await self.publish(content))
        await collect(self.storeroom)
        await pass_days(self.database, 8)
        return sha256(content).hexdigest()

    async def assert_whole(self, delivery):
        """The post is published, and every byte that it shows is stored."""
        row = (await post_rows(self.database, [delivery.id]))[delivery.id]
        assert row.state is PostState.PUBLISHED
        for photo in row.photos:
            await self.assert_stored(photo.sha256)

    async def assert_stored(self, photo):
        """Its original, its manifest, and every rendition that this names."""
        manifest = await self.objects.read(manifest_key(photo, RECIPE))
        told = msgspec.json.decode(manifest, type=RenderedPhoto)
        assert await keys_in(self.objects, photo) == {
            original_key(photo),
            manifest_key(photo, RECIPE),
            *(rendition_key(photo, RECIPE, r.width, r.extension) for r in told.renditions),
        }


@asynccontextmanager
async def opened_site(settings, *more_roles):
    """Accounts, renditions and posts, and more roles, with one author who posts."""
    async with AsyncExitStack() as stack:
        settings = (await own_bucket(settings)).replace(partitions=2, decoders=1)
        blocking = await stack.enter_async_context(open_blocking_log(settings))
        storeroom = await stack.enter_async_context(open_storeroom(settings))
        await empty(storeroom.objects)
        sites = {
            role: await stack.enter_async_context(open_site(settings, role))
            for role in ("accounts", "renditions", "posts", *more_roles)
        }
        registered = AccountRegistered(username="ada", display_name="Ada", password_hash="-")
        author = (await storeroom.log.register(registered)).id
        yield Site(settings, sites, storeroom, blocking, author)
