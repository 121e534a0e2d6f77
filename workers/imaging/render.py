"""Decode one photo and write its renditions. Runs in a decoder child only.

Decoded once, shrunk while loading where the format can; the largest rendition is made upright and
sRGB, and the others are made from it.
"""

import traceback
from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pillow_heif
import pyvips
from PIL import Image, ImageCms
from thumbhash import rgba_to_thumb_hash

from events.posts import Rendition
from workers.imaging.formats import HEAD_BYTES, Kind, kind_of
from workers.imaging.recipe import (
    EMPTY,
    EXTENSION,
    JPEG_QUALITY,
    MAX_BYTES,
    MAX_PIXELS,
    MAX_SIDE,
    PLACEHOLDER_SIDE,
    TOO_COMPLEX,
    TOO_LARGE,
    UNDECODABLE,
    UNSUPPORTED,
    Answer,
    Failed,
    Refused,
    Rendered,
    sizes_of,
    too_many_pixels,
)

_WHITE = [255, 255, 255]
_ICC = "icc-profile-data"
_SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap width and height
_SRGB = ImageCms.createProfile("sRGB")
_SHORT_OF_MEMORY = ("out of memory", "Memory allocation", "memory limit", "Insufficient memory")
# libjpeg only warns, of missing pixels as of a marker it does not know; these cost pixels.
_DAMAGE = (
    "premature end",
    "Premature end",
    "bad Huffman code",
    "bad arithmetic code",
    "instead of RST",
)


def refuse_other_loaders() -> None:
    """Let libvips open nothing but the formats we take, whatever a file pretends to be."""
    pyvips.operation_block_set("VipsForeignLoad", True)
    for loader in ("Jpeg", "Png", "Webp", "Nsgif", "Heif"):
        pyvips.operation_block_set(f"VipsForeignLoad{loader}", False)
    pyvips.cache_set_max(0)  # no photo is seen twice
    pillow_heif.options.DECODE_THREADS = 1


class Decoded(NamedTuple):
    """The largest rendition in memory, and the upright source's size."""

    image: Any
    width: int
    height: int


def render(source: Path, scratch: Path) -> Answer:
    """Write `<width>.<extension>` for each rendition into `scratch`, or say why there is none."""
    match decode(source):
        case Decoded() as decoded:
            try:
                return write(decoded, scratch)
            except (MemoryError, OSError, pyvips.Error) as error:
                return TOO_COMPLEX if is_short_of_memory(error) else Failed(detail=str(error))
        case refused:
            return refused


def decode(source: Path) -> Decoded | Refused:
    """Read what a stranger sent. Whatever goes wrong here is the photo's fault."""
    kind = recognise(source)
    try:
        match kind:
            case Refused():
                return kind
            case Kind.HEIC:
                return decode_heic(source)
            case _:
                return decode_kind(kind, source)
    except (MemoryError, pyvips.Error) as error:
        return TOO_COMPLEX if is_short_of_memory(error) else UNDECODABLE
    except Exception:  # noqa: BLE001 - no crafted file may end as a dead letter
        traceback.print_exc()
        return UNDECODABLE


def is_short_of_memory(error: Exception) -> bool:
    """Whether the photo needs more than a child may have: so it would the next time, too."""
    said = str(error)
    return isinstance(error, MemoryError) or any(phrase in said for phrase in _SHORT_OF_MEMORY)


def recognise(source: Path) -> Kind | Refused:
    """What the file is, by its size and first bytes."""
    size = source.stat().st_size
    if size == 0:
        return EMPTY
    if size > MAX_BYTES:
        return TOO_LARGE
    with source.open("rb") as file:
        return kind_of(file.read(HEAD_BYTES)) or UNSUPPORTED


def decode_kind(kind: Kind, source: Path) -> Decoded | Refused:
    """The way of all formats libvips reads."""
    header = getattr(pyvips.Image, kind.value)(str(source), access="sequential")
    width, height = header.width, header.height
    if header.get_typeof("orientation") and header.get("orientation") in _SIDEWAYS:
        width, height = height, width
    if is_too_big(width, height):
        return too_many_pixels(width, height)
    if kind is Kind.JPEG:
        try:
            return Decoded(load(header, source, width, height, fail_on="warning"), width, height)
        except pyvips.Error as error:
            if any(damage in str(error) for damage in _DAMAGE):
                raise
    return Decoded(load(header, source, width, height, fail_on="error"), width, height)


def decode_heic(source: Path) -> Decoded | Refused:
    """The way of HEIC; libheif has turned it upright, whatever its EXIF says."""
    photo = pillow_heif.open_heif(source, convert_hdr_to_8bit=True)
    width, height = photo.size
    if is_too_big(width, height):
        return too_many_pixels(width, height)
    bands = len(photo.mode)
    full = pyvips.Image.new_from_memory(photo.data, photo.stride // bands, height, bands, "uchar")
    full = full.crop(0, 0, width, height).copy(interpretation="srgb" if bands > 2 else "b-w")
    target_width, options = shape(width, height)
    largest = full.thumbnail_image(target_width, **options)
    profile = photo.info.get("icc_profile")
    return Decoded(to_srgb(largest.copy_memory(), profile), width, height)


def is_too_big(width: int, height: int) -> bool:
    return width * height > MAX_PIXELS or sizes_of(width, height)[-1][1] > MAX_SIDE


def load(header: Any, source: Path, width: int, height: int, *, fail_on: str) -> Any:
    """Decode, shrink to the largest rendition, turn upright, convert to 8-bit sRGB."""
    profile = header.get(_ICC) if header.get_typeof(_ICC) else None
    target_width, options = shape(width, height)
    options["fail_on"] = fail_on
    if header.interpretation == "cmyk" or (profile and not is_plain_rgb(header)):
        largest = pyvips.Image.thumbnail(
            str(source), target_width, **options, export_profile="srgb"
        )
        profile = None
    else:
        largest = pyvips.Image.thumbnail(str(source), target_width, **options)
    return to_srgb(largest.copy_memory(), profile)


def shape(width: int, height: int) -> tuple[int, dict[str, Any]]:
    """The width and options of `thumbnail` for the largest rendition."""
    target_width, target_height = sizes_of(width, height)[-1]
    return target_width, {"height": target_height, "size": "force"}


def is_plain_rgb(image: Any) -> bool:
    return bool(
        image.format == "uchar" and image.interpretation == "srgb" and image.bands in (3, 4)
    )


def to_srgb(image: Any, profile: bytes | None) -> Any:
    """Flatten on white and apply the profile.

    By Pillow's 8-bit transform: libvips's goes by way of floating point and takes eight times as
    long, on what most phones upload.
    """
    if image.hasalpha():
        image = image.flatten(background=_WHITE if image.bands > 2 else _WHITE[:1])
    if image.interpretation != "srgb":
        image = image.colourspace("srgb")
    image = image.cast("uchar").copy_memory()
    if not profile:
        return image
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(BytesIO(profile)),
            _SRGB,
            "RGB",
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        )
    except (ImageCms.PyCMSError, OSError):
        return image  # a broken profile: viewers show the photo as if it had none
    pixels = Image.frombuffer("RGB", (image.width, image.height), image.write_to_memory())
    converted = ImageCms.applyTransform(pixels, transform)
    if converted is None:
        return image
    return pyvips.Image.new_from_memory(
        converted.tobytes(), image.width, image.height, 3, "uchar"
    ).copy(interpretation="srgb")


def write(decoded: Decoded, scratch: Path) -> Rendered:
    """Write every rendition, each made from the next larger one, and the placeholder."""
    renditions = []
    image, width, height = decoded
    for each_width, each_height in reversed(sizes_of(width, height)):
        if image.width != each_width:
            image = image.thumbnail_image(
                each_width, height=each_height, size="force"
            ).copy_memory()
        path = scratch / f"{each_width}.{EXTENSION}"
        image.jpegsave(str(path), Q=JPEG_QUALITY, optimize_coding=True, keep="none")
        renditions.append(
            Rendition(
                width=each_width,
                height=each_height,
                extension=EXTENSION,
                size_bytes=path.stat().st_size,
            )
        )
    return Rendered(
        width=width,
        height=height,
        placeholder=placeholder_of(image),
        renditions=tuple(reversed(renditions)),
    )


def placeholder_of(image: Any) -> str:
    """The thumbhash of an image, base64."""
    tiny = image.thumbnail_image(PLACEHOLDER_SIDE, height=PLACEHOLDER_SIDE).bandjoin(255)
    pixels = list(bytes(tiny.cast("uchar").write_to_memory()))
    return b64encode(bytes(rgba_to_thumb_hash(tiny.width, tiny.height, pixels))).decode()
