"""Which kind of photo a file is, told by its first bytes; names and declared types are ignored."""

from enum import Enum

HEAD_BYTES = 512
_HEIC_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"))
_AVIF_BRANDS = frozenset((b"avif", b"avis"))


class Kind(Enum):
    """A format taken, by the libvips loader that reads it; HEIC has none in its wheel."""

    JPEG = "jpegload"
    PNG = "pngload"
    WEBP = "webpload"
    GIF = "gifload"
    AVIF = "heifload"
    HEIC = ""


def kind_of(head: bytes) -> Kind | None:
    """The kind of a file that starts so, None when it is not one we take."""
    if head.startswith(b"\xff\xd8\xff"):
        return Kind.JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return Kind.PNG
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return Kind.WEBP
    if head.startswith((b"GIF87a", b"GIF89a")):
        return Kind.GIF
    if head[4:8] == b"ftyp":
        return kind_of_brands(brands_in(head))
    return None


def kind_of_brands(brands: list[bytes]) -> Kind | None:
    """The first brand that names a codec decides; `mif1` alone names none."""
    for brand in brands:
        if brand in _AVIF_BRANDS:
            return Kind.AVIF
        if brand in _HEIC_BRANDS:
            return Kind.HEIC
    return None


def brands_in(head: bytes) -> list[bytes]:
    """The major and compatible brands of an ISO media file's first box."""
    end = min(int.from_bytes(head[:4]), len(head))
    return [head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))]
