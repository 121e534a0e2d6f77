"""python -m events digest, verify and until: what tables hold, what they must hold, what was."""

import argparse
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

from events.history import History
from events.ids import MAX_ID, SHARDS
from events.model_decided import FEEDS
from events.people import People
from events.telling import Desk, Line, Progress, Table, Told
from events.until import Then, Until, check_moment
from runtime.errors import Invalid, NotFound
from stores.archive import Archive
from stores.digests import LIVE, TABLES, digests_of, has_schema, schema_of, total
from stores.objects import Objects
from stores.verdicts import Verified, keep_verdict
from stores.windows import current_names, digest_of
from workers.ground import open_ground
from workers.looking import PROJECTIONS, Ground, OtherSchema
from workers.shadowing import open_shadow
from workers.swapping import catch_up
from workers.verifying import LOOKS_APART_SECONDS, Finding, Verdict, verify

SECRETS = frozenset({"password_hash"})


async def digest(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:
    """A row for each projection; equal digests mean equal rows, in whatever order they stand."""
    schema = schema_of(arguments.schema)
    rows: list[tuple[object, ...]] = []
    async with open_ground(desk.settings, desk.log) as ground:
        await _check_schema(ground, schema)
        for number, table in enumerate(TABLES, 1):
            found = total((await digests_of(ground.connection, schema, table)).values())
            rows.append((table, found.rows, str(found)))
            yield Progress(what="digesting", done=number, total=len(TABLES) + 1, unit="tables")
        if schema == LIVE:
            windows = await digest_of(
                ground.cache, await current_names(ground.cache, desk.log.client)
            )
            rows.append((FEEDS, windows.rows, str(windows)))
    yield Table(heads=("projection", "rows", "digest"), rows=tuple(rows))


async def verify_site(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:
    """What differs, row by row, and whether anything has drifted."""
    against = schema_of(arguments.against) if arguments.against else ""
    async with AsyncExitStack() as stack:
        ground = await stack.enter_async_context(open_ground(desk.settings, desk.log))
        if against:
            await _check_schema(ground, against)
            checkpoints = await ground.connection.fetchval(
                "SELECT to_regclass($1) IS NOT NULL", f"{against}.replay_checkpoints"
            )
            other = await stack.enter_async_context(_kept_up(desk, against, is_shadow=checkpoints))
        else:
            other = None
        shards = await _sample(ground, arguments.sample) if arguments.sample else ()
        tables = arguments.tables or PROJECTIONS
        verdict = None
        telling = verify(
            ground,
            against=other,
            tables=tables,
            shards=shards,
            looks_apart_seconds=LOOKS_APART_SECONDS,
        )
        async with aclosing(telling):
            async for each in telling:
                if isinstance(each, Verdict):
                    verdict = each
                else:
                    yield each
        if verdict is None:
            return
        if not (against or shards or arguments.tables):
            await keep_verdict(desk.log.client, kept(verdict))
    for told in tell(verdict, against or "the model", arguments.limit):
        yield told


@asynccontextmanager
async def _kept_up(desk: Desk, schema: str, *, is_shadow: bool) -> AsyncIterator[OtherSchema]:
    """A shadow, which is folded on as the log grows; any other schema stays as it is."""

    async def stays() -> None:
        return

    if not is_shadow:
        yield OtherSchema(schema, stays)
        return
    async with open_shadow(desk.settings, desk.log, schema) as shadow:
        yield OtherSchema(schema, lambda: catch_up(shadow.replay))


def kept(verdict: Verdict) -> Verified:
    """What of a verdict is remembered."""
    explained = Counter(each.table for each in verdict.findings if each.explained)
    return Verified(
        ended_ms=int(time.time() * 1000),
        events=verdict.events,
        rows=verdict.rows,
        drifted=dict(verdict.drifted),
        explained=dict(explained),
    )


def tell(verdict: Verdict, other: str, limit: int) -> Iterator[Told]:
    """A table of counts, the first rows that differ, and a sentence."""
    counts = kept(verdict)
    yield Table(
        heads=("projection", "rows", "drifted", "explained", "moving"),
        rows=tuple(
            (
                table,
                rows,
                counts.drifted.get(table, 0),
                counts.explained.get(table, 0),
                verdict.moving.get(table, 0),
            )
            for table, rows in verdict.rows.items()
        ),
    )
    findings = sorted(verdict.findings, key=lambda each: bool(each.explained))
    if findings:
        yield Table(
            title=f"Of the live site and of {other}",
            heads=("projection", "row", "register", "live", "due", "decided by", "why"),
            rows=tuple(row for each in findings[:limit] for row in side_by_side(each)),
        )
    if len(findings) > limit:
        yield Line(f"{len(findings) - limit} more differ. `--limit` shows them.", aside=True)
    if verdict.unreadable:
        yield Line(
            f"{verdict.unreadable} entries cannot be read here; they are dead letters, or of a "
            "newer version.",
            aside=True,
        )
    drifted = sum(counts.drifted.values())
    read = f"{verdict.events:,} events" if verdict.events else other
    text = f"{sum(verdict.rows.values()):,} rows held to {read} in {verdict.seconds:.1f} s: "
    text += f"{drifted:,} have drifted." if drifted else "nothing has drifted."
    yield Line(text, failed=bool(drifted), aside=True)


def side_by_side(finding: Finding) -> Iterator[tuple[object, ...]]:
    """A line for each register that differs, or one for a row that only one side has."""
    row, decided = " ".join(finding.key), " ".join(finding.decided_by)
    why = finding.explained or "drift"
    for column in finding.columns:
        sides = ((finding.live or {}).get(column), (finding.due or {}).get(column))
        live, due = ("(differs)", "(kept to itself)") if column in SECRETS else sides
        yield finding.table, row, column, live, due, decided, why
    if not finding.columns:
        live, due = ("no row" if side is None else "a row" for side in (finding.live, finding.due))
        yield finding.table, row, None, live, due, decided, why


async def until(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:
    """The registers of an account or a post at a moment, and which event had set each."""
    check_moment(arguments.at, int(time.time() * 1000))
    async with Objects(desk.settings.objects_url) as objects:
        reading = Until(desk.log, History(desk.log, Archive(objects)), arguments.at)
        if arguments.account:
            account_id = await People(desk.log).find(arguments.account)
            async for count in reading.account(account_id):
                yield Progress(what="reading", done=count)
            told = [Then("id", str(account_id), "", ""), *reading.account_then(account_id)]
        else:
            post_id = _post_id(arguments.post)
            async for count in reading.post(post_id):
                yield Progress(what="reading", done=count)
            told = [Then("id", str(post_id), "", ""), *reading.post_then(post_id)]
    yield Table(heads=("register", "value", "set by", "at"), rows=tuple(told))


def _post_id(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= MAX_ID:
        return int(text)
    raise Invalid("no-id", f"{text!r} is no post's id.")


async def _check_schema(ground: Ground, schema: str) -> None:
    if not await has_schema(ground.connection, schema):
        raise NotFound("no-schema", f"There is no schema {schema}.")


async def _sample(ground: Ground, accounts: int) -> list[int]:
    """Shards that hold about so many accounts; none, for all, when there are no more than that."""
    found = await digests_of(ground.connection, LIVE, "accounts")
    shards = SHARDS * accounts // max(total(found.values()).rows, 1)
    return sorted(random.sample(range(SHARDS), max(shards, 1))) if shards < SHARDS else []
