import asyncio
import json
import os
import signal
import sys

import aiohttp
import pytest

from runtime.settings import PREFIX
from tests.gateway.serving import PASSWORD


@pytest.fixture
async def process(settings, clean_site, tmp_path_factory, unused_tcp_port_factory):
    """`python -m gateway` on a unix socket, as supervisord starts it."""
    socket = tmp_path_factory.mktemp("s") / "g.sock"
    operations = unused_tcp_port_factory()
    names = ("log_url", "cache_url", "database_url", "database_reader_url", "objects_url")
    environment = {f"{PREFIX}{name.upper()}": getattr(settings, name) for name in names}
    environment[f"{PREFIX}SECRET"] = settings.secret.reveal()
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "--role", "all", "--socket", str(socket)),
        *("--operations-port", str(operations)),
        env=os.environ | environment,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield started, socket, f"http://127.0.0.1:{operations}"
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def test_a_gateway_lives_and_ends_in_order(process):
    """Ready once it knows revocations; told to stop, it finishes what it began and exits with 0."""
    started, socket, operations = process
    async with (
        aiohttp.ClientSession() as outside,
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket))) as client,
    ):
        report = await ready(outside, operations)
        sign_up = {"username": "ada", "password": PASSWORD}
        async with client.post("http://site/v1/accounts", json=sign_up) as answer:
            ada = await answer.json()
        headers = {"Authorization": f"Bearer {ada['token']}"}
        waiting = asyncio.create_task(
            client.post("http://site/v1/sessions", json=sign_up, headers=headers)
        )
        await asyncio.sleep(0.3)  # it waits for a row that no worker writes
        started.send_signal(signal.SIGTERM)
        active = await waiting
        lines = (await started.stderr.read()).decode().splitlines()

    assert await started.wait() == 0
    names = {"log", "log-room", "cache", "database", "objects", "notices"}
    assert set(report["checks"]) == names
    assert active.status == 503
    served = [each for each in map(json.loads, lines) if each["event"] == "request.served"]
    assert [(each["route"], each["status"]) for each in served] == [
        ("/v1/accounts", 201),
        ("/v1/sessions", 503),
    ]
    assert not any(PASSWORD in line or ada["token"] in line for line in lines)


async def test_a_missing_setting_is_named():
    """Nothing starts without knowing where its engines are."""
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "--port", "1"),
        env={name: value for name, value in os.environ.items() if not name.startswith(PREFIX)},
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await started.communicate()

    assert started.returncode == 1
    assert b"HELIOGRAPH_LOG_URL" in said
    assert b"Traceback" not in said


async def ready(outside, operations):
    async with asyncio.timeout(20):
        while True:
            try:
                async with outside.get(f"{operations}/readyz?verbose") as answer:
                    if answer.status == 200:
                        return await answer.json()
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.05)
