"""A log server that lost its memory is given back what the archive has, and what follows from it.

Nothing else may use the log meanwhile.
"""

import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import NamedTuple

from events import codec
from events.accounts import AccountErased, AccountRegistered
from events.catalogue import ARCHIVED, BY_TAG
from events.entries import ACTOR, CAUSE, PAYLOAD, TYPE, Entry
from events.envelope import Event
from events.history import head_of
from events.idempotency import IDEMPOTENCY_SECONDS, answer_key
from events.ids import START, Position, position_of, shard_of
from events.log import Log, stream_key
from events.revocations import TOKEN_LIFE_MS, revocation_of
from stores.archive import Archive

PAGE = 500
MARGIN_MS = 5_000
"""How far ahead of now a head is left: clocks differ, and a lost event may have had a position that
is younger than any that was archived. Well within what the append function takes for sane."""


class Returned(NamedTuple):
    """What one partition has again."""

    entries: int
    accounts: int


async def bring_back(
    log: Log, archive: Archive, partition: int, since: Position = START
) -> AsyncIterator[Returned]:
    """Everything archived that the partition's topics lack, of what was recorded after `since`.

    Names, revocations, notices and answers to causes come with it, as the append function wrote
    them. At the end the head is above everything that ever had a position.
    """
    entries, hiding, ends = 0, [], [START]
    accounts = await bring_people_back(log, archive, partition)
    for topic in sorted(ARCHIVED):
        lacking = max(await head_of(log, topic, partition), since)
        async for manifest in archive.manifests(topic, partition, lacking):
            run = [each for each in await archive.entries(manifest) if _position(each) > lacking]
            await _append(log, topic, partition, run)
            hiding += [(topic, entry) for entry in run if _hides(entry)]
            entries += len(run)
            yield Returned(entries, accounts)
        if newest := await archive.last(topic, partition):
            ends.append(Position.parse(newest.last))
            # What comes next follows this one, whether or not the stream holds it.
            await _raise_head(log, partition, topic, ends[-1])
    await _notify(log, partition, hiding)
    now = Position(time.time_ns() // 1_000_000 + MARGIN_MS, 0)
    await _raise_head(log, partition, "head", max(now, *ends))
    yield Returned(entries, accounts)


async def bring_people_back(log: Log, archive: Archive, partition: int) -> int:
    """Names of all who ever registered, and what ended tokens that could still be in use.

    The keys of the erased are destroyed again, wherever they came from.
    """
    born, now_ms = 0, time.time_ns() // 1_000_000
    async for manifest in archive.manifests(AccountRegistered.TOPIC, partition):
        names, revoked, erased = {}, {}, []
        for entry in await archive.entries(manifest):
            event = _event(entry)
            if isinstance(event, AccountRegistered):
                names[event.username] = entry[0]
                continue
            if isinstance(event, AccountErased):
                erased.append(str(position_of(int(entry[1][ACTOR]))))
            if event and (member := revocation_of(event, int(entry[1][ACTOR]))):
                revoked[f"{member}|{entry[0].decode()}"] = _position(entry).ms + TOKEN_LIFE_MS
        standing = {member: ends for member, ends in revoked.items() if ends > now_ms}
        async with log.client.pipeline(transaction=False) as pipeline:
            for username, position in names.items():
                pipeline.hsetnx(f"names:{{{partition}}}", username, position)
            if standing:
                pipeline.zadd(f"revoked:{{{partition}}}", standing)
            if erased:
                pipeline.hdel(f"keys:{{{partition}}}", *erased)
            await pipeline.execute()
        born += len(names)
    return born


async def drop_unborn(log: Log, partition: int) -> int:
    """Free names and keys of accounts whose registration the log does not have; how many."""
    end = await head_of(log, AccountRegistered.TOPIC, partition)
    names = await log.client.hgetall(f"names:{{{partition}}}")
    unborn = {name: at for name, at in names.items() if Position.parse(at) > end}
    if unborn:
        await log.client.hdel(f"names:{{{partition}}}", *unborn)
        await log.client.hdel(f"keys:{{{partition}}}", *unborn.values())
    return len(unborn)


async def keep_keys(log: Log, wrapped: Mapping[int, bytes]) -> int:
    """Give accounts the keys that the vault has, where the log lost them; how many it gave."""
    async with log.client.pipeline(transaction=False) as pipeline:
        for account_id, key in wrapped.items():
            partition = shard_of(account_id) % log.partitions
            pipeline.hsetnx(f"keys:{{{partition}}}", str(position_of(account_id)), key)
        return sum(await pipeline.execute())


async def _append(log: Log, topic: str, partition: int, run: Sequence[Entry]) -> None:
    """At the very positions they had, in order, with the records of what answers a cause."""
    for start in range(0, len(run), PAGE):
        page = run[start : start + PAGE]
        async with log.client.pipeline(transaction=False) as pipeline:
            for entry in page:
                pipeline.xadd(stream_key(topic, partition), dict(entry[1]), id=entry[0])
            for key, value, left_ms in _records(log, topic, page):
                pipeline.set(key, value, px=left_ms, nx=True)
            pipeline.hset(f"head:{{{partition}}}", topic, page[-1][0])
            await pipeline.execute()


def _records(log: Log, topic: str, page: Iterable[Entry]) -> Iterable[tuple[str, str, int]]:
    """What `announce` kept of answers, so that causes delivered again are not answered again.

    A client's key stands in no event: that one is lost with the log.
    """
    now_ms = time.time_ns() // 1_000_000
    for entry in page:
        left_ms = _position(entry).ms + IDEMPOTENCY_SECONDS * 1000 - now_ms
        event = _event(entry)
        if event and CAUSE in entry[1] and left_ms > 0:
            actor = int(entry[1][ACTOR])
            record = answer_key(event, actor, entry[1][CAUSE].decode())
            key = record.record_key(shard_of(actor) % log.partitions)
            yield (
                key,
                f"{topic} {entry[0].decode()} {record.digest(log.digest_key, event)}",
                left_ms,
            )


async def _notify(log: Log, partition: int, hiding: Iterable[tuple[str, Entry]]) -> None:
    """Notices stand in for rows that may not be written yet; in one order over all topics."""
    stream = stream_key("notices", partition)
    newest = await log.client.xrevrange(stream, count=1)
    after = Position.parse(newest[0][0]) if newest else START
    for topic, entry in sorted(hiding, key=lambda each: _position(each[1])):
        if _position(entry) > after:
            await log.client.xadd(stream, {b"topic": topic.encode(), **entry[1]}, id=entry[0])


async def _raise_head(log: Log, partition: int, name: str, position: Position) -> None:
    known = await log.client.hget(f"head:{{{partition}}}", name)
    if known is None or Position.parse(known) < position:
        await log.client.hset(f"head:{{{partition}}}", name, str(position))


def _event(entry: Entry) -> Event | None:
    """What of an event travels in the clear; None of a type not known here."""
    kind = BY_TAG.get(entry[1].get(TYPE, b"").decode())
    return codec.decode(kind, entry[1].get(PAYLOAD, b""), b"") if kind else None


def _hides(entry: Entry) -> bool:
    event = _event(entry)
    return event is not None and event.HIDES


def _position(entry: Entry) -> Position:
    return Position.parse(entry[0])
