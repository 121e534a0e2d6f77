"""Rows that two sides hold differently, column by column; and a model's rows laid out as one side.

Both sides are read in one statement, so of one moment.
"""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from stores.database import Database, shards_of
from stores.digests import LAID_OUT, LIVE, SHARDS_PER_BUCKET, TABLES

ROWS_PER_COPY = 10_000  # of the memory they take on their way


class Difference(NamedTuple):
    """A row that two sides hold differently, as texts by column; None where there is no row."""

    table: str
    key: tuple[str, ...]
    one: dict[str, str | None] | None
    other: dict[str, str | None] | None

    @property
    def owner(self) -> int:
        return int(self.key[0])

    @property
    def columns(self) -> tuple[str, ...]:
        """The registers that differ; none where a row stands on one side only."""
        if self.one is None or self.other is None:
            return ()
        return tuple(name for name, text in self.one.items() if self.other[name] != text)


async def differences(
    db: Database,
    table: str,
    one: str,
    other: str,
    *,
    buckets: Collection[int] | None = None,
    owners: Collection[int] | None = None,
    shards: Collection[int] = (),
    limit: int,
) -> list[Difference]:
    """Up to so many rows that two schemas hold differently, in the order of their keys.

    Of these buckets, owners and shards, where any are named.
    """
    key, registers = TABLES[table]
    keys = ", ".join(key)
    side = f"""
        SELECT {", ".join(TABLES[table].columns)}, true AS there
        FROM %s.{table}
        WHERE ($1::smallint[] IS NULL OR shard / {SHARDS_PER_BUCKET} = ANY ($1))
          AND ($2::bigint[] IS NULL
               OR (shard, {key[0]}) IN (SELECT * FROM unnest($3::smallint[], $2)))
          AND ($4::smallint[] IS NULL OR shard = ANY ($4))
        """  # noqa: S608 - names of our own, and a schema's that was looked at
    rows = await db.fetch(
        f"""
        WITH one AS ({side % one}), other AS ({side % other})
        SELECT {", ".join(f"{column}::text" for column in key)},
               CASE WHEN one.there THEN ARRAY[{_texts("one", registers)}]::text[] END AS one,
               CASE WHEN other.there THEN ARRAY[{_texts("other", registers)}]::text[] END AS other
        FROM one FULL JOIN other USING (shard, {keys})
        WHERE one.there IS DISTINCT FROM other.there
           OR ROW({_values("one", registers)}) IS DISTINCT FROM ROW({_values("other", registers)})
        ORDER BY shard, {keys}
        LIMIT $5
        """,  # noqa: S608 - as above
        None if buckets is None else list(buckets),
        None if owners is None else list(owners),
        None if owners is None else shards_of(owners),
        list(shards) or None,
        limit,
    )
    return [
        Difference(
            table,
            tuple(row[column] for column in key),
            _named(registers, row["one"]),
            _named(registers, row["other"]),
        )
        for row in rows
    ]


async def lay_out(connection: Any, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Put rows, in the order of the digested columns, where `LAID_OUT` finds them.

    In place of those that lay there before, and on this connection alone.
    """
    await connection.execute(f"DROP TABLE IF EXISTS {LAID_OUT}.{table}")
    await connection.execute(
        # Types of the live table and nothing else of it: `holds` is the model's own word.
        f"""
        CREATE TEMPORARY TABLE {table} AS
        SELECT {", ".join(TABLES[table].columns)} FROM {LIVE}.{table} WITH NO DATA
        """  # noqa: S608 - as above
    )
    remaining = iter(rows)
    # In a thread: rows may be worked out as they are taken, and health asks whether the loop turns.
    while some := await asyncio.to_thread(_some, remaining):
        await connection.copy_records_to_table(table, schema_name=LAID_OUT, records=some)


def _some(remaining: Iterator[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [tuple(map(_storable, row)) for row in islice(remaining, ROWS_PER_COPY)]


def _storable(value: Any) -> Any:
    """Postgres has no NUL in texts: an event with one is a dead letter, and its row shows that."""
    if isinstance(value, str) and "\x00" in value:
        return value.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return [_storable(each) for each in value] if isinstance(value, list) else value


def _texts(side: str, columns: Sequence[str]) -> str:
    return ", ".join(f"{side}.{column}::text" for column in columns)


def _values(side: str, columns: Sequence[str]) -> str:
    return ", ".join(f"{side}.{column}" for column in columns) or "1"


def _named(
    columns: Sequence[str], texts: Sequence[str | None] | None
) -> dict[str, str | None] | None:
    return None if texts is None else dict(zip(columns, texts, strict=True))
