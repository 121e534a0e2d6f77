"""Role `erasures`: the bytes that an erased account alone showed are gone within moments.

The collector's pass over the bucket comes once a day; this asks for the account's own photos, and
sweeps them in the same order (workers/sweeping.py). It touches the world outside, so no replay
runs it.
"""

import time
from collections.abc import Collection, Sequence
from contextlib import suppress

from events import codec
from events.accounts import AccountErased
from events.catalogue import tag_of
from events.entries import PAYLOAD, TYPE
from events.envelope import Delivery
from events.posts import PostEvent, PostSubmitted
from events.undone import shelved_entries, waiting_entries
from runtime.loglines import log as log_line
from stores import erasures, ledger
from stores.ledger import Standing
from stores.stored_photos import photos_named
from workers.collecting import SWEPT_AT_ONCE
from workers.site import Storeroom
from workers.sweeping import ROLES, is_of, sweep

# What is spared for longer than a condemnation lasts, the daily pass finds due.
PATIENCE_SECONDS = 900.0


async def sweep_erased(
    site: Storeroom, batch: Sequence[Delivery[AccountErased]]
) -> Collection[Delivery[AccountErased]]:
    """Delete what each account staged or showed and nobody else shows; the rest comes later."""
    later = []
    for each in batch:
        if await is_unfinished(site, each):
            later.append(each)
            continue
        await discard_staged(site, each)
        left = await sweep_photos(site, each.actor)
        if left and time.time() - each.position.ms / 1000 < PATIENCE_SECONDS:
            later.append(each)
        elif left:
            log_line().warning("erasure.left_to_collector", account=each.actor, photos=left)
    return later


async def is_unfinished(site: Storeroom, erasure: Delivery[AccountErased]) -> bool:
    """Whether a post of the account is still on its way, or not erased in its row.

    The log first: what was done by then has its row.
    """
    async for entry in waiting_entries(site.log, ROLES, PostEvent.TOPIC, erasure.partition):
        if is_of(entry, {erasure.actor}):
            return True
    erased = await erasures.erased_among(site.database, [erasure.actor])
    return not erased or bool(await erasures.posts_to_erase(site.database, erasure.actor, 0, 1))


async def discard_staged(site: Storeroom, erasure: Delivery[AccountErased]) -> None:
    """Of posts that are buried: their staged bytes wait for a retry, which now finds nothing."""
    tag = tag_of(PostSubmitted).encode()
    async for entry in shelved_entries(site.log, ROLES, PostEvent.TOPIC, erasure.partition):
        if is_of(entry, {erasure.actor}) and entry[1].get(TYPE) == tag:
            with suppress(codec.Undecodable):
                event = codec.decode(PostSubmitted, entry[1].get(PAYLOAD, b""), b"")
                await site.objects.discard([photo.key for photo in event.photos])


async def sweep_photos(site: Storeroom, account_id: int) -> int:
    """How many photos are due still: somebody else may just be posting them."""
    digests = await erasures.photos_of_erased(site.database, account_id)
    left = 0
    for start in range(0, len(digests), SWEPT_AT_ONCE):
        stored = await photos_named(site.objects, digests[start : start + SWEPT_AT_ONCE])
        judged = await ledger.judge(site.database, stored)
        due = [each for each in stored if judged[each.sha256].standing is Standing.DUE]
        if due:
            await ledger.enter(site.database, due, judged)
            left += len(due) - len(await sweep(site, due, {account_id}))
    return left
