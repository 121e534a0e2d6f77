"""An upload as it comes in: photos go to staging at once, fields are judged at once."""

import math
import re
from collections.abc import AsyncIterator

import msgspec

from events.posts import Place, StagedPhoto
from gateway.bodies import refused
from gateway.forms import Part
from gateway.texts import clean_text
from runtime.errors import Invalid, TooLarge, Unavailable, UnsupportedMedia
from stores.objects import Objects

MOST_PHOTOS = 10
MOST_PHOTO_BYTES = 25 * 1024 * 1024
MOST_CAPTION = 2_200
MOST_ALT = 1_500
MOST_TEXT_BYTES = 16 * 1024  # the longest caption in four-byte characters, and some

HEAD_BYTES = 64
BRANDS = frozenset(b"heic heix heim heis hevc hevx hevm hevs mif1 msf1 avif avis".split())
DEGREES = re.compile(r"[+-]?[0-9]{1,3}(\.[0-9]{1,20})?")


class Finished(msgspec.Struct, frozen=True):
    """A whole upload, its photos staged."""

    photos: tuple[StagedPhoto, ...]
    caption: str
    alts: tuple[str, ...]
    place: Place | None

    @property
    def command(self) -> bytes:
        """What it asks for, however it was encoded: what an idempotency key stands for."""
        hashes = [photo.sha256 for photo in self.photos]
        return msgspec.json.encode((hashes, self.caption, self.alts, self.place))


class Draft:
    """What arrived so far. Whoever makes one discards it, unless its post was recorded."""

    def __init__(self, objects: Objects) -> None:
        self.photos: list[StagedPhoto] = []
        self._objects = objects
        self._storage_away = False
        self._alts: list[str] = []
        self._caption: str | None = None
        self._degrees: dict[str, float | None] = {}

    async def take(self, part: Part) -> None:
        """The next part of the form, whichever it is."""
        match part.name:
            case "photo":
                await self._take_photo(part)
            case "alt":
                if len(self._alts) == MOST_PHOTOS:
                    raise too_many_alts()
                self._alts.append(await text_of(part, MOST_ALT))
            case "caption":
                if self._caption is not None:
                    raise refused("caption", "a post has one caption")
                self._caption = await text_of(part, MOST_CAPTION)
            case "latitude" | "longitude":
                if part.name in self._degrees:
                    raise refused(part.name, f"a post has one {part.name}")
                self._degrees[part.name] = await degrees_of(part)
            case other:
                # Refused, not ignored: a misspelt field would be lost without a word.
                raise refused(other, f"a post has no field {other!r}", "unknown-field")

    def finish(self) -> Finished:
        """What the whole form amounts to; `Invalid` when it does not add up."""
        if not self.photos:
            raise refused("photo", "a post has at least one photo", "no-photo")
        if len(self._alts) > len(self.photos):
            raise too_many_alts()
        missing = [""] * (len(self.photos) - len(self._alts))
        return Finished(
            photos=tuple(self.photos),
            caption=self._caption or "",
            alts=(*self._alts, *missing),
            place=self._place(),
        )

    async def discard(self) -> None:
        """Take back what was staged; what storage cannot delete now is swept later."""
        if self._storage_away:
            return  # it would only be waited for again
        await self._objects.discard([photo.key for photo in self.photos])

    async def _take_photo(self, part: Part) -> None:
        if len(self.photos) == MOST_PHOTOS:
            raise refused("photo", f"a post has at most {MOST_PHOTOS} photos", "too-many-photos")
        chunks = part.chunks(MOST_PHOTO_BYTES, first=HEAD_BYTES)
        head = await anext(chunks, b"")
        if not head:
            raise refused("photo", "the photo is empty", "empty-photo")
        if not starts_like_a_photo(head):
            raise UnsupportedMedia(
                "unsupported-media", "photos are JPEG, PNG, WebP, GIF, AVIF or HEIC"
            )
        try:
            self.photos.append(await self._objects.stage(joined(head, chunks)))
        except Unavailable:
            self._storage_away = True
            raise

    def _place(self) -> Place | None:
        latitude, longitude = self._degrees.get("latitude"), self._degrees.get("longitude")
        if latitude is None and longitude is None:
            return None
        if latitude is None:
            raise refused("latitude", "a place has a latitude and a longitude")
        if longitude is None:
            raise refused("longitude", "a place has a latitude and a longitude")
        return Place(latitude=latitude, longitude=longitude)


def starts_like_a_photo(head: bytes) -> bool:
    """Turns obvious strangers away; whether it can be decoded, a worker finds out."""
    if head[4:8] == b"ftyp":
        end = min(int.from_bytes(head[:4]), len(head))
        return not BRANDS.isdisjoint(head[at : at + 4] for at in range(8, end - 3, 4))
    if head.startswith(b"RIFF"):
        return head[8:12] == b"WEBP"
    return head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a"))


async def joined(head: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for chunk in chunks:
        yield chunk


async def text_of(part: Part, most: int) -> str:
    try:
        return clean_text(await part.text(MOST_TEXT_BYTES), part.name, most)
    except TooLarge:
        detail = f"{part.name} has at most {most} characters"
        raise refused(part.name, detail, "text-too-long") from None


async def degrees_of(part: Part) -> float | None:
    """Degrees within their range; a part left blank, as browsers send it, says nothing."""
    most = 90 if part.name == "latitude" else 180
    text = (await text_of(part, 40)).strip()
    if not text:
        return None
    degrees = float(text) if DEGREES.fullmatch(text) else math.nan
    if not -most <= degrees <= most:
        raise refused(part.name, f"{part.name} is a number from -{most} to {most}")
    return degrees


def too_many_alts() -> Invalid:
    return refused("alt", "a post has at most one alt for each photo", "too-many-alts")
