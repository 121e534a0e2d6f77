"""Signed addresses of photos: made for whoever may see a post, checked before a byte is served.

An address holds no secret of the original: the blob is a keyed hash of its digest and the recipe.
Everyone who may see a post gets the same address for a while, so caches can share the bytes.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from typing import Literal, NamedTuple

import msgspec

from runtime.errors import Forbidden, NotFound
from runtime.secrets import derive
from runtime.settings import Settings

Audience = Literal["public", "private"]

DAY_SECONDS = 86_400
EVENING_SECONDS = 600  # in the last minutes of a day, addresses already are the next day's
PRIVATE_SECONDS = 600  # the longest a private account's address lives
MAC_BYTES = 16

PATH = re.compile(r"([0-9]{1,19})/([A-Za-z0-9_-]{22})/([0-9]{1,5})\.([a-z0-9]{2,5})")
EXPIRY = re.compile(r"[0-9]{1,11}")


class PhotoAddress(NamedTuple):
    """What a verified address names, and until when and for whom it was made."""

    post_id: int
    blob: str
    width: int
    extension: str
    audience: Audience
    expires: int
    """Unix seconds."""


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """The site's keys for photos, derived from its secret so that every gateway has the same."""

    blob_key: bytes
    mac_key: bytes

    @classmethod
    def of(cls, settings: Settings) -> "Addresses":
        secret = settings.secret.reveal().encode()
        return cls(
            blob_key=derive(secret, "photo names"),
            mac_key=derive(secret, "photo addresses"),
        )

    def blob(self, sha256: str, recipe: str) -> str:
        """The name under which one photo in one recipe is served."""
        digest = hmac.digest(self.blob_key, f"{sha256}/{recipe}".encode(), "sha256")
        return text_of(digest[:MAC_BYTES])

    def expiry(self, *, private: bool, now: float) -> int:
        """When an address made now ends; equal expiries make equal addresses, so cache by it."""
        if private:
            # Two half-length buckets: an address lives 5 to 10 minutes, never a second only.
            half = PRIVATE_SECONDS // 2
            return (int(now) // half + 2) * half
        day = (int(now) + EVENING_SECONDS) // DAY_SECONDS
        return (day + 1) * DAY_SECONDS

    def photo_url(
        self, post_id: int, blob: str, width: int, extension: str, *, private: bool, expires: int
    ) -> str:
        """The address of one rendition, relative to the site."""
        path = f"{post_id}/{blob}/{width}.{extension}"
        mac = self.mac(path, "private" if private else "public", expires)
        return f"/media/{path}?e={expires}&s={mac}"

    def verify(self, path: str, expires: str, mac: str, *, now: float) -> PhotoAddress:
        """What `path` (what follows /media/) names; Forbidden unless we signed it and it lives."""
        named = PATH.fullmatch(path)
        if named is None:
            raise NotFound("not-found", "There is no photo at this address.")
        if EXPIRY.fullmatch(expires) is None:
            raise Forbidden("bad-signature", "This address is not one we gave.")
        audience = self.audience_of(path, int(expires), mac)
        if audience is None:
            raise Forbidden("bad-signature", "This address is not one we gave.")
        if int(expires) <= now:
            raise Forbidden("expired-address", "This address has ended; read the post again.")
        post_id, blob, width, extension = named.groups()
        return PhotoAddress(int(post_id), blob, int(width), extension, audience, int(expires))

    def audience_of(self, path: str, expires: int, mac: str) -> Audience | None:
        given = mac.encode(errors="replace")
        public = hmac.compare_digest(self.mac(path, "public", expires).encode(), given)
        private = hmac.compare_digest(self.mac(path, "private", expires).encode(), given)
        return "public" if public else "private" if private else None

    def mac(self, path: str, audience: Audience, expires: int) -> str:
        digest = hmac.digest(self.mac_key, f"{audience}/{path}?{expires}".encode(), "sha256")
        return text_of(digest[:MAC_BYTES])


def text_of(digest: bytes) -> str:
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
