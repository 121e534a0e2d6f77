"""A process is ready only on engines that keep their promises, and says what is missing."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from contextlib import suppress

import pytest

from runtime.engine_checks import engine_checks
from runtime.health import STUCK_SECONDS, Check, Health, stop_watching
from runtime.operations import operated, served

ALL = ("log", "cache", "database", "objects")


async def looked(settings, *engines, **options):
    """A health that has looked at each engine once."""
    async with engine_checks(settings, engines, **options) as checks:
        health = Health(checks)
        for check in checks:
            await health.look(check)
        return health.report()


def ask(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read().decode()


async def test_with_all_engines_as_they_should_be_a_process_is_ready(settings, clean_site):
    report = await looked(settings, *ALL)

    assert report.status == "ready", report
    assert (await looked(settings, "database", reader=True)).status == "ready"


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("appendonly", "no", "yes"),
        ("appendfsync", "everysec", "always"),
        ("maxmemory-policy", "allkeys-lru", "noeviction"),
    ],
)
async def test_a_log_that_could_lose_events_is_refused(settings, log_client, name, wrong, right):
    """Which no kill test would show: the kernel keeps what a killed process wrote."""
    await log_client.config_set(name, wrong)
    try:
        report = await looked(settings, "log")
    finally:
        await log_client.config_set(name, right)

    assert report.status == "not ready"
    assert report.checks["log"].state == "wrong"
    assert f"set `{name}` to {right}" in report.checks["log"].fix


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("save", "60 1", ""),
        ("appendonly", "yes", "no"),
        ("zset-max-listpack-entries", "128", "512"),
        ("zset-max-listpack-value", "16", "64"),
        ("maxmemory-policy", "noeviction", "allkeys-lru"),
    ],
)
async def test_a_cache_that_keeps_what_it_should_not_is_refused(
    settings, cache_client, name, wrong, right
):
    await cache_client.config_set(name, wrong)
    try:
        report = await looked(settings, "cache")
    finally:
        await cache_client.config_set(name, right)

    assert report.status == "not ready"
    assert f"set `{name}`" in report.checks["cache"].fix


async def test_tables_of_another_version_are_refused(settings, database):
    await database.execute("UPDATE schema_version SET version = version + 1")
    try:
        report = await looked(settings, "database")
    finally:
        await database.execute("UPDATE schema_version SET version = version - 1")

    assert report.status == "not ready"
    assert "run the newer code" in report.checks["database"].fix


async def test_a_process_waits_for_engines_that_are_not_up_yet(settings):
    """It neither ends nor claims to be ready, and names each engine and what goes without it."""
    nowhere = settings.replace(
        log_url="unix:///nowhere/log.sock",
        cache_url="redis://127.0.0.1:1",
        database_url="postgresql://127.0.0.1:1/none",
        objects_url="http://key:secret@127.0.0.1:1/none",
    )

    report = await looked(nowhere, *ALL)

    assert report.status == "not ready"
    for name in ALL:
        assert report.checks[name].state == "down"
        assert report.checks[name].degraded
        assert f"HELIOGRAPH_{name.upper()}_URL" in report.checks[name].fix


async def test_an_engine_that_hangs_is_down_soon(settings, engines):
    """One that accepts and never answers holds nobody for long."""
    held = asyncio.Event()
    path = str(engines.place.sockets / "hangs.sock")

    async def hang(reader, writer):
        await held.wait()
        writer.close()

    async with await asyncio.start_unix_server(hang, path) as server:
        started = time.monotonic()
        report = await looked(settings.replace(log_url=f"unix://{path}"), "log")
        held.set()
        server.close()

    assert report.checks["log"].state == "down"
    assert time.monotonic() - started < 5


async def probe_well():
    return "well"


async def probe_down():
    raise ConnectionError("gone")


async def test_an_engine_lost_later_degrades_and_does_not_unready():
    """Taking every process away would turn a degraded mode into an outage."""
    check = Check("log", probe_well, "commands are refused", "start it")
    health = Health([check])
    assert health.report().status == "not ready"

    await health.look(check)
    assert health.report().status == "ready"

    await health.look(Check("log", probe_down, "commands are refused", "start it"))
    assert health.report().status == "degraded"

    health.drain()
    assert health.report().status == "not ready"


async def test_a_watch_ends_although_a_probe_swallows_its_cancellation():
    """As redis-py's now and then does: a process that is told to end must end."""
    probing = asyncio.Event()

    async def deaf():
        probing.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "well"

    checks = [Check("log", deaf, "", ""), Check("cache", probe_well, "", "")]
    watching = asyncio.create_task(Health(checks).watch())
    await probing.wait()
    async with asyncio.timeout(5):
        await stop_watching(watching)


async def test_the_operations_port_answers(settings, clean_site):
    async with operated(settings, ALL, port=0) as health:
        with served(health, 0) as port:
            for _ in range(100):
                if health.report().status == "ready":
                    break
                await asyncio.sleep(0.05)

            ready, said = await asyncio.to_thread(ask, port, "/readyz?verbose")
            assert ready == 200, said
            assert {check["state"] for check in json.loads(said)["checks"].values()} == {"ok"}
            assert await asyncio.to_thread(ask, port, "/livez") == (200, "ok\n")
            assert "heliograph_engine_ready" in (await asyncio.to_thread(ask, port, "/metrics"))[1]
            assert (await asyncio.to_thread(ask, port, "/else"))[0] == 404

    with served(health, 0) as port:
        assert ask(port, "/readyz")[0] == 503, "a process that drains asks for no more work"


def test_a_stuck_loop_is_not_alive():
    """The port answers from a thread of its own, so a stuck loop is seen from outside."""
    health = Health([])
    health.beaten = time.monotonic() - STUCK_SECONDS - 1

    with served(health, 0) as port:
        assert ask(port, "/livez") == (503, "stuck\n")
