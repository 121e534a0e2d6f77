"""What the chosen decoder does by itself, in as many processes at once as a worker has."""

import asyncio
import json
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench.standing import child, output_of

DECODE_SECONDS = 120


class Decoding(NamedTuple):
    """Medians of one photo, and how many all processes together make a second."""

    seconds: float
    cpu_seconds: float
    rate: float


async def decoders_alone(photo: bytes, times: int, *, at_once: int = 1) -> Decoding:
    """The renditions of one photo, over and over, nothing else going on."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"
        path.write_bytes(photo)
        told = await asyncio.gather(*(decode(path, times) for _ in range(at_once)))
    walls = [[wall for wall, _ in rounds] for rounds in told]
    return Decoding(
        median(wall for rounds in walls for wall in rounds),
        median(cpu for rounds in told for _, cpu in rounds),
        sum(1 / median(rounds) for rounds in walls),
    )


async def decode(path: Path, times: int) -> list[tuple[float, float]]:
    async with child("bench.decode_alone", str(path), str(times)) as decoding:
        return list(json.loads(await output_of(decoding, DECODE_SECONDS)))
