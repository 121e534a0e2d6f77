"""What gateways have just heard of some people: the notices that the log still keeps."""

from events.accounts import ProfileEdited
from events.catalogue import tag_of
from events.entries import ACTOR, TYPE, Entry
from events.graph import FollowAccepted, FollowRequested, Unfollowed
from events.ids import shard_of
from events.legible import Legible, read_entries
from events.log import Log, stream_key
from events.posts import PostDeleted

PAGE = 1_000
MOST_NOTICES = 50_000
"""Of a partition, the latest: the others have long been folded."""
HEARD = frozenset(
    tag_of(kind)
    for kind in (ProfileEdited, FollowRequested, FollowAccepted, Unfollowed, PostDeleted)
)


async def notices_of(log: Log, ids: set[int]) -> list[Legible]:
    """What gateways hear of these people, as far as the log keeps it."""
    heard: list[Legible] = []
    actors = {str(each).encode() for each in ids}
    for partition in sorted({shard_of(each) % log.partitions for each in ids}):
        stream = stream_key("notices", partition)
        until, read = "+", 0
        while read < MOST_NOTICES:
            page = await _backwards(log, stream, until)
            if not page:
                break
            theirs = [each for each in page if is_heard(each, actors)]
            heard += await read_entries(log, "notices", partition, theirs)
            until, read = f"({page[-1][0].decode()}", read + len(page)
    return heard


async def _backwards(log: Log, stream: str, until: str) -> list[Entry]:
    return list(await log.ask(lambda: log.client.xrevrange(stream, until, "-", PAGE)))


def is_heard(entry: Entry, actors: set[bytes]) -> bool:
    """Whether one of them did it, and it is one of what a feed minds."""
    return entry[1].get(ACTOR) in actors and entry[1].get(TYPE, b"").decode() in HEARD
