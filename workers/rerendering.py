"""`rebuild renditions`: what storage has lost, or has in an old recipe, is made from the originals.

A rendition that comes back is what its address always meant, and is not announced. One of an older
recipe cannot come back, for its decoder is gone: its photo is made anew in the present recipe, and
the posts that show it change to that.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from events.history import History
from events.log import Log
from events.posts import RenderedPhoto, StagedPhoto
from events.telling import Line, Progress, Table, Told
from runtime.connections import open_database
from runtime.settings import Settings
from stores.archive import Archive
from stores.condemned import any_condemned
from stores.objects import Objects, original_key
from stores.shown_photos import Shown, shown_photos
from workers.imaging.decoders import Decoders
from workers.imaging.recipe import RECIPE, Refused
from workers.renditions import develop, keep, renditions_of, stored_photo, together
from workers.renewing import renew_posts
from workers.shadowing import alone
from workers.site import Darkroom

PAGE = 50
COMPLETE, MADE, RENEWED = "complete", "made again", "made anew in the present recipe"
LOST, BEING_SWEPT = "lost with its original", "being swept"
OLD = "complete in an older recipe, its original lost"
FAILED = frozenset({LOST, BEING_SWEPT})
MOST_SHOWN = 50


async def rebuild_renditions(settings: Settings, log: Log) -> AsyncIterator[Told]:
    """Tells how many photos are complete, were made again, or cannot be."""
    found: Counter[str] = Counter()
    lost: list[tuple[str, str, str]] = []
    async with (
        alone(settings, "renditions"),
        await open_database(settings) as database,
        open_darkroom(settings, log) as site,
    ):
        after: Shown | None = None
        while page := await shown_photos(database, after, PAGE):
            after = page[-1]
            states = await together(mend(site, each.photo) for each in page)
            found.update(states)
            for each, state in zip(page, states, strict=True):
                if state in FAILED and len(lost) < MOST_SHOWN:
                    lost.append((each.photo.sha256, str(each.post_id), state))
            yield Progress(what="looking", done=found.total(), unit="photos")
        renewed = await renew_posts(site, database) if found[RENEWED] else 0
    yield Table(heads=("photos", "count"), rows=tuple(sorted(found.items())))
    if lost:
        yield Table(heads=("sha256", "shown by", "state"), rows=tuple(lost))
    if renewed:
        yield Line(f"{renewed:,} posts change to the present recipe.")
    if failed := sum(found[each] for each in FAILED):
        yield Line(f"{failed:,} photos are not as posts show them.", failed=True, aside=True)


async def mend(site: Darkroom, photo: RenderedPhoto) -> str:
    """Make again what is missing of one photo; what became of it."""
    made = MADE if photo.recipe == RECIPE else RENEWED
    if await stored_photo(site.objects, photo.sha256):
        return COMPLETE if made is MADE else RENEWED
    if await any_condemned(site.log, [photo.sha256]):
        return BEING_SWEPT  # what is stored now would not stay
    key = original_key(photo.sha256)
    original = StagedPhoto(key=key, sha256=photo.sha256, size_bytes=photo.size_bytes)
    async with site.decoders.scratch.folder() as scratch:
        developed = await develop(site, original, scratch / "1")
        if isinstance(developed, Refused):
            kept = made is RENEWED and await is_stored(site.objects, photo)
            return OLD if kept else LOST
        await keep(site, developed)
    return made


async def is_stored(objects: Objects, photo: RenderedPhoto) -> bool:
    return all(await together(objects.exists(key) for key, _ in renditions_of(photo)))


@asynccontextmanager
async def open_darkroom(settings: Settings, log: Log) -> AsyncIterator[Darkroom]:
    async with AsyncExitStack() as stack:
        objects = await stack.enter_async_context(Objects(settings.objects_url))
        decoders = Decoders(
            settings.decoders,
            seconds=settings.decode_seconds,
            mebibytes=settings.decode_mebibytes,
        )
        log.precedents.history = History(log, Archive(objects))
        yield Darkroom(log=log, objects=objects, decoders=await stack.enter_async_context(decoders))
