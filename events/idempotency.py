"""Keys under which a command counts once, however often it is sent."""

import hashlib
import hmac
import os
from typing import Any, NamedTuple

from events.catalogue import tag_of
from events.envelope import Delivery, Event

IDEMPOTENCY_SECONDS = 25 * 3600  # clients are promised 24 h
MINTED_SECONDS = 600  # a key nobody but this call knows outlives its own retries, no more


class Idempotency(NamedTuple):
    """A client's key, unique within its scope: an account id, or a username before there is one."""

    scope: str
    key: str
    command: bytes
    """The canonical command; of it only an HMAC is stored."""
    seconds: int = IDEMPOTENCY_SECONDS
    """How long the record is kept."""

    def digest(self, digest_key: bytes, event: Event) -> str:
        """What is kept of the command: equal for equal commands, and tells nothing of them."""
        command = tag_of(type(event)).encode() + b"\0" + self.command
        return hmac.digest(digest_key, command, hashlib.sha256)[:16].hex()

    def record_key(self, partition: int) -> str:
        """Where the record stands, beside the events of its partition."""
        scoped = f"{self.scope}\0{self.key}".encode()
        return f"idem:{{{partition}}}:{hashlib.blake2b(scoped, digest_size=16).hexdigest()}"


def minted(scope: object) -> Idempotency:
    """A key of our own for a command that came without: its append may then be repeated too."""
    return Idempotency(str(scope), os.urandom(16).hex(), b"", MINTED_SECONDS)


def announcement_key(kind: type[Event], actor: int, cause: Delivery[Any], part: str) -> Idempotency:
    """What followed from a cause counts once for each cause, type and part.

    Of types that answer the same question one counts; for another the key was used before.
    """
    return _answer_key(kind, actor, cause.address, part)


def answer_key(event: Event, actor: int, cause: str) -> Idempotency:
    """The same for an event that was announced, of which the address of its cause is known."""
    part = str(getattr(event, event.PART)) if event.PART else ""
    return _answer_key(type(event), actor, cause, part)


def _answer_key(kind: type[Event], actor: int, cause: str, part: str) -> Idempotency:
    # A client's key is printable: the NUL keeps announcements out of its reach.
    subject = kind.ANSWERS or tag_of(kind)
    return Idempotency(str(actor), f"\0{cause} {subject} {part}", b"")
