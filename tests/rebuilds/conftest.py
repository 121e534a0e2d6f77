"""A site of two partitions, with members, an empty archive, and one schema when a test ends."""

import asyncpg
import pytest

from tests.rebuilds.rebuilt import Members, schemas_of
from workers import rebuilding, refilling
from workers.process import log_of


@pytest.fixture
async def settings(settings):
    """Two partitions tell it as well as eight."""
    yield settings.replace(partitions=2)
    connection = await asyncpg.connect(settings.database_url)
    try:
        for schema in await schemas_of(settings):
            if schema != "heliograph":
                await connection.execute(f"DROP SCHEMA {schema} CASCADE")
    finally:
        await connection.close()


@pytest.fixture(autouse=True)
def nobody_waits_for_long(monkeypatch):
    """Until an old generation's names are forgotten, or what is moving has moved."""
    monkeypatch.setattr(refilling, "SECONDS_BELIEVED", -1)
    monkeypatch.setattr(rebuilding, "LOOKS_APART_SECONDS", 0.2)


@pytest.fixture
async def members(settings, log_client, archive):
    return Members(log_of(settings, log_client))
