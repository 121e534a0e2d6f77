"""Whether a site holds what its history adds up to, told while the site goes on working.

A row is wrong when two looks some seconds apart find the same in it, both sides unchanged, and no
event that waits, is buried or was dropped explains it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence

import msgspec

from events.model_decided import FEEDS
from events.telling import Progress
from stores.counted import miscounted_accounts
from stores.differences import Difference
from stores.digests import LIVE
from workers import excuses
from workers.excuses import Heads
from workers.looking import (
    PROJECTIONS,
    Ground,
    Modelled,
    Other,
    OtherSchema,
    Seen,
    look_again,
    look_at_windows,
    look_everywhere,
    owners_of,
)
from workers.standing import COUNTERS, moves, stands

LOOKS = 5
LOOKS_APART_SECONDS = 5.0
# What a healthy site needs for a backlog of seconds. Behind by more, its rows are explained by it.
WAIT_SECONDS = 60.0
POLL_SECONDS = 0.5


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A row that is not as it must be; `live` and `due` are texts by column, None without a row."""

    table: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    live: dict[str, str | None] | None
    due: dict[str, str | None] | None
    decided_by: tuple[str, ...] = ()
    explained: str = ""
    """What is not applied yet, or never will be; empty: the row has drifted."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a verification found."""

    events: int
    rows: dict[str, int]
    findings: tuple[Finding, ...]
    moving: dict[str, int]
    """Rows that changed between any two looks: neither right nor wrong was found of them."""
    unreadable: int
    seconds: float

    @property
    def drifted(self) -> Counter[str]:
        """Rows by table that nothing explains."""
        return Counter(each.table for each in self.findings if not each.explained)


async def verify(
    ground: Ground,
    *,
    live: str = LIVE,
    against: OtherSchema | None = None,
    tables: Sequence[str] = PROJECTIONS,
    shards: Collection[int] = (),
    behind: Callable[[Heads], Awaitable[bool]] | None = None,
    looks_apart_seconds: float = LOOKS_APART_SECONDS,
    wait_seconds: float = WAIT_SECONDS,
) -> AsyncGenerator[Progress | Verdict, None]:
    """Tells how far it is, and at the end the verdict.

    `live`: the schema to be verified; `against`: another one, or else the model of all history.
    `behind`: whether who folds into it has still something to do; by default the site's groups.
    `shards`: these alone, and no windows, for who they follow may be of any shard.
    """
    started = time.monotonic()
    other: Other = against or Modelled(ground, shards, live)
    if against or shards or live != LIVE:
        tables = [each for each in tables if each != FEEDS]
    late = behind or (lambda heads: excuses.behind(ground.log, heads))

    events = 0
    total = await other.reading.total() if isinstance(other, Modelled) else 0
    async for events in other.go_on():
        yield Progress(what="reading", done=events, total=max(total, events))
    await _keep_up(ground, other, late, wait_seconds)
    rows: dict[str, int] = {}
    seen: Seen = {}
    for number, table in enumerate(tables, 1):
        if table == FEEDS and isinstance(other, Modelled):
            rows[table], found = await look_at_windows(ground, other.model)
        else:
            rows[table], found = await look_everywhere(ground, live, other, table, shards)
        seen |= found
        yield Progress(what="comparing", done=number, total=len(tables), unit="tables")

    wrong: dict[tuple[str, tuple[str, ...]], tuple[Difference, str]] = {}
    miscounted: Seen = {}
    for number in range(1, LOOKS):
        if not seen:
            break
        yield Progress(what="looking again", done=number, total=LOOKS - 1, unit="looks")
        await asyncio.sleep(looks_apart_seconds)
        heads = await _keep_up(ground, other, late, wait_seconds)
        why = await excuses.excuses(ground.log, heads)
        before, seen = seen, await _look_at(ground, live, other, seen)
        miscounted |= await _miscounted(ground, (live, against.schema if against else ""), seen)
        # Explained now or never: later, what was not applied yet may have been.
        same = {
            key: (each, why.of(each)) for key, each in seen.items() if stands(before.get(key), each)
        }
        wrong |= same
        seen = {key: each for key, each in seen.items() if key not in same and moves(each)}
    findings = [_finding(each, other, explained) for each, explained in wrong.values()]
    # Counters move with what they count, in one transaction: nothing explains them.
    findings += [_finding(each, other, "") for key, each in miscounted.items() if key not in wrong]
    yield Verdict(
        events=other.model.folded if isinstance(other, Modelled) else 0,
        rows=rows,
        findings=tuple(findings),
        moving=dict(Counter(each.table for each in seen.values())),
        unreadable=len(other.reading.unreadable) if isinstance(other, Modelled) else 0,
        seconds=time.monotonic() - started,
    )


async def _keep_up(
    ground: Ground, other: Other, late: Callable[[Heads], Awaitable[bool]], wait_seconds: float
) -> Heads:
    """Wait until what is in the log now has been applied, but not for ever; then read up to it."""
    heads = await excuses.heads_of(ground.log)
    deadline = time.monotonic() + wait_seconds
    while await late(heads) and time.monotonic() < deadline:  # noqa: ASYNC110 - no event of ours
        await asyncio.sleep(POLL_SECONDS)
    async for _ in other.go_on():
        pass
    return heads


async def _look_at(ground: Ground, live: str, other: Other, seen: Seen) -> Seen:
    """The rows that differed, once more."""
    found: Seen = {}
    for table in {each.table for each in seen.values()}:
        owners = owners_of(seen, table)
        if table == FEEDS and isinstance(other, Modelled):
            found |= (await look_at_windows(ground, other.model, owners))[1]
        else:
            found |= await look_again(ground, live, other, table, owners)
    return {key: each for key, each in found.items() if key in seen}


async def _miscounted(ground: Ground, schemas: Sequence[str], seen: Seen) -> Seen:
    """Those of the accounts whose counters differ that are wrong by the rows beside them.

    Of one moment, so nothing is under way. Where they are right, what differs is those rows.
    """
    suspects = {
        key: each
        for key, each in seen.items()
        if each.table == "accounts" and COUNTERS & set(each.columns)
    }
    owners = sorted(owners_of(suspects, "accounts"))
    bad: set[int] = set()
    for schema in filter(None, schemas if owners else ()):
        bad |= await miscounted_accounts(ground.connection, schema, owners)
    return {key: each for key, each in suspects.items() if each.owner in bad}


def _finding(difference: Difference, other: Other, why: str) -> Finding:
    return Finding(
        table=difference.table,
        key=difference.key,
        columns=difference.columns,
        live=difference.one,
        due=difference.other,
        decided_by=tuple(other.decided_by(difference)),
        explained=why,
    )
