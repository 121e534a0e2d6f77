"""An event as an operator names it, where it is, and why there is none."""

import argparse
import time
from typing import NamedTuple

from events.arguments import rfc3339
from events.catalogue import TOPICS
from events.ids import MAX_ID, Address, Position, position_of, shard_of
from events.log import Log
from events.past import Found, Past
from runtime.errors import NotFound

CLOCKS_MS = 10_000  # how far a head may be ahead of the server's clock


class Sought(NamedTuple):
    """What was asked for; what its name does not tell is left open."""

    text: str
    topic: str
    partition: int | None
    shard: int | None
    position: Position

    @classmethod
    def parse(cls, text: str) -> "Sought":
        """Read an event's id, an address or a position; ValueError for anything else."""
        if text.isascii() and text.isdigit():
            if not 0 < int(text) <= MAX_ID:
                raise ValueError(text)
            return cls(text, "", None, shard_of(int(text)), position_of(int(text)))
        if "." in text:
            topic, partition, position = Address.parse(text)
            return cls(text, topic, partition, None, position)
        return cls(text, "", None, None, Position.parse(text))

    def places(self, log: Log) -> list[Address]:
        """Everywhere it may be: of one partition in one topic only, for they share positions."""
        partitions = [self.partition] if self.partition is not None else range(log.partitions)
        if self.shard is not None:
            partitions = [self.shard % log.partitions]
        topics = [self.topic] if self.topic else sorted(TOPICS)
        return [Address(topic, each, self.position) for each in partitions for topic in topics]


def sought(text: str) -> Sought:
    """An argument that names an event."""
    try:
        return Sought.parse(text)
    except ValueError:
        message = f"{text!r} is no event's id, no address (posts.3.1763951234567-0), no position"
        raise argparse.ArgumentTypeError(message) from None


async def find(past: Past, wanted: Sought) -> list[Found]:
    """Every event of this name: several only where a position alone is given. `NotFound`."""
    refuse_impossible(past.log, wanted)
    places = wanted.places(past.log)
    found = [each for place in places if (each := await past.at(place))]
    if not found:
        raise NotFound("no-such-event", await why_missing(past, wanted, places))
    return found


def refuse_impossible(log: Log, wanted: Sought) -> None:
    if wanted.topic and wanted.topic not in TOPICS:
        detail = f"There is no topic {wanted.topic!r}; there are {', '.join(sorted(TOPICS))}."
        raise NotFound("no-such-topic", detail)
    if wanted.partition is not None and wanted.partition >= log.partitions:
        detail = (
            f"This site has {log.partitions} partitions, from 0 on: none is {wanted.partition}."
        )
        raise NotFound("no-such-partition", detail)


async def why_missing(past: Past, wanted: Sought, places: list[Address]) -> str:
    """One sentence for whoever named an event that is not there."""
    ms = wanted.position.ms
    if ms > time.time() * 1000 + CLOCKS_MS:
        return (
            f"{wanted.text} stands in the future, at {rfc3339(ms)}: it is of another site, or no "
            "event's name."
        )
    begins = [each for place in places if (each := await past.first(*place[:2]))]
    ends = [each for place in places if (each := await past.last(*place[:2]))]
    if not ends:
        return f"{wanted.text} is not there: nothing is recorded in that partition yet."
    if wanted.position > max(ends):
        return (
            f"Nothing stands at {wanted.text} ({rfc3339(ms)}): the last event there is of "
            f"{rfc3339(max(ends).ms)}."
        )
    if wanted.position < min(begins):
        return (
            f"Nothing stands at {wanted.text} ({rfc3339(ms)}), neither in the archive nor in the "
            f"streams, which begin at {rfc3339(min(begins).ms)}: it is of another site, or of a "
            "topic that is not archived."
        )
    return (
        f"Nothing was recorded at {wanted.text} ({rfc3339(ms)}), though there was before and "
        "after: it is of another site, or the id of something that no event has created."
    )
