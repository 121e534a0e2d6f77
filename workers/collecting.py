"""Collects the bytes of photos that no post shows: marks them, waits, sweeps them.

A pass goes through the bucket once, a page at a time, and compares it with the rows. What is
unclear stays: a photo that is kept too long costs money, one that is deleted too soon is lost.
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from runtime import metrics
from runtime.errors import Conflict
from runtime.loglines import log as log_line
from stores import ledger
from stores.ledger import Judgement, Standing
from stores.objects import Objects
from stores.stored_photos import StoredPhoto, stored_photos
from workers.site import Storeroom
from workers.sweeping import sweep

PAGE = 500
SWEPT_AT_ONCE = 100  # a few seconds of deletes, of the minute that they may take
SWEPT = "swept"
FIRST, LAST = "00" * 32, "ff" * 32


@dataclass(slots=True)
class Tally:
    """What a pass found, by standing; and what it swept of that which was due."""

    photos: Counter[str] = field(default_factory=Counter)
    objects: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)

    def add(self, step: str, photo: StoredPhoto) -> None:
        self.photos[step] += 1
        self.objects[step] += len(photo.keys)
        self.bytes[step] += photo.size_bytes

    def found(self, counted: Counter[str]) -> int:
        return sum(counted[each] for each in Standing)


async def collect(site: Storeroom) -> Tally:
    """One pass: enter in the ledger what is there, mark what nobody shows, sweep what is due.

    `Conflict("collecting-already")` while another pass is under way.
    """
    tally, after = Tally(), FIRST
    async with ledger.alone(site.database) as alone:
        if not alone:
            raise Conflict("collecting-already", "Another pass is under way.")
        async for page in pages(site.objects):
            judged = await ledger.judge(site.database, page)
            through = page[-1].sha256
            await ledger.record(site.database, page, judged, after=after, through=through)
            after = through
            count(tally, page, judged)
            due = [each for each in page if judged[each.sha256].standing is Standing.DUE]
            for start in range(0, len(due), SWEPT_AT_ONCE):
                some = due[start : start + SWEPT_AT_ONCE]
                gone = await sweep(site, some)
                for each in some:
                    if each.sha256 in gone:
                        tally.add(SWEPT, each)
        await ledger.record(site.database, [], {}, after=after, through=LAST)
        await ledger.end_pass(
            site.database,
            photos=tally.found(tally.photos),
            found=tally.found(tally.bytes),
            quarantined=tally.bytes[Standing.MARKED] + tally.bytes[Standing.QUARANTINED],
            swept=tally.bytes[SWEPT],
        )
    publish(tally)
    return tally


async def foretell(site: Storeroom) -> Tally:
    """What a pass would find now. Changes nothing, and holds up no other pass."""
    tally = Tally()
    async for page in pages(site.objects):
        count(tally, page, await ledger.judge(site.database, page))
    return tally


async def pages(objects: Objects) -> AsyncIterator[list[StoredPhoto]]:
    """Everything stored, in the order of digests, so many photos at a time."""
    page: list[StoredPhoto] = []
    async for photo in stored_photos(objects):
        page.append(photo)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page


def count(tally: Tally, page: Sequence[StoredPhoto], judged: dict[str, Judgement]) -> None:
    for each in page:
        tally.add(judged[each.sha256].standing, each)


def publish(tally: Tally) -> None:
    """As a log line and as metrics."""
    for standing in Standing:
        metrics.stored_photos.labels(standing).set(tally.photos[standing])
        metrics.stored_bytes.labels(standing).set(tally.bytes[standing])
    metrics.swept_bytes.inc(tally.bytes[SWEPT])
    steps = (*Standing, SWEPT)
    log_line().info(
        "photos.collected",
        **{f"{each}_photos": tally.photos[each] for each in steps},
        **{f"{each}_bytes": tally.bytes[each] for each in steps},
    )
