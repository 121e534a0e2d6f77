"""The nightly verification: a process of its own, a verdict a day, metrics for whoever watches."""

import asyncio
import json
import os
import signal
import socket
import sys
import time

import aiohttp
import pytest

from events.accounts import AccountRegistered
from events.log import Log
from runtime.settings import Settings, variable
from stores.feeds import Feeds
from stores.verdicts import Verified, keep_verdict, last_verdict
from tests.workers.folding import FOLDING, all_applied
from tests.workers.histories import deliver
from workers.site import Site
from workers.verifier import verify_once

pytestmark = pytest.mark.usefixtures("archive")  # which another log may have left


@pytest.fixture
def settings(settings):
    return settings.replace(partitions=2)


@pytest.fixture
async def site(settings, database, log_client, cache_client):
    log = Log(log_client, partitions=2, secret=settings.secret.reveal().encode())
    site = Site(log=log, database=database, feeds=Feeds(cache_client, log_client))
    appended = await log.register(AccountRegistered(username="ada"))
    await deliver(site, await log.event_at(appended.address), handlers=FOLDING)
    await all_applied(log)
    return site


async def test_a_verdict_is_kept_with_what_drifted(site, settings):
    """Counts alone; whose rows they are, the log lines say."""
    assert (await verify_once(settings, site.log)).drifted == {}
    await site.database.execute("UPDATE accounts SET followers = 7")
    assert (await verify_once(settings, site.log)).drifted == {"accounts": 1}
    assert (await last_verdict(site.log.client)).drifted == {"accounts": 1}


async def test_a_site_is_verified_every_day_without_anybody_thinking_of_it(site, settings):
    """As soon as the last verdict is a day old; drift and age are metrics, whoever verified."""
    yesterday = int((time.time() - 90_000) * 1000)
    old = Verified(ended_ms=yesterday, events=1, rows={}, drifted={"posts": 3}, explained={})
    await keep_verdict(site.log.client, old)
    await site.database.execute("UPDATE accounts SET followers = 7")
    environment = {variable(n): str(getattr(settings, n)) for n in Settings.__struct_fields__}
    environment["HELIOGRAPH_SECRET"] = settings.secret.reveal()
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "workers", "verify", "--operations-port", str(port)),
        env=os.environ | environment,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            lines = []
            async for line in process.stderr:
                lines.append(json.loads(line))
                if lines[-1]["event"] == "site.verified":
                    break
        published = await metrics_at(port)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert lines[-1]["drifted"] == 1
    [drift] = [line for line in lines if line["event"] == "verify.drift"]
    assert (drift["table"], drift["columns"]) == ("accounts", ["followers"])
    assert published['heliograph_verify_drift_rows{table="accounts"}'] == 1
    assert published['heliograph_verify_drift_rows{table="posts"}'] == 0
    assert published["heliograph_verify_age_seconds"] < 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def metrics_at(port):
    """What the process publishes, once that is its verdict."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(10):
        while True:
            async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                text = await answer.text()
            figures = dict(
                line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")
            )
            if float(figures["heliograph_verify_age_seconds"]) < 3_600:
                return {name: float(figure) for name, figure in figures.items()}
