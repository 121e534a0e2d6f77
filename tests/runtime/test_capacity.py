"""When the log should take no more commands is seen before the engine itself fails."""

import os
import time
from types import SimpleNamespace

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from runtime import capacity
from runtime.capacity import Capacity, is_local
from runtime.connections import open_redis
from runtime.errors import Unavailable
from runtime.outages import is_outage


@pytest.fixture
async def log_server(settings, clean_site):
    client = open_redis(settings.log_url, 1, 2.0)
    before = (await client.config_get("maxmemory"))["maxmemory"]
    await client.setrange("ballast", 2**25, "x")  # beside it, what clients use is nothing
    yield client
    await client.delete("ballast")
    await client.config_set("maxmemory", before)
    await client.aclose()


@pytest.fixture
def disk(monkeypatch):
    """A disk of a hundred blocks; how many are free is the test's to say."""
    disk = SimpleNamespace(f_blocks=100, f_bavail=50)
    monkeypatch.setattr(os, "statvfs", lambda _: disk)
    return disk


async def refusal(watched):
    await watched.look()
    if watched.refusal is None:
        watched.refuse_when_full()
        return None
    with pytest.raises(Unavailable) as refused:
        watched.refuse_when_full()
    assert refused.value.retry_after > 0
    return refused.value.code


async def test_memory_nearly_used_up_is_full(log_server):
    """Below 80 % there is room, above there is none, and there is again when it was given more."""
    watched = Capacity(log_server, local=False)
    assert await refusal(watched) is None

    for used, expected in ((0.75, None), (0.85, "log-full"), (0.75, None)):
        in_use = (await log_server.info("memory"))["used_memory"]
        await log_server.config_set("maxmemory", int(in_use / used))
        assert await refusal(watched) == expected
        assert watched.measure.memory_ratio == pytest.approx(used, abs=0.04)


async def test_without_a_bound_the_machines_memory_counts(log_server):
    await log_server.config_set("maxmemory", 0)
    watched = Capacity(log_server, local=False)

    assert await refusal(watched) is None
    assert 0 < watched.measure.memory_ratio < 0.8


async def test_a_disk_nearly_used_up_is_full(log_server, disk):
    """From 5 % free on; and it takes a little more than that to be believed again."""
    watched = Capacity(log_server, local=True)
    seen = []
    for free in (50, 6, 5, 5.9, 6.1, 5.9, 0):
        disk.f_bavail = free
        seen.append(await refusal(watched))

    assert seen == [None, None, "log-full", "log-full", None, None, "log-full"]


async def test_anothers_disk_is_not_ours_to_judge(log_server, disk):
    """A server elsewhere: a folder of that name here says nothing of it."""
    disk.f_bavail = 0
    watched = Capacity(log_server, local=False)

    assert await refusal(watched) is None
    assert watched.measure.disk_free_ratio is None


async def test_a_folder_that_is_not_there_is_not_judged(log_server, monkeypatch):
    def nowhere(_):
        raise FileNotFoundError

    monkeypatch.setattr(os, "statvfs", nowhere)
    watched = Capacity(log_server, local=True)

    assert await refusal(watched) is None


@pytest.mark.parametrize("seconds", [-60, 60])
async def test_clocks_that_disagree_are_told_before_the_append(log_server, monkeypatch, seconds):
    """As the append function would, either way round; a little is forgiven."""
    watched = Capacity(log_server, local=True)
    for apart, expected in ((seconds, "clock-skew"), (seconds / 60, None)):
        clock = SimpleNamespace(time=lambda by=apart: time.time() + by)
        monkeypatch.setattr(capacity, "time", clock)
        assert await refusal(watched) == expected


async def test_a_process_that_stood_still_suspects_no_clock(log_server, monkeypatch):
    """Frozen between question and answer for half a minute, it knows nothing of the two clocks."""
    moments = iter([time.time() - 30, time.time()])
    monkeypatch.setattr(capacity, "time", SimpleNamespace(time=lambda: next(moments)))

    assert await refusal(Capacity(log_server, local=True)) is None


async def test_a_log_that_is_away_changes_nothing():
    """It refuses by itself; when it is back, what was known of its room still holds."""
    away = open_redis("redis://127.0.0.1:9", 1, 1.0)
    watched = Capacity(away, local=False)
    with pytest.raises(RedisConnectionError) as failed:
        await watched.look()

    assert is_outage(failed.value)
    watched.refuse_when_full()
    await away.aclose()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("unix://:p@/run/log.sock", True),
        ("redis://127.0.0.1:6379", True),
        ("redis://localhost:6379", True),
        ("redis://[::1]:6379", True),
        ("rediss://log.example:6379", False),
        ("redis://10.0.0.7:6379", False),
    ],
)
def test_a_server_on_this_machine_is_known_by_its_address(settings, url, expected):
    assert is_local(settings.replace(log_url=url)) is expected
