"""A topic over its budget loses what is old, archived and done by all; not one entry more."""

import pytest

from events import trimming
from events.claims import ensure_group
from events.dead_letters import Drop, Letter, Undelivered, bury, drop, retry
from events.ids import Position
from events.log import stream_key
from events.trimming import hold, record_archived, release, trim_topic
from tests.archiving import at, moments, run

STREAM = stream_key("posts", 3)
ROLES = ("posts", "fanout")
LETTER = Letter(reason="unlucky", traceback="", attempts=8, buried_ms=0, entry={})
ALL = list(range(1, 11))


@pytest.fixture
async def stream(log_client):
    """Ten old entries that both roles have done."""
    entries = run(*ALL)
    for entry_id, fields in entries:
        await log_client.xadd(STREAM, fields, entry_id)
    for role in ROLES:
        await ensure_group(log_client, STREAM, role)
        await log_client.xreadgroup(role, "one", {STREAM: ">"})
        await log_client.xack(STREAM, role, *(entry_id for entry_id, _ in entries))


@pytest.fixture
def trim(log):
    """Trim to nothing, or to a budget."""

    async def trim(budget_bytes=0, roles=ROLES):
        return await trim_topic(log, "posts", 3, roles, budget_bytes=budget_bytes)

    return trim


@pytest.fixture
def left(log_client):
    async def left():
        return moments(await log_client.xrange(STREAM))

    return left


@pytest.fixture
def bury_at(log_client):
    """Have a role bury what stands at a moment."""

    async def bury_at(moment, role="posts"):
        what = Undelivered(role, "posts", 3, at(moment))
        await log_client.xclaim(STREAM, role, "one", 0, [str(at(moment))], force=True)
        assert await bury(log_client, what, LETTER, consumer="one")
        return what

    return bury_at


async def test_what_is_old_archived_and_done_may_go(log, stream, trim, left):
    await record_archived(log, "posts", 3, at(10))

    result = await trim()
    assert (result.state, result.dropped, result.unlisted) == ("trimmed", 10, ())
    assert await left() == []


async def test_within_its_budget_nothing_goes(log, log_client, stream, trim, left):
    """Old and done as it may be: what fits is kept, for whoever asks of it."""
    await record_archived(log, "posts", 3, at(10))
    size_bytes = await log_client.memory_usage(STREAM, samples=0)

    assert (await trim(size_bytes)).state == "within"
    assert await left() == ALL


async def test_only_what_is_too_much_goes(log, log_client, trim, left):
    """The oldest, until the rest is within the budget; however many steps that takes."""
    for entry_id, fields in run(*range(1, 3_001)):
        await log_client.xadd(STREAM, fields, entry_id)
    await record_archived(log, "posts", 3, at(3_000))
    budget_bytes = await log_client.memory_usage(STREAM, samples=0) // 3

    result = await trim(budget_bytes, roles=())
    kept = await left()
    assert result.dropped == 3_000 - len(kept)
    assert kept == list(range(3_001 - len(kept), 3_001))
    assert 700 < len(kept) <= 1_010
    assert await log_client.memory_usage(STREAM, samples=0) <= budget_bytes * 1.05


async def test_an_hour_is_kept_whatever_the_budget(log, stream, trim, left, log_client):
    now_ms = int((await log_client.time())[0]) * 1000
    await log_client.xadd(STREAM, {"type": "young"}, id=f"{now_ms - 3_500_000}-0")
    await record_archived(log, "posts", 3, Position(now_ms, 0))
    for role in ROLES:
        await log_client.xgroup_setid(STREAM, role, "$")

    assert (await trim()).stops == ("age",)
    assert len(await left()) == 1


async def test_the_archive_is_never_passed(log, stream, trim, left):
    """Without a word of it nothing goes; and its own last entry may."""
    assert (await trim()).state == "unarchived"
    assert await left() == ALL

    await record_archived(log, "posts", 3, at(4))
    await record_archived(log, "posts", 3, at(2))
    assert (await trim()).stops == ("archive",)
    assert await left() == ALL[4:]


@pytest.mark.parametrize("role", ROLES)
async def test_what_a_role_has_in_hand_or_to_come_stays(log, log_client, stream, trim, left, role):
    """And all behind it, of every role that is named."""
    await record_archived(log, "posts", 3, at(10))
    await log_client.xgroup_setid(STREAM, role, str(at(7)))
    assert (await trim()).stops == (role,)
    assert await left() == ALL[7:]

    await log_client.xreadgroup(role, "one", {STREAM: ">"})
    await log_client.xack(STREAM, role, str(at(8)), str(at(10)))
    await trim()
    assert await left() == ALL[8:]


async def test_a_listed_group_that_is_missing_stops_the_trim(log, log_client, stream, trim, left):
    """Before its first start, or after its group was lost, a role has done nothing."""
    await record_archived(log, "posts", 3, at(10))
    await log_client.xgroup_destroy(STREAM, "fanout")

    result = await trim()
    assert (result.state, result.stops) == ("groupless", ("fanout",))
    assert await left() == ALL


async def test_an_unlisted_group_is_told_and_ignored(log, log_client, stream, trim, left):
    """Of a role that is no more: it would hold up the log for ever."""
    await record_archived(log, "posts", 3, at(10))
    await ensure_group(log_client, STREAM, "abandoned")

    result = await trim()
    assert result.unlisted == ("abandoned",)
    assert await left() == []


async def test_a_hold_stops_the_trim_until_it_ends(log, log_client, stream, trim, left):
    """Two hold it: released by one, it is held by the other until that one's time is over."""
    await record_archived(log, "posts", 3, at(10))
    await hold(log, "replay", 60)
    await hold(log, "backup", 60)
    await release(log, "replay")

    result = await trim()
    assert (result.state, result.stops) == ("held", ("backup",))
    assert await left() == ALL

    await hold(log, "backup", -1)
    await trim()
    assert await left() == []
    assert await log_client.exists("holds:{3}") == 0


async def test_letters_keep_their_entries_and_no_others(
    log, log_client, stream, trim, left, bury_at
):
    """Of any role, dead or dropped; once one is retried, its entry holds up what is behind it."""
    dead, dropped = await bury_at(3), await bury_at(5, "fanout")
    abandoned = await bury_at(8)
    await drop(log_client, dropped, Drop(who="grace", why="a test", dropped_ms=1))
    await record_archived(log, "posts", 3, at(9))

    await trim()
    assert await left() == [3, 5, 8, 10]

    await record_archived(log, "posts", 3, at(10))
    assert await retry(log_client, abandoned) == "retried"
    assert (await trim()).stops == ("posts",)
    assert await left() == [3, 5, 8, 10]

    await log_client.xack(STREAM, "posts", str(at(8)))
    await trim()
    assert await left() == [3, 5]

    for what in (dead, dropped):
        assert await retry(log_client, what) == "retried"
        await log_client.xack(STREAM, what.role, str(what.position))
    await trim()
    assert await left() == []


async def test_many_letters_do_not_end_the_search(
    log, log_client, trim, left, bury_at, monkeypatch
):
    """However many entries stay in front, what is behind them goes."""
    monkeypatch.setattr(trimming, "LOOKED_AT", 3)
    for entry_id, fields in run(*range(1, 31)):
        await log_client.xadd(STREAM, fields, entry_id)
    await ensure_group(log_client, STREAM, "posts")
    await log_client.xreadgroup("posts", "one", {STREAM: ">"})
    for moment in (*range(1, 12), 20):
        await bury_at(moment)
    await log_client.xack(STREAM, "posts", *(str(at(moment)) for moment in range(1, 31)))
    await record_archived(log, "posts", 3, at(29))

    assert (await trim(roles=("posts",))).dropped == 17
    assert await left() == [*range(1, 12), 20, 30]


async def test_letters_of_other_topics_keep_nothing(log, log_client, stream, trim, left):
    what = Undelivered("posts", "accounts", 3, at(5))
    other = stream_key("accounts", 3)
    await log_client.xadd(other, {"type": "x"}, str(at(5)))
    await ensure_group(log_client, other, "posts")
    await log_client.xreadgroup("posts", "one", {other: ">"})
    assert await bury(log_client, what, LETTER, consumer="one")
    await record_archived(log, "posts", 3, at(10))

    await trim()
    assert await left() == []


async def test_a_stream_that_is_not_there_is_within_any_budget(trim):
    assert (await trim()).state == "within"
