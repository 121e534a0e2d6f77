"""What an append answers: where the event came to stand, or why it does not."""

from typing import NamedTuple

from events.ids import Address, Position, make_id
from runtime.errors import Conflict, Forbidden, Unavailable


class Appended(NamedTuple):
    """Where an event came to stand, and the id of what it created."""

    position: Position
    id: int
    address: Address
    replayed: bool


def judge(reply: list[bytes], topic: str, partition: int, shard: int) -> Appended:
    """Read the append function's reply; its refusals become errors."""
    match [part.decode() for part in reply]:
        case ["ok", at]:
            replayed = False
        case ["replayed", at, topic]:
            replayed = True
        case ["reused"]:
            detail = "This Idempotency-Key was used for another command."
            raise Conflict("idempotency-key-reused", detail)
        case ["taken"]:
            raise Conflict("username-taken", "Somebody has this username.")
        case ["erased"]:
            raise Forbidden("account-erased", "The account is no longer there.")
        case answer:
            detail = "Clocks disagree; nothing was recorded. An operator has to look."
            raise Unavailable("clock-skew", detail, retry_after=10, clocks=answer[1:])
    position = Position.parse(at)
    return Appended(
        position, make_id(position, shard), Address(topic, partition, position), replayed
    )
