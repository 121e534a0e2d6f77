"""What is no photo, or no whole one, or too much of one, is refused and told why."""

import random
import struct
import time
import zlib

import pytest

from tests.workers.photos import KINDS, encoded, peak_bytes, photo, pid_of, png
from workers.imaging.recipe import Refused, Rendered


async def test_nothing_is_told_apart_from_something(render):
    """A file of no bytes is empty, not damaged."""
    assert (await render(b"")).code == "empty"


STRANGERS = [
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
]


async def test_other_files_are_refused_by_content(render):
    """A PDF, SVG, HTML page, film or sound is no photo, whatever it is called."""
    for content in STRANGERS:
        assert (await render(content)).code == "unsupported-media", content


@pytest.mark.parametrize("kind", KINDS)
async def test_what_ends_early_is_undecodable(render, kind):
    """A transfer that broke off is told as such; no half photo is ever shown."""
    whole = encoded(photo(), kind)
    for part in (0.1, 0.5, 0.9, 0.98):
        answer = await render(whole[: int(len(whole) * part)])
        assert (type(answer), answer.code) == (Refused, "undecodable"), part


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


async def test_a_large_file_is_refused(render):
    """What slipped past the gateway's limit is not decoded either."""
    assert (await render(encoded(photo()) + bytes(26 * 1024 * 1024))).code == "too-large"
