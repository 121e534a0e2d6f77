"""Keys for each purpose from the one site secret, so that none can stand in for another."""

import hashlib
import hmac


def derive(site_secret: bytes, purpose: str) -> bytes:
    """32 bytes for this purpose: HMAC-SHA256 of its name, HKDF-Expand's first block (RFC 5869)."""
    return hmac.digest(site_secret, b"heliograph " + purpose.encode() + b"\x01", hashlib.sha256)
