"""A route as it is declared: what the app serves, who may ask, and what the OpenAPI page says."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, Literal, TypeVar

import msgspec
from aiohttp import web

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Side = Literal["read", "write"]
LimitName = Literal["sign-ups", "sign-ins", "uploads", "commands", "sign-outs", "reads"]
"""What there is an allowance of; `limits.py` says whose it is and for how long."""


class Route(msgspec.Struct, frozen=True):
    """One method on one path. `GET` also answers `HEAD`; every path answers `OPTIONS`."""

    method: str
    path: str
    handler: Handler
    side: Side
    """The gateways that serve it; nginx sends GET and HEAD to `read`, the rest to `write`."""
    authenticated: Literal[True, False, "optional"] = True
    """`optional`: a token is read when there is one, and a wrong one is still refused."""
    summary: str = ""
    body: type | None = None
    """The struct of the request body, for `read_command` and OpenAPI."""
    body_type: str = "application/json"
    answer: Any = None
    """The struct of the answer, `Page[...]` for lists, None when there is no JSON body."""
    answer_type: str = "application/json"
    status: int = 200
    queries: tuple[str, ...] = ()
    """Query parameters it reads, such as `limit` and `cursor`."""
    limit: LimitName | None = None
    """The allowance that a request takes from; see `limited_by`."""
    room: Callable[[web.Request], Awaitable[None]] | None = None
    """Raises `Unavailable` while this could not be taken in anyway, before it costs allowance."""

    @property
    def limited_by(self) -> LimitName | None:
        """Unless declared: that of its side for accounts, none where no token says whose it is.

        Photos have none: a page shows thirty, many people share an address, and they are cached.
        """
        if self.limit is not None or self.authenticated is not True:
            return self.limit
        return "reads" if self.side == "read" else "commands"


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A list's answer, for OpenAPI; `answers.page` writes it."""

    items: list[T]
    next: str | None


class Accepted(msgspec.Struct, frozen=True):
    """A command is durable; its effects follow. `id` is the thing created, else the event."""

    id: str
    event: str
