"""What a worker's log says of its batches: which there were, when, and how long they took."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

POLL_SECONDS = 0.02
WRITTEN_SECONDS = 60


class Lines:
    """What a process writes into its log from now on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.from_byte = path.stat().st_size

    async def all_of(self, chunks: int) -> list[dict[str, Any]]:
        """Those of the plan and of so many chunks: they are written a few at a time."""
        async with asyncio.timeout(WRITTEN_SECONDS):
            while True:
                done = [e for e in self.batches() if not e["later"] and not e["poison"]]
                told = Counter[str]()
                for each in done:
                    told[each["event_type"]] += each["count"]
                if told["PostPublished"] and told["FanoutChunk"] >= chunks:
                    return done
                await asyncio.sleep(POLL_SECONDS)

    def batches(self) -> Iterator[dict[str, Any]]:
        with self.path.open("rb") as file:
            file.seek(self.from_byte)
            for line in file:
                if line.endswith(b"}\n") and b'"batch.attempted"' in line:
                    yield msgspec.json.decode(line)


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Seconds within any of the spans, which may overlap."""
    seconds, until = 0.0, float("-inf")
    for begin, end in sorted(spans):
        seconds += max(0.0, end - max(begin, until))
        until = max(until, end)
    return seconds
