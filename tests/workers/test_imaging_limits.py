"""No file harms the worker: each is rendered or refused, in bounded time and memory."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from runtime.errors import Unavailable
from runtime.outages import is_outage
from tests.workers.photos import KINDS, encoded, photo, pid_of, signal_every_child
from workers.imaging.decoders import Decoders, Died
from workers.imaging.recipe import Refused, Rendered

SMALL = {kind: encoded(photo(90, 60), kind) for kind in KINDS}


async def test_too_much_time_is_too_complex(render, decoders):
    """A photo over whose decoding two children ran out of CPU time is refused as such."""
    exceeding = asyncio.create_task(signal_every_child(decoders, signal.SIGXCPU))
    answer = await render(encoded(photo(9_000, 9_000)))
    exceeding.cancel()

    assert answer.code == "too-complex"
    assert isinstance(await render(encoded(photo())), Rendered)


def test_the_kernel_bounds_cpu_time():
    """A decoder that computes for too long is ended though nobody watches the clock."""
    busy = "from workers.imaging.child import limit_cpu; limit_cpu(0)\nwhile True: pass"
    ended = subprocess.run([sys.executable, "-c", busy], timeout=20, check=False)
    assert ended.returncode == -signal.SIGXCPU


async def test_a_child_that_hangs_is_ended(render):
    """A decoder that neither computes nor answers is ended by the clock, twice, and replaced."""
    async with Decoders(1, seconds=1) as strict:
        stopping = asyncio.create_task(signal_every_child(strict, signal.SIGSTOP))
        answer = await render(encoded(photo(9_000, 9_000)), strict)
        stopping.cancel()

        assert answer.code == "too-complex"
        assert isinstance(await render(encoded(photo()), strict), Rendered)


async def test_too_much_memory_is_refused(render):
    """A photo that needs more memory than a decoder has is refused, and the pool goes on."""
    needy = encoded(Image.new("RGB", (9_900, 9_900)), "JPEG", progressive=True, quality=30)
    async with Decoders(1, mebibytes=100) as small:
        answer = await render(needy, small)

        assert answer.code in ("too-complex", "undecodable")
        assert isinstance(await render(encoded(photo(64, 64)), small), Rendered)


async def test_too_much_memory_for_writing_is_refused(render):
    """A photo that can be decoded but not written is refused too: it would fail every time."""
    async with Decoders(1, mebibytes=400) as small:
        answer = await render(encoded(Image.new("RGB", (2_048, 24_000))), small)

        assert answer.code in ("too-complex", "undecodable")  # GLib ends a child it cannot feed
        assert isinstance(await render(encoded(photo(64, 64)), small), Rendered)


async def test_a_killed_child_costs_the_photo_nothing(render, decoders):
    """A child that dies in the middle is replaced, and its photo is rendered by the next."""
    pid = pid_of(decoders)
    os.kill(pid, signal.SIGSTOP)
    rendering = asyncio.create_task(render(encoded(photo())))
    await asyncio.sleep(0.1)
    os.kill(pid, signal.SIGKILL)

    assert isinstance(await rendering, Rendered)
    assert pid_of(decoders) != pid


async def test_a_photo_that_fells_two_children_is_refused(render, decoders):
    """Whatever does that to two in a row is at fault itself; others go on."""
    felling = asyncio.create_task(signal_every_child(decoders, signal.SIGSEGV))
    answer = await render(encoded(photo(9_000, 9_000)))
    felling.cancel()

    assert answer.code == "undecodable"
    assert isinstance(await render(encoded(photo())), Rendered)


async def test_a_photo_whose_children_are_killed_is_not_judged(render, decoders):
    """So does a machine that is short of memory, to whatever it decodes just then."""
    killing = asyncio.create_task(signal_every_child(decoders, signal.SIGKILL))
    with pytest.raises(Died) as died:
        await render(encoded(photo(9_000, 9_000)))
    killing.cancel()

    assert not is_outage(died.value)
    assert isinstance(await render(encoded(photo())), Rendered)


async def test_a_cancelled_photo_leaves_a_usable_pool(render, decoders):
    """Whoever stops waiting gets nobody else's answer next time."""
    pid = pid_of(decoders)
    os.kill(pid, signal.SIGSTOP)
    rendering = asyncio.create_task(render(encoded(photo())))
    await asyncio.sleep(0.1)
    rendering.cancel()
    await asyncio.gather(rendering, return_exceptions=True)

    answer = await render(encoded(photo(300, 200)))
    assert answer.width == 300


async def test_children_are_worn_out(render):
    """A child leaves after so many photos, so that what leaks in a library is bounded."""
    async with Decoders(1, photos_per_child=2) as decoders:
        pids = []
        for _ in range(4):
            await render(encoded(photo(64, 64)), decoders)
            pids.append(pid_of(decoders))
        assert pids[0] == pids[1] != pids[2] == pids[3]


async def test_no_child_outlives_its_pool(render):
    """When the pool closes its processes are gone."""
    async with Decoders(2) as decoders:
        pids = [child.process.pid for child in decoders.children]
        assert len(set(pids)) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_children_know_no_secrets(decoders, monkeypatch):
    """What decodes strangers' bytes has neither our settings nor our connections."""
    monkeypatch.setenv("HELIOGRAPH_SECRET", "a secret that only tests use, and no site should")
    async with Decoders(1) as others:
        process = Path(f"/proc/{pid_of(others)}")
        assert b"HELIOGRAPH" not in (process / "environ").read_bytes()
        targets = [str(each.readlink()) for each in (process / "fd").iterdir()]
        assert not any(target.startswith("socket") for target in targets)


async def test_no_room_is_not_the_photos_fault(decoders, tmp_path):
    """When renditions cannot be written the photo waits; it is not refused."""
    (tmp_path / "photo").write_bytes(encoded(photo()))
    with pytest.raises(Unavailable):
        await decoders.render(tmp_path / "photo", tmp_path / "no such folder")


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kind=st.sampled_from(KINDS),
    wounds=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_any_wound_is_survived(tmp_path_factory, kind, wounds):
    """Bytes changed anywhere give a photo or a reason, never a dead worker."""
    content = bytearray(SMALL[kind])
    for place, value in wounds:
        content[int(place * len(content))] = value

    async def answer():
        folder = tmp_path_factory.mktemp("wound")
        (folder / "photo").write_bytes(content)
        async with Decoders(1, seconds=5) as decoders:
            return await decoders.render(folder / "photo", folder)

    assert isinstance(asyncio.run(answer()), (Rendered, Refused))
