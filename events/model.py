"""What a history adds up to, worked out a second time: no handler, no statement, no table.

Each thing keeps what was said of it; whoever asks has that played in the order of the log. So what
is wrong in a handler is not wrong here too (docs/decisions/0011-verify.md).
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import UNSET

from events.accounts import AccountErased, AccountRegistered, PasswordChanged, ProfileEdited
from events.envelope import Delivery, Event
from events.graph import FollowAccepted, FollowRequested, Unfollowed
from events.ids import shard_of
from events.posts import (
    PostDeleted,
    PostPublished,
    PostRejected,
    PostRerendered,
    PostSubmitted,
)

Fact = tuple[int, str, Any]
"""The id of the event that said it, what it speaks of, and what it says."""

Edge = tuple[int, int]
"""(follower, followee)"""

# What is said of one thing over and over: from so many facts on, those that cannot count are left.
MOST_FACTS = 24


class Model:
    """Folds deliveries in any order and any number; reads nothing and writes nothing."""

    def __init__(self, keeps: Callable[[int], bool] = lambda _: True) -> None:
        """`keeps`: of which accounts all is wanted; the rest is told only where it touches them."""
        self.accounts: dict[int, list[Fact]] = {}
        self.posts: dict[int, list[Fact]] = {}
        self.edges: dict[Edge, list[Fact]] = {}
        self.folded = 0
        self._keeps = keeps

    def fold(self, deliveries: Iterable[Delivery[Any]]) -> None:
        for each in deliveries:
            self.folded += 1
            if note := NOTES.get(type(each.event)):
                note(self, each)

    def registered(self, delivery: Delivery[AccountRegistered]) -> None:
        event = delivery.event
        # Of those who are not kept only that they are there: nobody follows who is not.
        self._of_account(delivery, "username", event.username)
        if self._keeps(delivery.actor):
            self._of_account(delivery, "display_name", event.display_name)
            self._of_account(delivery, "password_hash", event.password_hash)

    def edited(self, delivery: Delivery[ProfileEdited]) -> None:
        if self._keeps(delivery.actor):
            for name in ("display_name", "bio", "private"):
                value = getattr(delivery.event, name)
                if value is not UNSET:
                    self._of_account(delivery, name, value)

    def password(self, delivery: Delivery[PasswordChanged]) -> None:
        if self._keeps(delivery.actor):
            self._of_account(delivery, "password_hash", delivery.event.password_hash)

    def erased(self, delivery: Delivery[AccountErased]) -> None:
        # Of everybody: it ends what others are to the account, too.
        self._of_account(delivery, "erased", said=True)

    def submitted(self, delivery: Delivery[PostSubmitted]) -> None:
        event = delivery.event
        alts = [*event.alts, *[""] * (len(event.photos) - len(event.alts))]
        said = (delivery.actor, event.caption, alts, event.place)
        self._of_post(delivery, delivery.id, "submitted", said)

    def published(self, delivery: Delivery[PostPublished]) -> None:
        self._of_photos(delivery, "published")

    def rerendered(self, delivery: Delivery[PostRerendered]) -> None:
        self._of_photos(delivery, "rerendered")

    def rejected(self, delivery: Delivery[PostRejected]) -> None:
        event = delivery.event
        self._of_post(
            delivery, event.post_id, "rejected", (delivery.actor, event.code, event.detail)
        )

    def deleted(self, delivery: Delivery[PostDeleted]) -> None:
        self._of_post(delivery, delivery.event.post_id, "deleted", (delivery.actor,))

    def wished(self, delivery: Delivery[FollowRequested]) -> None:
        self._of_edge(delivery, (delivery.actor, delivery.event.followee_id), "wish", said=True)

    def withdrawn(self, delivery: Delivery[Unfollowed]) -> None:
        edge = delivery.actor, delivery.event.followee_id
        self._of_edge(delivery, edge, "wish", said=False)
        self._of_edge(delivery, edge, "withdrawn", said=True)

    def accepted(self, delivery: Delivery[FollowAccepted]) -> None:
        event = delivery.event
        edge = event.follower_id, delivery.actor
        self._of_edge(delivery, edge, "verdict", (event.wish_version, delivery.id, True))

    def _of_account(self, delivery: Delivery[Any], what: str, said: Any) -> None:
        _note(self.accounts.setdefault(delivery.actor, []), (delivery.id, what, said))

    def _of_photos(self, delivery: Delivery[PostPublished | PostRerendered], what: str) -> None:
        # As bytes, a third of what the structs would take.
        photos = msgspec.json.encode(delivery.event.photos)
        self._of_post(delivery, delivery.event.post_id, what, (delivery.actor, photos))

    def _of_post(self, delivery: Delivery[Any], post_id: int, what: str, said: Any) -> None:
        if shard_of(post_id) == shard_of(delivery.actor) and self._keeps(delivery.actor):
            _note(self.posts.setdefault(post_id, []), (delivery.id, what, said))

    def _of_edge(self, delivery: Delivery[Any], edge: Edge, what: str, said: Any) -> None:
        if edge[0] != edge[1] and (self._keeps(edge[0]) or self._keeps(edge[1])):
            _note(self.edges.setdefault(edge, []), (delivery.id, what, said))


NOTES: dict[type[Event], Callable[[Model, Delivery[Any]], None]] = {
    AccountRegistered: Model.registered,
    ProfileEdited: Model.edited,
    PasswordChanged: Model.password,
    AccountErased: Model.erased,
    PostSubmitted: Model.submitted,
    PostPublished: Model.published,
    PostRejected: Model.rejected,
    PostRerendered: Model.rerendered,
    PostDeleted: Model.deleted,
    FollowRequested: Model.wished,
    FollowAccepted: Model.accepted,
    Unfollowed: Model.withdrawn,
}


def _note(facts: list[Fact], fact: Fact) -> None:
    if fact in facts:
        return
    facts.append(fact)
    if len(facts) >= MOST_FACTS:
        facts[:] = [each for each in facts if _may_count(each, facts)]


def _may_count(fact: Fact, facts: Iterable[Fact]) -> bool:
    """Of everything said of one register, the first, the last, and the verdict that stands.

    By whom is part of what is said of a post: a stranger's word ends nobody's.
    """
    same = [each for each in facts if each[1] == fact[1] and _speaker(each) == _speaker(fact)]
    if fact[1] == "verdict":
        return fact == max(same, key=lambda each: each[2])
    ids = [each[0] for each in same]
    return fact[0] in {min(ids), max(ids)}


def _speaker(fact: Fact) -> Any:
    return fact[2][0] if fact[1] in {"submitted", "published", "rejected", "deleted"} else None
