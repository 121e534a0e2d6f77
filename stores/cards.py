"""Cards: what everybody who may see a post or an author sees of it, as JSON written once.

Found in the process's memory, then in the cache, then in Postgres. A card older than a notice about
it is not kept anywhere: it is read again until the row has caught up.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from asyncpg import Pool, Record
from redis.asyncio import Redis

from events.accounts import ProfileEdited
from events.envelope import Delivery
from events.ids import MAX_ID, created_ms
from events.posts import PostDeleted
from runtime.errors import Unavailable
from stores.accounts import AccountRow, accounts_by_ids
from stores.database import Database
from stores.epochs import Epochs
from stores.posts import PostRow, PostState, post_rows
from stores.shelves import Shelf

POSTS_BYTES = 48 * 2**20
AUTHORS_BYTES = 16 * 2**20

_json = msgspec.json.Encoder().encode


class RenditionCard(msgspec.Struct, frozen=True, array_like=True):
    """One stored size; the address between the two fragments is signed anew for each day."""

    width: int
    extension: str
    before_url: bytes


class PhotoCard(msgspec.Struct, frozen=True, array_like=True):
    """One photo of a post: what names its stored bytes, and its JSON up to the renditions."""

    sha256: str
    recipe: str
    before_renditions: bytes
    renditions: tuple[RenditionCard, ...]


class PostCard(msgspec.Struct, frozen=True, array_like=True):
    """A post in any state, for every viewer. Its JSON is cut where author and addresses go."""

    id: int
    author_id: int
    state: PostState
    published_ms: int
    version: int
    """The highest event this knows of; of a deleted post the highest there can be."""
    whole: bool
    """False while more is surely to come: still processing, or its caption not yet folded."""
    before_author: bytes
    before_photos: bytes
    photos: tuple[PhotoCard, ...]


class AuthorCard(msgspec.Struct, frozen=True, array_like=True):
    """An author as posts show it."""

    id: int
    username: str
    private: bool
    private_version: int
    version: int
    fragment: bytes
    whole: bool = True


class Cards:
    """Every card of the site, within reach of one process."""

    def __init__(self, cache: Redis, database: "Pool[Record]") -> None:
        epochs = Epochs(cache)
        self._posts = Shelf(
            "post",
            PostCard,
            read_posts,
            cache=cache,
            database=database,
            epochs=epochs,
            memory_bytes=POSTS_BYTES,
        )
        self._authors = Shelf(
            "author",
            AuthorCard,
            read_authors,
            cache=cache,
            database=database,
            epochs=epochs,
            memory_bytes=AUTHORS_BYTES,
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

    def forget_post(self, post_id: int, version: int) -> None:
        """Keep no card of the post that is older than this event."""
        self._posts.forget(post_id, version)

    def forget_author(self, account_id: int, version: int) -> None:
        """Keep no card of the author that is older than this event."""
        self._authors.forget(account_id, version)

    def hear(self, delivery: Delivery[Any]) -> None:
        """A notice: what it makes old is forgotten. To be called with every one."""
        match delivery.event:
            case PostDeleted(post_id=post_id):
                self.forget_post(post_id, delivery.id)
            case ProfileEdited():
                self.forget_author(delivery.actor, delivery.id)

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


def post_card(row: PostRow) -> PostCard:
    """A row, written down once for all viewers."""
    versions = (row.published_version, row.caption_version, row.alts_version)
    return PostCard(
        id=row.id,
        author_id=row.author_id,
        state=row.state,
        published_ms=row.published_ms or 0,
        version=MAX_ID if row.state >= PostState.DELETED else max(versions),
        whole=row.state >= PostState.DELETED
        or (row.state > PostState.PROCESSING and row.caption_version > 0),
        before_author=b'{"id":"%d","state":%b,%b"author":'
        % (row.id, _json(row.state.name.lower()), problem_of(row)),
        before_photos=b',"caption":%b,"created_at":%b,"published_at":%b,"edited_at":%b,"photos":['
        % (
            _json(row.caption),
            _json(rfc3339(created_ms(row.id))),
            _json(rfc3339(row.published_ms) if row.published_ms else None),
            _json(edited_at(row)),
        ),
        photos=tuple(photo_card(row, at) for at in range(len(row.photos))),
    )


def problem_of(row: PostRow) -> bytes:
    if row.state is not PostState.REJECTED:
        return b""
    problem = {"code": row.problem_code or "", "detail": row.problem_detail or ""}
    return b'"problem":%b,' % _json(problem)


def edited_at(row: PostRow) -> str | None:
    edited = max(row.caption_version, row.alts_version)
    return rfc3339(created_ms(edited)) if edited > row.id else None


def photo_card(row: PostRow, at: int) -> PhotoCard:
    photo = row.photos[at]
    alt = row.alts[at] if at < len(row.alts) else ""
    return PhotoCard(
        sha256=photo.sha256,
        recipe=photo.recipe,
        before_renditions=b'{"width":%d,"height":%d,"alt":%b,"placeholder":%b,"renditions":['
        % (photo.width, photo.height, _json(alt), _json(photo.placeholder)),
        renditions=tuple(
            RenditionCard(
                width=each.width,
                extension=each.extension,
                before_url=b'{"width":%d,"height":%d,"type":%b,"url":"'
                % (each.width, each.height, _json(media_type(each.extension))),
            )
            for each in photo.renditions
        ),
    )


def media_type(extension: str) -> str:
    return "image/jpeg" if extension == "jpg" else f"image/{extension}"


def author_card(row: AccountRow) -> AuthorCard:
    """A row, written down once for all viewers."""
    shown = {
        "id": str(row.id),
        "username": row.username,
        "display_name": row.display_name,
        "avatar": None,
    }
    return AuthorCard(
        id=row.id,
        username=row.username,
        private=row.private,
        private_version=row.private_version,
        version=row.profile_version,
        fragment=_json(shown),
    )


def rfc3339(unix_ms: int) -> str:
    moment = datetime.fromtimestamp(unix_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{unix_ms % 1000:03d}Z"
