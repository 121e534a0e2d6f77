"""What a served photo still tells of its original: looked for in its structure and in its bytes."""

import re
from collections.abc import Iterator, Sequence
from io import BytesIO

from PIL import Image

# Everything a JPEG or WebP needs to be drawn. Comments, EXIF, XMP and IPTC are not among it.
SCAN, END = 0xDA, 0xD9
JPEG_MARKERS = frozenset((0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD, SCAN))  # frames, tables, scans
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)  # in a scan, the rest are pixels
WEBP_CHUNKS = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP"))
PIXEL_FREE = ("exif", "xmp", "XML:com.adobe.xmp", "comment", "photoshop")


def traces_in(served: bytes, secrets: Sequence[bytes]) -> list[str]:
    """One line for each thing that should not be there; none proves the bytes clean."""
    found = [f"the bytes {secret!r}" for secret in secrets if secret in served]
    found += [f"a {name}" for name in parts_of(served)]
    with Image.open(BytesIO(served)) as picture:
        found += [f"{key} in its header" for key in PIXEL_FREE if picture.info.get(key)]
        if dict(picture.getexif()):
            found.append("EXIF fields")
    return found


def parts_of(served: bytes) -> Iterator[str]:
    """Each part of the file that drawing the picture does not need."""
    if served.startswith(b"\xff\xd8"):
        yield from strange_segments(served)
    elif served.startswith(b"RIFF"):
        yield from strange_chunks(served)
    else:
        yield "format that this check does not know"


def strange_segments(jpeg: bytes) -> Iterator[str]:
    at = 2
    while jpeg[at : at + 1] == b"\xff" and jpeg[at + 1] != END:
        marker, size = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4])
        body = jpeg[at + 4 : at + 2 + size]
        if not (marker in JPEG_MARKERS or is_harmless(marker, body)):
            yield f"JPEG segment {marker:#04x} that starts {body[:12]!r}"
        at += 2 + size
        if marker == SCAN and (next_marker := MARKER.search(jpeg, at)):
            at = next_marker.start()
    if jpeg[at:] != bytes((0xFF, END)):
        yield f"tail of {len(jpeg) - at - 2} bytes after the picture"


def is_harmless(marker: int, body: bytes) -> bool:
    """JFIF's density, a colour profile, Adobe's colour transform."""
    kinds = {0xE0: b"JFIF\x00", 0xE2: b"ICC_PROFILE\x00", 0xEE: b"Adobe"}
    return marker in kinds and body.startswith(kinds[marker])


def strange_chunks(webp: bytes) -> Iterator[str]:
    at = 12
    while at + 8 <= len(webp):
        name, size = webp[at : at + 4], int.from_bytes(webp[at + 4 : at + 8], "little")
        if name not in WEBP_CHUNKS:
            yield f"WebP chunk {name!r}"
        at += 8 + size + size % 2
    if at != len(webp):
        yield f"tail of {len(webp) - at} bytes after the picture"
