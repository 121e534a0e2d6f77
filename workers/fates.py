"""What has become of an event in each role that reads it: by groups, pending lists, letters."""

from collections.abc import Mapping
from typing import Any

import msgspec
from redis.exceptions import ResponseError

from events.arguments import rfc3339
from events.catalogue import BY_TAG
from events.dead_letters import DEAD, Letter, Undelivered, letters_of
from events.ids import Address, Position
from events.leases import longest_backoff
from events.legible import Legible
from events.log import Log, stream_key
from events.meters import span
from runtime.settings import Settings
from workers.subscriptions import SUBSCRIPTIONS

COUNTED = 1_000  # entries before one that waits; more are told as that many and more


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """Of one event in one role.

    `state` is done, waiting (not given to it yet), pending (given, not done), buried, dropped, or
    missing (the role has no group there).
    """

    role: str
    state: str
    told: str
    """The same and more, for people."""
    listed: bool = True
    """Whether this version knows the role."""
    more: dict[str, Any] = {}

    def fields(self) -> dict[str, Any]:
        return {"role": self.role, "state": self.state, "listed": self.listed} | self.more


async def fates_of(log: Log, settings: Settings, event: Legible) -> list[Fate]:
    """Of every role that does something about it, and of every group that no role here is."""
    kind = BY_TAG.get(event.type)
    roles = [role for role, handlers in SUBSCRIPTIONS.items() if kind in handlers]
    stream = stream_key(event.address.topic, event.address.partition)
    try:
        told = await log.client.xinfo_groups(stream)
    except ResponseError:  # no such stream
        told = []
    groups = {each["name"].decode(): each for each in told}
    unlisted = sorted(groups.keys() - SUBSCRIPTIONS.keys())
    return [
        msgspec.structs.replace(
            await fate_of(log, settings, event.address, role, groups.get(role)),
            listed=role in SUBSCRIPTIONS,
        )
        for role in roles + unlisted
    ]


async def fate_of(
    log: Log, settings: Settings, address: Address, role: str, group: Mapping[str, Any] | None
) -> Fate:
    """Of one event in one role; letters first and last, for burying and retrying move it."""
    what = Undelivered(role, *address)
    if letter := await _letter(log, what):
        return letter
    if group is None:
        told = "no group: a worker makes it when it first starts, from the stream's beginning on"
        return Fate(role=role, state="missing", told=told)
    given = Position.parse(group["last-delivered-id"])
    if address.position > given:
        return await _waiting(log, address, role, given)
    at, stream = str(address.position), stream_key(address.topic, address.partition)
    pending = await log.client.xpending_range(stream, role, at, at, 1)
    if pending:
        return _pending(settings, role, pending[0])
    return await _letter(log, what) or Fate(role=role, state="done", told="done")


async def _letter(log: Log, what: Undelivered) -> Fate | None:
    found = await letters_of(log.client, [what])
    if not found:
        return None
    shelf, (_, letter) = found[0]
    more = {
        "reason": letter.reason,
        "attempts": letter.attempts,
        "buried_at": rfc3339(letter.buried_ms),
    }
    if shelf == DEAD or letter.dropped is None:
        told = f"buried {rfc3339(letter.buried_ms)} after {_tries(letter)}: {letter.reason}"
        return Fate(role=what.role, state="buried", told=told, more=more)
    drop = letter.dropped
    told = f"dropped {rfc3339(drop.dropped_ms)} by {drop.who}: {drop.why}"
    return Fate(role=what.role, state="dropped", told=told, more=more | {"why": drop.why})


async def _waiting(log: Log, address: Address, role: str, given: Position) -> Fate:
    entries = await log.page(address.topic, address.partition, given, address.position, COUNTED)
    before = max(len(entries) - 1, 0)
    many = f"{COUNTED:,} or more" if len(entries) == COUNTED else f"{before:,}"
    told = f"waiting, {many} before it"
    if entries:
        oldest = Position.parse(entries[0][0])
        told += f" (the first of {rfc3339(oldest.ms)})" if before else " (it is next)"
    return Fate(role=role, state="waiting", told=told, more={"before": before})


def _pending(settings: Settings, role: str, row: Mapping[str, Any]) -> Fate:
    consumer, attempts = row["consumer"].decode(), int(row["times_delivered"])
    silent = int(row["time_since_delivered"]) / 1000
    told = f"pending at {consumer}, attempt {attempts} of {settings.attempts}"
    if silent > settings.lease_seconds:
        soon = span(settings.lease_seconds / 2)
        told += f"; silent for {span(silent)}, so some worker of the role takes it over in {soon}"
    elif attempts > 1:
        told += f"; looked at again within {span(longest_backoff(attempts))}"
    else:
        told += f", in hand for {span(silent)}"
    more = {"consumer": consumer, "attempts": attempts, "silent_seconds": silent}
    return Fate(role=role, state="pending", told=told, more=more)


def _tries(letter: Letter) -> str:
    return "one attempt" if letter.attempts == 1 else f"{letter.attempts} attempts"
