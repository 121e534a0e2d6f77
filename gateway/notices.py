"""What was just hidden, revealed or changed, in memory: heard from the log, not from Postgres.

A notice counts until the row that is read has its version, so arrival order does not matter. Every
gateway hears every notice; a restarted one hears those the log still keeps.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from events.accounts import PasswordChanged, ProfileEdited, SessionsRevoked
from events.envelope import Delivery
from events.graph import FollowAccepted, FollowRequested, Unfollowed
from events.ids import SEQUENCES, Position, make_id, shard_of
from events.log import Revocation
from events.posts import PostDeleted

TOKEN_LIFE_MS = 30 * 24 * 3600 * 1000


class Edge(NamedTuple):
    """The latest that was heard between a follower and a followee; 0 where nothing was."""

    wished_version: int = 0
    withdrawn_version: int = 0
    accepted_wish: int = 0


class Ended(NamedTuple):
    """All of an account's tokens issued before an event no longer count, save one."""

    before_id: int
    kept_token_id: int | None
    expires_ms: int


class Notices:
    """Fed by `hear` with every notice and by `revoke` with what the log keeps of revocations."""

    def __init__(self) -> None:
        self.ready = False
        self._deleted: dict[int, int] = {}
        self._profiles: dict[int, int] = {}
        self._privacy: dict[int, tuple[bool, int]] = {}
        self._passwords: dict[int, tuple[str, int]] = {}
        self._edges: dict[tuple[int, int], Edge] = {}
        self._ended_tokens: dict[int, int] = {}
        self._ended_accounts: dict[int, Ended] = {}
        self._heard: deque[tuple[int, Callable[[], None]]] = deque()
        self._listeners: list[Callable[[Delivery[Any]], None]] = []

    def subscribe(self, listener: Callable[[Delivery[Any]], None]) -> None:
        """Call `listener` with every notice, after it counts here."""
        self._listeners.append(listener)

    def is_deleted(self, post_id: int) -> bool:
        return post_id in self._deleted

    def profile_version(self, account_id: int) -> int:
        """The highest `ProfileEdited` heard of the account, 0 when none was."""
        return self._profiles.get(account_id, 0)

    def privacy(self, account_id: int) -> tuple[bool, int] | None:
        """Whether the account was last made private or public, and by which version."""
        return self._privacy.get(account_id)

    def password(self, account_id: int) -> tuple[str, int] | None:
        """The hash of the latest password heard, and its version."""
        return self._passwords.get(account_id)

    def edge(self, follower_id: int, followee_id: int) -> Edge | None:
        return self._edges.get((follower_id, followee_id))

    def is_revoked(self, account_id: int, token_id: int, issued_ms: int) -> bool:
        """Whether a token that is still within its life has been ended."""
        del issued_ms  # the token's id is its moment, to the event
        if token_id in self._ended_tokens:
            return True
        ended = self._ended_accounts.get(account_id)
        return ended is not None and token_id < ended.before_id and token_id != ended.kept_token_id

    def hear(self, delivery: Delivery[Any]) -> None:
        """Let one notice count; any order, any number of times."""
        actor, version = delivery.actor, delivery.id
        match delivery.event:
            case PostDeleted(post_id=post_id):
                self._deleted[post_id] = version
            case ProfileEdited(private=private):
                self._profiles[actor] = max(self._profiles.get(actor, 0), version)
                if isinstance(private, bool) and version > self._privacy.get(actor, (0, 0))[1]:
                    self._privacy[actor] = (private, version)
            case FollowRequested() | Unfollowed() | FollowAccepted():
                self._hear_edge(delivery)
            case SessionsRevoked() | PasswordChanged():
                self._hear_end(delivery)
        for listener in self._listeners:
            listener(delivery)

    def _hear_edge(self, delivery: Delivery[Any]) -> None:
        actor, version = delivery.actor, delivery.id
        match delivery.event:
            case FollowRequested(followee_id=followee_id):
                self._raise_edge(actor, followee_id, Edge(wished_version=version))
            case Unfollowed(followee_id=followee_id):
                self._raise_edge(actor, followee_id, Edge(withdrawn_version=version))
            case FollowAccepted(follower_id=follower_id, wish_version=wish_version):
                self._raise_edge(follower_id, actor, Edge(accepted_wish=wish_version))

    def _hear_end(self, delivery: Delivery[Any]) -> None:
        actor, version = delivery.actor, delivery.id
        match delivery.event:
            case SessionsRevoked(token_id=token_id):
                self._end(actor, token_id, Ended(version, None, in_a_token_life(delivery)))
            case PasswordChanged(password_hash=password_hash, kept_token_id=kept):
                if version > self._passwords.get(actor, ("", 0))[1]:
                    self._passwords[actor] = (password_hash, version)
                self._end(actor, None, Ended(version, kept, in_a_token_life(delivery)))

    def revoke(self, revocations: Iterable[Revocation]) -> None:
        """Let the revocations count that the log keeps longer than notices."""
        for each in revocations:
            # Which of two tokens of the same millisecond came first is not kept: end both.
            position = Position(each.issued_before_ms, SEQUENCES - 1)
            before_id = make_id(position, shard_of(each.account_id))
            ended = Ended(before_id, each.kept_token_id, each.expires_ms)
            self._end(each.account_id, each.token_id, ended)

    def _raise_edge(self, follower_id: int, followee_id: int, heard: Edge) -> None:
        known = self._edges.get((follower_id, followee_id), Edge())
        self._edges[follower_id, followee_id] = Edge(*map(max, known, heard))

    def _end(self, account_id: int, token_id: int | None, ended: Ended) -> None:
        if token_id is not None:
            self._ended_tokens[token_id] = ended.expires_ms
            return
        known = self._ended_accounts.get(account_id)
        self._ended_accounts[account_id] = ended if known is None else both(known, ended)


def both(one: Ended, other: Ended) -> Ended:
    """What two revocations end together: a token kept by the later may be ended by the earlier."""
    earlier, later = sorted((one, other), key=lambda each: each.before_id)
    kept = later.kept_token_id
    if kept is not None and kept < earlier.before_id and kept != earlier.kept_token_id:
        kept = None
    return Ended(later.before_id, kept, max(one.expires_ms, other.expires_ms))


def in_a_token_life(delivery: Delivery[Any]) -> int:
    return delivery.position.ms + TOKEN_LIFE_MS
