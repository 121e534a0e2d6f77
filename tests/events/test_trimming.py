"""Trimming never passes what somebody still needs, whatever moves meanwhile."""

import asyncio
import random

import pytest

from events import trimming
from events.claims import _only_stream, ensure_group
from events.dead_letters import Letter, Undelivered, bury, retry
from events.ids import Position, shard_of
from events.log import stream_key
from events.trimming import trim_applied
from events.work import FanoutChunk

ROLES = {"fanout": ["work"]}
LETTER = Letter(reason="unlucky", traceback="", attempts=8, buried_ms=0, entry={})


@pytest.fixture
def work(ada):
    return stream_key("work", shard_of(ada) % 8)


@pytest.fixture
def plan(log, ada):
    """Append chunks; their positions."""

    async def chunks(count):
        return [
            (
                await log.append(
                    FanoutChunk(post_id=1, published_ms=1, first_follower_id=n, last_follower_id=n),
                    actor=ada,
                )
            ).position
            for n in range(count)
        ]

    return chunks


@pytest.fixture
def left(log_client, work):
    async def positions():
        return [Position.parse(entry_id) for entry_id, _ in await log_client.xrange(work)]

    return positions


async def test_a_role_without_a_group_has_done_nothing(log, plan, left, monkeypatch):
    """Before its first start, or after its group was lost, everything is still to be done."""
    monkeypatch.setattr(trimming, "KEPT_SECONDS", -60)
    planned = await plan(3)
    await trim_applied(log, "work", ROLES)
    assert await left() == planned


async def test_a_group_of_a_newer_version_counts_too(
    log, log_client, plan, left, work, monkeypatch
):
    """A worker that does not know of it does not trim away what it has not read."""
    monkeypatch.setattr(trimming, "KEPT_SECONDS", -60)
    planned = await plan(3)
    for group in ("fanout", "ranking"):
        await ensure_group(log_client, work, group)
    await log_client.xreadgroup("fanout", "one", {work: ">"})
    await log_client.xack(work, "fanout", *map(str, planned))
    await log_client.xreadgroup("ranking", "one", {work: ">"}, count=2)
    await log_client.xack(work, "ranking", str(planned[0]))

    await trim_applied(log, "work", ROLES)

    assert await left() == planned[1:]


async def test_what_is_young_is_kept_though_it_is_done(log, log_client, plan, left, work):
    """For an hour: gateways that were away hear of it."""
    planned = await plan(2)
    await ensure_group(log_client, work, "fanout")
    await log_client.xreadgroup("fanout", "one", {work: ">"})
    await log_client.xack(work, "fanout", *map(str, planned))
    await trim_applied(log, "work", ROLES)
    assert await left() == planned


async def test_what_waits_in_any_way_holds_up_the_trim(
    log, log_client, plan, left, ada, work, monkeypatch
):
    """Not given yet, in hand, buried, or given back to be tried again: all from there on stays."""
    monkeypatch.setattr(trimming, "KEPT_SECONDS", -60)

    async def left_by_a_trim():
        await trim_applied(log, "work", ROLES)
        return await left()

    first, second = planned = await plan(2)
    await ensure_group(log_client, work, "fanout")
    assert await left_by_a_trim() == planned
    await log_client.xreadgroup("fanout", "one", {work: ">"})
    assert await left_by_a_trim() == planned
    what = Undelivered("fanout", "work", shard_of(ada) % 8, first)
    assert await bury(log_client, what, LETTER, consumer="one")
    assert await left_by_a_trim() == planned
    await log_client.xack(work, "fanout", str(second))
    assert await left_by_a_trim() == planned
    assert await retry(log_client, what) == "retried"
    assert await left_by_a_trim() == planned
    await log_client.xack(work, "fanout", str(first))
    assert await left_by_a_trim() == []


class Hands:
    """A consumer that reads, sometimes buries and retries, and in the end acknowledges."""

    def __init__(self, client, stream, partition, name):
        self.client, self.stream, self.partition, self.name = client, stream, partition, name
        self.dice = random.Random(name)
        self.done, self.missed = set(), []

    async def read(self, more):
        """Until nothing is given any more and no more is to come."""
        while True:
            last = not more()
            reply = await self.client.xreadgroup("fanout", self.name, {self.stream: ">"}, count=3)
            for entry_id, fields in _only_stream(reply):
                assert fields
                await self.take(entry_id)
            if last and not reply:
                return

    async def take(self, entry_id):
        what = Undelivered("fanout", "work", self.partition, Position.parse(entry_id))
        while self.dice.random() < 0.3:
            assert await bury(self.client, what, LETTER, consumer=self.name)
            assert await retry(self.client, what) == "retried"
            claimed = await self.client.xclaim(self.stream, "fanout", self.name, 0, [entry_id])
            if not claimed:
                self.missed.append(entry_id)
        await self.client.xack(self.stream, "fanout", entry_id)
        self.done.add(entry_id.decode())


async def test_nothing_is_trimmed_that_is_unread_pending_or_buried(
    log, log_client, plan, left, ada, work, monkeypatch
):
    """While readers read, finish, bury and retry, and more is appended, nobody misses an entry."""
    monkeypatch.setattr(trimming, "KEPT_SECONDS", -60)
    await ensure_group(log_client, work, "fanout")
    busy = [Hands(log_client, work, shard_of(ada) % 8, name) for name in ("one", "two")]
    over = asyncio.Event()

    async def trim():
        while not over.is_set():
            await trim_applied(log, "work", ROLES)

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        appending = tasks.create_task(plan(200))
        tasks.create_task(trim())
        async with asyncio.TaskGroup() as readers:
            for each in busy:
                readers.create_task(each.read(lambda: not appending.done()))
        over.set()

    planned = set(map(str, appending.result()))
    assert ([each.missed for each in busy], busy[0].done | busy[1].done) == ([[], []], planned)
    await trim_applied(log, "work", ROLES)
    assert await left() == []
