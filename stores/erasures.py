"""What the erasure of an account does to rows, in any order with all else that is told of it.

An erasure is the last word on each register of its account, and the top rung of all its posts.
Whoever writes rows of an account that may be erased asks here in the same transaction.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from events.ids import MAX_ID, shard_of
from stores import edges
from stores.database import Database, shards_of
from stores.edges import Verdict, Wish
from stores.photo_references import write_references
from stores.posts import PostState
from stores.profiles import Moves


async def erase_accounts(db: Database, versions: Mapping[int, int]) -> None:
    """Leave of each account its id and its reserved name; the accounts are locked already.

    What it was private about stays so: `private` is no word of its own.
    """
    ids = sorted(versions, key=lambda each: (shard_of(each), each))
    await db.execute(
        """
        UPDATE accounts AS a
        SET erased_version = new.version,
            display_name = '', display_name_version = new.version,
            bio = '', bio_version = new.version,
            password_hash = '', password_version = new.version
        FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS new (shard, id, version)
        WHERE a.shard = new.shard AND a.id = new.id AND new.version > a.erased_version
        """,
        shards_of(ids),
        ids,
        [versions[each] for each in ids],
    )


async def erased_among(db: Database, ids: Collection[int]) -> dict[int, int]:
    """Those of the accounts that are erased, each with the version of its erasure."""
    rows = await db.fetch(
        """
        SELECT a.id, a.erased_version
        FROM unnest($1::smallint[], $2::bigint[]) AS wanted (shard, id)
        JOIN accounts AS a USING (shard, id)
        WHERE a.erased_version > 0
        """,
        shards_of(ids),
        list(ids),
    )
    return {row["id"]: row["erased_version"] for row in rows}


async def end_edges(db: Database, pairs: Collection[tuple[int, int]]) -> list[Moves]:
    """End those of the edges (follower, followee) that have an erased side.

    An erasure withdraws every wish of its account, and says no to every wish there will ever be.
    To be called after every write of an edge; the accounts are locked.
    """
    erased = await erased_among(db, {each for pair in pairs for each in pair})
    wishes = [Wish(*each, False, erased[each[0]]) for each in sorted(pairs) if each[0] in erased]
    verdicts = [
        Verdict(*each, False, MAX_ID, erased[each[1]])
        for each in sorted(pairs)
        if each[1] in erased
    ]
    moves = []
    if wishes:
        moves += await edges.write_wishes_of_followers(db, wishes)
        moves += await edges.write_wishes_to_followees(db, wishes)
    if verdicts:
        moves += await edges.write_verdicts_to_followers(db, verdicts)
        moves += await edges.write_verdicts_of_followees(db, verdicts)
    return moves


async def destroy_account_keys(db: Database, account_ids: Iterable[int]) -> None:
    """Nothing that these accounts ever sealed can be read by this copy any more."""
    ids = sorted(account_ids)
    await db.execute(
        """
        DELETE FROM vault.account_keys AS k
        USING unnest($1::smallint[], $2::bigint[]) AS gone (shard, account_id)
        WHERE k.shard = gone.shard AND k.account_id = gone.account_id
        """,
        shards_of(ids),
        ids,
    )


async def erase_posts(db: Database, post_ids: Sequence[int]) -> list[Moves]:
    """Raise those of the posts whose author is erased to that rung, which has no words.

    A function of the row, to be called after every write of one. Of photos the digests stay, by
    which their bytes are found.
    """
    rows = await db.fetch(
        """
        UPDATE posts AS p
        SET state = 40,
            caption = '', alts = '{}', latitude = NULL, longitude = NULL,
            photos = (SELECT coalesce(jsonb_agg(DISTINCT to_jsonb(f)), '[]')
                      FROM jsonb_to_recordset(p.photos) AS f (sha256 text)),
            problem_code = NULL, problem_detail = NULL
        FROM unnest($1::smallint[], $2::bigint[]) AS written (shard, id), accounts AS a
        WHERE p.shard = written.shard AND p.id = written.id
          AND a.shard = p.shard AND a.id = p.author_id AND a.erased_version > 0
        RETURNING p.id, p.author_id, old.state AS old_state
        """,
        shards_of(post_ids),
        list(post_ids),
    )
    if rows:
        await write_references(db, [row["id"] for row in rows])
    return [
        Moves(row["author_id"], posts=-(row["old_state"] == PostState.PUBLISHED)) for row in rows
    ]


async def posts_to_erase(db: Database, author_id: int, after_id: int, limit: int) -> list[int]:
    """A page of an author's posts that have not come to that rung yet, in order."""
    rows = await db.fetch(
        """
        SELECT id
        FROM posts
        WHERE shard = $1 AND author_id = $2 AND id > $3 AND state < 40
        ORDER BY id
        LIMIT $4
        """,
        shard_of(author_id),
        author_id,
        after_id,
        limit,
    )
    return [row["id"] for row in rows]


async def erased_posts(db: Database, author_id: int, after_id: int, limit: int) -> list[int]:
    """A page of an author's erased posts, in order."""
    rows = await db.fetch(
        """
        SELECT id
        FROM posts
        WHERE shard = $1 AND author_id = $2 AND id > $3 AND state = 40
        ORDER BY id
        LIMIT $4
        """,
        shard_of(author_id),
        author_id,
        after_id,
        limit,
    )
    return [row["id"] for row in rows]


async def newest_erased(db: Database, author_id: int, limit: int) -> list[int]:
    """The erased posts of an author that may stand in windows: those published last."""
    rows = await db.fetch(
        """
        SELECT id
        FROM posts
        WHERE shard = $1 AND author_id = $2 AND state = 40 AND published_ms IS NOT NULL
        ORDER BY published_ms DESC, id DESC
        LIMIT $3
        """,
        shard_of(author_id),
        author_id,
        limit,
    )
    return [row["id"] for row in rows]


async def photos_of_erased(db: Database, author_id: int) -> list[str]:
    """The digests of all photos that an author's erased posts showed, in order."""
    rows = await db.fetch(
        """
        SELECT DISTINCT f.sha256
        FROM posts, jsonb_to_recordset(photos) AS f (sha256 text)
        WHERE shard = $1 AND author_id = $2 AND state = 40
        ORDER BY f.sha256
        """,
        shard_of(author_id),
        author_id,
    )
    return [row["sha256"] for row in rows]
