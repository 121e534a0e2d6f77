"""A database is brought up fresh or step by step, with the same tables at the end, or refused."""

import subprocess
from contextlib import asynccontextmanager

import asyncpg
import msgspec
import pytest

from runtime.engines import postgres
from runtime.schema import MIGRATIONS, SCHEMA, SchemaError, bring_up, code_version

# One for each version that a site may still have: schema.sql as it was.
OLDER = sorted((MIGRATIONS / "older").glob("[0-9][0-9][0-9][0-9].sql"))


@asynccontextmanager
async def scratch(engines, name):
    """The address of an empty database, owned as a site's own is."""
    administrator = await asyncpg.connect(postgres.url(engines.place, "postgres"))
    try:
        await administrator.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await administrator.execute(f"CREATE DATABASE {name} OWNER heliograph")
        yield engines.database_url.replace("/heliograph?", f"/{name}?")
        await administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await administrator.close()


def catalogue(url):
    """Everything that stands in the database except rows, in an order of its own."""
    dump = subprocess.run(
        [postgres.binary("pg_dump"), "--schema-only", url],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    lines = (line.strip().rstrip(",") for line in dump.splitlines())
    # A column may stand last after an upgrade; pg_dump's own marks differ each time.
    return sorted(line for line in lines if not line.startswith("\\"))


def next_version(tmp_path):
    """A schema one version on, and the file that leads there."""
    now = code_version()
    text = SCHEMA.read_text()
    newer = tmp_path / "schema.sql"
    newer.write_text(
        text.replace(f"-- version: {now}", f"-- version: {now + 1}").replace(
            f"VALUES ({now});", f"VALUES ({now + 1});"
        )
        + "\nCREATE TABLE heliograph.lamps (shard smallint NOT NULL, id bigint NOT NULL);\n"
    )
    (tmp_path / f"{now + 1:04}_lamps.sql").write_text(
        "CREATE TABLE heliograph.lamps (shard smallint NOT NULL, id bigint NOT NULL);\n"
    )
    return newer


async def test_an_upgraded_site_is_the_same_as_a_fresh_one(engines, tmp_path):
    newer = next_version(tmp_path)
    async with scratch(engines, "fresh") as fresh, scratch(engines, "upgraded") as upgraded:
        assert "was empty" in await bring_up(fresh, newer, tmp_path)
        assert "was empty" in await bring_up(upgraded)
        assert f"was of version {code_version()};" in await bring_up(upgraded, newer, tmp_path)
        assert "already" in await bring_up(upgraded, newer, tmp_path)

        assert catalogue(fresh) == catalogue(upgraded)


async def test_every_older_site_comes_up_the_same(engines):
    async with scratch(engines, "fresh") as fresh:
        await bring_up(fresh)
        for older in OLDER:
            async with scratch(engines, "older") as upgraded:
                await bring_up(upgraded, older)
                await bring_up(upgraded)
                assert catalogue(fresh) == catalogue(upgraded), older.name


async def test_posts_of_an_older_site_keep_their_photos_referenced(engines):
    """Whatever a site published before references were kept is referenced once it is upgraded."""
    shown, gone = bytes(32), b"g" * 32
    ada = 1 << 10
    rows = [
        (ada + number, state, msgspec.json.encode([{"sha256": each.hex()} for each in photos]))
        for number, (state, photos) in enumerate([(21, [shown, shown]), (30, [gone]), (10, [])], 1)
    ]
    async with scratch(engines, "older") as url:
        await bring_up(url, MIGRATIONS / "older" / "0001.sql")
        site = await asyncpg.connect(url, server_settings={"search_path": "heliograph"})
        try:
            await site.execute(
                "INSERT INTO accounts (shard, id, username, display_name, display_name_version, "
                "password_hash, password_version) VALUES (1, $1, 'ada', 'Ada', 1, '-', 1)",
                ada,
            )
            await site.executemany(
                "INSERT INTO posts (shard, id, author_id, state, photos) "
                "VALUES (1, $1, 1 << 10, $2, $3)",
                [(post_id, state, photos.decode()) for post_id, state, photos in rows],
            )
            await bring_up(url)

            references = await site.fetch("SELECT post_id, sha256 FROM photo_references")
        finally:
            await site.close()
    assert [tuple(each) for each in references] == [(rows[0][0], shown)]


async def test_a_newer_site_is_refused_and_left_alone(engines, tmp_path):
    newer = next_version(tmp_path)
    async with scratch(engines, "newer") as url:
        await bring_up(url, newer, tmp_path)
        before = catalogue(url)

        with pytest.raises(SchemaError, match="newer than this code's"):
            await bring_up(url)

        assert catalogue(url) == before


async def test_a_step_that_fails_changes_nothing(engines, tmp_path):
    newer = next_version(tmp_path)
    step = tmp_path / f"{code_version() + 1:04}_lamps.sql"
    step.write_text(step.read_text() + "SELECT 1 / 0;\n")
    async with scratch(engines, "failing") as url:
        await bring_up(url)
        before = catalogue(url)

        with pytest.raises(asyncpg.DivisionByZeroError):
            await bring_up(url, newer, tmp_path)

        assert catalogue(url) == before


async def test_a_missing_step_is_named(engines, tmp_path):
    newer = next_version(tmp_path)
    async with scratch(engines, "gap") as url:
        await bring_up(url)
        with pytest.raises(SchemaError, match=f"no .*{code_version() + 1:04}_"):
            await bring_up(url, newer, tmp_path / "empty")


async def test_the_reader_reads_tables_of_later_versions_too(engines, tmp_path):
    newer = next_version(tmp_path)
    async with scratch(engines, "later") as url:
        await bring_up(url)
        await bring_up(url, newer, tmp_path)
        reader = await asyncpg.connect(
            engines.database_reader_url.replace("/heliograph?", "/later?")
        )
        try:
            assert await reader.fetchval("SELECT count(*) FROM heliograph.lamps") == 0
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await reader.execute("INSERT INTO heliograph.lamps VALUES (1, 1)")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await reader.fetchval("SELECT count(*) FROM vault.account_keys")
        finally:
            await reader.close()
