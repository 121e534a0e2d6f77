"""Tables `following` and `followers`: who follows whom, asked from either side.

Their writes are in stores/edges.py.
"""

import sys
from array import array
from collections.abc import Collection, Sequence

import msgspec

from events.ids import MAX_ID, shard_of
from stores.database import Database, shards_of


class EdgeRow(msgspec.Struct, frozen=True):
    """The registers between two people, and what they add up to."""

    wish: bool
    wish_version: int
    withdrawn_version: int
    accepted: bool | None
    accepted_wish: int
    verdict_version: int
    holds: bool


async def holds(db: Database, follower_id: int, followee_id: int) -> bool:
    """Whether the one follows the other now."""
    edge = await wish_of(db, follower_id, followee_id)
    return edge is not None and edge.holds


async def wish_of(db: Database, follower_id: int, followee_id: int) -> EdgeRow | None:
    return (await edges_of(db, [(follower_id, followee_id)])).get((follower_id, followee_id))


async def edges_of(
    db: Database, edges: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], EdgeRow]:
    """The rows of (follower, followee) that exist."""
    followers = [follower_id for follower_id, _ in edges]
    rows = await db.fetch(
        """
        SELECT follower_id, followee_id,
               wish, wish_version, withdrawn_version,
               accepted, accepted_wish, verdict_version, holds
        FROM unnest($1::smallint[], $2::bigint[], $3::bigint[])
             AS wanted (shard, follower_id, followee_id)
        JOIN following USING (shard, follower_id, followee_id)
        """,
        shards_of(followers),
        followers,
        [followee_id for _, followee_id in edges],
    )
    return {(row["follower_id"], row["followee_id"]): EdgeRow(*tuple(row)[2:]) for row in rows}


async def followers_page(
    db: Database, account_id: int, before_version: int | None, limit: int
) -> list[tuple[int, int]]:
    """A page of (follower, version of the wish) of one account, newest wish first."""
    rows = await db.fetch(
        """
        SELECT follower_id, wish_version
        FROM followers
        WHERE shard = $1 AND followee_id = $2 AND holds AND wish_version < $3
        ORDER BY wish_version DESC
        LIMIT $4
        """,
        shard_of(account_id),
        account_id,
        before_version or MAX_ID,
        limit,
    )
    return [(row["follower_id"], row["wish_version"]) for row in rows]


async def following_page(
    db: Database, account_id: int, before_version: int | None, limit: int
) -> list[tuple[int, int]]:
    """A page of (followee, version of the wish) of one account, newest wish first."""
    rows = await db.fetch(
        """
        SELECT followee_id, wish_version
        FROM following
        WHERE shard = $1 AND follower_id = $2 AND holds AND wish_version < $3
        ORDER BY wish_version DESC
        LIMIT $4
        """,
        shard_of(account_id),
        account_id,
        before_version or MAX_ID,
        limit,
    )
    return [(row["followee_id"], row["wish_version"]) for row in rows]


async def follower_counts(db: Database, account_ids: Collection[int]) -> dict[int, int]:
    """How many follow each of the accounts that there are."""
    rows = await db.fetch(
        """
        SELECT id, followers
        FROM unnest($1::smallint[], $2::bigint[]) AS wanted (shard, id)
        JOIN accounts USING (shard, id)
        """,
        shards_of(account_ids),
        list(account_ids),
    )
    return {row["id"]: row["followers"] for row in rows}


async def holding_followers(
    db: Database,
    author_id: int,
    first_follower_id: int,
    last_follower_id: int,
    most: int | None = None,
) -> "array[int]":
    """Who follows the author now, of one range of ids, both ends inclusive, the lowest first.

    Packed: a row each would cost fan-out more than all the rest that it does for a follower.
    """
    packed = await db.fetchval(
        """
        SELECT string_agg(int8send(follower_id), '' ORDER BY follower_id)
        FROM (SELECT follower_id
              FROM followers
              WHERE shard = $1 AND followee_id = $2 AND follower_id BETWEEN $3 AND $4 AND holds
              ORDER BY follower_id
              LIMIT $5) AS lowest
        """,
        shard_of(author_id),
        author_id,
        first_follower_id,
        last_follower_id,
        most,
    )
    ids = array("q", packed or b"")
    if sys.byteorder == "little":
        ids.byteswap()
    return ids


async def followers_of(db: Database, followee_id: int, after_id: int, limit: int) -> list[int]:
    """A page of all who ever wished to follow the account, in order of their ids."""
    rows = await db.fetch(
        """
        SELECT follower_id
        FROM followers
        WHERE shard = $1 AND followee_id = $2 AND follower_id > $3
        ORDER BY follower_id
        LIMIT $4
        """,
        shard_of(followee_id),
        followee_id,
        after_id,
        limit,
    )
    return [row["follower_id"] for row in rows]


async def followees_of(db: Database, follower_id: int, after_id: int, limit: int) -> list[int]:
    """A page of all whom the account ever wished to follow, in order of their ids."""
    rows = await db.fetch(
        """
        SELECT followee_id
        FROM following
        WHERE shard = $1 AND follower_id = $2 AND followee_id > $3
        ORDER BY followee_id
        LIMIT $4
        """,
        shard_of(follower_id),
        follower_id,
        after_id,
        limit,
    )
    return [row["followee_id"] for row in rows]


async def follower_range_bounds(db: Database, author_id: int, every: int) -> list[int]:
    """Every n-th follower's id and the last one's: the upper ends of ranges of equal work."""
    rows = await db.fetch(
        """
        WITH RECURSIVE bounds (follower_id) AS (
            SELECT 0::bigint
            UNION ALL
            SELECT coalesce(
                (SELECT nth.follower_id FROM followers AS nth
                 WHERE shard = $1 AND followee_id = $2 AND holds
                   AND nth.follower_id > bounds.follower_id
                 ORDER BY nth.follower_id OFFSET $3 - 1 LIMIT 1),
                (SELECT max(last.follower_id) FROM followers AS last
                 WHERE shard = $1 AND followee_id = $2 AND holds
                   AND last.follower_id > bounds.follower_id))
            FROM bounds
            WHERE bounds.follower_id IS NOT NULL
        )
        SELECT follower_id FROM bounds WHERE follower_id > 0 ORDER BY follower_id
        """,
        shard_of(author_id),
        author_id,
        every,
    )
    return [row["follower_id"] for row in rows]


async def waiting_wishes(
    db: Database, followee_id: int, after_version: int, limit: int
) -> list[tuple[int, int]]:
    """A page of (follower, version of the wish) that wait for a verdict, oldest first."""
    rows = await db.fetch(
        """
        SELECT follower_id, wish_version
        FROM followers
        WHERE shard = $1 AND followee_id = $2 AND wish AND NOT holds
          AND accepted_wish < wish_version AND wish_version > $3
        ORDER BY wish_version
        LIMIT $4
        """,
        shard_of(followee_id),
        followee_id,
        after_version,
        limit,
    )
    return [(row["follower_id"], row["wish_version"]) for row in rows]
