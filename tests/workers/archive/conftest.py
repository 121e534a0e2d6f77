"""A log, an archive that is empty, and who keeps one of its partitions."""

import pytest

from events.log import Log, stream_key
from tests.archiving import moments, run
from workers import archiving
from workers.archiving import Keeper
from workers.site import Library

STREAM = stream_key("posts", 3)


@pytest.fixture
def log(log_client, settings):
    return Log(log_client, partitions=8, secret=settings.secret.reveal().encode())


@pytest.fixture
def library(log, archive):
    return Library(log=log, archive=archive)


@pytest.fixture
def keeper(library):
    """One of partition 3, who lets no entry wait."""

    def make(lease_seconds=60, seal_seconds=0):
        return Keeper(library, 3, lease_seconds=lease_seconds, seal_seconds=seal_seconds)

    return make


@pytest.fixture
def append(log_client):
    """Let entries stand in the stream, as appends would have left them."""

    async def append(*entries):
        for entry_id, fields in entries:
            await log_client.xadd(STREAM, fields, entry_id)
        await log_client.hset("head:{3}", "posts", entries[-1][0])

    return append


@pytest.fixture
def kept(archive):
    """The moments of every segment."""

    async def kept():
        return [
            moments(await archive.entries(each)) async for each in archive.manifests("posts", 3)
        ]

    return kept


@pytest.fixture
def small_segments(monkeypatch):
    """Three entries each."""
    size_bytes = sum(len(name) + len(value) for name, value in run(1)[0][1].items())
    monkeypatch.setattr(archiving, "SEGMENT_BYTES", 3 * size_bytes - 2)
    monkeypatch.setattr(archiving, "PAGE", 2)
