"""Every way a request or a delivery can be refused, each with a stable code.

The gateway turns the class into a status; workers retry what is `Unavailable` and bury the rest.
"""

from collections.abc import Sequence
from typing import TypedDict


class FieldError(TypedDict):
    """What is wrong with one field of a command."""

    field: str
    detail: str


class HeliographError(Exception):
    """A refusal: `code` is stable and for machines, `detail` for people, `extras` go along."""

    def __init__(self, code: str, detail: str = "", **extras: object) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail
        self.extras = extras


class Malformed(HeliographError):
    """The request cannot be read at all: broken JSON or multipart."""


class Unauthenticated(HeliographError):
    """No token, or one that is unknown, expired or revoked."""


class Forbidden(HeliographError):
    """The caller is known and may not do this."""


class NotFound(HeliographError):
    """There is no such thing, or none the caller may know of."""


class Conflict(HeliographError):
    """What was asked for is taken, or another command is under way."""


class Gone(HeliographError):
    """It existed and was deleted."""


class TooLarge(HeliographError):
    """More bytes than a part or a request may have."""


class UnsupportedMedia(HeliographError):
    """The bytes are of no kind we accept."""


class Invalid(HeliographError):
    """Fields were read and do not hold; `errors` names each."""

    def __init__(
        self,
        code: str = "invalid",
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        **extras: object,
    ) -> None:
        super().__init__(code, detail, **extras)
        self.errors = tuple(errors)


class _RetryLater(HeliographError):
    def __init__(
        self, code: str, detail: str = "", *, retry_after: int = 2, **extras: object
    ) -> None:
        super().__init__(code, detail, **extras)
        self.retry_after = retry_after


class TooMany(_RetryLater):
    """Over a rate limit; whole seconds until it is worth trying again."""


class Unavailable(_RetryLater):
    """An engine or capacity that this needs is missing now; nothing is lost by trying again."""
