"""What is made of every photo, and what decoder children and the pool say to each other.

See docs/decisions/0003-renditions.md for the table behind these numbers.
"""

import msgspec

from events.posts import Rendition

RECIPE = "r1"
"""Names everything below. Raise it with any change that alters bytes: keys hold it, so renditions
of two recipes never mix and an address never changes its content."""

WIDTHS = (320, 640, 1080, 2048)
EXTENSION = "jpg"
CONTENT_TYPE = "image/jpeg"
JPEG_QUALITY = 80
MAX_SIDE = 65_500  # libjpeg writes no longer one
PLACEHOLDER_SIDE = 24  # thumbhash keeps a handful of frequencies; more pixels only cost time

MAX_PIXELS = 100_000_000
MAX_BYTES = 25 * 1024 * 1024


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A file to render into a folder."""

    source: str
    scratch: str


class Rendered(msgspec.Struct, frozen=True, kw_only=True, tag="rendered"):
    """The upright source's size in pixels, and one file `<width>.<extension>` a rendition."""

    width: int
    height: int
    placeholder: str
    """A thumbhash, base64."""
    renditions: tuple[Rendition, ...]


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """Why there is no rendition: a stable code and a sentence for the photo's author."""

    code: str
    detail: str


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """The child, not the photo, is at fault: no room in the scratch folder, for one."""

    detail: str


Answer = Rendered | Refused | Failed

EMPTY = Refused(code="empty", detail="The file holds no bytes.")
UNSUPPORTED = Refused(
    code="unsupported-media",
    detail="The file is none of JPEG, PNG, WebP, GIF, AVIF and HEIC, whatever its name says.",
)
UNDECODABLE = Refused(
    code="undecodable", detail="The file ends early or is damaged; it cannot be shown."
)
TOO_LARGE = Refused(code="too-large", detail="The file is larger than 25 MiB.")
TOO_COMPLEX = Refused(
    code="too-complex", detail="Decoding the file takes more time or memory than a photo may take."
)


def too_many_pixels(width: int, height: int) -> Refused:
    return Refused(
        code="too-many-pixels",
        detail=f"The photo is {width} x {height} pixels; at most 100 megapixels can be shown, "
        f"and no rendition may be higher than {MAX_SIDE} pixels.",
    )


def sizes_of(width: int, height: int) -> list[tuple[int, int]]:
    """Width and height of each rendition of an upright source, smallest first; never enlarged."""
    largest = min(width, WIDTHS[-1])
    return [
        (each, max(1, (height * each + width // 2) // width))
        for each in (*(step for step in WIDTHS if step < largest), largest)
    ]
