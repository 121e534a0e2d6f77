"""How far behind a group is: what it was not given, what it holds, how old the oldest is."""

import time
from collections.abc import Iterable
from typing import NamedTuple

from redis.exceptions import ResponseError

from events.ids import Position
from events.log import Log, stream_key
from runtime import metrics


class Lag(NamedTuple):
    """Of one group on one stream. `seconds` is the age of the oldest entry not yet done."""

    entries: int
    pending: int
    seconds: float


NONE = Lag(0, 0, 0.0)


async def lag_of(log: Log, group: str, topic: str, partition: int) -> Lag:
    """Two or three short questions to the log; a stream or group that is not there has no lag."""
    stream = stream_key(topic, partition)
    try:
        groups = await log.client.xinfo_groups(stream)
    except ResponseError:
        return NONE
    found = next((each for each in groups if each["name"] == group.encode()), None)
    if found is None:
        return NONE
    oldest = []
    if pending := int(found["pending"]):
        summary = await log.client.xpending(stream, group)
        oldest.append(Position.parse(summary["min"]))
    entries = int(found["lag"] or 0)
    if entries:
        after = b"(" + found["last-delivered-id"]
        oldest += [Position.parse(i) for i, _ in await log.client.xrange(stream, after, "+", 1)]
    age = time.time() - min(oldest).ms / 1000 if oldest else 0.0
    return Lag(entries, pending, max(age, 0.0))


async def publish_lag(log: Log, group: str, topics: Iterable[str]) -> None:
    """Set the lag metrics of a group: sums over partitions, and the worst age."""
    for topic in topics:
        lags = [await lag_of(log, group, topic, each) for each in range(log.partitions)]
        metrics.group_lag_entries.labels(group, topic).set(sum(lag.entries for lag in lags))
        metrics.group_pending.labels(group, topic).set(sum(lag.pending for lag in lags))
        metrics.group_lag_seconds.labels(group, topic).set(max(lag.seconds for lag in lags))
