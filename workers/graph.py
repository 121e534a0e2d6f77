"""Role `graph`: folds wishes and verdicts into both tables of follows, and gives the easy verdicts.

Verdicts are facts: announced once, after the rows they were read from are committed, and folded
when they come back. So replay, which announces nothing, never decides.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import TypeVar

from events.accounts import AccountErased, ProfileEdited
from events.envelope import Delivery
from events.graph import FollowAccepted, FollowRequested, Unfollowed
from events.ids import MAX_ID, position_of
from events.undone import undone_of_actors
from stores import edges, erasures, follows
from stores.accounts import accounts_by_ids
from stores.database import Database, transaction
from stores.edges import Verdict, Wish
from stores.folding import fold
from stores.follows import EdgeRow
from stores.profiles import lock_accounts, move_counters
from workers.site import Folding, Site

ANNOUNCED_AT_ONCE = 16  # half of the connections a process opens to the log
PAGE = 500
NEVER = position_of(MAX_ID)

Edge = tuple[int, int]  # follower, followee
Cause = FollowRequested | ProfileEdited
W = TypeVar("W", FollowRequested, Unfollowed)


async def record_wishes(
    site: Site, batch: Sequence[Delivery[FollowRequested]]
) -> Collection[Delivery[FollowRequested]]:
    """Write who wishes to follow whom; a public account's yes to the latest wish is announced.

    A private account says nothing here: a wish that repeats an accepted one holds by that
    acceptance, and a yes would let somebody back in whose withdrawal, between the two, is still on
    its way. See docs/decisions/0004-verdicts-follow-their-wishes.md.

    A wish that comes after something its followee's row does not show yet is judged later: that
    may be the order to close the door.
    """
    wishes = _of_others(batch)
    unwritten = await _unwritten(site, [each.event.followee_id for each in wishes])
    async with transaction(site.database) as db:
        private = await _fold_wishes(db, wishes, wish=True)
        ready = [each for each in wishes if private.keys() >= set(_wished(each))]
        rows = await follows.edges_of(db, [_wished(each) for each in ready])
    waiting = [each for each in fold(ready, key=_wished) if _waits(rows[_wished(each)], each.id)]
    early = [each for each in waiting if unwritten[each.event.followee_id] <= each.position.ms]
    await _accept(
        site,
        [
            (each, each.actor, each.id)
            for each in waiting
            if each not in early and not private[each.event.followee_id]
        ],
    )
    return early + [each for each in wishes if not private.keys() >= set(_wished(each))]


async def write_wishes(
    site: Folding, batch: Sequence[Delivery[FollowRequested]]
) -> Collection[Delivery[FollowRequested]]:
    """Write who wishes to follow whom, and judge nothing: what a replay does with a wish."""
    return await _write_edges(site, _of_others(batch), wish=True)


async def _unwritten(site: Site, account_ids: Collection[int]) -> dict[int, int]:
    """Of each account: from which millisecond on its row may not show what was said about it.

    To be asked before the row is read. Within a millisecond, positions of two partitions have no
    order.
    """
    undone = await undone_of_actors(site.log, "accounts", ProfileEdited.TOPIC, set(account_ids))
    return {each: undone.get(each, NEVER).ms for each in account_ids}


def _waits(row: EdgeRow, wish_version: int) -> bool:
    """Whether this very wish stands and has no verdict yet.

    So a wish that is older than any record is not answered twice, once its verdict is folded; and
    before that, a second yes to one wish is the first one again.
    """
    return row.wish and row.wish_version == wish_version and row.accepted_wish < wish_version


async def record_withdrawals(
    site: Folding, batch: Sequence[Delivery[Unfollowed]]
) -> Collection[Delivery[Unfollowed]]:
    """Write who no longer wishes to follow whom; it ends every acceptance of an earlier wish."""
    return await _write_edges(site, _of_others(batch), wish=False)


async def record_verdicts(
    site: Folding, batch: Sequence[Delivery[FollowAccepted]]
) -> Collection[Delivery[FollowAccepted]]:
    """Write what followees said; of verdicts on several wishes, that on the latest wish counts."""
    async with transaction(site.database) as db:
        known = await lock_accounts(db, _parties(map(_judged, batch)))
        ready = [each for each in batch if known.keys() >= set(_judged(each))]
        latest = fold(ready, key=_judged, version=lambda each: (each.event.wish_version, each.id))
        if latest:
            verdicts = [
                Verdict(*_judged(each), True, each.event.wish_version, each.id) for each in latest
            ]
            moves = await edges.write_verdicts_to_followers(db, verdicts)
            moves += await edges.write_verdicts_of_followees(db, verdicts)
            await move_counters(db, moves)
            await move_counters(db, await erasures.end_edges(db, set(map(_judged, latest))))
    return [each for each in batch if not known.keys() >= set(_judged(each))]


async def end_follows(
    site: Site, batch: Sequence[Delivery[AccountErased]]
) -> Collection[Delivery[AccountErased]]:
    """End every edge of each account, on both sides, some hundreds in a transaction.

    The account first: whoever writes an edge of it from then on ends that in the same go.
    """
    async with transaction(site.database) as db:
        known = await lock_accounts(db, {each.actor for each in batch})
        ready = {each.actor: each.id for each in batch if each.actor in known}
        await erasures.erase_accounts(db, ready)
    for account_id in ready:
        for others, is_follower in ((follows.followees_of, True), (follows.followers_of, False)):
            last = 0
            while True:
                async with transaction(site.database) as db:
                    page = await others(db, account_id, last, PAGE)
                    await lock_accounts(db, {account_id, *page})
                    ended = {
                        (account_id, each) if is_follower else (each, account_id) for each in page
                    }
                    await move_counters(db, await erasures.end_edges(db, ended))
                if not page:
                    break
                last = page[-1]
    return [each for each in batch if each.actor not in known]


async def open_doors(
    site: Site, batch: Sequence[Delivery[ProfileEdited]]
) -> Collection[Delivery[ProfileEdited]]:
    """Going public accepts every waiting wish; going private ends no follow.

    The register comes first: a wish written before it was public is read here, since both sides
    lock the account's row, and one written after it sees a public account. What is read is what
    waits, so an old cause announces nothing twice, whatever the log still remembers of it.
    """
    openings = fold((e for e in batch if e.event.private is False), key=lambda each: each.actor)
    unwritten = await _unwritten(site, [each.actor for each in openings])
    async with transaction(site.database) as db:
        rows = await accounts_by_ids(db, [each.actor for each in openings])
    early = set()
    for opening in openings:
        row = rows.get(opening.actor)
        if row is None or row.private_version < opening.id:
            early.add(opening.actor)
        elif not row.private:
            await _accept_all_waiting(site, opening, unwritten[opening.actor])
    return [each for each in batch if each.event.private is False and each.actor in early]


async def _accept_all_waiting(
    site: Site, opening: Delivery[ProfileEdited], unwritten_ms: int
) -> None:
    """All but the wishes that wait for what is unwritten yet: their own deliveries judge them."""
    seen_version = 0
    while True:
        async with transaction(site.database) as db:
            waiting = await follows.waiting_wishes(db, opening.actor, seen_version, PAGE)
        if not waiting:
            return
        await _accept(
            site,
            [
                (opening, follower_id, wish)
                for follower_id, wish in waiting
                if position_of(wish).ms < unwritten_ms
            ],
        )
        seen_version = waiting[-1][1]


async def _accept(site: Site, answers: Sequence[tuple[Delivery[Cause], int, int]]) -> None:
    """Announce the followee's yes to each (cause, follower, wish), a few at a time."""
    for start in range(0, len(answers), ANNOUNCED_AT_ONCE):
        await asyncio.gather(
            *(
                site.log.announce(
                    FollowAccepted(follower_id=follower_id, wish_version=wish_version),
                    actor=_followee_of(cause),
                    cause=cause,
                    part=str(wish_version),
                )
                for cause, follower_id, wish_version in answers[start : start + ANNOUNCED_AT_ONCE]
            )
        )


def _followee_of(cause: Delivery[Cause]) -> int:
    return cause.event.followee_id if isinstance(cause.event, FollowRequested) else cause.actor


def _of_others(batch: Sequence[Delivery[W]]) -> list[Delivery[W]]:
    """Nobody follows himself."""
    return [each for each in batch if each.event.followee_id != each.actor]


async def _write_edges(
    site: Folding, batch: Sequence[Delivery[W]], *, wish: bool
) -> Collection[Delivery[W]]:
    async with transaction(site.database) as db:
        known = await _fold_wishes(db, batch, wish=wish)
    return [each for each in batch if not known.keys() >= set(_wished(each))]


async def _fold_wishes(
    db: Database, batch: Sequence[Delivery[FollowRequested | Unfollowed]], *, wish: bool
) -> dict[int, bool]:
    """Write the wishes of which both accounts are there; whether each account is private."""
    known = await lock_accounts(db, _parties(map(_wished, batch)))
    ready = [each for each in batch if known.keys() >= set(_wished(each))]
    wishes = [Wish(*_wished(each), wish, each.id) for each in fold(ready, key=_wished)]
    if wishes:
        moves = await edges.write_wishes_of_followers(db, wishes)
        moves += await edges.write_wishes_to_followees(db, wishes)
        await move_counters(db, moves)
        await move_counters(db, await erasures.end_edges(db, set(map(_wished, batch))))
    return known


def _wished(delivery: Delivery[FollowRequested | Unfollowed]) -> Edge:
    return delivery.actor, delivery.event.followee_id


def _judged(delivery: Delivery[FollowAccepted]) -> Edge:
    return delivery.event.follower_id, delivery.actor


def _parties(edges_of_batch: Iterable[Edge]) -> set[int]:
    return {account_id for edge in edges_of_batch for account_id in edge}
