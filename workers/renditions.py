"""Role `renditions`: staged bytes become stored renditions, and what was learned is announced.

Every key is named for its content, so any of this may run again, or twice at once, and change
nothing. All renditions of a post are stored before it is announced; its staged bytes go after.
"""

import asyncio
from collections.abc import Awaitable, Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from events.envelope import Delivery
from events.posts import PostPublished, PostRejected, PostSubmitted, RenderedPhoto, StagedPhoto
from runtime.errors import Conflict, NotFound
from runtime.outages import is_outage
from stores.condemned import any_condemned
from stores.objects import Objects, manifest_key, original_key, rendition_key
from workers.imaging.recipe import CONTENT_TYPE, RECIPE, Refused
from workers.site import Darkroom

T = TypeVar("T")

_LOST = Refused(code="bytes-lost", detail="The uploaded file is no longer there; upload it again.")


class Developed(NamedTuple):
    """A photo whose original and renditions lie in a folder; with none, all are stored already."""

    photo: RenderedPhoto
    folder: Path | None


async def render(
    site: Darkroom, batch: Sequence[Delivery[PostSubmitted]]
) -> Collection[Delivery[PostSubmitted]]:
    """Publish or reject each post, as the decoders and their scratch folders have room.

    One that shows a photo which is being swept comes later: nothing that is stored of it may be
    believed now, nor would what is stored now stay (workers/sweeping.py).
    """
    later = [each for each in batch if await any_condemned(site.log, digests_of(each))]
    await together(settle(site, each) for each in batch if each not in later)
    return later


def digests_of(delivery: Delivery[PostSubmitted]) -> set[str]:
    return {photo.sha256 for photo in delivery.event.photos}


async def settle(site: Darkroom, delivery: Delivery[PostSubmitted]) -> None:
    """Take one post from its staged bytes to its announcement."""
    staged = delivery.event.photos
    async with site.decoders.scratch.folder() as scratch:
        answers = await together(
            develop(site, photo, scratch / str(number))
            for number, photo in enumerate(staged, start=1)
        )
        outcome: PostPublished | PostRejected | None = rejection_of(delivery.id, answers)
        if outcome is None:
            # Only now, so that nothing is kept of a post that is rejected.
            developed = [each for each in answers if isinstance(each, Developed)]
            photos = await together(keep(site, each) for each in developed)
            outcome = PostPublished(post_id=delivery.id, photos=tuple(photos))
    await decide(site, delivery, outcome)
    await site.objects.discard([photo.key for photo in staged])


async def develop(site: Darkroom, staged: StagedPhoto, folder: Path) -> Developed | Refused:
    """Make the renditions of one photo in a folder, unless somebody uploaded the same before."""
    async with site.decoders.turns:
        stored = await stored_photo(site.objects, staged.sha256)
        if stored:
            return Developed(stored, None)
        source = source_in(folder)
        if not await fetch(site.objects, staged, source):
            return _LOST
        rendered = await site.decoders.render(source, folder)
    if isinstance(rendered, Refused):
        return rendered
    photo = RenderedPhoto(
        sha256=staged.sha256,
        size_bytes=staged.size_bytes,
        width=rendered.width,
        height=rendered.height,
        placeholder=rendered.placeholder,
        recipe=RECIPE,
        renditions=rendered.renditions,
    )
    return Developed(photo, folder)


def source_in(folder: Path) -> Path:
    """Where the uploaded bytes lie in a photo's folder, which is made if need be."""
    folder.mkdir(exist_ok=True)
    return folder / "source"


async def stored_photo(objects: Objects, sha256: str) -> RenderedPhoto | None:
    """What is known of a photo all of which is stored.

    A worker that was frozen may have written the manifest after all else was swept: so each is
    looked at, which costs little beside rendering it again.
    """
    try:
        manifest = await objects.read(manifest_key(sha256, RECIPE))
    except NotFound:
        return None
    photo = msgspec.json.decode(manifest, type=RenderedPhoto)
    keys = [original_key(sha256), *(key for key, _ in renditions_of(photo))]
    return photo if all(await together(objects.exists(each) for each in keys)) else None


def renditions_of(photo: RenderedPhoto) -> list[tuple[str, str]]:
    """Where each rendition is stored, and its name in the photo's folder."""
    return [
        (
            rendition_key(photo.sha256, photo.recipe, each.width, each.extension),
            f"{each.width}.{each.extension}",
        )
        for each in photo.renditions
    ]


async def fetch(objects: Objects, staged: StagedPhoto, path: Path) -> bool:
    """Bring the very bytes that were uploaded, from staging or, once they left it, the original."""
    for key in (staged.key, original_key(staged.sha256)):
        try:
            if await objects.fetch_to(key, path) == (staged.sha256, staged.size_bytes):
                return True
        except NotFound:
            continue
    return False


async def keep(site: Darkroom, developed: Developed) -> RenderedPhoto:
    """Store the original and every rendition that is not there yet, and last the manifest."""
    photo, folder = developed
    if folder is None:
        return photo
    files = [(original_key(photo.sha256), source_in(folder), "application/octet-stream")]
    files += [(key, folder / name, CONTENT_TYPE) for key, name in renditions_of(photo)]
    async with site.decoders.turns:
        await together(site.objects.put_if_absent(*each) for each in files)
        await site.objects.put_if_absent(
            manifest_key(photo.sha256, photo.recipe), msgspec.json.encode(photo), "application/json"
        )
    return photo


def rejection_of(post_id: int, answers: Sequence[Developed | Refused]) -> PostRejected | None:
    """A post is shown whole or not at all: its first refused photo decides."""
    for number, answer in enumerate(answers, start=1):
        if isinstance(answer, Refused):
            which = f"Photo {number}: " if len(answers) > 1 else ""
            return PostRejected(post_id=post_id, code=answer.code, detail=which + answer.detail)
    return None


async def decide(
    site: Darkroom, delivery: Delivery[PostSubmitted], outcome: PostPublished | PostRejected
) -> None:
    """Announce it, unless an outcome was announced before: a post is decided once, in the log.

    So of two workers that come to different ends, one frozen meanwhile perhaps, the first is heard.
    """
    if await site.log.precedents.answer(delivery, PostPublished, PostRejected) is None:
        with suppress(Conflict):
            await site.log.announce(outcome, actor=delivery.actor, cause=delivery)


async def together(work: Iterable[Awaitable[T]]) -> list[T]:
    """All at once, each to its end: files must not vanish under the others when one fails.

    An outage is raised before any other failure: it pauses reading, where the others make the
    consumer look for the post at fault.
    """
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    failures = [each for each in outcomes if isinstance(each, BaseException)]
    for failure in sorted(failures, key=is_outage, reverse=True):
        raise failure
    return [each for each in outcomes if not isinstance(each, BaseException)]
