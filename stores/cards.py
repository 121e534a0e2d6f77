"""Cards: what everybody who may see a post or an author sees of it, as JSON written once.

Found in the process's memory, then in the cache, then in Postgres. A card older than a notice about
it is not kept anywhere: it is read again until the row has caught up.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from asyncpg import Pool, Record
from msgspec import UNSET
from redis.asyncio import Redis

from events.accounts import AccountErased, ProfileEdited
from events.envelope import Delivery
from events.ids import MAX_ID
from events.posts import PostDeleted, PostRerendered
from runtime.errors import Unavailable
from runtime.reach import Reach
from stores.accounts import AccountRow, accounts_by_ids
from stores.database import Database
from stores.epochs import Epochs
from stores.fragments import AuthorCard, PostCard, author_card, post_card
from stores.link import Link
from stores.posts import PostState, post_rows
from stores.shelves import Places, Shelf

POSTS_BYTES = 48 * 2**20
AUTHORS_BYTES = 16 * 2**20
# A cache that hangs is as good as gone: whoever waits can be answered from Postgres.
CACHE_SECONDS = 0.5
MOST_ERASED = 100_000


class Cards:
    """Every card of the site, within reach of one process."""

    def __init__(
        self,
        cache: Redis,
        database: "Pool[Record]",
        *,
        cache_reach: Reach | None = None,
        database_reach: Reach | None = None,
        link: Link | None = None,
    ) -> None:
        """The reaches are those of everybody in the process who asks the same engines.

        `link`: for whoever reads all the time; it goes to the same server as `cache`.
        """
        cache_reach = cache_reach or Reach("cache-unavailable", CACHE_SECONDS)
        database_reach = database_reach or Reach("metadata-unavailable")
        epochs = Epochs(cache)
        cache_reach.when_lost(epochs.doubt)
        places = Places(cache, cache_reach, epochs, database, database_reach, link)
        self._erased: OrderedDict[int, None] = OrderedDict()
        self._posts = Shelf(
            "post",
            PostCard,
            read_posts,
            places,
            memory_bytes=POSTS_BYTES,
            emptied=self._emptied,
        )
        self._authors = Shelf(
            "author", AuthorCard, read_authors, places, memory_bytes=AUTHORS_BYTES
        )

    async def posts(self, ids: Sequence[int]) -> dict[int, PostCard]:
        """Those of the posts that have a row, deleted ones included.

        `Unavailable` when one of them could only be had from a Postgres that is away.
        """
        return all_of(ids, *await self._posts.take(ids))

    async def authors(self, ids: Sequence[int]) -> dict[int, AuthorCard]:
        """Those of the accounts that have a row; `Unavailable` as for posts."""
        return all_of(ids, *await self._authors.take(ids))

    async def posts_in_reach(self, ids: Sequence[int]) -> tuple[dict[int, PostCard], bool]:
        """What can be had now, and whether that is all there is."""
        return await self._posts.take(ids)

    async def authors_in_reach(self, ids: Sequence[int]) -> tuple[dict[int, AuthorCard], bool]:
        """What can be had now, and whether that is all there is."""
        return await self._authors.take(ids)

    def when_forgotten(self, post: Callable[[int], None], author: Callable[[int], None]) -> None:
        """Call these with the ids of cards that are forgotten: what was made of one is old, too."""
        self._posts.when_forgotten(post)
        self._authors.when_forgotten(author)

    def held_post(self, post_id: int) -> PostCard | None:
        """The post's card, if this process remembers it; see `Shelf.held`."""
        return self._posts.held(post_id)

    def held_author(self, account_id: int) -> AuthorCard | None:
        """The author's card, if this process remembers it."""
        return self._authors.held(account_id)

    async def put_author(self, row: AccountRow) -> None:
        """A row was read: keep its card, for when there is no asking."""
        await self._authors.put(author_card(row))

    def forget_post(self, post_id: int, *, deleted: int = 0, rerendered: int = 0) -> None:
        """Keep no card of the post that does not know this deletion, or this version of photos."""
        self._posts.forget(post_id, deleted, rerendered)

    def forget_author(self, account_id: int, edited: ProfileEdited, version: int) -> None:
        """Keep no card of the author that does not know all of this edit."""
        parts = (edited.display_name, edited.bio, edited.private)
        self._authors.forget(account_id, *(0 if each is UNSET else version for each in parts))

    def forget_erased(self, account_id: int, version: int) -> None:
        """Keep no card of the account, or of a post of its, that was written before."""
        self._erased[account_id] = None
        if len(self._erased) > MOST_ERASED:
            self._erased.popitem(last=False)
        self._authors.forget(account_id, version, version, 0)
        self._posts.forget_words()

    def hear(self, delivery: Delivery[Any]) -> None:
        """A notice: what it makes old is forgotten. To be called with every one."""
        match delivery.event:
            case PostDeleted(post_id=post_id):
                self.forget_post(post_id, deleted=delivery.id)
            case PostRerendered(post_id=post_id):
                self.forget_post(post_id, rerendered=delivery.id)
            case ProfileEdited() as edited:
                self.forget_author(delivery.actor, edited, delivery.id)
            case AccountErased():
                self.forget_erased(delivery.actor, delivery.id)

    def _emptied(self, card: PostCard) -> PostCard | None:
        """That there was a post, so that feeds pass over it while there are no rows to ask."""
        if card.author_id not in self._erased or card.state is PostState.ERASED:
            return None
        return PostCard(
            id=card.id,
            author_id=card.author_id,
            state=PostState.ERASED,
            published_ms=card.published_ms,
            versions=(MAX_ID, MAX_ID),
            whole=True,
            before_author=b"",
            before_photos=b"",
            photos=(),
        )

    async def close(self) -> None:
        """Finish what was begun to be forgotten."""
        await self._posts.close()
        await self._authors.close()


def all_of(ids: Sequence[int], found: dict[int, Any], complete: bool) -> dict[int, Any]:  # noqa: FBT001 - takes what `take` answers
    if not complete and any(each not in found for each in ids):
        raise Unavailable("metadata-unavailable", "the metadata does not answer")
    return found


async def read_posts(db: Database, ids: Sequence[int]) -> dict[int, PostCard]:
    return {each: post_card(row) for each, row in (await post_rows(db, ids)).items()}


async def read_authors(db: Database, ids: Sequence[int]) -> dict[int, AuthorCard]:
    return {each: author_card(row) for each, row in (await accounts_by_ids(db, ids)).items()}
