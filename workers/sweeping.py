"""Deletes stored photos that are due, in the only order in which nobody can come to miss them.

Whoever uploads the same bytes meanwhile must not be told that they are stored. Uploads are decided
by role `renditions`, which knows the log and the bucket but no rows (docs/decisions/0008):

1. Condemn the photos in the log server. A post that is submitted from now on waits there.
2. Spare what the log names among all that may not stand in a row yet: such a post may have been
   handled by somebody who looked before they were condemned.
3. Spare what a row references by now, or an operator restored.
4. Delete, manifests first: without one nobody believes that the rest is there.
5. Absolve them.

Whoever freezes on the way deletes nothing when it wakes: storage itself refuses a delete that comes
a minute after the first step.
"""

import time
from collections.abc import Collection, Sequence
from secrets import token_hex

from events import codec
from events.catalogue import BY_TAG
from events.entries import ACTOR, PAYLOAD, TYPE, Entry
from events.log import Log
from events.posts import PostEvent
from events.undone import undone_entries
from runtime.loglines import log as log_line
from stores import ledger
from stores.condemned import SWEEP_SECONDS, absolve, condemn
from stores.stored_photos import StoredPhoto
from workers.site import Storeroom

# Whose work leads from an upload to the row that references it, in the order in which they do it
# and have to be asked: what the first has just done, the second is found with, or has written.
ROLES = ("renditions", "posts")


async def sweep(
    site: Storeroom, due: Sequence[StoredPhoto], erased: Collection[int] = ()
) -> set[str]:
    """Delete those of the photos that nobody needs; which they were.

    Nothing that an `erased` account did needs any: none of it is waiting, none will be retried.

    After a failure to delete none is absolved: a delete may still be on its way, and a condemnation
    ends by itself.
    """
    sweeper, by = token_hex(8), time.time() + SWEEP_SECONDS
    photos = {each.sha256: each for each in due}
    condemned = await condemn(site.log, photos, sweeper)
    try:
        free = condemned - await named_in_log(site.log, condemned, by, erased)
        doomed = await ledger.doom(site.database, [photos[each] for each in sorted(free)])
    except Exception:
        await absolve(site.log, condemned, sweeper)  # none was sent yet
        raise
    for keys in in_order([photos[each] for each in sorted(doomed)]):
        await site.objects.delete(keys, by=by)
    await ledger.strike_out(site.database, doomed)
    await absolve(site.log, condemned, sweeper)
    return doomed


def in_order(photos: Sequence[StoredPhoto]) -> list[list[str]]:
    """Manifests, what they tell of, originals: each group is gone before the next is touched."""
    manifests = [key for each in photos for key in each.manifests]
    originals = [key for each in photos for key in each.originals]
    named = {*manifests, *originals}
    rest = [key for each in photos for key in each.keys if key not in named]
    return [manifests, rest, originals]


async def named_in_log(
    log: Log, photos: Collection[str], by: float, erased: Collection[int] = ()
) -> set[str]:
    """Those that an event shows whose effect does not stand yet; all of them when that is unclear.

    It is when an event is of a newer version than this process, or when time is up.
    """
    named: set[str] = set()
    for partition in range(log.partitions):
        async for entry in undone_entries(log, ROLES, PostEvent.TOPIC, partition):
            if erased and is_of(entry, erased):
                continue
            shown = photos_of(entry)
            if shown is None or time.time() >= by:
                reason = "unreadable" if shown is None else "too-far-behind"
                log_line().warning("sweep.postponed", reason=reason, position=entry[0].decode())
                return set(photos)
            named |= shown & set(photos)
    return named


def is_of(entry: Entry, accounts: Collection[int]) -> bool:
    """Whether one of the accounts did it."""
    return int(entry[1].get(ACTOR, b"0")) in accounts


def photos_of(entry: Entry) -> set[str] | None:
    """The digests of the photos that an event names; None where this process cannot tell."""
    _, fields = entry
    kind = BY_TAG.get(fields.get(TYPE, b"").decode(errors="replace"))
    if kind is None:
        return None
    try:
        event = codec.decode(kind, fields.get(PAYLOAD, b""), b"")
    except codec.Undecodable:
        return None
    return {photo.sha256 for photo in getattr(event, "photos", ())}
