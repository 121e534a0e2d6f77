"""What led to an event, and what it led to: by the `cause` that each announced event carries."""

from collections import defaultdict, deque
from typing import Any, NamedTuple

from events.catalogue import TOPICS
from events.entries import CAUSE, Entry, open_entries
from events.envelope import Delivery
from events.ids import MAX_ID, Address, Position, position_before, shard_of
from events.legible import Legible, read_entries
from events.past import Found, Past
from events.status import announcements_of

CLOCKS_MS = 10_000  # partitions choose positions apart, by clocks that differ by no more
MOST_CAUSES = 20


class Effects(NamedTuple):
    """What followed from an event, by the address of each cause."""

    of: dict[str, list[Legible]]
    cut: list[str]
    """Streams that go on further than was read: `posts.3`."""


async def causes_of(past: Past, event: Legible) -> list[Legible | str]:
    """What led to it, the root first; an address where its event cannot be found."""
    chain: list[Legible | str] = []
    cause = event.cause
    while cause and len(chain) < MOST_CAUSES:
        found = await _at(past, cause)
        chain.append(found or cause)
        cause = found.cause if found else ""
    return chain[::-1]


async def effects_of(past: Past, root: Legible, most: int) -> Effects:
    """Everything that came of it, of that again, and so on.

    Records tell of most. Of what they do not, the streams of the partitions concerned are read on
    from the event, `most` entries of each; 0 is all.
    """
    seen: dict[str, Legible] = {str(root.address): root}
    effects = Effects(defaultdict(list), [])
    unread, read = deque([root]), _Reading(past, most, effects.cut)
    while unread:
        event = unread.popleft()
        for partition in sorted(partitions_of(event, past.log.partitions)):
            await read.partition(partition, event)
        for each in await _recorded(past, event) + await read.caused_by(event):
            if str(each.address) not in seen:
                seen[str(each.address)] = each
                effects.of[str(event.address)].append(each)
                unread.append(each)
    return effects


def partitions_of(event: Legible, partitions: int) -> set[int]:
    """Where effects of an event may stand: with its actor, and with whomever it names."""
    ids = [value for name, value in event.payload.items() if name.endswith("_id")]
    named = {shard_of(each) % partitions for each in ids if _is_id(each)}
    return named | {event.address.partition}


class _Reading:
    """Which partitions were read on from the root, and every announced event in them."""

    def __init__(self, past: Past, most: int, cut: list[str]) -> None:
        self._past, self._most, self._cut = past, most, cut
        self._read: set[int] = set()
        self._entries: dict[bytes, list[tuple[str, int, Entry]]] = defaultdict(list)

    async def partition(self, partition: int, since: Legible) -> None:
        if partition in self._read:
            return
        self._read.add(partition)
        ours = partition == since.address.partition
        start = position_before(since.address.position)
        if not ours:
            start = Position(max(start.ms - CLOCKS_MS, 0), 0)
        for topic in sorted(TOPICS):
            count = 0
            async for run in self._past.since(topic, partition, start):
                for entry in run[: self._most - count] if self._most else run:
                    if cause := entry[1].get(CAUSE):
                        self._entries[cause].append((topic, partition, entry))
                count += len(run)
                if self._most and count > self._most:
                    self._cut.append(f"{topic}.{partition}")
                    break

    async def caused_by(self, event: Legible) -> list[Legible]:
        found = self._entries.get(str(event.address).encode(), [])
        return [
            each
            for topic, partition, entry in found
            for each in await read_entries(self._past.log, topic, partition, [entry])
        ]


async def _recorded(past: Past, event: Legible) -> list[Legible]:
    """What idempotency records tell of, for about a day, however far on it stands."""
    delivery = await delivery_of(past, event.address)
    if delivery is None:
        return []
    found = [await _at(past, each.address) for each in await announcements_of(past.log, delivery)]
    return [each for each in found if each]


async def delivery_of(past: Past, address: Address) -> Delivery[Any] | None:
    """The event as a handler is given it; None where none can be."""
    found = await past.at(address)
    if found is None:
        return None
    [opened] = await open_entries(past.log, address.topic, address.partition, [found.entry])
    return opened if isinstance(opened, Delivery) else None


async def read_found(past: Past, found: Found) -> Legible:
    [read] = await read_entries(
        past.log, found.address.topic, found.address.partition, [found.entry]
    )
    return read


async def _at(past: Past, address: str) -> Legible | None:
    try:
        found = await past.at(Address.parse(address))
    except ValueError:
        return None
    return await read_found(past, found) if found else None


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and 0 < value <= MAX_ID
