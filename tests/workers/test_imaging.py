"""Every format becomes upright JPEGs of the right sizes, the same ones every time."""

import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from tests.workers.photos import assert_like, encoded
from workers.imaging.decoders import Decoders
from workers.imaging.recipe import WIDTHS, Rendered, sizes_of

FORMATS = {
    "JPEG": {"quality": 90},
    "PNG": {},
    "WEBP": {"quality": 90},
    "GIF": {},
    "AVIF": {"quality": 80},
    "HEIF": {"quality": 80},
}


@given(st.integers(1, 100_000), st.integers(1, 100_000))
def test_there_is_always_a_size_and_none_is_larger_than_the_source(width, height):
    """One rendition at each width below the source's, one at its own or 2048, and no other."""
    sizes = sizes_of(width, height)

    widths = [each for each, _ in sizes]
    assert widths == sorted({*(each for each in WIDTHS if each < width), min(width, 2048)})
    for each_width, each_height in sizes:
        assert each_height == max(1, each_height)
        assert each_height <= height
        assert abs(each_height - height * each_width / width) <= 1


@pytest.mark.parametrize("kind", FORMATS)
async def test_every_format_is_taken(show, scene, kind):
    """JPEG, PNG, WebP, GIF, AVIF and HEIC become JPEGs of the right sizes and colours."""
    answer, files = await show(encoded(scene, kind, **FORMATS[kind]))

    assert isinstance(answer, Rendered)
    assert (answer.width, answer.height) == (700, 500)
    assert list(files) == [320, 640, 700]
    assert answer.placeholder
    for rendition in answer.renditions:
        with Image.open(files[rendition.width]) as opened:
            assert opened.format == "JPEG"
            assert opened.size == (rendition.width, rendition.height)
        assert files[rendition.width].stat().st_size == rendition.size_bytes
    with Image.open(files[700]) as opened:
        assert_like(opened, scene)


async def test_names_do_not_count(show, scene):
    """A PNG called .jpg is a PNG."""
    answer, _ = await show(encoded(scene, "PNG"), name="photo.jpg")
    assert isinstance(answer, Rendered)


async def test_small_photos_are_not_enlarged(show):
    """A photo of 100 pixels has one rendition, of 100 pixels; one of one pixel has one, too."""
    answer, _ = await show(encoded(Image.new("RGB", (100, 40))))
    assert [(each.width, each.height) for each in answer.renditions] == [(100, 40)]

    answer, _ = await show(encoded(Image.new("RGB", (1, 1)), "PNG"))
    assert [(each.width, each.height) for each in answer.renditions] == [(1, 1)]


async def test_a_large_photo_ends_at_2048(show):
    """A camera's photo has the four widths; odd sizes are rounded, not stretched."""
    answer, _ = await show(encoded(Image.new("RGB", (4001, 3001), (9, 90, 200))))
    assert [(each.width, each.height) for each in answer.renditions] == [
        (320, 240),
        (640, 480),
        (1080, 810),
        (2048, 1536),
    ]


async def test_ribbons_are_taken(show):
    """Very wide and very tall photos keep at least one pixel of each side."""
    answer, _ = await show(encoded(Image.new("RGB", (30_000, 3)), "PNG"))
    assert [each.height for each in answer.renditions] == [1, 1, 1, 1]

    answer, _ = await show(encoded(Image.new("RGB", (4, 30_000)), "PNG"))
    assert [(each.width, each.height) for each in answer.renditions] == [(4, 30_000)]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_photos_stand_upright(show, scene, kind):
    """Each of the eight EXIF orientations is honoured, and sizes are those of the upright photo."""
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        content = encoded(scene, kind, exif=exif)
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")

        answer, files = await show(content)

        assert (answer.width, answer.height) == upright.size
        with Image.open(files[answer.width]) as opened:
            assert_like(opened, upright)


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
async def test_turned_heic_and_avif_stand_upright(show, scene, kind):
    """Formats that say themselves how they are turned are turned once, not twice."""
    for orientation in (3, 6, 8):
        exif = Image.Exif()
        exif[0x0112] = orientation
        turned = Image.open(io.BytesIO(encoded(scene, "PNG", exif=exif)))
        upright = ImageOps.exif_transpose(turned).convert("RGB")

        answer, files = await show(encoded(scene, kind, exif=exif.tobytes(), quality=80))

        assert (answer.width, answer.height) == upright.size
        with Image.open(files[answer.width]) as opened:
            assert_like(opened, upright)


async def test_a_moving_picture_shows_its_first_frame(show):
    """Of an animated GIF or WebP the first frame is the photo."""
    frames = [Image.new("RGB", (64, 64), colour) for colour in ((220, 20, 20), (20, 20, 220))]
    for kind in ("GIF", "WEBP"):
        moving = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
        answer, files = await show(moving)
        assert (answer.width, answer.height) == (64, 64)
        with Image.open(files[64]) as opened:
            red, _, blue = opened.getpixel((32, 32))
        assert red > 200
        assert blue < 60


async def test_renditions_are_the_same_every_time(tmp_path, scene):
    """Two children make the same bytes of the same photo: keys may be named for the source."""
    noise = Image.frombytes("RGB", (700, 500), random.Random(1).randbytes(700 * 500 * 3))
    (tmp_path / "photo").write_bytes(encoded(Image.blend(scene, noise, 0.3)))
    made = []
    for _ in range(2):
        async with Decoders(1) as decoders:
            answer = await decoders.render(tmp_path / "photo", tmp_path)
        files = [(tmp_path / f"{each.width}.jpg").read_bytes() for each in answer.renditions]
        made.append((answer, files))

    assert made[0] == made[1]
