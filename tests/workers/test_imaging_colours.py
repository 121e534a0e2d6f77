"""Whatever a camera writes becomes plain sRGB, and nothing of its metadata stays."""

import pytest
import pyvips
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from tests.workers.photos import assert_like, encoded
from workers.imaging.recipe import Rendered


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
