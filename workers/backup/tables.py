"""The tables of a backup: one dump of one moment, and the digests of that very moment."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg

from runtime.connections import CONNECT_SECONDS
from runtime.engines.postgres import binary
from runtime.errors import Conflict, Unavailable
from runtime.schema import bring_up
from stores.digests import LIVE, TABLES, digests_of, total

SCHEMAS = (LIVE, "vault", "storage")

Digests = dict[str, tuple[int, str]]


async def dump_tables(database_url: str, path: Path) -> Digests:
    """Write the dump; the digest of every table in it."""
    async with _snapshot(database_url) as (connection, snapshot):
        found = await digests(connection)
        only = [f"--schema={schema}" for schema in SCHEMAS]
        await _run(database_url, "pg_dump", "-Fc", f"--snapshot={snapshot}", *only, f"-f{path}")
    return found


async def load_tables(database_url: str, path: Path, *, instead: bool = False) -> Digests:
    """Load the dump into a database without rows, and bring it up to this code.

    `instead`: of whatever rows there are, left by a load that was broken off.
    """
    connection = await asyncpg.connect(database_url, timeout=CONNECT_SECONDS)
    try:
        await _make_room(connection, instead=instead)
        await _run(
            database_url, "pg_restore", "--exit-on-error", "--no-owner", "--no-acl", str(path)
        )
        await bring_up(database_url)
        return await digests(connection)
    finally:
        await connection.close()


async def digests(connection: asyncpg.Connection) -> Digests:
    """Of every table its rows and their digest."""
    found = {}
    for table in TABLES:
        whole = total((await digests_of(connection, LIVE, table)).values())
        found[table] = (whole.rows, str(whole))
    return found


async def wrapped_keys(database_url: str) -> dict[int, bytes]:
    """Account → its wrapped key, as the vault has it."""
    connection = await asyncpg.connect(database_url, timeout=CONNECT_SECONDS)
    try:
        rows = await connection.fetch("SELECT account_id, wrapped FROM vault.account_keys")
    finally:
        await connection.close()
    return {row["account_id"]: row["wrapped"] for row in rows}


@asynccontextmanager
async def _snapshot(database_url: str) -> AsyncIterator[tuple[asyncpg.Connection, str]]:
    connection = await asyncpg.connect(database_url, timeout=CONNECT_SECONDS)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection, await connection.fetchval("SELECT pg_export_snapshot()")
    finally:
        await connection.close()


async def _make_room(connection: asyncpg.Connection, *, instead: bool) -> None:
    """An empty site's tables give way; a site's with people in it do not."""
    there = await connection.fetchval("SELECT to_regclass('heliograph.accounts') IS NOT NULL")
    if (
        there
        and not instead
        and await connection.fetchval("SELECT EXISTS (SELECT FROM heliograph.accounts)")
    ):
        raise Conflict("not-empty", "The database is not empty: it is somebody's.")
    for schema in SCHEMAS:
        await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


async def _run(database_url: str, tool: str, *arguments: str) -> None:
    """One of PostgreSQL's own tools; the password is not among its arguments."""
    parts = urlsplit(database_url)
    user, _, host = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    address = urlunsplit(parts._replace(netloc=f"{name}@{host}" if user else host))
    process = await asyncio.create_subprocess_exec(
        str(binary(tool)),
        f"--dbname={address}",
        *arguments,
        env=os.environ | ({"PGPASSWORD": unquote(password)} if password else {}),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    if process.returncode:
        raise Unavailable("database-tool-failed", f"{tool}: {said.decode().strip()}")
