"""What a replay has done so far, and what it could not do."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from events.ids import Address, Position
from events.wanted import Stream

MOST_TOLD = 100


class Fault(NamedTuple):
    """What could not be folded; the rest went on."""

    stream: Stream
    position: Position
    tag: str
    reason: str

    @property
    def address(self) -> str:
        return str(Address(self.stream.topic, self.stream.partition, self.position))


@dataclass(slots=True)
class Tally:
    """What a replay has done so far."""

    read: int = 0
    folded: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By role and type."""
    faulty: int = 0
    faults: list[Fault] = field(default_factory=list)
    """The first of them."""
    given_up: int = 0
    """Without effect: what they depend on is not there. More of the kind may still be waiting."""

    def add(self, fault: Fault) -> None:
        self.faulty += 1
        if len(self.faults) < MOST_TOLD:
            self.faults.append(fault)
