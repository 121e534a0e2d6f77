"""Files that cameras, and worse, might send; and how to look at what became of them."""

import asyncio
import io
import os
import random
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()

KINDS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIF")


def encoded(image, kind="JPEG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def photo(width=700, height=500, seed=1):
    """Soft light and grain: something that fills its file evenly."""
    grain = Image.frombytes("RGB", (64, 64), random.Random(seed).randbytes(64 * 64 * 3))
    return grain.resize((width, height), Image.Resampling.BICUBIC)


def png(width, height, *, bits, colour, data):
    """A PNG with this header, whatever its data holds."""

    def chunk(name, content):
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def peak_bytes(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def pid_of(decoders):
    """The process of the only child, idle or not."""
    (child,) = decoders.children
    return child.process.pid


async def signal_every_child(decoders, which):
    """From its first moment with a photo on, no child is left alone."""
    while True:
        for child in tuple(decoders.children):
            if child.photos:
                with suppress(ProcessLookupError):
                    os.kill(child.process.pid, which)
        await asyncio.sleep(0.02)


def assert_like(one, other, by=24):
    """The same colours in the middle of every quarter."""
    assert one.size == other.size
    for x in (0.25, 0.75):
        for y in (0.25, 0.75):
            at = (int(one.width * x), int(one.height * y))
            pairs = zip(one.getpixel(at), other.getpixel(at), strict=True)
            assert all(abs(a - b) <= by for a, b in pairs), (at, one.getpixel(at))
