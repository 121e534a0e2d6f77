"""What a consumer holds: entries claimed and not yet settled, each with the time it is due again.

The group's pending list is the only record; this is its picture in memory. Attempts are the
server's own delivery counter, so that they survive a crash.
"""

import random
from dataclasses import dataclass, field
from itertools import takewhile

from events.entries import Entry

BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 60.0
SUSPECT_ATTEMPTS = 3  # two lives ended with it in hand, or it failed twice
FIRST_LOOK_SECONDS = 0.01
LONGEST_LOOK_SECONDS = 1.0


@dataclass(slots=True)
class Held:
    """One claimed entry. `entry` is None until it is fetched, as after a restart."""

    entry: Entry | None
    due: float = 0.0
    attempts: int = 1
    counted: bool = True
    """Whether the coming attempt is already on the server's delivery counter."""
    waiting_since: float | None = None
    """When it was first found to depend on what is not there."""
    looks: int = 0
    """How often that was found again."""
    alone: bool = False
    """Whether an engine seemed to be away when it was tried, which may be its own doing."""


@dataclass(slots=True)
class Leases:
    """Everything one reader holds, by entry id."""

    held: dict[bytes, Held] = field(default_factory=dict)
    active: set[bytes] = field(default_factory=set)

    def take(self, entries: list[Entry]) -> None:
        """Entries read for the first time."""
        for entry in entries:
            self.held[entry[0]] = Held(entry)

    def recover(self, entry_id: bytes, *, tries: int, due: float) -> None:
        """An entry that was claimed in an earlier life, ours or another consumer's.

        One that is held may have been another's for a while, who tried it too.
        """
        held = self.held.get(entry_id)
        if held is None:
            self.held[entry_id] = Held(None, due=due, attempts=tries + 1, counted=False)
        elif entry_id not in self.active and tries > held.attempts - (not held.counted):
            held.attempts, held.counted = tries + 1, False

    def due(self, now: float, limit: int) -> list[bytes]:
        """Ids that may be attempted now; one that may be at fault for what happened to it, alone.

        First what has been due the longest: were it the oldest, those that wait and are always due
        again would keep all behind them from their turn. Of what is due since the same moment, as
        after a restart, the oldest.
        """
        ready = [i for i, held in self.held.items() if i not in self.active and held.due <= now]
        ready = sorted(ready, key=lambda i: (self.held[i].due, *_by_age(i)))[:limit]
        harmless = list(takewhile(self._is_harmless, ready))
        return harmless or ready[:1]

    def next_due(self) -> float | None:
        """When the next waiting entry is due; None when none waits."""
        return min((h.due for i, h in self.held.items() if i not in self.active), default=None)

    def after_outage(
        self, entry_id: bytes, now: float, wait_seconds: float, *, alone: bool
    ) -> None:
        """Wait for another try, by itself perhaps; this one does not count as an attempt."""
        held = self.held[entry_id]
        held.due, held.alone = now + wait_seconds, held.alone or alone

    def waits(self, entry_id: bytes, now: float) -> float:
        """Seconds for which this one has been waiting for what it depends on."""
        held = self.held[entry_id]
        held.waiting_since = now if held.waiting_since is None else held.waiting_since
        return now - held.waiting_since

    def wait_anew(self, entry_id: bytes) -> None:
        """What it depends on may still come: whoever brings it is behind."""
        self.held[entry_id].waiting_since = None

    def look_again(self, entry_id: bytes, now: float) -> None:
        """Soon at first, for most often another role is just committing what is missing."""
        held = self.held[entry_id]
        held.due = now + min(FIRST_LOOK_SECONDS * 2**held.looks, LONGEST_LOOK_SECONDS)
        held.looks = min(held.looks + 1, 16)
        held.alone = False

    def failed(self, entry_id: bytes, now: float) -> None:
        """The attempt counts; back off before the next."""
        held = self.held[entry_id]
        held.due = now + backoff(held.attempts)
        held.attempts += 1
        held.counted = False

    def _is_harmless(self, entry_id: bytes) -> bool:
        held = self.held[entry_id]
        return held.attempts < SUSPECT_ATTEMPTS and not held.alone

    def settle(self, entry_id: bytes) -> None:
        """Done, buried or lost: no longer ours."""
        self.held.pop(entry_id, None)


def backoff(attempts: int) -> float:
    """Seconds to wait after so many attempts: exponential, with full jitter."""
    return random.uniform(0, longest_backoff(attempts))  # noqa: S311 - jitter keeps no secret


def longest_backoff(attempts: int) -> float:
    return float(min(BACKOFF_SECONDS * 2**attempts, LONGEST_BACKOFF_SECONDS))


def _by_age(entry_id: bytes) -> tuple[int, int]:
    ms, _, sequence = entry_id.partition(b"-")
    return int(ms), int(sequence)
