"""The commands as they are typed, in processes of their own, which are interrupted and killed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runtime.settings import variable
from tests.rebuilds.rebuilt import projecting, rows_of, schemas_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(settings):
    names = ("log_url", "cache_url", "database_url", "database_reader_url", "objects_url")
    environ = {variable(name): getattr(settings, name) for name in names} | {
        "HELIOGRAPH_SECRET": settings.secret.reveal(),
        "HELIOGRAPH_PARTITIONS": str(settings.partitions),
        "PATH": os.environ["PATH"],
    }

    def started(*arguments):
        return subprocess.Popen(
            [sys.executable, "-m", "events", *arguments],
            env=environ,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    return started


@pytest.fixture
def call(start):
    async def called(*arguments):
        with start(*arguments) as process:
            out, err = await asyncio.to_thread(process.communicate)
        return process.returncode, out.decode(), err.decode()

    return called


@pytest.fixture
async def before(settings, members):
    """What the tables of a site in use hold."""
    async with projecting(settings) as workers:
        await members.act(200)
        await workers.drain(50)
        return await rows_of(settings)


REFUSED = [
    pytest.param(["replay"], "--into", id="no target"),
    pytest.param(["replay", "--into", "live"], "--yes", id="live without yes"),
    pytest.param(["replay", "--into", "x", "--types", "post.eaten"], "post.eaten", id="type"),
    pytest.param(["replay", "--into", "x", "--rate", "0"], "no rate", id="rate"),
    pytest.param(
        ["replay", "--into", "x", "--from", "1h", "--until", "2h"], "before", id="backwards"
    ),
]


@pytest.mark.parametrize(("arguments", "says"), REFUSED)
async def test_what_makes_no_sense_is_refused(call, arguments, says):
    status, out, err = await call(*arguments)
    assert (status, out) == (2, "")
    assert says in err


async def test_a_moment_to_come_is_refused(call):
    moment = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    status, _, err = await call("replay", "--into", "x", "--until", moment)
    assert status == 2
    assert "still to come" in err


async def test_a_shadow_with_another_history_is_refused(call, before):
    assert (await call("replay", "--into", "x", "--types", "AccountRegistered"))[0] == 0
    status, _, err = await call("replay", "--into", "x")
    assert status == 1
    assert "other filters" in err or "begun with" in err
    assert (await call("rebuild", "drop", "x"))[0] == 0
    assert (await call("replay", "--into", "x"))[0] == 0


async def test_a_replay_is_foretold_and_done(call, settings, before):
    status, out, _ = await call("replay", "--dry-run", "--json")
    foretold = {(row["role"], row["type"]): row["events"] for row in map(json.loads, lines(out))}
    assert status == 0
    assert await schemas_of(settings) == ["heliograph"]

    status, out, _ = await call("replay", "--into", "look", "--json")

    done = {(row["role"], row["type"]): row["events"] for row in map(json.loads, lines(out))}
    assert (status, done) == (0, foretold)
    assert await rows_of(settings, "heliograph_look") == before
    assert (await call("replay", "--into", "live", "--yes"))[0] == 0
    assert await rows_of(settings) == before


async def test_everything_is_rebuilt_by_one_command(call, settings, before):
    status, out, err = await call("rebuild", "all")

    assert status == 0, err
    assert "Swapped" in out
    assert await rows_of(settings) == before
    [old] = [each for each in await schemas_of(settings) if each != "heliograph"]
    assert (await call("rebuild", "drop", old))[0] == 0
    assert await schemas_of(settings) == ["heliograph"]
    assert (await call("rebuild", "drop", old))[0] == 1
    assert (await call("rebuild", "drop", "live"))[0] == 2
    assert (await call("rebuild", "counters"))[0] == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
async def test_whoever_is_stopped_goes_on_next_time(start, call, settings, before, number, status):
    """The site is as it was, nobody is locked out, and the next run ends as it should."""
    with start("rebuild", "metadata", "--rate", "50") as process:
        async with asyncio.timeout(30):
            while "heliograph_next" not in await schemas_of(settings):  # noqa: ASYNC110 - of a server
                await asyncio.sleep(0.02)
        second = await call("rebuild", "metadata")
        process.send_signal(number)
        await asyncio.to_thread(process.communicate)
    assert process.returncode == status
    assert second[0] == 1
    assert "Another run" in second[2]
    assert await rows_of(settings) == before

    status, _, err = await call("rebuild", "metadata")

    assert status == 0, err
    assert "gone on with" in err
    assert await rows_of(settings) == before


def lines(out):
    return out.splitlines()
