"""A role that starts on a trimmed log misses nothing of what left it."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from events.accounts import AccountRegistered, ProfileEdited
from events.dead_letters import DEAD, letters, retry
from events.history import trimmed_until
from events.ids import START, shard_of
from events.log import stream_key
from events.posts import PostDeleted
from runtime.errors import Unavailable
from tests.archiving import at, entry, run
from workers import beginning
from workers.archiving import Keeper
from workers.beginning import Limits, begin, unbegun
from workers.process import create_groups
from workers.site import Site
from workers.subscriptions import SUBSCRIPTIONS

ROLE = "notifications"
LIMITS = Limits(batch=2, attempts=2)


class Notes:
    """A role that writes down what it is given, and may be told to do otherwise."""

    def __init__(self):
        self.given, self.instead = [], {}

    async def __call__(self, _site, batch):
        leftover = []
        for delivery in batch:
            what = self.instead.get(delivery.event)
            if isinstance(what, Exception):
                raise what
            if what and not what():
                leftover.append(delivery)
            else:
                self.given.append(delivery.event)
        return leftover


@pytest.fixture
def notes(monkeypatch):
    """A role of the map that nobody has started yet."""
    made = Notes()
    row = dict.fromkeys((AccountRegistered, ProfileEdited, PostDeleted), made)
    monkeypatch.setitem(SUBSCRIPTIONS, ROLE, row)
    return made


@pytest.fixture
def start(log, archive):
    """Have the role begin; it is told to stop when it has."""

    async def start(stopping=None):
        @asynccontextmanager
        async def opened():
            yield archive

        site = Site(log=log, database=None, feeds=None)
        await begin(site, ROLE, opened, LIMITS, stopping or asyncio.Event())

    return start


@pytest.fixture
async def past(log, library):
    """What three accounts did, in order: archived, and gone from the streams."""
    told = []
    for name in ("ada", "bob", "cyd"):
        await asyncio.sleep(0.002)  # within a millisecond partitions have no order
        event = AccountRegistered(username=name)
        told.append((event, actor := (await log.register(event)).id))
        for number in range(3):
            told.append((PostDeleted(post_id=number), actor))
            await log.append(told[-1][0], actor=actor)
    for partition in range(log.partitions):
        keeper = Keeper(library, partition, lease_seconds=60, seal_seconds=0)
        while await keeper.step():
            pass
    for topic in ("accounts", "posts"):
        for partition in range(log.partitions):
            await log.client.xtrim(stream_key(topic, partition), maxlen=0, approximate=False)
    return told


async def groups(log, topic, partition):
    if not await log.client.exists(stream_key(topic, partition)):
        return []
    return [each["name"] for each in await log.client.xinfo_groups(stream_key(topic, partition))]


async def test_what_left_the_streams_is_given_first(log, notes, start, past):
    """All of it, in the order in which it happened; then the groups stand behind it."""
    await start()
    assert notes.given == [event for event, _ in past]
    assert await unbegun(log, ROLE) == []
    assert not [key async for key in log.client.scan_iter("begun:*")]
    assert not [key async for key in log.client.scan_iter("holds:*")]

    actor = past[0][1]
    young = await log.append(PostDeleted(post_id=99), actor=actor)
    stream = stream_key("posts", shard_of(actor) % 8)
    [[_, entries]] = await log.client.xreadgroup(ROLE, "one", {stream: ">"})
    assert [entry_id for entry_id, _ in entries] == [str(young.position).encode()]

    await start()
    assert len(notes.given) == len(past)


async def test_what_is_still_in_the_streams_is_left_to_the_group(log, notes, start, past):
    """A group begins right behind what is gone, wherever the archive ends."""
    actor = past[0][1]
    young = await log.append(PostDeleted(post_id=99), actor=actor)
    await start()

    assert PostDeleted(post_id=99) not in notes.given
    stream = stream_key("posts", shard_of(actor) % 8)
    [[_, entries]] = await log.client.xreadgroup(ROLE, "one", {stream: ">"})
    assert [entry_id for entry_id, _ in entries] == [str(young.position).encode()]


async def test_no_other_start_passes_over_the_archive(settings, log, notes, past):
    """`python -m workers groups` leaves these groups to the role, and makes all others."""
    await create_groups(settings)
    missing = {(each.topic, each.partition) for each in await unbegun(log, ROLE)}

    partitions = {shard_of(actor) % 8 for _, actor in past}
    assert missing == {(topic, n) for topic in ("accounts", "posts") for n in partitions}
    assert await unbegun(log, "renditions") == []


async def test_an_untrimmed_log_has_no_beginning(log, notes, start):
    """Its groups are made at the beginning of streams, as ever, by whoever reads first."""
    ada = (await log.register(AccountRegistered(username="ada"))).id
    await start()

    assert notes.given == []
    assert not await groups(log, "accounts", shard_of(ada) % 8)


async def test_it_goes_on_where_it_was_broken_off(log, notes, start, past):
    """By an outage, or by an end: what was given before is not all given again."""
    stopping = asyncio.Event()
    fifth = past[4][0]

    def stop():
        stopping.set()
        return True

    notes.instead[fifth] = stop
    await start(stopping)
    given = len(notes.given)
    assert 5 <= given < len(past)
    assert await unbegun(log, ROLE)

    await start()
    assert {e for e, _ in past} == set(notes.given)
    assert len(notes.given) < given + len(past)


async def test_an_engine_that_is_away_only_postpones_it(notes, start, past, monkeypatch):
    monkeypatch.setattr(beginning, "OUTAGE_SECONDS", 0.0)
    event = past[0][0]
    notes.instead[event] = Unavailable("metadata-unavailable")
    first = asyncio.create_task(start())
    async with asyncio.timeout(10):
        while len(notes.given) == 0 and not first.done():
            await asyncio.sleep(0)
            notes.instead.clear()
        await first

    assert set(notes.given) == {e for e, _ in past}


async def test_what_waits_for_another_is_given_again_behind_it(notes, start, past):
    """Whatever it depends on may come later, in any stream."""
    first, last = past[0][0], past[-1][0]
    notes.instead[first] = lambda: last in notes.given
    await start()

    assert notes.given[-1] == first
    assert len(notes.given) == len(past)


async def test_what_cannot_be_done_has_a_letter(log, notes, start, past):
    """Poison, and what waits for ever: with its entry, and nobody waits for it."""
    poison, orphan = past[0][0], past[4][0]
    notes.instead = {poison: ValueError("no luck"), orphan: lambda: False}
    await start()

    assert len(notes.given) == len(past) - 2
    found = [
        (what, letter)
        for partition in range(8)
        async for what, letter in letters(log.client, partition, shelf=DEAD)
    ]
    reasons = sorted((letter.reason, what.topic) for what, letter in found)
    assert reasons == [("ValueError: no luck", "accounts"), ("dependency-missing", "accounts")]
    assert {letter.entry[b"type"] for _, letter in found} == {b"account.registered"}
    assert {await retry(log.client, what) for what, _ in found} == {"gone"}


async def test_entries_nobody_can_read_have_a_letter(log, notes, start, archive):
    """Of a type that is not known here, or damaged: as every other role has one of them."""
    damaged = entry(1, type=b"post.deleted", actor=b"1", payload=b"\xc1")
    await archive.add("posts", 3, [damaged, entry(2, 1, type=b"of.the.future")])
    await log.client.hset("head:{3}", "posts", str(at(2)))
    await start()

    found = [each async for each in letters(log.client, 3, shelf=DEAD)]
    assert [what.position for what, _ in found] == [at(1), at(2)]
    assert [letter.reason.partition(":")[0] for _, letter in found] == [
        "undecodable",
        "unknown-type",
    ]
    assert await groups(log, "posts", 3) == [ROLE.encode()]


async def test_the_end_of_what_is_gone(log, append, log_client):
    """Whole, trimmed, with entries that were kept alone, empty, never begun."""
    assert await trimmed_until(log, "posts", 3) == START
    stream = stream_key("posts", 3)
    await append(*run(*range(1, 11)))
    assert await trimmed_until(log, "posts", 3) == START
    await log_client.xdel(stream, *(str(at(moment)) for moment in (2, 3, 5, 6)))
    assert await trimmed_until(log, "posts", 3) == at(6)
    await log_client.xtrim(stream, minid=str(at(9)), approximate=False)
    assert await trimmed_until(log, "posts", 3) == at(8)
    await log_client.xtrim(stream, maxlen=0, approximate=False)
    assert await trimmed_until(log, "posts", 3) == at(10)
