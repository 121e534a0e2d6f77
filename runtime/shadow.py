"""A shadow: the tables of schema.sql once more, beside the site's own, to be filled and swapped in.

Its secondary indexes are made at the end, when all rows are there. After that it is what a fresh
site's schema is, but for its name.
"""

import re
import time
from pathlib import Path
from typing import Any

import asyncpg

from runtime.errors import Conflict, Invalid
from runtime.schema import LIVE, SCHEMA, code_version, let_reader_read, text_of

APART = re.compile(r"^-- apart:.*$", re.MULTILINE)
INDEX = re.compile(r"^CREATE INDEX (.+?);\n", re.MULTILINE | re.DOTALL)
OLD = "heliograph_old_"
REBUILDING = 0x4865_6C72
"""Advisory locks of whoever is at work on a schema, by its name."""
KEPT_SECONDS = 7 * 86_400
"""What was swapped away is the only copy if the log should prove to lack something, and a shadow
may be looked at for days; but both hold what people have erased since, and that is to be gone
within a month."""
MADE = "made at "


def schema_named(name: str) -> str:
    """The schema of a shadow of this name; `Invalid` where it could be taken for another."""
    if not re.fullmatch("[a-z][a-z0-9_]{0,30}", name) or name == "live" or name.startswith("old_"):
        raise Invalid(
            "bad-shadow-name",
            "A shadow's name has up to 31 small letters, digits and _; not live, not old_...",
        )
    return f"{LIVE}_{name}"


async def make_shadow(connection: asyncpg.Connection, schema: str, source: Path = SCHEMA) -> bool:
    """Make the tables, unless an earlier run did; whether they are new."""
    version = await shadow_version(connection, schema)
    if version is not None:
        if version != code_version(source):
            raise Conflict(
                "shadow-of-other-version",
                f"{schema} is of version {version}, this code of {code_version(source)}: drop it.",
            )
        return False
    async with connection.transaction():
        # A database that was lost has not even what stands apart.
        if await connection.fetchval("SELECT to_regnamespace('vault')") is None:
            await connection.execute(APART.split(text_of(source))[1])
        await connection.execute(INDEX.sub("", swapped_part(schema, source)))
        await let_reader_read(connection, schema)
        made = f"{MADE}{time.time_ns() // 1_000_000}"
        await connection.execute(f"COMMENT ON SCHEMA {schema} IS '{made}'")
    return True


async def finish_shadow(connection: asyncpg.Connection, schema: str, source: Path = SCHEMA) -> None:
    """Make the indexes that are not there yet, and have the planner know the tables."""
    async with connection.transaction():
        await connection.execute(f"SET LOCAL search_path TO {schema}")
        for definition in INDEX.findall(swapped_part(schema, source)):
            await connection.execute(f"CREATE INDEX IF NOT EXISTS {definition}")
    for table in await tables_of(connection, schema):
        await connection.execute(f"ANALYZE {schema}.{table}")


async def shadow_version(connection: asyncpg.Connection, schema: str) -> int | None:
    """The version of the tables of that schema; None where there is no such schema."""
    if await connection.fetchval("SELECT to_regclass($1)", f"{schema}.schema_version") is None:
        return None
    return int(await connection.fetchval(f"SELECT version FROM {schema}.schema_version"))  # noqa: S608 - a name that was checked


async def drop_shadow(connection: Any, schema: str) -> bool:
    """Remove a shadow, or a schema that was swapped away, never the site's own; was there one."""
    if schema == LIVE:
        raise Conflict("schema-is-live", f"{schema} is what the site works with.")
    if await connection.fetchval("SELECT to_regnamespace($1)", schema) is None:
        return False
    await connection.execute(f"DROP SCHEMA {schema} CASCADE")
    return True


async def drop_expired(pool: "asyncpg.Pool[Any]") -> list[str]:
    """Remove shadows, and what was swapped away, a week after: which schemas that were.

    Not what a run is at work on, however long it takes.
    """
    dropped = []
    for schema, made_ms in await _made(pool):
        if made_ms < (time.time() - KEPT_SECONDS) * 1000:
            async with pool.acquire() as connection, connection.transaction():
                if await connection.fetchval(
                    "SELECT pg_try_advisory_xact_lock($1, hashtext($2))", REBUILDING, schema
                ):
                    await drop_shadow(connection, schema)
                    dropped.append(schema)
    return dropped


async def _made(pool: "asyncpg.Pool[Any]") -> list[tuple[str, int]]:
    """Every schema beside the site's own, and when it was made or swapped away, in Unix ms."""
    rows = await pool.fetch(
        """
        SELECT nspname, coalesce(substring(nspname FROM $1),
                                 substring(obj_description(oid, 'pg_namespace') FROM $2)) AS ms
        FROM pg_namespace
        WHERE starts_with(nspname, $3)
        """,
        f"^{OLD}([0-9]+)$",
        f"^{MADE}([0-9]+)$",
        f"{LIVE}_",
    )
    return [(row["nspname"], int(row["ms"])) for row in rows if row["ms"]]


async def tables_of(connection: asyncpg.Connection, schema: str) -> list[str]:
    rows = await connection.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY 1", schema
    )
    return [row["tablename"] for row in rows]


def swapped_part(schema: str, source: Path = SCHEMA) -> str:
    """What a rebuild makes again of schema.sql, under another name."""
    part = APART.split(text_of(source))[0]
    return re.sub(rf"\b{LIVE}\b", schema, part)
