"""What of a topic does not stand yet for a role: not given to it, pending, or a dead letter."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from events.dead_letters import DEAD, DROPPED, Undelivered, letters_of, order_key
from events.entries import ACTOR, Entry
from events.ids import Position, position_of, shard_of
from events.log import Log, stream_key

PAGE = 500
MOST_HELD = 100  # that are looked at one by one


class Undone(NamedTuple):
    """Of one role in one partition of a topic."""

    since: Position | None
    """The first entry that is pending or was not given yet; what comes behind it counts too."""
    buried: tuple[Position, ...]
    dropped: tuple[Position, ...]
    """Given up, but still to be retried by who changes his mind."""


async def undone(log: Log, role: str, topic: str, partition: int) -> Undone:
    """As of one moment, for an entry moves from pending to buried and back."""
    stream = stream_key(topic, partition)
    async with log.client.pipeline(transaction=True) as pipeline:
        pipeline.xinfo_groups(stream)
        pipeline.xpending(stream, role)
        for shelf in (DEAD, DROPPED):
            pipeline.zrangebylex(order_key(shelf, partition), *_names(role, topic))
        told, pending, dead, dropped = await pipeline.execute(raise_on_error=False)
    groups = {each["name"].decode(): each for each in _unless("no such key", told, [])}
    lowest = _unless("NOGROUP", pending, {"min": None})["min"]
    if lowest is None:
        given = groups[role]["last-delivered-id"] if role in groups else b"0-0"
        lowest = next(iter(await log.client.xrange(stream, b"(" + given, "+", 1)), (None,))[0]
    return Undone(
        Position.parse(lowest) if lowest else None,
        _positions(_unless("", dead, ()), partition),
        _positions(_unless("", dropped, ()), partition),
    )


async def undone_of_actors(
    log: Log, role: str, topic: str, actors: Collection[int]
) -> dict[int, Position]:
    """Of each actor the first entry that the role holds and has not done, or was not given yet.

    What it was not given counts as anybody's: that will not last. What it holds may last for as
    long as a poison event or an unknown one does, and is of no concern to others. Who is missing
    has nothing undone.
    """
    by_partition = defaultdict(set)
    for each in actors:
        by_partition[shard_of(each) % log.partitions].add(each)
    oldest: dict[int, Position] = {}
    for partition, some in by_partition.items():
        oldest |= await _undone_of(log, role, stream_key(topic, partition), some)
    return oldest


async def _undone_of(
    log: Log, role: str, stream: str, actors: Collection[int]
) -> dict[int, Position]:
    async with log.client.pipeline(transaction=True) as pipeline:
        pipeline.xinfo_groups(stream)
        pipeline.xpending_range(stream, role, "-", "+", MOST_HELD + 1)
        told, held = await pipeline.execute(raise_on_error=False)
    groups = {each["name"].decode(): each for each in _unless("no such key", told, [])}
    given = groups[role]["last-delivered-id"] if role in groups else b"0-0"
    unread = await log.client.xrange(stream, b"(" + given, "+", 1)
    entry_ids = [each["message_id"] for each in _unless("NOGROUP", held, [])]
    if len(entry_ids) > MOST_HELD:
        return dict.fromkeys(actors, Position.parse(entry_ids[0]))
    oldest = dict.fromkeys(actors, Position.parse(unread[0][0])) if unread else {}
    for entry_id in reversed(entry_ids):
        position = Position.parse(entry_id)
        found = await log.client.xrange(stream, entry_id, entry_id)
        oldest |= {each: position for each in actors if _is_by(each, position, found)}
    return oldest


def _is_by(actor: int, position: Position, found: Sequence[Entry]) -> bool:
    """Whether the account did this, or may have; a sign-up names nobody: it is what it makes."""
    named = found[0][1].get(ACTOR) if found else None
    if named is None:
        return not found or position_of(actor) == position
    return named == b"%d" % actor


async def undone_entries(
    log: Log, roles: Sequence[str], topic: str, partition: int
) -> AsyncIterator[Entry]:
    """Every entry that any of these roles may still have to do, as far as the topic goes now.

    The roles are asked one by one: where one announces what the next writes, name them so.
    """
    found = [await undone(log, role, topic, partition) for role in roles]
    async for entry in _shelved(log, roles, found, topic, partition):
        yield entry
    async for entry in _waiting(log, found, topic, partition):
        yield entry


async def waiting_entries(
    log: Log, roles: Sequence[str], topic: str, partition: int
) -> AsyncIterator[Entry]:
    """Of those the ones that the roles will come to, whatever any operator decides."""
    found = [await undone(log, role, topic, partition) for role in roles]
    async for entry in _waiting(log, found, topic, partition):
        yield entry


async def shelved_entries(
    log: Log, roles: Sequence[str], topic: str, partition: int
) -> AsyncIterator[Entry]:
    """And the others: buried or dropped, they are done only if somebody retries them."""
    found = [await undone(log, role, topic, partition) for role in roles]
    async for entry in _shelved(log, roles, found, topic, partition):
        yield entry


async def _shelved(
    log: Log, roles: Sequence[str], found: Sequence[Undone], topic: str, partition: int
) -> AsyncIterator[Entry]:
    letters = {
        at: Undelivered(role, topic, partition, at)
        for role, each in zip(roles, found, strict=True)
        for at in (*each.buried, *each.dropped)
    }
    stream = stream_key(topic, partition)
    for at, what in sorted(letters.items()):
        entries = await log.client.xrange(stream, str(at), str(at))
        if not entries:  # trimmed; and so its letter stays
            entries = [
                (str(at).encode(), letter.entry)
                for _, (_, letter) in await letters_of(log.client, [what])
            ]
        for entry in entries:
            yield entry


async def _waiting(
    log: Log, found: Sequence[Undone], topic: str, partition: int
) -> AsyncIterator[Entry]:
    since = min((each.since for each in found if each.since), default=None)
    start = str(since).encode() if since else b""
    while start:
        page = await log.client.xrange(stream_key(topic, partition), start, "+", PAGE)
        for entry in page:
            yield entry
        start = b"(" + page[-1][0] if len(page) == PAGE else b""


def _unless(refusal: str, answer: Any, instead: Any) -> Any:
    """The answer to one of the questions; any other refusal than the named is raised."""
    if not isinstance(answer, Exception):
        return answer
    if refusal and isinstance(answer, ResponseError) and refusal in str(answer):
        return instead
    raise answer


def _names(role: str, topic: str) -> tuple[str, str]:
    return f"[{role} {topic} ", f"({role} {topic} \x7f"


def _positions(names: Iterable[bytes], partition: int) -> tuple[Position, ...]:
    return tuple(Undelivered.named(each, partition).position for each in names)
