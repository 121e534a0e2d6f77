"""The workbench as it is typed: processes of their own, read by people and pipes, interrupted."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from events.claims import ensure_group
from events.dead_letters import Letter, Undelivered, bury
from events.ids import Position, shard_of
from events.log import stream_key
from runtime.settings import variable

ROOT = Path(__file__).parents[2]
MANY = 2_000  # their lines are more than a pipe holds


@pytest.fixture
def environ(settings):
    """What `python -m runtime env` would export."""
    names = ("log_url", "cache_url", "database_url", "database_reader_url", "objects_url")
    return {variable(name): getattr(settings, name) for name in names} | {
        "HELIOGRAPH_SECRET": settings.secret.reveal(),
        "PATH": os.environ["PATH"],
    }


@pytest.fixture
def start(environ):
    def start(*arguments):
        command = [sys.executable, "-m", "events", "dead-letters", *arguments]
        return subprocess.Popen(
            command,
            env=environ,
            cwd=ROOT,
            bufsize=0,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    return start


@pytest.fixture
def call(start):
    """Run a command to its end: its exit status, what it printed, what it said aside."""

    async def call(*arguments):
        with start(*arguments) as process:
            out, err = await asyncio.to_thread(process.communicate)
        return process.returncode, out.decode(), err.decode()

    return call


@pytest.fixture
async def many(log_client, ada):
    """So many deliveries of Ada's partition, buried."""
    partition = shard_of(ada) % 8
    stream = stream_key("posts", partition)
    positions = [Position(1_700_000_000_000 + n, 0) for n in range(MANY)]
    await ensure_group(log_client, stream, "posts")
    async with log_client.pipeline(transaction=False) as pipeline:
        for each in positions:
            pipeline.xadd(stream, {"type": "post.deleted", "actor": str(ada)}, id=str(each))
        await pipeline.execute()
    await log_client.xreadgroup("posts", "one", {stream: ">"})
    letter = Letter(
        reason="x", traceback="", attempts=8, buried_ms=1, entry={b"type": b"post.deleted"}
    )
    for first in range(0, MANY, 25):  # within the connections of the client
        some = [
            Undelivered("posts", "posts", partition, each) for each in positions[first : first + 25]
        ]
        await asyncio.gather(*(bury(log_client, what, letter, consumer="one") for what in some))


async def test_an_operator_finds_mends_and_retries(buried, call, environ, trouble, drain, standing):
    """The commands as they are typed, in a process of their own: list, show, retry."""
    what = await buried()
    name = f"posts:{what.address}"
    status, out, _ = await call("list", "--json", "--type", "PostDeleted")
    listed = json.loads(out)
    assert (status, listed["letter"], listed["hides"]) == (0, name, True)
    status, out, _ = await call("show", listed["event"])
    assert status == 0
    assert '"post_id": 7' in out
    assert "ValueError: no luck" in out
    assert "Traceback" in out
    trouble.mended = True
    assert (await call("retry", name))[:2] == (0, f"{name}  post.deleted  retried\n")
    await drain()
    assert (trouble.seen, await standing()) == ([7], [])
    environ.pop("HELIOGRAPH_LOG_URL")
    status, out, err = await call("list")
    assert (status, out) == (2, "")
    assert err.startswith("HELIOGRAPH_LOG_URL wants")
    assert "runtime env" in err


async def test_an_interrupted_retry_has_done_what_it_told(many, start, standing, pending):
    """Ctrl-C in the middle: each delivery is buried or pending, and the rest can be retried."""
    with start("retry", "--all") as process:
        told = await asyncio.to_thread(process.stdout.readline)
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.to_thread(process.communicate)

    assert (process.returncode, err.decode()[:12]) == (130, "Interrupted.")
    retried, left = await pending(), len(await standing())
    assert (retried + left, left > 0) == (MANY, True)
    assert 0 < len((told + out).splitlines()) <= retried


async def test_a_reader_that_has_had_enough_is_no_fault(many, start):
    """`list --limit 0 | head -1` ends in silence."""
    with start("list", "--json", "--limit", "0") as process:
        await asyncio.to_thread(process.stdout.readline)
        process.stdout.close()

        assert await asyncio.to_thread(process.stderr.read) == b""
        assert await asyncio.to_thread(process.wait) == 141
