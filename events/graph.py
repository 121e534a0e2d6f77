"""Topic `graph`: who follows whom, as the wish of one side and the verdict of the other."""

from events.envelope import Event


class GraphEvent(Event, frozen=True, kw_only=True):
    """An event of the topic `graph`."""

    TOPIC = "graph"


class FollowRequested(GraphEvent, frozen=True, kw_only=True, tag="follow.requested"):
    """The actor wishes to follow somebody.

    Announced by gateway/following.py; read by workers/graph.py.
    """

    HIDES = True

    followee_id: int


class FollowAccepted(GraphEvent, frozen=True, kw_only=True, tag="follow.accepted"):
    """The followee's verdict on one wish: yes. The actor is the followee.

    Announced by workers/graph.py; read by workers/graph.py and workers/fanout.py.
    """

    HIDES = True
    PART = "wish_version"

    follower_id: int
    wish_version: int
    """The id of the `FollowRequested` it answers."""


class Unfollowed(GraphEvent, frozen=True, kw_only=True, tag="follow.withdrawn"):
    """The actor no longer wishes to follow somebody.

    Announced by gateway/following.py; read by workers/graph.py and workers/fanout.py.
    """

    HIDES = True

    followee_id: int
