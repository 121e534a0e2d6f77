"""No file harms the worker: each is rendered or refused, in bounded time and memory."""

import asyncio
import io
import os
import random
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pillow_heif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from runtime.errors import Unavailable
from workers.imaging.decoders import Decoders
from workers.imaging.recipe import Refused, Rendered

pillow_heif.register_heif_opener()

KINDS = ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIF"]


@pytest.fixture
async def decoders():
    async with Decoders(1) as opened:
        yield opened


@pytest.fixture
def render(decoders, tmp_path):
    async def rendered(content, among=decoders):
        path = tmp_path / "photo"
        path.write_bytes(content)
        return await among.render(path, tmp_path)

    return rendered


def photo(width=700, height=500, seed=1):
    """Soft light and grain: something that fills its file evenly."""
    grain = Image.frombytes("RGB", (64, 64), random.Random(seed).randbytes(64 * 64 * 3))
    return grain.resize((width, height), Image.Resampling.BICUBIC)


def encoded(image, kind="JPEG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(width, height, *, bits, colour, data):
    """A PNG with this header, whatever its data holds."""

    def chunk(name, content):
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def pid_of(decoders):
    """The process of the only child, idle or not."""
    (child,) = decoders.children
    return child.process.pid


def peak_bytes(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


async def test_nothing_is_told_apart_from_something(render):
    """A file of no bytes is empty, not damaged."""
    assert (await render(b"")).code == "empty"


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>",
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect/></svg>',
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
        b"<!DOCTYPE html><html><script>alert(1)</script></html>",
        b"II*\x00\x08\x00\x00\x00\x00\x00",
        b"BM" + bytes(100),
        b"RIFF\x24\x00\x00\x00WAVEfmt ",
        b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom",
        b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1miaf",
        b"\x00\x00\x00\x00ftyp",
        b"\xff\xd8",
        b"x",
    ],
    ids=["pdf", "svg", "xml", "html", "tiff", "bmp", "wav", "mp4", "mif1", "ftyp", "short", "x"],
)
async def test_other_files_are_refused_by_content(render, content):
    """A PDF, SVG, HTML page, film or sound is no photo, whatever it is called."""
    assert (await render(content)).code == "unsupported-media"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
async def test_what_ends_early_is_undecodable(render, kind, part):
    """A transfer that broke off is told as such; no half photo is ever shown."""
    whole = encoded(photo(), kind)
    answer = await render(whole[: int(len(whole) * part)])
    assert (type(answer), answer.code) == (Refused, "undecodable")


@pytest.mark.parametrize("kind", KINDS)
async def test_noise_behind_a_right_beginning_is_undecodable(render, kind):
    """Right magic and then nothing that makes sense."""
    content = encoded(photo(), kind)[:32] + random.Random(2).randbytes(5000)
    assert (await render(content)).code in ("undecodable", "too-many-pixels")


async def test_a_damaged_jpeg_is_undecodable(render):
    """A stretch of zeros in the middle is missing pixels, though the file ends well."""
    content = bytearray(encoded(photo()))
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    assert (await render(bytes(content))).code == "undecodable"


async def test_harmless_padding_is_no_damage(render):
    """Some cameras pad between segments; libjpeg grumbles, no pixel is missing."""
    whole = encoded(photo())
    answer = await render(whole[:-2] + bytes(7) + whole[-2:])
    assert isinstance(answer, Rendered)


async def test_bytes_after_the_end_do_not_matter(render):
    """Motion photos carry a film behind the picture."""
    assert isinstance(await render(encoded(photo()) + bytes(100_000)), Rendered)


async def test_a_bomb_is_refused_unopened(render, decoders):
    """A 50 kB PNG of gigabytes is refused from its header, in no time and no memory."""
    before = peak_bytes(pid_of(decoders))
    small = zlib.compress(bytes(8_000_000), 9)
    for width, height, bits, colour in (
        (20_000, 20_000, 1, 0),
        (65_535, 65_535, 16, 6),
        (2_000_000, 51, 8, 2),
        (2**31 - 1, 2**31 - 1, 16, 6),
    ):
        bomb = png(width, height, bits=bits, colour=colour, data=small)
        assert len(bomb) < 50_000
        started = time.monotonic()
        answer = await render(bomb)
        assert answer.code in ("too-many-pixels", "undecodable")
        assert time.monotonic() - started < 1
    assert peak_bytes(pid_of(decoders)) - before < 32 * 1024 * 1024


async def test_a_hundred_megapixels_are_the_limit(render):
    """100 megapixels are shown, one row more is not; the size is told."""
    rows = zlib.compress(bytes((10_000 // 8 + 1) * 10_001), 9)
    assert isinstance(await render(png(10_000, 10_000, bits=1, colour=0, data=rows)), Rendered)

    refused = await render(png(10_000, 10_001, bits=1, colour=0, data=rows))
    assert refused.code == "too-many-pixels"
    assert "10000 x 10001" in refused.detail


async def test_gif_and_webp_bombs_are_refused(render):
    """A canvas of 65,535 by 65,535 is refused whatever is painted on it."""
    gif = bytearray(encoded(photo(8, 8), "GIF"))
    gif[6:10] = b"\xff\xff\xff\xff"
    frame = gif.index(b",", 13)
    gif[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    assert (await render(bytes(gif))).code == "too-many-pixels"

    webp = bytearray(encoded(photo(8, 8).convert("RGBA"), "WEBP", exif=b"Exif\0\0" + bytes(8)))
    assert webp[12:16] == b"VP8X"
    webp[24:30] = b"\xff\x3f\x00\xff\x3f\x00"
    assert isinstance(await render(bytes(webp)), Refused)


async def test_a_side_that_no_jpeg_holds_is_refused(render):
    """A rendition is never enlarged nor cropped, so one too high for JPEG cannot be made."""
    rows = zlib.compress(bytes(2 * 70_000), 9)
    refused = await render(png(4, 70_000, bits=1, colour=0, data=rows))
    assert refused.code == "too-many-pixels"


async def test_an_inflating_profile_is_bounded(render, decoders):
    """A colour profile that unpacks to half a gigabyte does not unpack here."""
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(1 << 24)) for _ in range(32)) + packer.flush()
    plain = encoded(photo(32, 32), "PNG")
    body = b"icc\0\0" + bomb
    check = struct.pack(">I", zlib.crc32(b"iCCP" + body))
    profile = struct.pack(">I", len(body)) + b"iCCP" + body + check

    assert isinstance(await render(plain[:33] + profile + plain[33:]), (Rendered, Refused))
    assert peak_bytes(pid_of(decoders)) < 300 * 1024 * 1024


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


async def test_a_large_file_is_refused(render):
    """What slipped past the gateway's limit is not decoded either."""
    assert (await render(encoded(photo()) + bytes(26 * 1024 * 1024))).code == "too-large"


async def test_a_killed_child_costs_the_photo_nothing(render, decoders):
    """A child that dies in the middle is replaced, and its photo is rendered by the next."""
    pid = pid_of(decoders)
    os.kill(pid, signal.SIGSTOP)
    rendering = asyncio.create_task(render(encoded(photo())))
    await asyncio.sleep(0.1)
    os.kill(pid, signal.SIGKILL)

    assert isinstance(await rendering, Rendered)
    assert pid_of(decoders) != pid


async def test_a_photo_that_kills_twice_is_refused(render, decoders):
    """Whatever fells two children in a row is at fault itself; others go on."""
    killing = asyncio.create_task(signal_every_child(decoders, signal.SIGKILL))
    answer = await render(encoded(photo(9_000, 9_000)))
    killing.cancel()

    assert answer.code == "undecodable"
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
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
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


SMALL = {kind: encoded(photo(90, 60), kind) for kind in KINDS}


async def signal_every_child(decoders, which):
    """From its first moment with a photo on, no child is left alone."""
    while True:
        for child in tuple(decoders.children):
            if child.photos:
                child.process.send_signal(which)
        await asyncio.sleep(0.02)
