"""Writes of table `accounts`: the lock they begin with, one for each register, and the counters."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from events.ids import shard_of
from stores.database import Database, columns, shards_of

V = TypeVar("V")
Writes = Sequence[tuple[int, int, V]]
"""(account id, version, value), at most one an account."""


async def lock_accounts(db: Database, ids: set[int]) -> dict[int, bool]:
    """Whether each is private; those without a row are missing.

    Every handler that writes rows of accounts begins with this, so they queue in the order of keys
    and a decision made on `private` stands until its transaction ends. Citus locks rows of one
    shard a statement: there it becomes one statement a shard, in the same order.
    """
    ordered = sorted(ids, key=lambda each: (shard_of(each), each))
    rows = await db.fetch(
        """
        SELECT a.id, a.private
        FROM unnest($1::smallint[], $2::bigint[]) AS wanted (shard, id)
        JOIN accounts AS a USING (shard, id)
        ORDER BY a.shard, a.id
        FOR NO KEY UPDATE OF a
        """,
        shards_of(ordered),
        ordered,
    )
    return {row["id"]: row["private"] for row in rows}


class NewAccount(NamedTuple):
    """The row a registration makes; its id is also the version of its first registers."""

    id: int
    username: str
    display_name: str
    password_hash: str


async def add_accounts(db: Database, accounts: Sequence[NewAccount]) -> None:
    """A registration makes its row once; every later change is another event's."""
    ids, usernames, display_names, password_hashes = columns(accounts)
    await db.execute(
        """
        INSERT INTO accounts (shard, id, username, display_name, display_name_version,
                              password_hash, password_version)
        SELECT shard, id, username, display_name, id, password_hash, id
        FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::text[], $5::text[])
             AS new (shard, id, username, display_name, password_hash)
        ORDER BY shard, id
        ON CONFLICT (shard, id) DO NOTHING
        """,
        shards_of(ids),
        ids,
        usernames,
        display_names,
        password_hashes,
    )


async def add_account_keys(db: Database, wrapped: Mapping[int, bytes]) -> None:
    """Keep each account's wrapped key beside the schema that rebuilds swap."""
    ids = sorted(wrapped, key=lambda each: (shard_of(each), each))
    await db.execute(
        """
        INSERT INTO vault.account_keys (shard, account_id, wrapped)
        SELECT shard, account_id, wrapped
        FROM unnest($1::smallint[], $2::bigint[], $3::bytea[]) AS new (shard, account_id, wrapped)
        ORDER BY shard, account_id
        ON CONFLICT (shard, account_id) DO NOTHING
        """,
        shards_of(ids),
        ids,
        [wrapped[each] for each in ids],
    )


async def set_display_names(db: Database, writes: Writes[str]) -> None:
    if writes:
        ids, versions, values = columns(writes)
        await db.execute(
            """
            UPDATE accounts AS a
            SET display_name = new.value, display_name_version = new.version
            FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::text[])
                 AS new (shard, id, version, value)
            WHERE a.shard = new.shard AND a.id = new.id AND new.version > a.display_name_version
            """,
            shards_of(ids),
            ids,
            versions,
            values,
        )


async def set_bios(db: Database, writes: Writes[str]) -> None:
    if writes:
        ids, versions, values = columns(writes)
        await db.execute(
            """
            UPDATE accounts AS a
            SET bio = new.value, bio_version = new.version
            FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::text[])
                 AS new (shard, id, version, value)
            WHERE a.shard = new.shard AND a.id = new.id AND new.version > a.bio_version
            """,
            shards_of(ids),
            ids,
            versions,
            values,
        )


async def set_privacy(db: Database, writes: Writes[bool]) -> None:
    if writes:
        ids, versions, values = columns(writes)
        await db.execute(
            """
            UPDATE accounts AS a
            SET private = new.value, private_version = new.version
            FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::boolean[])
                 AS new (shard, id, version, value)
            WHERE a.shard = new.shard AND a.id = new.id AND new.version > a.private_version
            """,
            shards_of(ids),
            ids,
            versions,
            values,
        )


async def set_password_hashes(db: Database, writes: Writes[str]) -> None:
    if writes:
        ids, versions, values = columns(writes)
        await db.execute(
            """
            UPDATE accounts AS a
            SET password_hash = new.value, password_version = new.version
            FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::text[])
                 AS new (shard, id, version, value)
            WHERE a.shard = new.shard AND a.id = new.id AND new.version > a.password_version
            """,
            shards_of(ids),
            ids,
            versions,
            values,
        )


class Moves(NamedTuple):
    """How far each counter of one account moves, by what statements returned as old and new."""

    account_id: int
    posts: int = 0
    followers: int = 0
    following: int = 0


async def move_counters(db: Database, moves: Sequence[Moves]) -> None:
    """Several moves of one account add up; the accounts are locked already."""
    moves = [each for each in moves if each.posts or each.followers or each.following]
    if moves:
        ids, posts, followers, following = columns(moves)
        await db.execute(
            """
            UPDATE accounts AS a
            SET posts = a.posts + moved.posts,
                followers = a.followers + moved.followers,
                following = a.following + moved.following
            FROM (SELECT shard, id, sum(posts)::integer AS posts,
                         sum(followers)::integer AS followers, sum(following)::integer AS following
                  FROM unnest($1::smallint[], $2::bigint[], $3::integer[], $4::integer[],
                              $5::integer[]) AS move (shard, id, posts, followers, following)
                  GROUP BY shard, id) AS moved
            WHERE a.shard = moved.shard AND a.id = moved.id
            """,
            shards_of(ids),
            ids,
            posts,
            followers,
            following,
        )
