"""The counters of `accounts`, counted again from the rows, some shards at a time."""

from typing import NamedTuple

from stores.database import Database


class Drift(NamedTuple):
    """An account whose counters were wrong: (posts, followers, following) as they were and are."""

    account_id: int
    was: tuple[int, int, int]
    now: tuple[int, int, int]


async def lock_shards(db: Database, first: int, last: int) -> int:
    """As every handler locks accounts before it moves a counter: until the end nobody else does.

    Not in the statement that counts: what it counts is as of its beginning. How many there are.
    """
    rows = await db.fetch(
        """
        SELECT FROM accounts
        WHERE shard BETWEEN $1 AND $2
        ORDER BY shard, id
        FOR NO KEY UPDATE
        """,
        first,
        last,
    )
    return len(rows)


async def recount(db: Database, first: int, last: int) -> list[Drift]:
    """Put right what is wrong in these shards, which are locked."""
    rows = await db.fetch(
        """
        WITH counted AS (
            SELECT a.shard, a.id,
                   (SELECT count(*) FROM posts AS p
                    WHERE p.shard = a.shard AND p.author_id = a.id AND p.state = 21) AS posts,
                   (SELECT count(*) FROM followers AS f
                    WHERE f.shard = a.shard AND f.followee_id = a.id AND f.holds) AS followers,
                   (SELECT count(*) FROM following AS f
                    WHERE f.shard = a.shard AND f.follower_id = a.id AND f.holds) AS following
            FROM accounts AS a
            WHERE a.shard BETWEEN $1 AND $2
        )
        UPDATE accounts AS a
        SET posts = c.posts, followers = c.followers, following = c.following
        FROM counted AS c
        WHERE a.shard = c.shard AND a.id = c.id
          AND (a.posts, a.followers, a.following)
              IS DISTINCT FROM (c.posts, c.followers, c.following)
        RETURNING a.id, old.posts AS old_posts, old.followers AS old_followers,
                  old.following AS old_following, new.posts, new.followers, new.following
        """,
        first,
        last,
    )
    return [Drift(row[0], tuple(row)[1:4], tuple(row)[4:7]) for row in rows]
