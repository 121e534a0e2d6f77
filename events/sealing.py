"""Account keys: what people say of themselves is readable only while their key exists.

A key is 32 random bytes, wrapped by the site secret (AES key wrap, RFC 3394) and kept in
`keys:{p}`. A sealed half is `12 bytes nonce | AES-256-GCM`, bound to the event's tag.
"""

import os
import time
from collections import OrderedDict

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from runtime.errors import Unavailable
from runtime.secrets import derive

NONCE_BYTES = 12
REMEMBERED_KEYS = 20_000
REMEMBERED_SECONDS = 60  # how long a destroyed key may live on in one process's memory


class Keyring:
    """Wraps and unwraps account keys, and remembers the latest ones for a minute."""

    def __init__(self, site_secret: bytes) -> None:
        self._wrapping = derive(site_secret, "account keys")
        self._remembered: OrderedDict[int, tuple[AESGCM, float]] = OrderedDict()

    def new_key(self) -> tuple[AESGCM, bytes]:
        """A fresh account key and its wrapped form, the only one that is ever stored."""
        key = os.urandom(32)
        return AESGCM(key), aes_key_wrap(self._wrapping, key)

    def remembered(self, account_id: int) -> AESGCM | None:
        """The account's key if this process used it within the last minute."""
        known = self._remembered.get(account_id)
        if known is None or known[1] < time.monotonic():
            return None
        return known[0]

    def unwrap(self, account_id: int, wrapped: bytes) -> AESGCM:
        """The account's key, remembered from now on. `Unavailable` under another site's secret."""
        try:
            key = AESGCM(aes_key_unwrap(self._wrapping, wrapped))
        except InvalidUnwrap:
            # Not the entry's fault: with the right secret it can be read.
            detail = "HELIOGRAPH_SECRET is not the one this site was begun with."
            raise Unavailable("wrong-secret", detail) from None
        self._remembered[account_id] = (key, time.monotonic() + REMEMBERED_SECONDS)
        self._remembered.move_to_end(account_id)
        while len(self._remembered) > REMEMBERED_KEYS:
            self._remembered.popitem(last=False)
        return key

    def forget(self, account_id: int) -> None:
        """Drop the key from memory, as soon as its account is known to be erased."""
        self._remembered.pop(account_id, None)


def seal(key: AESGCM, tag: str, half: bytes) -> bytes:
    """Encrypt the sealed half of an event of this tag."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + key.encrypt(nonce, half, tag.encode())


def unseal(key: AESGCM, tag: str, sealed: bytes) -> bytes:
    """The sealed half again; `cryptography.exceptions.InvalidTag` if it was tampered with."""
    return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], tag.encode())
