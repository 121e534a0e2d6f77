"""What was just hidden, revealed or changed, in memory: heard from the log, not from Postgres.

A notice counts until the row that is read has its version, so arrival order does not matter. Each
is kept for as long as the log keeps it: the log knows when every row has it.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from events.accounts import AccountErased, PasswordChanged, ProfileEdited
from events.envelope import Delivery
from events.graph import FollowAccepted, FollowRequested, Unfollowed
from events.ids import Position, created_ms
from events.notices import Kept
from events.posts import PostDeleted
from gateway.revocations import Revocations


class Edge(NamedTuple):
    """The latest that was heard between a follower and a followee; 0 where nothing was."""

    wished_version: int = 0
    withdrawn_version: int = 0
    accepted_wish: int = 0


class Heard(NamedTuple):
    """One thing in one of the memories, to be dropped once its notice is no longer kept."""

    position: Position
    memory: dict[Any, Any]
    key: Any


class Notices:
    """`hear` takes every notice, in any order, any number of times."""

    def __init__(self) -> None:
        self.known = asyncio.Event()
        """Set while all revocations and notices there were at the start are known."""
        self.revocations = Revocations()
        self._deleted: dict[int, int] = {}
        self._erased: dict[int, int] = {}
        self._profiles: dict[int, int] = {}
        self._privacy: dict[int, tuple[int, bool]] = {}
        self._passwords: dict[int, tuple[int, str]] = {}
        self._edges: dict[tuple[int, int], Edge] = {}
        self._followers: Counter[int] = Counter()
        self._heard: dict[int, deque[Heard]] = {}
        self._counts: Counter[tuple[int, Any]] = Counter()
        self._listeners: list[Callable[[Delivery[Any]], None]] = []

    @property
    def ready(self) -> bool:
        return self.known.is_set()

    def subscribe(self, listener: Callable[[Delivery[Any]], None]) -> None:
        """Call `listener` with every notice, after it counts here."""
        self._listeners.append(listener)

    def is_deleted(self, post_id: int) -> bool:
        return post_id in self._deleted

    def deleted_ms(self, post_id: int) -> int | None:
        """When the post was first deleted, as far as was heard; Unix ms."""
        version = self._deleted.get(post_id)
        return created_ms(version) if version else None

    def is_erased(self, account_id: int) -> bool:
        return account_id in self._erased

    def profile_version(self, account_id: int) -> int:
        """The highest `ProfileEdited` heard of the account, 0 when none was."""
        return self._profiles.get(account_id, 0)

    def privacy(self, account_id: int) -> tuple[bool, int] | None:
        """Whether the account was last made private or public, and by which version."""
        known = self._privacy.get(account_id)
        return (known[1], known[0]) if known else None

    def password(self, account_id: int) -> tuple[str, int] | None:
        """The hash of the latest password heard, and its version."""
        known = self._passwords.get(account_id)
        return (known[1], known[0]) if known else None

    def edge(self, follower_id: int, followee_id: int) -> Edge | None:
        return self._edges.get((follower_id, followee_id))

    def has_edges(self, follower_id: int) -> bool:
        """Whether `edge` knows anything of whom this account follows; most have done nothing."""
        return follower_id in self._followers

    def is_revoked(self, account_id: int, token_id: int) -> bool:
        """Whether a token that is still within its life has been ended."""
        return self.revocations.ends(account_id, token_id)

    def hear(self, delivery: Delivery[Any]) -> None:
        """Let one notice count."""
        actor, version = delivery.actor, delivery.id
        self.revocations.hear(delivery)
        match delivery.event:
            case PostDeleted(post_id=post_id):
                self._deleted[post_id] = min(self._deleted.get(post_id, version), version)
                self._keep(delivery, self._deleted, post_id)
            case ProfileEdited(private=private):
                self._profiles[actor] = max(self._profiles.get(actor, 0), version)
                self._keep(delivery, self._profiles, actor)
                if isinstance(private, bool):
                    known = self._privacy.get(actor, (0, False))
                    self._privacy[actor] = max(known, (version, private))
                    self._keep(delivery, self._privacy, actor)
            case AccountErased():
                self._erased[actor] = version
                self._passwords.pop(actor, None)
                self._keep(delivery, self._erased, actor)
            case FollowRequested(followee_id=followee_id):
                self._hear_edge(delivery, (actor, followee_id), Edge(wished_version=version))
            case Unfollowed(followee_id=followee_id):
                self._hear_edge(delivery, (actor, followee_id), Edge(withdrawn_version=version))
            case FollowAccepted(follower_id=follower_id, wish_version=wish_version):
                self._hear_edge(delivery, (follower_id, actor), Edge(accepted_wish=wish_version))
            case PasswordChanged(password_hash=encoded):
                self._passwords[actor] = max(
                    self._passwords.get(actor, (0, "")), (version, encoded)
                )
                self._keep(delivery, self._passwords, actor)
        for listener in self._listeners:
            listener(delivery)

    def forget_all_but(self, kept: Mapping[int, Kept]) -> None:
        """Drop what the log no longer keeps, partition by partition."""
        for partition, (since, alone) in kept.items():
            heard = self._heard.get(partition, deque())
            staying = []
            while heard and heard[0].position < since:
                each = heard.popleft()
                if each.position in alone:
                    staying.append(each)
                else:
                    self._forget(each)
            heard.extendleft(reversed(staying))

    def _forget(self, heard: Heard) -> None:
        _, memory, key = heard
        self._counts[id(memory), key] -= 1
        if not self._counts[id(memory), key]:
            del self._counts[id(memory), key]
            known = memory.pop(key, None)
            if memory is self._edges and known is not None:
                self._followers[key[0]] -= 1
                if not self._followers[key[0]]:
                    del self._followers[key[0]]

    def _hear_edge(self, delivery: Delivery[Any], key: tuple[int, int], heard: Edge) -> None:
        if key not in self._edges:
            self._followers[key[0]] += 1
        self._edges[key] = Edge(*map(max, self._edges.get(key, Edge()), heard))
        self._keep(delivery, self._edges, key)

    def _keep(self, delivery: Delivery[Any], memory: dict[Any, Any], key: Any) -> None:
        heard = self._heard.setdefault(delivery.partition, deque())
        heard.append(Heard(delivery.position, memory, key))
        self._counts[id(memory), key] += 1
