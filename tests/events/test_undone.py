import pytest

from events.claims import ensure_group
from events.dead_letters import Drop, Letter, Undelivered, bury, drop
from events.ids import EPOCH_MS, Position, make_id
from events.log import Log
from events.undone import MOST_HELD, PAGE, undone, undone_entries, undone_of_actors

STREAM = "posts:{0}"


@pytest.fixture
def log(log_client):
    return Log(log_client, partitions=1, secret=b"s" * 32)


async def add(log, *moments):
    for moment in moments:
        await log.client.xadd(STREAM, {"type": "x"}, id=f"{moment}-0")


async def give(log, role, count):
    await ensure_group(log.client, STREAM, role)
    await log.client.xreadgroup(role, "one", {STREAM: ">"}, count=count)


async def bury_at(log, role, moment, entry=None):
    what = Undelivered(role, "posts", 0, Position(moment, 0))
    letter = Letter(reason="poison", traceback="", attempts=8, buried_ms=1, entry=entry or {})
    assert await bury(log.client, what, letter, consumer="one")
    return what


async def moments(log, *roles):
    return [
        Position.parse(entry_id).ms async for entry_id, _ in undone_entries(log, roles, "posts", 0)
    ]


async def test_nothing_is_undone_without_a_topic_and_all_without_a_group(log):
    """A role that never started has everything still to do."""
    assert await undone(log, "posts", "posts", 0) == (None, (), ())

    await add(log, 5, 6)
    assert (await undone(log, "posts", "posts", 0)).since == Position(5, 0)


async def test_pending_letters_and_what_was_not_given_are_undone(log):
    """Whatever is done is left out before the first of them; letters stand for themselves."""
    await add(log, 1, 2, 3, 4, 5, 6)
    await give(log, "posts", 5)
    dropped = await bury_at(log, "posts", 1)
    await bury_at(log, "posts", 2)
    await drop(log.client, dropped, Drop(who="me", why="so", dropped_ms=1))
    await log.client.xack(STREAM, "posts", "3-0", "5-0")

    found = await undone(log, "posts", "posts", 0)
    assert found == (Position(4, 0), (Position(2, 0),), (Position(1, 0),))
    assert await moments(log, "posts") == [1, 2, 4, 5, 6]

    await log.client.xack(STREAM, "posts", "4-0")
    assert (await undone(log, "posts", "posts", 0)).since == Position(6, 0)
    await give(log, "posts", 5)
    await log.client.xack(STREAM, "posts", "6-0")
    assert (await undone(log, "posts", "posts", 0)).since is None
    assert await moments(log, "posts") == [1, 2]


async def test_a_letter_tells_of_an_entry_that_stands_no_more(log):
    """Buried or dropped, as it was stored; of several roles whichever has the letter."""
    await add(log, 1, 2)
    for role in ("renditions", "posts"):
        await give(log, role, 2)
    await bury_at(log, "renditions", 1, {b"type": b"one"})
    dropped = await bury_at(log, "posts", 2, {b"type": b"two"})
    await drop(log.client, dropped, Drop(who="me", why="so", dropped_ms=1))
    for role in ("renditions", "posts"):
        await log.client.xack(STREAM, role, "1-0", "2-0")
    await log.client.xtrim(STREAM, maxlen=0, approximate=False)

    told = [each async for each in undone_entries(log, ("renditions", "posts"), "posts", 0)]
    assert told == [(b"1-0", {b"type": b"one"}), (b"2-0", {b"type": b"two"})]


async def test_of_several_roles_the_slowest_counts(log):
    """What one of them has done is undone while the other has not."""
    await add(log, 1, 2, 3)
    for role, given in (("renditions", 2), ("posts", 1)):
        await give(log, role, given)
        await log.client.xack(STREAM, role, "1-0", "2-0")

    assert await moments(log, "renditions") == [3]
    assert await moments(log, "renditions", "posts") == [2, 3]


async def test_all_of_a_long_backlog_is_told(log):
    """Page by page, to the end."""
    await add(log, *range(1, 2 * PAGE + 1))

    assert await moments(log, "posts") == list(range(1, 2 * PAGE + 1))


async def test_a_log_that_refuses_to_tell_is_no_empty_log(log):
    """Whatever is wrong is raised: nothing may be taken for done."""
    await log.client.set(STREAM, "no stream")

    with pytest.raises(Exception, match="WRONGTYPE"):
        await undone(log, "posts", "posts", 0)


async def test_what_is_held_of_one_actor_holds_up_nobody_else(log):
    """A poison edit of Ada's is no reason to wait with Bob; what nobody was given yet is."""
    ada, bob = (make_id(Position(EPOCH_MS + n, 0), 0) for n in (1, 2))
    sign_up = Position(EPOCH_MS + 3, 0)
    cyd = make_id(sign_up, 0)
    for at, fields in ((10, {"actor": str(ada)}), (11, {"actor": str(bob)}), (12, {"type": "x"})):
        await log.client.xadd(STREAM, fields, id=f"{at}-0")
    await log.client.xadd(STREAM, {"type": "account.registered"}, id=str(sign_up))
    await give(log, "accounts", 9)
    await log.client.xack(STREAM, "accounts", "11-0")

    async def asked():
        return await undone_of_actors(log, "accounts", "posts", {ada, bob, cyd})

    assert await asked() == {ada: Position(10, 0), cyd: sign_up}

    last = Position(EPOCH_MS + 4, 0)
    await log.client.xadd(STREAM, {"actor": str(ada)}, id=str(last))
    assert await asked() == {ada: Position(10, 0), bob: last, cyd: sign_up}

    await log.client.xdel(STREAM, "10-0")  # of what was trimmed nobody knows whose it was
    assert set((await asked()).values()) == {Position(10, 0)}


async def test_who_holds_very_much_holds_up_everybody(log):
    """Rather than being asked about one by one."""
    ada, bob = (make_id(Position(EPOCH_MS + n, 0), 0) for n in (1, 2))
    for at in range(1, MOST_HELD + 2):
        await log.client.xadd(STREAM, {"actor": str(ada)}, id=f"{at}-0")
    await give(log, "accounts", MOST_HELD + 1)

    first = Position(1, 0)
    assert await undone_of_actors(log, "accounts", "posts", {ada, bob}) == {ada: first, bob: first}
