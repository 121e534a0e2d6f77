"""One attempt at a batch, and the closed set of ways in which it ends for each delivery.

A failing batch is split until the poison stands alone; its neighbours are done meanwhile. A dead
engine or a missing dependency neither splits nor counts as an attempt.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, NamedTuple

from events.concealing import reason_of, trace_of
from events.envelope import Delivery
from runtime.outages import is_outage

Handler = Callable[[Any, Sequence[Delivery[Any]]], Awaitable[Collection[Delivery[Any]]]]


class Done(NamedTuple):
    """Its effect stands, or it has none."""

    delivery: Delivery[Any]


class Later(NamedTuple):
    """What it depends on is not there yet."""

    delivery: Delivery[Any]


class Poison(NamedTuple):
    """It alone makes the handler fail."""

    delivery: Delivery[Any]
    reason: str
    traceback: str


Outcome = Done | Later | Poison


async def attempt(handler: Handler, site: Any, batch: Sequence[Delivery[Any]]) -> list[Outcome]:
    """Give the handler the batch, splitting it where it fails. An outage is raised as it is."""
    try:
        leftover = {delivery.position for delivery in await handler(site, batch)}
    except Exception as error:
        if is_outage(error):
            raise
        if len(batch) == 1:
            [delivery] = batch
            return [Poison(delivery, reason_of(error, delivery), trace_of(error, delivery))]
    else:
        return [Later(each) if each.position in leftover else Done(each) for each in batch]
    middle = len(batch) // 2
    return [
        *await attempt(handler, site, batch[:middle]),
        *await attempt(handler, site, batch[middle:]),
    ]
