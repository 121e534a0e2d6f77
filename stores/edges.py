"""Writes of `following` and `followers`: the two registers of an edge, once for each side.

Every write answers how far the counters of the account on that side move.
"""

from collections.abc import Sequence
from typing import NamedTuple

from stores.database import Database, columns, shards_of
from stores.profiles import Moves


class Wish(NamedTuple):
    """The follower's register: wished or withdrawn, by the event whose id is the version."""

    follower_id: int
    followee_id: int
    wish: bool
    version: int


class Verdict(NamedTuple):
    """The followee's register: yes or no to one wish."""

    follower_id: int
    followee_id: int
    accepted: bool
    accepted_wish: int
    version: int


async def write_wishes_of_followers(db: Database, wishes: Sequence[Wish]) -> list[Moves]:
    follower_ids, followee_ids, wished, versions = columns(wishes)
    rows = await db.fetch(
        """
        INSERT INTO following AS f (shard, follower_id, followee_id,
                                    wish, wish_version, withdrawn_version)
        SELECT shard, follower_id, followee_id, wish, version,
               CASE WHEN wish THEN 0 ELSE version END
        FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::boolean[], $5::bigint[])
             AS new (shard, follower_id, followee_id, wish, version)
        ORDER BY shard, follower_id, followee_id
        ON CONFLICT (shard, follower_id, followee_id) DO UPDATE
        SET wish = CASE WHEN excluded.wish_version > f.wish_version
                        THEN excluded.wish ELSE f.wish END,
            wish_version = GREATEST(f.wish_version, excluded.wish_version),
            withdrawn_version = GREATEST(f.withdrawn_version, excluded.withdrawn_version)
        WHERE excluded.wish_version > f.wish_version
           OR excluded.withdrawn_version > f.withdrawn_version
        RETURNING new.follower_id, coalesce(old.holds, false) AS held, new.holds
        """,
        shards_of(follower_ids),
        follower_ids,
        followee_ids,
        wished,
        versions,
    )
    return [Moves(row["follower_id"], following=row["holds"] - row["held"]) for row in rows]


async def write_wishes_to_followees(db: Database, wishes: Sequence[Wish]) -> list[Moves]:
    follower_ids, followee_ids, wished, versions = columns(wishes)
    rows = await db.fetch(
        """
        INSERT INTO followers AS f (shard, followee_id, follower_id,
                                    wish, wish_version, withdrawn_version)
        SELECT shard, followee_id, follower_id, wish, version,
               CASE WHEN wish THEN 0 ELSE version END
        FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::boolean[], $5::bigint[])
             AS new (shard, followee_id, follower_id, wish, version)
        ORDER BY shard, followee_id, follower_id
        ON CONFLICT (shard, followee_id, follower_id) DO UPDATE
        SET wish = CASE WHEN excluded.wish_version > f.wish_version
                        THEN excluded.wish ELSE f.wish END,
            wish_version = GREATEST(f.wish_version, excluded.wish_version),
            withdrawn_version = GREATEST(f.withdrawn_version, excluded.withdrawn_version)
        WHERE excluded.wish_version > f.wish_version
           OR excluded.withdrawn_version > f.withdrawn_version
        RETURNING new.followee_id, coalesce(old.holds, false) AS held, new.holds
        """,
        shards_of(followee_ids),
        followee_ids,
        follower_ids,
        wished,
        versions,
    )
    return [Moves(row["followee_id"], followers=row["holds"] - row["held"]) for row in rows]


async def write_verdicts_to_followers(db: Database, verdicts: Sequence[Verdict]) -> list[Moves]:
    follower_ids, followee_ids, accepted, accepted_wishes, versions = columns(verdicts)
    rows = await db.fetch(
        """
        INSERT INTO following AS f (shard, follower_id, followee_id,
                                    accepted, accepted_wish, verdict_version)
        SELECT shard, follower_id, followee_id, accepted, accepted_wish, version
        FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::boolean[], $5::bigint[],
                    $6::bigint[])
             AS new (shard, follower_id, followee_id, accepted, accepted_wish, version)
        ORDER BY shard, follower_id, followee_id
        ON CONFLICT (shard, follower_id, followee_id) DO UPDATE
        SET accepted = excluded.accepted,
            accepted_wish = excluded.accepted_wish,
            verdict_version = excluded.verdict_version
        WHERE (excluded.accepted_wish, excluded.verdict_version)
            > (f.accepted_wish, f.verdict_version)
        RETURNING new.follower_id, coalesce(old.holds, false) AS held, new.holds
        """,
        shards_of(follower_ids),
        follower_ids,
        followee_ids,
        accepted,
        accepted_wishes,
        versions,
    )
    return [Moves(row["follower_id"], following=row["holds"] - row["held"]) for row in rows]


async def write_verdicts_of_followees(db: Database, verdicts: Sequence[Verdict]) -> list[Moves]:
    follower_ids, followee_ids, accepted, accepted_wishes, versions = columns(verdicts)
    rows = await db.fetch(
        """
        INSERT INTO followers AS f (shard, followee_id, follower_id,
                                    accepted, accepted_wish, verdict_version)
        SELECT shard, followee_id, follower_id, accepted, accepted_wish, version
        FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::boolean[], $5::bigint[],
                    $6::bigint[])
             AS new (shard, followee_id, follower_id, accepted, accepted_wish, version)
        ORDER BY shard, followee_id, follower_id
        ON CONFLICT (shard, followee_id, follower_id) DO UPDATE
        SET accepted = excluded.accepted,
            accepted_wish = excluded.accepted_wish,
            verdict_version = excluded.verdict_version
        WHERE (excluded.accepted_wish, excluded.verdict_version)
            > (f.accepted_wish, f.verdict_version)
        RETURNING new.followee_id, coalesce(old.holds, false) AS held, new.holds
        """,
        shards_of(followee_ids),
        followee_ids,
        follower_ids,
        accepted,
        accepted_wishes,
        versions,
    )
    return [Moves(row["followee_id"], followers=row["holds"] - row["held"]) for row in rows]
