"""Table `posts`: what gateways and fan-out ask of it; its writes are in stores/publications.py."""

from collections.abc import Sequence
from enum import IntEnum

import msgspec

from events.ids import MAX_ID, shard_of
from events.posts import RenderedPhoto
from stores.database import Database, shards_of


class PostState(IntEnum):
    """The rungs of a post's life; a row keeps its highest."""

    PROCESSING = 10
    REJECTED = 20
    PUBLISHED = 21
    DELETED = 30
    ERASED = 40


class PostRow(msgspec.Struct, frozen=True):
    """A post in any state: whoever shows it looks at the state first."""

    id: int
    author_id: int
    state: PostState
    caption: str
    caption_version: int
    """0: published before its `PostSubmitted` was folded."""
    alts: tuple[str, ...]
    alts_version: int
    latitude: float | None
    longitude: float | None
    published_ms: int | None
    """None also of a post that had been deleted by then: nobody but its author ever saw it."""
    published_version: int
    photos: tuple[RenderedPhoto, ...]
    problem_code: str | None
    problem_detail: str | None
    pulled: bool | None = None
    """Whether its author's outbox has it; None while fan-out has not decided."""


_photos = msgspec.json.Decoder(tuple[RenderedPhoto, ...])


async def post_rows(db: Database, ids: Sequence[int]) -> dict[int, PostRow]:
    """Those of the posts that have a row, deleted ones included."""
    rows = await db.fetch(
        """
        SELECT p.id, author_id, state, caption, caption_version, alts, alts_version,
               latitude, longitude,
               CASE WHEN deleted_ms <= published_ms THEN NULL ELSE published_ms END AS published_ms,
               published_version, CASE WHEN state = 40 THEN '[]' ELSE photos::text END AS photos,
               problem_code, problem_detail, pulled
        FROM unnest($1::smallint[], $2::bigint[]) AS wanted (shard, id)
        JOIN posts AS p USING (shard, id)
        """,
        shards_of(ids),
        list(ids),
    )
    return {
        row["id"]: PostRow(
            **{
                **row,
                "state": PostState(row["state"]),
                "alts": tuple(row["alts"]),
                "photos": _photos.decode(row["photos"]),
            }
        )
        for row in rows
    }


async def posts_of_author(
    db: Database, author_id: int, before: tuple[int, int] | None, limit: int
) -> list[tuple[int, int]]:
    """A page of (published_ms, post id) of one author, newest publication first."""
    rows = await db.fetch(
        """
        SELECT published_ms, id
        FROM posts
        WHERE shard = $1 AND author_id = $2 AND state = 21 AND (published_ms, id) < ($3, $4)
        ORDER BY published_ms DESC, id DESC
        LIMIT $5
        """,
        shard_of(author_id),
        author_id,
        *(before or (MAX_ID, MAX_ID)),
        limit,
    )
    return [(row["published_ms"], row["id"]) for row in rows]
