"""What every event is: a frozen struct with a written tag, some of its fields sealed.

The tag travels beside the payload, not in it, so that an unknown type can wait for a newer worker.
Sealed fields are personal; they travel encrypted under their author's key and read as their
defaults once that key is destroyed.
"""

from typing import Annotated, ClassVar, Generic, TypeVar

import msgspec

from events.ids import Address, Position, make_id, shard_of

T = TypeVar("T")
_SEALED = {"sealed": True}
Sealed = Annotated[T, msgspec.Meta(extra=_SEALED)]


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened. Declared once, additive only: new fields have defaults."""

    TOPIC: ClassVar[str]
    HIDES: ClassVar[bool] = False
    """Whether gateways must hear of it at once, because it hides, reveals or changes a card."""
    ANSWERS: ClassVar[str] = ""
    """A question that each cause raises once: of all kinds that answer it, one is announced."""
    PART: ClassVar[str] = ""
    """The field that tells several of a kind apart which one cause may lead to."""


E_co = TypeVar("E_co", bound=Event, covariant=True)


class Delivery(msgspec.Struct, Generic[E_co], frozen=True, kw_only=True):
    """One event as it stands in the log, opened: what handlers are given."""

    event: E_co
    topic: str
    partition: int
    position: Position
    actor: int
    """Who did it, an account id. Of `AccountRegistered`: the new account itself."""
    time: int
    """The recorder's clock, Unix ms. State never depends on it; positions order events."""
    after: str = "0-0"
    """The position of the entry before it in its topic; the chain proves that none is missing."""
    cause: str = ""
    """The address of the event that led to this one; empty for what a person did."""
    request: str = ""
    """The request at the root of the chain of causes."""
    traceparent: str = ""

    @property
    def id(self) -> int:
        """The event's id: the version it gives to registers, the id of what it created."""
        return make_id(self.position, shard_of(self.actor))

    @property
    def address(self) -> str:
        """Where it stands, as `<topic>.<partition>.<position>`."""
        return str(Address(self.topic, self.partition, self.position))
