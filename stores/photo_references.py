"""Table `photo_references`: which photos published posts show, derived from the rows of `posts`."""

from collections.abc import Sequence

from stores.database import Database, shards_of


async def write_references(db: Database, post_ids: Sequence[int]) -> None:
    """Make the posts' references say what their rows say; in the transaction that wrote the rows.

    A function of the row alone, so it holds in any order of arrival, and however often. The photos
    of a deleted or erased post stay in its row, but it references none of them any more.
    """
    await db.execute(
        """
        WITH wanted AS (
            SELECT p.shard, p.id, p.state, p.photos
            FROM unnest($1::smallint[], $2::bigint[]) AS written (shard, id)
            JOIN posts AS p USING (shard, id)
        ), shown AS (
            SELECT DISTINCT shard, id AS post_id, decode(photo ->> 'sha256', 'hex') AS sha256
            FROM wanted, jsonb_array_elements(photos) AS photo
            WHERE state = 21
        ), ended AS (
            DELETE FROM photo_references AS r
            USING wanted
            WHERE r.shard = wanted.shard AND r.post_id = wanted.id
              AND (r.shard, r.post_id, r.sha256) NOT IN (TABLE shown)
        )
        INSERT INTO photo_references (shard, post_id, sha256)
        TABLE shown
        ORDER BY shard, post_id, sha256
        ON CONFLICT DO NOTHING
        """,
        shards_of(post_ids),
        list(post_ids),
    )
