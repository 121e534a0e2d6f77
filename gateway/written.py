"""Posts as bytes, written once for everybody who may see them: a page of a feed is a join of them.

Each is written from cards that this process remembers, and stands until one of them is forgotten,
for a notice was heard, or its addresses end. What makes all of an author's old is noted once.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from events.accounts import AccountErased
from events.envelope import Delivery
from gateway.addresses import DAY_SECONDS, EVENING_SECONDS, PRIVATE_SECONDS, Addresses
from gateway.notices import Notices
from gateway.visibility import is_erased, is_private
from stores.cards import Cards
from stores.fragments import AuthorCard, PhotoCard, PostCard
from stores.lru import Lru
from stores.posts import PostState

WRITTEN_BYTES = 64 * 2**20
TURN_SECONDS = math.gcd(PRIVATE_SECONDS // 2, EVENING_SECONDS, DAY_SECONDS)
PUBLISHED = PostState.PUBLISHED

NOT_LIKED = b'],"counts":{"likes":0,"comments":0},"viewer":{"liked":false}}'


class Author:
    """What all posts of one author were written from. It is replaced, and then they are old."""

    __slots__ = ("__weakref__", "card", "expires", "id", "private", "public_until")

    def __init__(
        self, author_id: int, card: AuthorCard | None, *, expires: int, private: bool
    ) -> None:
        self.id = author_id
        self.card = card
        self.expires = expires
        """When the addresses in these posts end; 0 once they are old."""
        self.private = private
        self.public_until = 0 if private else expires
        """The same, and 0 for an author who is not for everybody."""

    def make_old(self) -> None:
        """The card was forgotten, or a newer one is there: nothing of this is to be shown."""
        self.expires = self.public_until = 0


class WrittenPost(NamedTuple):
    """One post for all who may see it, while its author stands."""

    item: bytes
    """Empty of a post that nobody is shown: deleted, erased or rejected."""
    author: Author


GONE = WrittenPost(b"", Author(0, None, expires=0, private=False))
"""Of a deletion that was heard: it needs no cards."""


class Expiries(NamedTuple):
    """When addresses made now end; equal ones make equal addresses."""

    public: int
    private: int


class Written:
    """Posts for as long as their cards stand."""

    def __init__(self, addresses: Addresses, cards: Cards, notices: Notices) -> None:
        self.addresses = addresses
        self.posts: Lru[int, WrittenPost] = Lru(WRITTEN_BYTES)
        self._cards = cards
        self._notices = notices
        self._authors: WeakValueDictionary[int, Author] = WeakValueDictionary()
        self._expiries = (-1, Expiries(0, 0))
        cards.when_forgotten(self.posts.drop, self._make_old)

    def expiries(self, now: float) -> Expiries:
        """When addresses made now end; neither changes but at a turn of five minutes."""
        turn = int(now) // TURN_SECONDS
        if self._expiries[0] != turn:
            ends = (self.addresses.expiry(private=each, now=now) for each in (False, True))
            self._expiries = (turn, Expiries(*ends))
        return self._expiries[1]

    def take_public(self, ids: Sequence[int], public: int) -> list[bytes] | None:
        """The items of all of these, when each stands and is for everybody: most pages.

        `public`: when public addresses made now end.
        """
        posts = self.posts.all(ids)
        if posts is None:
            return None
        items = [item for item, author in posts if author.public_until == public]
        if len(items) < len(posts):
            return None
        return [each for each in items if each] if b"" in items else items

    def take(self, ids: Sequence[int], expiries: Expiries) -> list[WrittenPost] | None:
        """Each as it stands at this moment; None when cards of one are not within this process."""
        posts = []
        for post_id in ids:
            known = self.posts.get(post_id)
            if known is None or known.author.expires != expiries[known.author.private]:
                known = self._write(post_id, expiries)
                if known is None:
                    return None
            posts.append(known)
        return posts

    def hear(self, delivery: Delivery[Any]) -> None:
        """A notice: what an erased account said is not remembered any longer."""
        if isinstance(delivery.event, AccountErased):
            for post_id, each in self.posts.items():
                if each.author.id == delivery.actor:
                    self.posts.drop(post_id)

    def _make_old(self, author_id: int) -> None:
        known = self._authors.pop(author_id, None)
        if known is not None:
            known.make_old()

    def _write(self, post_id: int, expiries: Expiries) -> WrittenPost | None:
        if self._notices.is_deleted(post_id):
            return GONE
        post = self._cards.held_post(post_id)
        card = self._cards.held_author(post.author_id) if post is not None else None
        if post is None or card is None:
            return None
        author = self._author(card, expiries)
        item = b""
        if post.state is PUBLISHED and not is_erased(self._notices, card):
            item = write(post, card, self.addresses, author.expires, private=author.private)
        written = WrittenPost(item, author)
        self.posts.put(post_id, written, len(item))
        return written

    def _author(self, card: AuthorCard, expiries: Expiries) -> Author:
        known = self._authors.get(card.id)
        # The very card: one is replaced, never changed.
        if known is None or known.card is not card or known.expires != expiries[known.private]:
            self._make_old(card.id)
            private = is_private(self._notices, card)
            known = Author(card.id, card, expires=expiries[private], private=private)
            self._authors[card.id] = known
        return known


def write(
    post: PostCard, author: AuthorCard, addresses: Addresses, expires: int, *, private: bool
) -> bytes:
    """One `post` of the API."""
    photos = [
        photo_json(post.id, photo, addresses, expires, private=private) for photo in post.photos
    ]
    return b"".join(
        (post.before_author, author.fragment, post.before_photos, b",".join(photos), NOT_LIKED)
    )


def photo_json(
    post_id: int, photo: PhotoCard, addresses: Addresses, expires: int, *, private: bool
) -> bytes:
    blob = addresses.blob(photo.sha256, photo.recipe)
    renditions = [
        each.before_url
        + addresses.photo_url(
            post_id, blob, each.width, each.extension, private=private, expires=expires
        ).encode()
        + b'"}'
        for each in photo.renditions
    ]
    return photo.before_renditions + b",".join(renditions) + b"]}"
