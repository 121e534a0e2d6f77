"""Which entries of a topic a role has not applied, up to a position: waiting, or given up."""

from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from events.dead_letters import DEAD, DROPPED, Undelivered, letters_of, order_key
from events.entries import Entry
from events.ids import Position
from events.log import Log, stream_key

MOST = 10_000  # of one stream; who is further behind is behind with everything


class Unapplied(NamedTuple):
    """One entry, and where it is instead: "waits", "buried" or "dropped"."""

    role: str
    topic: str
    partition: int
    position: Position
    where: str


async def unapplied(
    log: Log, role: str, topic: str, partition: int, until: Position
) -> list[Unapplied] | None:
    """As of one moment; None when there are so many that to name them says nothing."""
    stream = stream_key(topic, partition)
    async with log.client.pipeline(transaction=True) as pipeline:
        pipeline.xinfo_groups(stream)
        pipeline.xpending_range(stream, role, "-", str(until), MOST)
        for shelf in (DEAD, DROPPED):
            low, high = f"[{role} {topic} ", f"({role} {topic} \x7f"
            pipeline.zrangebylex(order_key(shelf, partition), low, high)
        groups, pending, dead, dropped = await pipeline.execute(raise_on_error=False)
    for each in (dead, dropped):
        if isinstance(each, Exception):
            raise each
    given = next(
        (each["last-delivered-id"] for each in _or_none(groups) if each["name"] == role.encode()),
        b"0-0",
    )
    new = await log.page(topic, partition, Position.parse(given), until, MOST)
    waiting = [each["message_id"] for each in _or_none(pending)] + [each for each, _ in new]
    if len(waiting) >= MOST:
        return None
    found = {Position.parse(each): "waits" for each in waiting}
    for where, names in (("buried", dead), ("dropped", dropped)):
        for name in names:
            found[Undelivered.named(name, partition).position] = where
    return [
        Unapplied(role, topic, partition, position, where)
        for position, where in sorted(found.items())
        if position <= until
    ]


async def entry_of(log: Log, each: Unapplied) -> list[Entry]:
    """The entry itself, from its letter where the stream has it no more; none if that went too."""
    at = str(each.position)
    entries: list[Entry] = await log.client.xrange(stream_key(each.topic, each.partition), at, at)
    if not entries:
        what = Undelivered(*each[:4])
        entries = [
            (at.encode(), letter.entry) for _, (_, letter) in await letters_of(log.client, [what])
        ]
    return entries


def _or_none(answer: Any) -> Any:
    """Where there is no stream or no group yet, nothing is known of it."""
    if isinstance(answer, ResponseError) and (
        "no such key" in str(answer) or "NOGROUP" in str(answer)
    ):
        return []
    if isinstance(answer, Exception):
        raise answer
    return answer
