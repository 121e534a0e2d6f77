"""A log over the real server, a reader of it, and shorthands for what happens in it."""

import msgspec
import pytest

from events.accounts import AccountRegistered
from events.consumer import Limits, Reader
from events.dead_letters import DEAD, Undelivered, letters, letters_key, order_key
from events.ids import shard_of
from events.log import Log, stream_key
from events.posts import PostDeleted
from runtime.connections import open_blocking_log

LIMITS = Limits(batch=100, in_flight=400, lease_seconds=0.2, attempts=3)
ONCE = Limits(batch=100, in_flight=400, lease_seconds=0.2, attempts=1)


class Clock:
    """A clock that only tests move."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Trouble:
    """A handler that fails until it is mended."""

    def __init__(self):
        self.mended = False
        self.seen = []

    async def __call__(self, _site, batch):
        if not self.mended:
            message = "no luck"
            raise ValueError(message)
        self.seen.extend(delivery.event.post_id for delivery in batch)
        return ()


@pytest.fixture
def log(log_client, settings):
    return Log(log_client, partitions=8, secret=settings.secret.reveal().encode())


@pytest.fixture
def register(log):
    """Open an account and give its id."""

    async def register(username: str) -> int:
        event = AccountRegistered(username=username, display_name=username, password_hash="hash")
        return (await log.register(event)).id

    return register


@pytest.fixture
async def blocking(settings, clean_site):
    async with open_blocking_log(settings) as client:
        yield client


@pytest.fixture
async def ada(register):
    return await register("ada")


@pytest.fixture
def reader(log, blocking, ada):
    """A reader of Ada's posts under a name, with a handler."""

    def make(handle, name="one", clock=None, limits=LIMITS, **more):
        return Reader(
            log,
            blocking,
            group="posts",
            consumer=name,
            topic="posts",
            partition=shard_of(ada) % 8,
            handlers={PostDeleted: handle},
            site=None,
            limits=limits,
            clock=clock or Clock(),
            **more,
        )

    return make


@pytest.fixture
def delete(log, ada):
    async def append(*post_ids):
        return [await log.append(PostDeleted(post_id=n), actor=ada) for n in post_ids]

    return append


@pytest.fixture
def pending(log_client, ada):
    async def count():
        found = await log_client.xpending(stream_key("posts", shard_of(ada) % 8), "posts")
        return found["pending"]

    return count


@pytest.fixture
def dead(log_client, ada):
    async def letters():
        found = await log_client.hgetall(letters_key(DEAD, shard_of(ada) % 8))
        return {name: msgspec.msgpack.decode(letter) for name, letter in found.items()}

    return letters


@pytest.fixture
def recording():
    """Make a handler that writes down the posts it was given."""

    def make(seen):
        async def handle(_site, batch):
            seen.extend(delivery.event.post_id for delivery in batch)
            return ()

        return handle

    return make


@pytest.fixture
def new_clock():
    """Make a clock that only the test moves: `clock.now += seconds`."""
    return Clock


@pytest.fixture
def trouble():
    return Trouble()


@pytest.fixture
def drain(reader, trouble, new_clock):
    """Let a reader of Ada's posts attempt everything there is, long after any wait."""

    async def drain(name="one"):
        clock = new_clock()
        one = reader(trouble, name, clock, ONCE)
        for _ in range(8):
            await one.step()
            clock.now += 1_000

    return drain


@pytest.fixture
def buried(delete, drain, ada):
    """One deletion, buried."""

    async def make():
        [appended] = await delete(7)
        await drain()
        return Undelivered("posts", "posts", shard_of(ada) % 8, appended.position)

    return make


@pytest.fixture
def standing(log_client, ada):
    """What stands on a shelf of Ada's partition, and that its order agrees with it."""

    async def read(shelf=DEAD):
        partition = shard_of(ada) % 8
        found = [each async for each in letters(log_client, partition, shelf=shelf)]
        names = await log_client.zrange(order_key(shelf, partition), 0, -1)
        assert sorted(names) == sorted(await log_client.hkeys(letters_key(shelf, partition)))
        return found

    return read
