"""Column `pulled` of table `posts`: what fan-out decided, and what follows from it for readers."""

from collections.abc import Collection, Sequence

from events.ids import shard_of
from stores.database import Database, shards_of


async def decide(db: Database, post_ids: Sequence[int], *, pulled: bool) -> dict[int, bool]:
    """Decide this of those that nobody has decided about; what holds now of each that has a row.

    Two planners at once, and one that repeats, read the same: the row is locked.
    """
    rows = await db.fetch(
        """
        UPDATE posts AS p
        SET pulled = coalesce(p.pulled, $3)
        FROM unnest($1::smallint[], $2::bigint[]) AS wanted (shard, id)
        WHERE p.shard = wanted.shard AND p.id = wanted.id
        RETURNING p.id, p.pulled
        """,
        shards_of(sorted(post_ids)),
        sorted(post_ids),
        pulled,
    )
    return {row["id"]: row["pulled"] for row in rows}


async def last_decided(db: Database, author_id: int, besides: Collection[int]) -> int | None:
    """The author's newest post that was fanned out, other than these."""
    post_id: int | None = await db.fetchval(
        """
        SELECT id
        FROM posts
        WHERE shard = $1 AND author_id = $2 AND state = 21 AND pulled IS NOT NULL
          AND id <> ALL ($3)
        ORDER BY published_ms DESC, id DESC
        LIMIT 1
        """,
        shard_of(author_id),
        author_id,
        list(besides),
    )
    return post_id


async def pulled_of_author(db: Database, author_id: int, limit: int) -> list[tuple[int, int]]:
    """The newest (published_ms, post id) of an author's pulled posts, newest first."""
    rows = await db.fetch(
        """
        SELECT published_ms, id
        FROM posts
        WHERE shard = $1 AND author_id = $2 AND state = 21 AND pulled
        ORDER BY published_ms DESC, id DESC
        LIMIT $3
        """,
        shard_of(author_id),
        author_id,
        limit,
    )
    return [(row["published_ms"], row["id"]) for row in rows]


async def authors_who_pull(db: Database) -> list[int]:
    """Everybody who has a pulled post: few, by its nature."""
    rows = await db.fetch("SELECT DISTINCT author_id FROM posts WHERE state = 21 AND pulled")
    return [row["author_id"] for row in rows]


async def followed_among(db: Database, viewer_id: int, author_ids: Collection[int]) -> list[int]:
    """Those of the authors whom the viewer follows."""
    rows = await db.fetch(
        """
        SELECT followee_id
        FROM following
        WHERE shard = $1 AND follower_id = $2 AND followee_id = ANY ($3) AND holds
        """,
        shard_of(viewer_id),
        viewer_id,
        list(author_ids),
    )
    return [row["followee_id"] for row in rows]


async def all_pulled(db: Database) -> frozenset[int]:
    """Every pulled post that is shown; of the site's own table, whatever a session has laid out."""
    rows = await db.fetch("SELECT id FROM heliograph.posts WHERE state = 21 AND pulled")
    return frozenset(row["id"] for row in rows)
