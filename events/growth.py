"""How fast a stream grows, estimated from how densely its positions lie: it is not read whole."""

import time

from events.ids import Position, position_before
from events.log import Log

PROBE = 500  # entries of each slice that are looked at


async def per_second(log: Log, topic: str, partition: int, *, seconds: int, slices: int) -> float:
    """Events a second over the last so many seconds, each slice of them judged by its beginning.

    Exact where no slice holds more than a probe.
    """
    now_ms = time.time_ns() // 1_000_000
    length_ms = seconds * 1_000 // slices
    events = 0.0
    for number in range(slices):
        begin = now_ms - (number + 1) * length_ms
        after, until = (
            position_before(Position(begin, 0)),
            position_before(Position(begin + length_ms, 0)),
        )
        page = await log.page(topic, partition, after, until, PROBE)
        if len(page) < PROBE:
            events += len(page)
        else:
            span_ms = max(Position.parse(page[-1][0]).ms - begin, 1)
            events += len(page) * length_ms / span_ms
    return events / seconds
