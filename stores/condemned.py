"""Photos that are being swept: while one is condemned nobody believes it stored, or stores it.

Kept in the log server, where `renditions` looks. A condemnation ends by itself, far behind the last
moment at which its sweeper may delete anything: one that died or froze holds up nobody for long.
"""

from collections.abc import Collection

from redis.exceptions import WatchError

from events.log import Log
from runtime.errors import Unavailable

SWEEP_SECONDS = 60
"""How long after condemning a photo its sweeper may delete."""
CONDEMNED_SECONDS = 600
"""The rest is for clocks that disagree: storage refuses by its own what comes after those 60."""
REPLICA_MS = 1_000


async def condemn(log: Log, photos: Collection[str], sweeper: str) -> set[str]:
    """Condemn them, but for those that another sweeper has condemned; which of them it did."""
    ordered = sorted(photos)
    async with log.client.pipeline(transaction=False) as pipeline:
        for photo in ordered:
            pipeline.set(key_of(log, photo), sweeper, nx=True, ex=CONDEMNED_SECONDS)
        if log.replicas:
            pipeline.execute_command("WAIT", log.replicas, REPLICA_MS)
        answers = await pipeline.execute()
    if log.replicas and answers[-1] < log.replicas:
        raise Unavailable("log-unavailable", "The log's replicas do not follow.")
    return {photo for photo, ours in zip(ordered, answers, strict=False) if ours}


async def absolve(log: Log, photos: Collection[str], sweeper: str) -> None:
    """Every delete of it was answered. What another sweeper has condemned since stays so."""
    for photo in photos:
        key = key_of(log, photo)
        async with log.client.pipeline(transaction=True) as pipeline:
            await pipeline.watch(key)
            if await pipeline.get(key) == sweeper.encode():
                pipeline.multi()
                pipeline.delete(key)
                try:
                    await pipeline.execute()
                except WatchError:
                    continue


async def any_condemned(log: Log, photos: Collection[str]) -> bool:
    """Whether one of these photos is being swept. One trip."""
    async with log.client.pipeline(transaction=False) as pipeline:
        for photo in sorted(photos):
            pipeline.exists(key_of(log, photo))
        return any(await pipeline.execute())


def key_of(log: Log, photo: str) -> str:
    return f"condemned:{{{int(photo[:4], 16) % log.partitions}}}:{photo}"
