"""Photos on their way lie in few folders, and in none for long after their worker was killed."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workers.posts import announced, jpeg
from workers import renditions
from workers.imaging import scratch
from workers.imaging.scratch import Scratch

KILLED = """
import os, signal
from workers.imaging.scratch import make_locked
root, lock = make_locked()
(root / "source").write_bytes(b"an original")
print(root, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


async def test_what_a_killed_process_left_is_removed(temporary):
    """Whoever starts next removes it, and nothing of a process that lives."""
    left = await asyncio.to_thread(leave_a_folder, temporary)
    assert set(temporary.iterdir()) == {left}

    async with Scratch(1) as living, living.folder() as folder:
        (folder / "source").write_bytes(b"another")
        async with Scratch(1):
            assert left not in set(temporary.iterdir())
            assert [each.name for each in folder.iterdir()] == ["source"]

    assert list(temporary.iterdir()) == []


def leave_a_folder(temporary):
    """The folder of a process that was killed with an original in it."""
    ended = subprocess.run(
        [sys.executable, "-c", KILLED],
        env={"TMPDIR": str(temporary), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    return Path(ended.stdout.strip())


async def test_folders_are_few_however_many_ask(temporary):
    """The next folder is made when one is gone."""
    most = 0

    async def use(among):
        nonlocal most
        async with among.folder():
            most = max(most, len(list(temporary.glob("*/*"))))
            await asyncio.sleep(0.01)

    async with Scratch(2) as among:
        await asyncio.gather(*(use(among) for _ in range(7)))

    assert most == 2


async def test_batches_of_one_process_share_its_bound(darkroom, submit, monkeypatch):
    """Eight readers with a batch each have no more photos under way than one reader has."""
    under_way, most, fetch = 0, 0, renditions.fetch

    async def counted(*arguments):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.05)
        try:
            return await fetch(*arguments)
        finally:
            under_way -= 1

    monkeypatch.setattr(renditions, "fetch", counted)
    posts = [await submit(jpeg(size=(90, 60))) for _ in range(8)]
    async with asyncio.timeout(30):
        await asyncio.gather(*(renditions.render(darkroom, [each]) for each in posts))

    assert most == 2 * darkroom.decoders.count
    assert all([(await announced(darkroom, each))[0] for each in posts])
