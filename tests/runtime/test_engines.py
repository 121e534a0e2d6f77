"""The embedded engines are what the design asks for, and nobody else's."""

import asyncio
from urllib.error import HTTPError
from urllib.request import urlopen

import asyncpg
import pytest

from runtime.bucket import open_objects
from runtime.engines import seaweed


async def test_the_log_is_on_disk_before_it_answers(log_client):
    found = await log_client.config_get("append*")

    assert found["appendonly"] == "yes"
    assert found["appendfsync"] == "always"


async def test_the_cache_keeps_nothing_on_disk(cache_client):
    found = await cache_client.config_get("*")

    assert found["save"] == ""
    assert found["appendonly"] == "no"
    assert int(found["zset-max-listpack-entries"]) >= 512


async def test_workers_write_and_gateways_only_read(database, reader_database):
    await database.execute("INSERT INTO schema_version VALUES (1)")
    await database.execute("DELETE FROM schema_version WHERE ctid > '(0,1)'")

    assert await reader_database.fetchval("SELECT count(*) FROM accounts") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reader_database.execute("DELETE FROM accounts")


async def test_no_engine_account_of_ours_is_a_superuser(database, reader_database):
    for pool in (database, reader_database):
        assert await pool.fetchval("SELECT current_setting('is_superuser')") == "off"


async def test_a_stored_object_outlives_a_kill(settings, engines):
    async with open_objects(settings.objects_url) as (client, bucket):
        await client.put_object(Bucket=bucket, Key="kill", Body=b"light" * 100_000)
        engines.kill("objects")
        engines.start("objects")
        found = await client.get_object(Bucket=bucket, Key="kill")

        assert await found["Body"].read() == b"light" * 100_000


async def test_the_servers_behind_s3_serve_nobody_else(settings, engines):
    """Everybody on the machine can reach a loopback port; originals are private."""
    async with open_objects(settings.objects_url) as (client, bucket):
        await client.put_object(Bucket=bucket, Key="private", Body=b"light" * 1000)
    volume = seaweed.ports(engines.place)["volume.port"]

    def read(file):
        address = f"http://127.0.0.1:{volume}/{file}"
        with urlopen(address, timeout=5) as answer:
            return answer.status

    for number in range(1, 8):
        with pytest.raises(HTTPError) as refusal:
            await asyncio.to_thread(read, f"{number},01637037d6")
        refusal.value.close()
        assert refusal.value.code == 401


def test_nothing_but_its_owner_reads_a_secret(engines):
    for path in (engines.place.var / "secrets").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    for path in (engines.place.var / "conf").glob("*.conf"):
        if "requirepass" in path.read_text():
            assert path.stat().st_mode & 0o777 == 0o600
    assert engines.place.sockets.stat().st_mode & 0o777 == 0o700
