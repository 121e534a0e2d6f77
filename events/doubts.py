"""An outage that one delivery meets alone: not the engine failed, but what was asked of it.

A stored object that is only ever answered with an error, a statement that always takes too long:
what is retried for ever would hold up whatever waits for it. So an outage counts as a failed
attempt when it was met by one delivery alone, between two attempts of the same reader that went
well, while every engine answered.
"""

from collections.abc import Callable, Sequence
from typing import Any

from events.concealing import reason_of, trace_of
from events.delivering import Poison
from events.envelope import Delivery


class Doubts:
    """Of one reader. `engines_answer` says whether all engines did when last looked at."""

    def __init__(self, engines_answer: Callable[[], bool]) -> None:
        self._engines_answer = engines_answer
        self._went_well = False
        self._suspect: Poison | None = None

    def outage(self, batch: Sequence[Delivery[Any]], error: Exception) -> None:
        """This batch met one."""
        alone = len(batch) == 1 and self._went_well and self._engines_answer()
        self._went_well, self._suspect = False, None
        if alone:
            [delivery] = batch
            reason, trace = reason_of(error, delivery), trace_of(error, delivery)
            self._suspect = Poison(delivery, reason, trace)

    def went_well(self) -> Poison | None:
        """Another batch did not: whose failure that proves to be its own, if anybody's."""
        suspect, self._suspect = self._suspect, None
        self._went_well = True
        return suspect if suspect and self._engines_answer() else None
