"""What tables hold, as digests: of every table and bucket of shards, in whatever order rows stand.

Two sides that should hold the same are compared by them: the live schema, a shadow of it, or the
temporary tables in which a model's rows were laid out; where they differ, differences.py says how.
"""

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from runtime.errors import Invalid
from stores.database import Database

LIVE = "heliograph"
LAID_OUT = "pg_temp"
"""Where temporary tables of a connection are; it takes them along when it ends."""

SHARDS_PER_BUCKET = 32


class Digested(NamedTuple):
    """A table's columns that come from events alone; those marked `-- local` are not among them."""

    key: tuple[str, ...]
    """After the shard; its first column is a row's owner."""
    registers: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return ("shard", *self.key, *self.registers)


_EDGE = (
    "wish",
    "wish_version",
    "withdrawn_version",
    "accepted",
    "accepted_wish",
    "verdict_version",
    "holds",
)
TABLES: dict[str, Digested] = {
    "accounts": Digested(
        ("id",),
        (
            "username",
            "display_name",
            "display_name_version",
            "bio",
            "bio_version",
            "private",
            "private_version",
            "password_hash",
            "password_version",
            "erased_version",
            "posts",
            "followers",
            "following",
        ),
    ),
    "posts": Digested(
        ("id",),
        (
            "author_id",
            "state",
            "caption",
            "caption_version",
            "alts",
            "alts_version",
            "latitude",
            "longitude",
            "published_ms",
            "published_version",
            "photos",
            "problem_code",
            "problem_detail",
            "problem_version",
            "deleted_ms",
        ),
    ),
    "photo_references": Digested(("post_id", "sha256"), ()),
    "following": Digested(("follower_id", "followee_id"), _EDGE),
    "followers": Digested(("followee_id", "follower_id"), _EDGE),
}


class Digest(NamedTuple):
    """Of so many rows; the sum of their hashes, which knows no order."""

    rows: int
    sum: int

    def __str__(self) -> str:
        return f"{self.sum % 2**64:016x}"


NOTHING = Digest(0, 0)


def schema_of(name: str) -> str:
    """The schema of a shadow by its short name; what is no name of one is refused."""
    schema = name if name == LIVE or name.startswith(f"{LIVE}_") else f"{LIVE}_{name}"
    if not re.fullmatch(rf"{LIVE}(_[a-z0-9_]{{1,52}})?", schema):  # 63 letters in all
        raise Invalid("no-schema", f"{name!r} cannot be the name of a schema.")
    return schema


async def has_schema(db: Database, schema: str) -> bool:
    return bool(await db.fetchval("SELECT to_regnamespace($1) IS NOT NULL", schema))


async def digests_of(
    db: Database, schema: str, table: str, shards: Collection[int] = ()
) -> dict[int, Digest]:
    """Of every bucket that holds a row; of these shards alone, if any are named."""
    rows = await db.fetch(
        f"""
        SELECT shard / {SHARDS_PER_BUCKET} AS bucket, count(*) AS rows,
               sum(hash_record_extended(ROW({", ".join(TABLES[table].columns)}), 0)) AS sum
        FROM {schema}.{table}
        WHERE $1::smallint[] IS NULL OR shard = ANY ($1)
        GROUP BY 1
        """,  # noqa: S608 - names of our own, and a schema's that was looked at
        list(shards) or None,
    )
    return {row["bucket"]: Digest(row["rows"], int(row["sum"])) for row in rows}


def total(digests: Iterable[Digest]) -> Digest:
    """That of all the rows together."""
    return Digest(*(sum(part) for part in zip(NOTHING, *digests, strict=True)))
