"""The one place where a delivery ends: acknowledged, buried, or kept for another try.

Nothing else acknowledges.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from events.claims import Claims
from events.delivering import Done, Later, Outcome, Poison
from events.entries import Unreadable
from events.lag import is_behind
from runtime.loglines import log as log_line

UNKNOWN_TYPE_SECONDS = 3_600  # a newer worker may be on its way
MISSING_SECONDS = 3_600  # what an event depends on is buried itself, or was never recorded


class Settling:
    """Of one consumer, whose claims it ends."""

    def __init__(
        self,
        claims: Claims,
        *,
        attempts: int,
        depends_on: Mapping[str, Sequence[str]],
        clock: Callable[[], float],
    ) -> None:
        self.claims, self.attempts, self.depends_on = claims, attempts, depends_on
        self._clock = clock

    async def settle(self, outcomes: Sequence[Outcome]) -> int:
        """How many deliveries have ended."""
        leases, now = self.claims.leases, self._clock()
        done, later, buried = [], [], 0
        for outcome in outcomes:
            entry_id = str(outcome.delivery.position).encode()
            match outcome:
                case Done():
                    done.append(entry_id)
                case Later() if not await self._is_missing(entry_id, outcome, now):
                    leases.look_again(entry_id, now)
                    later.append(entry_id)
                case Later():
                    await self.bury(entry_id, "dependency-missing", "")
                    buried += 1
                case Poison() if leases.held[entry_id].attempts < self.attempts:
                    leases.failed(entry_id, now)
                case Poison(_, reason, trace):
                    await self.bury(entry_id, reason, trace)
                    buried += 1
        await self.claims.acknowledge(done)
        await self.claims.excuse(later)
        return len(done) + buried

    async def _is_missing(self, entry_id: bytes, later: Later, now: float) -> bool:
        """Whether what it waits for will not come: it had its hour, and nobody is behind.

        Else a role that was down for that long would have all who wait for it buried.
        """
        leases = self.claims.leases
        if leases.waits(entry_id, now) <= MISSING_SECONDS:
            return False
        if await is_behind(self.claims.log, self.depends_on, later.delivery.position.ms):
            leases.wait_anew(entry_id)
            return False
        return True

    async def set_aside(self, unreadable: Sequence[Unreadable]) -> int:
        """What we cannot open is left to a newer worker, or is buried at once when it is broken."""
        young, buried = [], 0
        for each in unreadable:
            entry_id = str(each.position).encode()
            age_seconds = time.time() - each.position.ms / 1000
            if not each.known and age_seconds < UNKNOWN_TYPE_SECONDS:
                young.append(entry_id)
            else:
                await self.bury(entry_id, each.reason, "")
                buried += 1
        await self.claims.hand_back(young)
        return buried

    async def bury(self, entry_id: bytes, reason: str, trace: str) -> None:
        """Put it among the dead letters, if it is still ours."""
        if not await self.claims.bury(entry_id, reason, trace):
            return
        log_line().error(
            "delivery.buried",
            role=self.claims.group,
            position=entry_id.decode(),
            topic=self.claims.topic,
            reason=reason,
        )
