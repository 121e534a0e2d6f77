"""Collects the bytes of photos that no post shows: marks them, waits, sweeps them.

A pass goes through the bucket once, a page at a time, and compares it with the rows. What is
unclear stays: a photo that is kept too long costs money, one that is deleted too soon is lost.
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import msgspec

from runtime import metrics
from runtime.errors import Conflict
from runtime.loglines import log as log_line
from stores import ledger, passes
from stores.ledger import Judgement, Standing
from stores.objects import Objects
from stores.passes import FIRST, LAST
from stores.stored_photos import StoredPhoto, stored_photos
from workers.site import Storeroom
from workers.sweeping import sweep

PAGE = 500
SWEPT_AT_ONCE = 100  # a few seconds of deletes, of the minute that they may take
SWEPT = "swept"


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


async def collect(site: Storeroom) -> Tally:
    """One pass: enter in the ledger what is there, mark what nobody shows, sweep what is due.

    Where there is much, a pass takes hours: one that was broken off is gone on with.
    `Conflict("collecting-already")` while another pass is under way.
    """
    async with passes.alone(site.database) as alone:
        if not alone:
            raise Conflict("collecting-already", "Another pass is under way.")
        under_way = await passes.go_on(site.database)
        tally = recalled(under_way.tally_json)
        async for page in pages(site.objects, under_way.through):
            judged = await ledger.judge(site.database, page)
            through = page[-1].sha256
            await ledger.record(
                site.database, page, judged, after=under_way.through, through=through
            )
            count(tally, page, judged)
            due = [each for each in page if judged[each.sha256].standing is Standing.DUE]
            for start in range(0, len(due), SWEPT_AT_ONCE):
                some = due[start : start + SWEPT_AT_ONCE]
                gone = await sweep(site, some)
                for each in some:
                    if each.sha256 in gone:
                        tally.add(SWEPT, each)
            under_way = under_way._replace(through=through, tally_json=told(tally))
            await passes.keep(site.database, under_way)
        await ledger.record(site.database, [], {}, after=under_way.through, through=LAST)
        await passes.end(site.database, under_way)
    publish(tally)
    return tally


async def foretell(site: Storeroom) -> Tally:
    """What a pass would find now. Changes nothing, and holds up no other pass."""
    tally = Tally()
    async for page in pages(site.objects, FIRST):
        count(tally, page, await ledger.judge(site.database, page))
    return tally


async def pages(objects: Objects, after: str) -> AsyncIterator[list[StoredPhoto]]:
    """Everything stored after that digest, in their order, so many photos at a time."""
    page: list[StoredPhoto] = []
    async for photo in stored_photos(objects, after):
        page.append(photo)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page


def count(tally: Tally, page: Sequence[StoredPhoto], judged: dict[str, Judgement]) -> None:
    for each in page:
        tally.add(judged[each.sha256].standing, each)


def told(tally: Tally) -> str:
    return msgspec.json.encode(tally).decode()


def recalled(tally_json: str) -> Tally:
    counted = msgspec.json.decode(tally_json, type=dict[str, dict[str, int]])
    return Tally(**{name: Counter(numbers) for name, numbers in counted.items()})


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
