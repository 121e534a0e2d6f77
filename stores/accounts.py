"""Table `accounts`: what gateways ask of it; its writes are in stores/profiles.py."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from events.ids import shard_of, shard_of_username
from stores.database import Database, shards_of


class AccountRow(msgspec.Struct, frozen=True):
    """An account as everybody may know it; its password hash stays behind."""

    id: int
    username: str
    display_name: str
    display_name_version: int
    bio: str
    bio_version: int
    private: bool
    private_version: int
    posts: int
    followers: int
    following: int
    erased: bool = False
    """Then only id, username and `private` say anything."""


class Credentials(NamedTuple):
    """What signing in is checked against."""

    account_id: int
    password_hash: str
    password_version: int


class Relation(msgspec.Struct, frozen=True):
    """How a viewer and an account stand to each other."""

    following: Literal["yes", "no", "requested"]
    followed_by: bool


STRANGERS = Relation("no", followed_by=False)


async def account_by_username(db: Database, username: str) -> AccountRow | None:
    row = await db.fetchrow(
        """
        SELECT id, username, display_name, display_name_version, bio, bio_version,
               private, private_version, posts, followers, following,
               erased_version > 0 AS erased
        FROM accounts
        WHERE shard = $1 AND username = $2
        """,
        shard_of_username(username),
        username.lower(),
    )
    return AccountRow(*row) if row else None


async def account_by_id(db: Database, account_id: int) -> AccountRow | None:
    return (await accounts_by_ids(db, [account_id])).get(account_id)


async def accounts_by_ids(db: Database, ids: Sequence[int]) -> dict[int, AccountRow]:
    """Those of the accounts that exist."""
    rows = await db.fetch(
        """
        SELECT a.id, username, display_name, display_name_version, bio, bio_version,
               private, private_version, posts, followers, following,
               erased_version > 0 AS erased
        FROM unnest($1::smallint[], $2::bigint[]) AS wanted (shard, id)
        JOIN accounts AS a USING (shard, id)
        """,
        shards_of(ids),
        list(ids),
    )
    return {row["id"]: AccountRow(*row) for row in rows}


async def credentials_of(db: Database, username: str) -> Credentials | None:
    row = await db.fetchrow(
        """
        SELECT id, password_hash, password_version
        FROM accounts
        WHERE shard = $1 AND username = $2
        """,
        shard_of_username(username),
        username.lower(),
    )
    return Credentials(*row) if row else None


async def viewer_relations(
    db: Database, viewer_id: int, account_ids: Sequence[int]
) -> dict[int, Relation]:
    """One relation for each account asked about; both sides are read on the viewer's shard."""
    rows = await db.fetch(
        """
        SELECT wanted.id,
               CASE WHEN mine.holds THEN 'yes'
                    WHEN mine.wish AND mine.accepted_wish < mine.wish_version THEN 'requested'
                    ELSE 'no' END AS following,
               coalesce(theirs.holds, false) AS followed_by
        FROM unnest($3::bigint[]) AS wanted (id)
        LEFT JOIN following AS mine
               ON mine.shard = $1 AND mine.follower_id = $2 AND mine.followee_id = wanted.id
        LEFT JOIN followers AS theirs
               ON theirs.shard = $1 AND theirs.followee_id = $2 AND theirs.follower_id = wanted.id
        """,
        shard_of(viewer_id),
        viewer_id,
        list(account_ids),
    )
    return {row["id"]: Relation(row["following"], row["followed_by"]) for row in rows}
