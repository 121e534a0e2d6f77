"""The one rule by which a batch becomes writes: per register, the event with the highest version.

Postgres refuses to update a row twice in one statement, so a batch is folded before it is written.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from events.envelope import Delivery, Event

E = TypeVar("E", bound=Event)


def event_id(delivery: Delivery[Any]) -> int:
    """What versions a register unless it says otherwise: the event's own id."""
    return delivery.id


def fold(
    batch: Iterable[Delivery[E]],
    key: Callable[[Delivery[E]], Any],
    version: Callable[[Delivery[E]], Any] = event_id,
) -> list[Delivery[E]]:
    """The winner of each key, in the order of keys: rows locked in one order never deadlock."""
    winners: dict[Any, Delivery[E]] = {}
    for delivery in batch:
        standing = winners.get(key(delivery))
        if standing is None or version(delivery) > version(standing):
            winners[key(delivery)] = delivery
    return [winners[each] for each in sorted(winners)]
