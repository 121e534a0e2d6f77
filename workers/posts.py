"""Role `posts`: folds a post's life into the table `posts`, whatever order its events come in.

A post lives on its author's shard, and its author is the actor of all its events.
"""

from collections.abc import Collection, Sequence

import msgspec

from events.accounts import AccountErased
from events.envelope import Delivery
from events.ids import shard_of
from events.posts import (
    PostDeleted,
    PostPublished,
    PostRejected,
    PostRerendered,
    PostSubmitted,
)
from stores import erasures, publications
from stores.database import Database, transaction
from stores.folding import fold
from stores.profiles import lock_accounts, move_counters
from stores.publications import Publication, Rejection, Renewal, Submission
from workers.site import Folding

ERASED_AT_ONCE = 500

Decided = PostPublished | PostRejected | PostRerendered | PostDeleted


async def submit_posts(
    site: Folding, batch: Sequence[Delivery[PostSubmitted]]
) -> Collection[Delivery[PostSubmitted]]:
    """Write what the author said of each post."""
    async with transaction(site.database) as db:
        known = await lock_accounts(db, {each.actor for each in batch})
        ready = fold((e for e in batch if e.actor in known), key=lambda each: each.id)
        if ready:
            await publications.write_submissions(db, [_submission(each) for each in ready])
            await _erase(db, [each.id for each in ready])
    return [each for each in batch if each.actor not in known]


def _submission(delivery: Delivery[PostSubmitted]) -> Submission:
    event = delivery.event
    missing = len(event.photos) - len(event.alts)
    return Submission(
        id=delivery.id,
        author_id=delivery.actor,
        caption=event.caption,
        alts_json=msgspec.json.encode([*event.alts, *[""] * missing]).decode(),
        latitude=event.place.latitude if event.place else None,
        longitude=event.place.longitude if event.place else None,
    )


async def publish_posts(
    site: Folding, batch: Sequence[Delivery[PostPublished]]
) -> Collection[Delivery[PostPublished]]:
    """Raise each post to published, with what its latest publication learned of its photos."""
    async with transaction(site.database) as db:
        known = await lock_accounts(db, {each.actor for each in batch})
        ready = [each for each in batch if each.actor in known and _is_home(each)]
        latest = fold(ready, key=_post_id)
        first = fold(ready, key=_post_id, version=lambda each: -each.position.ms)
        if ready:
            moves = await publications.write_publications(
                db,
                [
                    Publication(
                        post_id=each.event.post_id,
                        author_id=each.actor,
                        published_ms=lowest.position.ms,
                        published_version=each.id,
                        photos_json=msgspec.json.encode(each.event.photos).decode(),
                    )
                    for each, lowest in zip(latest, first, strict=True)
                ],
            )
            await move_counters(db, moves)
            await _erase(db, [each.event.post_id for each in latest])
    return [each for each in batch if each.actor not in known]


async def renew_photos(
    site: Folding, batch: Sequence[Delivery[PostRerendered]]
) -> Collection[Delivery[PostRerendered]]:
    """Show each post's photos in the renditions of the latest recipe."""
    async with transaction(site.database) as db:
        known = await lock_accounts(db, {each.actor for each in batch})
        ready = fold((e for e in batch if e.actor in known and _is_home(e)), key=_post_id)
        if ready:
            await publications.write_renewals(
                db,
                [
                    Renewal(
                        each.event.post_id,
                        each.actor,
                        each.id,
                        msgspec.json.encode(each.event.photos).decode(),
                    )
                    for each in ready
                ],
            )
            await _erase(db, [each.event.post_id for each in ready])
    return [each for each in batch if each.actor not in known]


async def reject_posts(
    site: Folding, batch: Sequence[Delivery[PostRejected]]
) -> Collection[Delivery[PostRejected]]:
    """Raise each post to rejected and keep the latest reason; a published one stays published."""
    async with transaction(site.database) as db:
        known = await lock_accounts(db, {each.actor for each in batch})
        ready = fold((e for e in batch if e.actor in known and _is_home(e)), key=_post_id)
        if ready:
            await publications.write_rejections(
                db,
                [
                    Rejection(
                        each.event.post_id, each.actor, each.id, each.event.code, each.event.detail
                    )
                    for each in ready
                ],
            )
            await _erase(db, [each.event.post_id for each in ready])
    return [each for each in batch if each.actor not in known]


async def delete_posts(
    site: Folding, batch: Sequence[Delivery[PostDeleted]]
) -> Collection[Delivery[PostDeleted]]:
    """Raise each post to deleted, if the actor is its author; else the event is without effect.

    Only the row says whose a post is, so a deletion waits for it.
    """
    async with transaction(site.database) as db:
        await lock_accounts(db, {each.actor for each in batch})
        authors = await publications.authors_of(db, [_post_id(each) for each in batch])
        mine = [each for each in batch if authors.get(_post_id(each)) == each.actor]
        if mine:
            moments = [(_post_id(each), each.position.ms) for each in mine]
            await publications.set_deletion_moments(db, moments)
            moves = await publications.write_deletions(db, sorted(set(map(_post_id, mine))))
            await move_counters(db, moves)
    return [each for each in batch if _is_home(each) and _post_id(each) not in authors]


async def erase_posts(
    site: Folding, batch: Sequence[Delivery[AccountErased]]
) -> Collection[Delivery[AccountErased]]:
    """Raise all posts of each account to erased, some hundreds in a transaction.

    The account first: whoever writes a post of it from then on erases that in the same go.
    """
    async with transaction(site.database) as db:
        known = await lock_accounts(db, {each.actor for each in batch})
        ready = {each.actor: each.id for each in batch if each.actor in known}
        await erasures.erase_accounts(db, ready)
    for author_id in ready:
        last = 0
        while True:
            async with transaction(site.database) as db:
                await lock_accounts(db, {author_id})
                page = await erasures.posts_to_erase(db, author_id, last, ERASED_AT_ONCE)
                if not page:
                    break
                await _erase(db, page)
            last = page[-1]
    return [each for each in batch if each.actor not in known]


async def _erase(db: Database, post_ids: Sequence[int]) -> None:
    """Leave no words in those of the posts whose author is erased; the authors are locked."""
    await move_counters(db, await erasures.erase_posts(db, post_ids))


def _post_id(delivery: Delivery[Decided]) -> int:
    return delivery.event.post_id


def _is_home(delivery: Delivery[Decided]) -> bool:
    return shard_of(delivery.event.post_id) == shard_of(delivery.actor)
