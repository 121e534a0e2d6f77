"""Whatever a camera writes becomes plain upright sRGB JPEG, and nothing of its metadata stays."""

import io
import random

import pillow_heif
import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

from workers.imaging.decoders import Decoders
from workers.imaging.recipe import WIDTHS, Refused, Rendered, sizes_of

pillow_heif.register_heif_opener()

WHITE = (255, 255, 255)
FORMATS = {
    "JPEG": {"quality": 90},
    "PNG": {},
    "WEBP": {"quality": 90},
    "GIF": {},
    "AVIF": {"quality": 80},
    "HEIF": {"quality": 80},
}


@pytest.fixture(scope="module")
def scene():
    """A picture of four plain quarters, each of another colour."""
    image = Image.new("RGB", (700, 500), (200, 40, 40))
    image.paste((40, 180, 60), (350, 0, 700, 250))
    image.paste((50, 60, 200), (0, 250, 350, 500))
    image.paste((230, 220, 90), (350, 250, 700, 500))
    return image


@pytest.fixture
async def show(tmp_path):
    """Render bytes; the answer, and the renditions as opened files, by width."""
    async with Decoders(1) as decoders:

        async def rendered(content, name="photo"):
            (tmp_path / name).write_bytes(content)
            answer = await decoders.render(tmp_path / name, tmp_path)
            if isinstance(answer, Refused):
                return answer, {}
            return answer, {
                each.width: tmp_path / f"{each.width}.{each.extension}"
                for each in answer.renditions
            }

        yield rendered


def encoded(image, kind="JPEG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def assert_like(one, other, by=24):
    """The same colours in the middle of every quarter."""
    assert one.size == other.size
    for x in (0.25, 0.75):
        for y in (0.25, 0.75):
            at = (int(one.width * x), int(one.height * y))
            pairs = zip(one.getpixel(at), other.getpixel(at), strict=True)
            assert all(abs(a - b) <= by for a, b in pairs), (at, one.getpixel(at))


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
@pytest.mark.parametrize("orientation", range(1, 9))
async def test_photos_stand_upright(show, scene, kind, orientation):
    """Each of the eight EXIF orientations is honoured, and sizes are those of the upright photo."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(scene, kind, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")

    answer, files = await show(content)

    assert (answer.width, answer.height) == upright.size
    with Image.open(files[answer.width]) as opened:
        assert_like(opened, upright)


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", [3, 6, 8])
async def test_turned_heic_and_avif_stand_upright(show, scene, kind, orientation):
    """Formats that say themselves how they are turned are turned once, not twice."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = Image.open(io.BytesIO(encoded(scene, "PNG", exif=exif)))
    upright = ImageOps.exif_transpose(turned).convert("RGB")

    answer, files = await show(encoded(scene, kind, exif=exif.tobytes(), quality=80))

    assert (answer.width, answer.height) == upright.size
    with Image.open(files[answer.width]) as opened:
        assert_like(opened, upright)


def gps():
    exif = Image.Exif()
    exif[0x010F] = "Camera Maker"
    exif[0x0112] = 6
    place = exif.get_ifd(0x8825)
    place[1], place[2], place[3], place[4] = "N", (48.0, 51.0, 30.0), "E", (2.0, 17.0, 40.0)
    return exif


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><secret>Paris</secret></x:xmpmeta>'


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF"])
async def test_nothing_of_the_metadata_stays(show, scene, kind):
    """Place, camera, XMP, comments and colour profile of the original are in no rendition."""
    text = PngInfo()
    text.add_text("Comment", "taken at home")
    text.add_itxt("XML:com.adobe.xmp", XMP.decode())
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    extras = {
        "JPEG": {"xmp": XMP, "comment": b"taken at home"},
        "PNG": {"pnginfo": text},
        "WEBP": {"xmp": XMP},
        "AVIF": {"xmp": XMP},
        "HEIF": {"xmp": XMP},
    }[kind]
    content = encoded(scene, kind, exif=gps().tobytes(), icc_profile=profile, **extras)
    assert b"Camera Maker" in content

    answer, files = await show(content)

    assert len(files) == len(answer.renditions) == 2
    for path in files.values():
        served = path.read_bytes()
        for trace in (b"Camera", b"Exif", b"xmp", b"Paris", b"home", b"ICC_PROFILE", b"acsp"):
            assert trace not in served
        with Image.open(path) as opened:
            assert not opened.getexif()
            assert set(opened.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


async def test_wide_gamut_becomes_srgb(show):
    """The red of a Display P3 photo that sRGB can show is shown as sRGB's red."""
    red = Image.new("RGB", (400, 300), (234, 51, 35))
    _, files = await show(encoded(red, icc_profile=p3_profile()))

    with Image.open(files[320]) as opened:
        red, green, blue = opened.getpixel((160, 120))
    assert red >= 250
    assert green <= 12
    assert blue <= 12


def p3_profile():
    blob = pyvips.Image.black(8, 8, bands=3).copy(interpretation="srgb")
    exported = blob.icc_transform("p3", input_profile="srgb")
    return exported.get("icc-profile-data")


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
async def test_a_broken_profile_is_ignored(show, scene, mode):
    """A photo with a damaged colour profile is shown as if it had none."""
    profile = b"no profile at all" * 20
    _, plain = await show(encoded(scene.convert(mode)))
    with Image.open(plain[700]) as opened:
        wanted = opened.convert("RGB")
    answer, files = await show(encoded(scene.convert(mode), icc_profile=profile))

    assert isinstance(answer, Rendered)
    with Image.open(files[700]) as opened:
        assert_like(opened, wanted)


@pytest.mark.parametrize("mode", ["L", "CMYK", "P", "1", "LA", "RGBA"])
async def test_every_mode_is_taken(show, scene, mode):
    """Grey, CMYK, palette, bitonal and alpha photos become RGB of the colours they show."""
    kind = "JPEG" if mode in ("L", "CMYK") else "PNG"
    image = scene.quantize(16) if mode == "P" else scene.convert(mode, dither=0)
    _, files = await show(encoded(image, kind))

    with Image.open(files[700]) as opened:
        assert opened.mode == "RGB"
        assert_like(opened, image.convert("RGB"), by=100 if mode == "CMYK" else 24)


async def test_sixteen_bits_are_taken(show):
    """A 16-bit PNG, grey or colour, shows the same light in 8 bits."""
    grey = Image.new("I;16", (400, 300), 0x8000)
    _, files = await show(encoded(grey, "PNG"))
    with Image.open(files[400]) as opened:
        assert all(abs(band - 128) <= 2 for band in opened.getpixel((200, 150)))

    colour = pyvips.Image.black(400, 300, bands=3).linear(1, [0xFFFF, 0x8000, 0])
    png = colour.cast("ushort").copy(interpretation="rgb16").pngsave_buffer(bitdepth=16)
    _, files = await show(png)
    with Image.open(files[400]) as opened:
        pairs = zip(opened.getpixel((200, 150)), (255, 128, 0), strict=True)
        assert all(abs(a - b) <= 4 for a, b in pairs)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "HEIF"])
async def test_what_is_transparent_is_white(show, scene, kind):
    """JPEG knows no transparency: what shows through is white, not the black below."""
    image = scene.convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 350, 250))
    _, files = await show(encoded(image, kind, quality=80))

    with Image.open(files[700]) as opened:
        assert all(band >= 250 for band in opened.getpixel((100, 100)))
        assert opened.getpixel((600, 400))[2] < 130


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
