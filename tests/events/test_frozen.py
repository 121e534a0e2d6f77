"""A worker that was frozen past its lease and comes back does no harm, whatever it does next."""

import asyncio

import pytest

from events.consumer import Limits
from events.ids import shard_of
from events.log import stream_key

# The first attempt is the frozen one's last, the second the owner's.
LAST = [Limits(batch=9, in_flight=9, lease_seconds=0.2, attempts=attempts) for attempts in (1, 2)]
AN_HOUR_MS = 3_600_000


@pytest.fixture
def stream(ada):
    return stream_key("posts", shard_of(ada) % 8)


@pytest.fixture
def freeze(log_client, stream):
    """Let a consumer have been silent for an hour: its leases are over."""

    async def for_an_hour(name):
        rows = await log_client.xpending_range(stream, "posts", "-", "+", 100, name)
        ids = [row["message_id"] for row in rows]
        await log_client.xclaim(stream, "posts", name, 0, ids, idle=AN_HOUR_MS, justid=True)

    return for_an_hour


@pytest.fixture
def owners(log_client, stream):
    """Who has what, and how often it was delivered."""

    async def of_all():
        rows = await log_client.xpending_range(stream, "posts", "-", "+", 100)
        return [(row["consumer"].decode(), row["times_delivered"]) for row in rows]

    return of_all


class Attempt:
    """A handler that stops where a SIGSTOP might catch it, until it is told how to end."""

    def __init__(self):
        self.entered, self.resumed = asyncio.Event(), asyncio.Event()
        self.fails = False

    async def __call__(self, _site, _batch):
        self.entered.set()
        await self.resumed.wait()
        if self.fails:
            message = "unlucky"
            raise ValueError(message)
        return ()

    async def reached_by(self, reader):
        """A step of the reader that stands within this attempt."""
        running = asyncio.create_task(reader.step())
        async with asyncio.timeout(10):
            await self.entered.wait()
        return running

    async def end(self, running, *, fails):
        self.fails = fails
        self.resumed.set()
        async with asyncio.timeout(10):
            await running


@pytest.fixture
async def both(reader, delete, freeze):
    """One event, within the attempts of two readers: the first froze, the second took it over."""
    await delete(1)
    frozen, owner = Attempt(), Attempt()
    readers = reader(frozen, "frozen", limits=LAST[0]), reader(owner, "owner", limits=LAST[1])
    first = await frozen.reached_by(readers[0])
    await freeze("frozen")
    second = await owner.reached_by(readers[1])
    return readers, (frozen, first), (owner, second)


async def test_a_late_failure_buries_nothing_that_another_has_in_hand(both, dead, owners):
    """Nobody but the owner of a delivery decides that it is given up."""
    _, (frozen, first), (owner, second) = both
    await frozen.end(first, fails=True)
    assert (await dead(), await owners()) == ({}, [("owner", 2)])

    await owner.end(second, fails=False)
    assert (await dead(), await owners()) == ({}, [])


async def test_a_late_failure_buries_nothing_that_another_has_done(both, dead, owners):
    """What is done stays done, and leaves no letter."""
    _, (frozen, first), (owner, second) = both
    await owner.end(second, fails=False)
    await frozen.end(first, fails=True)
    assert (await dead(), await owners()) == ({}, [])


async def test_a_late_success_counts_and_the_owners_failure_does_not(both, dead, owners, new_clock):
    """The effect stands: the delivery is done, and whoever failed at it has nothing to bury."""
    readers, (frozen, first), (owner, second) = both
    await frozen.end(first, fails=False)
    assert await owners() == []

    await owner.end(second, fails=True)
    for each in readers:
        await each.step()
        assert not each.claims.leases.held
    assert (await dead(), await owners()) == ({}, [])


async def test_a_late_success_leaves_the_letter_of_the_owner(both, dead, owners):
    """Buried meanwhile: the letter stays for somebody to look at, and nothing is pending."""
    _, (frozen, first), (owner, second) = both
    await owner.end(second, fails=True)
    await frozen.end(first, fails=False)
    assert (len(await dead()), await owners()) == (1, [])


async def test_what_waited_with_the_frozen_is_neither_taken_back_nor_counted(
    reader, delete, freeze, owners, new_clock
):
    """Its next try would steal the delivery in the middle of another's, and use up an attempt."""
    tries, clock = [], new_clock()

    async def fail(_site, batch):
        tries.extend(batch)
        message = "unlucky"
        raise ValueError(message)

    await delete(1)
    frozen, attempt = reader(fail, "frozen", clock), Attempt()
    await frozen.step()
    await freeze("frozen")
    running = await attempt.reached_by(reader(attempt, "owner"))
    before = await owners()

    clock.now += 1_000
    frozen.claims.lease_seconds = AN_HOUR_MS  # it does not reclaim: it believes it holds its own
    await frozen.step()

    assert len(tries) == 1
    assert (await owners(), before[0][0]) == (before, "owner")
    assert not frozen.claims.leases.held
    await attempt.end(running, fails=False)


async def test_what_froze_within_a_read_is_done_once_more_at_most(
    reader, delete, freeze, pending, recording, blocking
):
    """An answer that arrives after the lease brings what another has done: repeating ends well."""
    seen = []
    await delete(1, 2)
    frozen, owner = reader(recording(seen), "frozen"), reader(recording(seen), "owner")
    await frozen.claims.catch_up()
    entries = await frozen.claims.read_new(10, None)
    await freeze("frozen")
    while await owner.step():
        pass

    frozen.claims.leases.active.update(entry_id for entry_id, _ in entries)
    await frozen._deliver(entries)

    assert (seen, await pending()) == ([1, 2, 1, 2], 0)
