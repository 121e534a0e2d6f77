"""Every event there is, by its tag: the one list that decides what can be read from the log."""

from events.accounts import (
    AccountErased,
    AccountRegistered,
    PasswordChanged,
    ProfileEdited,
    SessionOpened,
    SessionsRevoked,
)
from events.envelope import Event
from events.graph import FollowAccepted, FollowRequested, Unfollowed
from events.posts import (
    PostDeleted,
    PostPublished,
    PostRejected,
    PostRerendered,
    PostSubmitted,
)
from events.work import FanoutChunk

EVENTS: tuple[type[Event], ...] = (
    AccountRegistered,
    SessionOpened,
    SessionsRevoked,
    PasswordChanged,
    ProfileEdited,
    AccountErased,
    PostSubmitted,
    PostPublished,
    PostRejected,
    PostRerendered,
    PostDeleted,
    FollowRequested,
    FollowAccepted,
    Unfollowed,
    FanoutChunk,
)

BY_TAG: dict[str, type[Event]] = {str(kind.__struct_config__.tag): kind for kind in EVENTS}
TOPICS = frozenset(kind.TOPIC for kind in EVENTS)
ARCHIVED = TOPICS - {FanoutChunk.TOPIC}
"""Of facts. Work that is lost is planned again."""


def tag_of(kind: type[Event]) -> str:
    """The name under which a type travels."""
    return str(kind.__struct_config__.tag)
