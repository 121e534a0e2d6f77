"""Whether accounts' counters say what their rows say, asked in one statement: of one moment."""

from collections.abc import Sequence

from stores.database import Database, shards_of


async def miscounted_accounts(db: Database, schema: str, account_ids: Sequence[int]) -> set[int]:
    """Those of the accounts whose counters do not count."""
    rows = await db.fetch(
        f"""
        SELECT a.id
        FROM unnest($1::smallint[], $2::bigint[]) AS wanted (shard, id)
        JOIN {schema}.accounts AS a USING (shard, id)
        WHERE (a.posts, a.followers, a.following) IS DISTINCT FROM (
            (SELECT count(*) FROM {schema}.posts AS p
             WHERE p.shard = a.shard AND p.author_id = a.id AND p.state = 21),
            (SELECT count(*) FROM {schema}.followers AS f
             WHERE f.shard = a.shard AND f.followee_id = a.id AND f.holds),
            (SELECT count(*) FROM {schema}.following AS f
             WHERE f.shard = a.shard AND f.follower_id = a.id AND f.holds))
        """,  # noqa: S608 - names of our own, and a schema's that was looked at
        shards_of(account_ids),
        list(account_ids),
    )
    return {row["id"] for row in rows}
