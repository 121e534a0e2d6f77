"""Two viewers, posts by their moments, and what stands in a window."""

from events.ids import EPOCH_MS, Position, make_id

NOW = EPOCH_MS + 10_000_000_000
VIEWER = make_id(Position(NOW, 0), 77)
OTHER = make_id(Position(NOW, 1), 4_001)


def post(ms, sequence=0, shard=5):
    return make_id(Position(NOW + ms, sequence), shard)


async def whole(feeds, viewer=VIEWER):
    window = await feeds.skeleton(viewer, None, 1_000)
    return None if window is None else window.entries
