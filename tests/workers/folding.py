"""Handlers as a replay has them, and a log whose groups have done everything."""

from events.claims import ensure_group
from events.graph import FollowAccepted, Unfollowed
from events.log import stream_key
from events.posts import PostPublished
from workers.excuses import readings
from workers.subscriptions import REPLAYED, SUBSCRIPTIONS

# A row first and its windows after it, and nothing decided: what was decided stands in the history.
FOLDING = (
    *(each for handlers in REPLAYED.values() for each in handlers.items()),
    *(
        (kind, SUBSCRIPTIONS["fanout"][kind])
        for kind in (PostPublished, FollowAccepted, Unfollowed)
    ),
)


async def all_applied(log):
    """Every role has been given, and has done, all that stands in the log."""
    for role, topic in readings():
        for partition in range(log.partitions):
            stream = stream_key(topic, partition)
            await ensure_group(log.client, stream, role)
            await log.client.xgroup_setid(stream, role, "$")
