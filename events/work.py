"""Topic `work`: portions of work, not facts. Never archived; planned again when lost."""

from events.envelope import Event


class FanoutChunk(Event, frozen=True, kw_only=True, tag="work.fanout_chunk"):
    """Push one post to one range of its author's followers, read when the chunk runs.

    The actor is the author. Announced by workers/fanout.py; read by workers/pushing.py.
    """

    TOPIC = "work"

    post_id: int
    published_ms: int
    first_follower_id: int
    """Inclusive."""
    last_follower_id: int
    """Inclusive."""
