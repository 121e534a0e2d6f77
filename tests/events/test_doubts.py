"""What never fails and yet holds up its neighbours: an outage of its own, a wait for others."""

import pytest

from events.accounts import AccountRegistered
from events.claims import ensure_group
from events.consumer import Limits
from events.ids import shard_of
from events.log import stream_key
from runtime.errors import Unavailable

LIMITS = Limits(batch=4, in_flight=100, lease_seconds=60, attempts=2)
CURSED = 2


@pytest.fixture
def rounds(reader, delete, new_clock):
    """Let a reader work for a while; between rounds there is always something new to do."""

    async def work(handle, state, *, number=8):
        clock = new_clock()
        one = reader(handle, clock=clock, limits=LIMITS, state=state)
        for post_id in range(number):
            await one.step()
            await delete(100 + post_id)
            clock.now += 100
            await one.step()

    return work


def cursed(done, down):
    """A handler to which one post always looks like an outage, and every post does while down."""

    async def handle(_site, batch):
        posts = [each.event.post_id for each in batch]
        if CURSED in posts or down():
            raise Unavailable("objects-unavailable")
        done.extend(posts)
        return ()

    return handle


async def test_an_outage_that_one_event_meets_alone_is_its_own(rounds, delete, pending, dead):
    """Its neighbours are done at once; it is tried as often as any failure, then buried."""
    done = []
    await delete(1, CURSED, 3)
    await rounds(cursed(done, lambda: False), lambda: "ready")

    assert {1, 3} <= set(done)
    assert [letter["reason"] for letter in (await dead()).values()] == [
        "Unavailable: objects-unavailable"
    ]
    assert await pending() <= 1


async def test_an_outage_counts_for_nobody_while_an_engine_is_away(rounds, delete, dead, pending):
    """Some events may not need the engine and go well: the one that does waits for it."""
    done = []
    await delete(1, CURSED, 3)
    await rounds(cursed(done, lambda: False), lambda: "degraded")
    assert await dead() == {}

    down = iter([True] * 100)
    await rounds(cursed(done, lambda: next(down)), lambda: "ready")
    assert await dead() == {}
    assert await pending() > 0


async def test_nobody_is_buried_while_those_he_waits_for_are_behind(
    reader, register, delete, pending, dead, new_clock, log_client, ada
):
    """A role that is down for hours costs others their turn, and no delivery of theirs."""

    async def wait(_site, batch):
        return list(batch)

    accounts = stream_key("accounts", shard_of(ada) % 8)
    await ensure_group(log_client, accounts, "accounts")
    await delete(1)
    clock = new_clock()
    one = reader(wait, clock=clock, depends_on={"accounts": [AccountRegistered.TOPIC]})
    for _ in range(4):
        await one.step()
        clock.now += 4_000
    assert (await pending(), await dead()) == (1, {})

    # The other role has done all there was, and what was waited for did not come.
    await log_client.xreadgroup("accounts", "one", {accounts: ">"}, noack=True)
    for _ in range(3):
        await one.step()
        clock.now += 4_000
    assert [letter["reason"] for letter in (await dead()).values()] == ["dependency-missing"]
