"""Bring a database up to `schema.sql`: fresh, upgraded file by file, or refused.

An empty database gets `schema.sql` itself; an older site gets `ops/migrations/NNNN_*.sql` in
order, each in a transaction of its own; a newer one is left alone. Both ways end the same.
"""

import re
from pathlib import Path

import asyncpg

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "schema.sql"
MIGRATIONS = ROOT / "ops" / "migrations"

# Any constant will do, as long as every process that brings a schema up uses the same.
LOCK = 0x4865_6C69_6F67
READER = "heliograph_reader"
LIVE = "heliograph"


class SchemaError(Exception):
    """The database cannot be brought to the version this code needs."""


def code_version(schema: Path = SCHEMA) -> int:
    """The version of the tables that this code was written for."""
    found = re.search(r"^-- version: (\d+)$", text_of(schema), re.MULTILINE)
    if found is None:
        raise SchemaError(f"{schema} has no line `-- version: N`")
    return int(found[1])


async def bring_up(database_url: str, schema: Path = SCHEMA, migrations: Path = MIGRATIONS) -> str:
    """Bring the tables to the code's version; the answer says in a sentence what was done."""
    connection = await asyncpg.connect(database_url, timeout=2, command_timeout=600)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        answer = await upgrade(connection, schema, migrations)
        await let_reader_read(connection)
    finally:
        await connection.close()
    return answer


async def upgrade(connection: asyncpg.Connection, schema: Path, migrations: Path) -> str:
    wanted = code_version(schema)
    found = await database_version(connection)
    if found is None:
        async with connection.transaction():
            await connection.execute(text_of(schema))
        return f"The database was empty; it has the tables of version {wanted} now."
    if found > wanted:
        raise SchemaError(
            f"The database is of version {found}, newer than this code's {wanted}: "
            "run the newer code, or restore a backup of this version."
        )
    if found == wanted:
        return f"The database is of version {wanted} already."
    for version, path in steps(migrations, found, wanted):
        async with connection.transaction():
            await connection.execute(text_of(path))
            await connection.execute("UPDATE heliograph.schema_version SET version = $1", version)
    return f"The database was of version {found}; it is of version {wanted} now."


async def database_version(connection: asyncpg.Connection) -> int | None:
    """The version of the tables that are there; None for an empty database."""
    if await connection.fetchval("SELECT to_regclass('heliograph.schema_version')") is None:
        return None
    return int(await connection.fetchval("SELECT version FROM heliograph.schema_version"))


def steps(migrations: Path, found: int, wanted: int) -> list[tuple[int, Path]]:
    """The files from one version to another, one for each; a missing one is refused."""
    found_files = sorted(migrations.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    files = {int(path.name[:4]): path for path in found_files}
    if len(files) < len(found_files):
        raise SchemaError(f"{migrations} has two files for one version.")
    versions = range(found + 1, wanted + 1)
    for version in versions:
        if version not in files:
            raise SchemaError(f"There is no {migrations}/{version:04}_*.sql to reach {version}.")
    return [(version, files[version]) for version in versions]


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


async def let_reader_read(connection: asyncpg.Connection, schema: str = LIVE) -> None:
    """Gateways read every table and write none, tables of later versions included."""
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", READER):
        raise SchemaError(
            f"The database has no role {READER}, which gateways use: "
            f"CREATE ROLE {READER} LOGIN PASSWORD '...' and name it in "
            "HELIOGRAPH_DATABASE_READER_URL."
        )
    await connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO {READER}")
    await connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {READER}")
    await connection.execute(
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {READER}"
    )
