"""How far behind a group is: what it was not given, what it holds, how old the oldest is."""

import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from redis.exceptions import ResponseError

from events.dead_letters import count
from events.ids import Position
from events.log import Log, stream_key
from runtime import metrics


class Lag(NamedTuple):
    """Of one group on one stream. `oldest` is the first entry that is not yet done."""

    entries: int
    pending: int
    oldest: Position | None

    @property
    def seconds(self) -> float:
        """The age of the oldest entry not yet done."""
        return max(time.time() - self.oldest.ms / 1000, 0.0) if self.oldest else 0.0


async def lag_of(log: Log, group: str, topic: str, partition: int) -> Lag:
    """Two or three short questions to the log; without a group, all of the stream is undone."""
    stream = stream_key(topic, partition)
    try:
        groups = await log.client.xinfo_groups(stream)
    except ResponseError:  # no stream yet, so nothing to do
        return Lag(0, 0, None)
    found = next((each for each in groups if each["name"] == group.encode()), None)
    if found is None:
        undelivered = await log.client.xrange(stream, "-", "+", 1)
        return Lag(await log.client.xlen(stream), 0, _first(undelivered))
    after = b"(" + found["last-delivered-id"]
    oldest = _first(await log.client.xrange(stream, after, "+", 1))
    # The server does not always know the lag (nil); that there is one, the stream itself says.
    entries = int(found["lag"]) if found["lag"] is not None else int(oldest is not None)
    if pending := int(found["pending"]):
        lowest = (await log.client.xpending(stream, group))["min"]
        oldest = Position.parse(lowest) if lowest else oldest  # or acknowledged meanwhile
    return Lag(entries, pending, oldest)


async def has_done_all(log: Log, group: str, topic: str, partition: int) -> bool:
    """Whether the group has nothing left to do. As `lag_of`, by one question and for less."""
    try:
        groups = await log.one("XINFO", "GROUPS", stream_key(topic, partition))
    except ResponseError:  # no stream yet, so nothing to do
        return True
    for each in groups:  # pairs, or one after the other, as the connection speaks RESP3 or 2
        found = each if isinstance(each, dict) else dict(zip(each[::2], each[1::2], strict=True))
        if found[b"name"] == group.encode() and found[b"lag"] is not None:
            return bool(found[b"pending"] == found[b"lag"] == 0)
    lag = await lag_of(log, group, topic, partition)
    return lag.entries == lag.pending == 0


async def is_behind(log: Log, roles: Mapping[str, Iterable[str]], ms: int) -> bool:
    """Whether any of these roles has something to do still of what was recorded by then."""
    for role, topics in roles.items():
        for topic in topics:
            for partition in range(log.partitions):
                oldest = (await lag_of(log, role, topic, partition)).oldest
                if oldest is not None and oldest.ms <= ms:
                    return True
    return False


async def publish_lag(log: Log, group: str, topics: Iterable[str]) -> None:
    """Set the lag metrics of a group: sums over partitions, and the worst age."""
    for topic in topics:
        lags = [await lag_of(log, group, topic, each) for each in range(log.partitions)]
        metrics.group_lag_entries.labels(group, topic).set(sum(lag.entries for lag in lags))
        metrics.group_pending.labels(group, topic).set(sum(lag.pending for lag in lags))
        metrics.group_lag_seconds.labels(group, topic).set(max(lag.seconds for lag in lags))
    standing = [await count(log.client, each, group) for each in range(log.partitions)]
    metrics.dead_letters_standing.labels(group).set(sum(standing))


def _first(entries: list[tuple[bytes, object]]) -> Position | None:
    return Position.parse(entries[0][0]) if entries else None
