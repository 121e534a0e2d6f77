"""Feeds asked of Postgres: what the cache is built from, and what lies below its floor."""

from collections.abc import Sequence

from events.ids import MAX_ID, shard_of
from stores.database import Database, shards_of


async def feed_pull(
    db: Database, viewer_id: int, before: tuple[int, int] | None, limit: int
) -> list[tuple[int, int, int]]:
    """A page of (published_ms, post id, author id) of those the viewer follows, newest first.

    The lateral form reads `limit` index entries a followee and no more. Citus refuses it across
    shards: there this one function asks each shard for its own newest.
    """
    rows = await db.fetch(
        """
        SELECT newest.published_ms, newest.id, f.followee_id
        FROM following AS f
        CROSS JOIN LATERAL (
            SELECT p.published_ms, p.id
            FROM posts AS p
            WHERE p.shard = shard_of(f.followee_id) AND p.author_id = f.followee_id
              AND p.state = 21 AND (p.published_ms, p.id) < ($3, $4)
            ORDER BY p.published_ms DESC, p.id DESC
            LIMIT $5
        ) AS newest
        WHERE f.shard = $1 AND f.follower_id = $2 AND f.holds
        ORDER BY newest.published_ms DESC, newest.id DESC
        LIMIT $5
        """,
        shard_of(viewer_id),
        viewer_id,
        *(before or (MAX_ID, MAX_ID)),
        limit,
    )
    return [(row["published_ms"], row["id"], row["followee_id"]) for row in rows]


async def feed_pulls(
    db: Database, viewer_ids: Sequence[int], limit: int
) -> dict[int, list[tuple[int, int]]]:
    """The newest (published_ms, post id) of many viewers' feeds, newest first."""
    rows = await db.fetch(
        """
        SELECT v.id, array_agg(page.published_ms) AS moments, array_agg(page.id) AS post_ids
        FROM unnest($1::smallint[], $2::bigint[]) AS v (shard, id)
        CROSS JOIN LATERAL (
            SELECT newest.published_ms, newest.id
            FROM following AS f
            CROSS JOIN LATERAL (
                SELECT p.published_ms, p.id
                FROM posts AS p
                WHERE p.shard = shard_of(f.followee_id) AND p.author_id = f.followee_id
                  AND p.state = 21
                ORDER BY p.published_ms DESC, p.id DESC
                LIMIT $3
            ) AS newest
            WHERE f.shard = v.shard AND f.follower_id = v.id AND f.holds
            ORDER BY newest.published_ms DESC, newest.id DESC
            LIMIT $3
        ) AS page
        GROUP BY v.id
        """,
        shards_of(viewer_ids),
        list(viewer_ids),
        limit,
    )
    found = {
        row["id"]: sorted(zip(row["moments"], row["post_ids"], strict=True), reverse=True)
        for row in rows
    }
    return {viewer_id: found.get(viewer_id, []) for viewer_id in viewer_ids}


async def recent_of_author(
    db: Database, author_id: int, above_ms: int, limit: int
) -> list[tuple[int, int]]:
    """The newest (published_ms, post id) of one author, of those published after `above_ms`."""
    rows = await db.fetch(
        """
        SELECT published_ms, id
        FROM posts
        WHERE shard = $1 AND author_id = $2 AND state = 21 AND published_ms > $3
        ORDER BY published_ms DESC, id DESC
        LIMIT $4
        """,
        shard_of(author_id),
        author_id,
        above_ms,
        limit,
    )
    return [(row["published_ms"], row["id"]) for row in rows]
