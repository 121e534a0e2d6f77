"""python -m events replay: history once more, into a shadow, or into the site itself."""

import argparse
import time
from collections import Counter
from collections.abc import AsyncIterator

from events.catalogue import BY_TAG
from events.entries import TYPE
from events.people import People
from events.telling import Desk, Line, Progress, Table, Told
from events.wanted import Wanted, heads_of, streams_of, tags_of
from runtime.schema import LIVE
from runtime.shadow import finish_shadow, schema_named
from workers.rebuilding import follow, tell
from workers.shadowing import open_history, open_shadow
from workers.subscriptions import REPLAYED

TELL_SECONDS = 0.5


async def replay(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:
    """Fold what is wanted; what could not be is told, and the rest went on."""
    wanted = await wanted_by(desk, arguments)
    if arguments.dry_run:
        async for told in foretell(desk, wanted, arguments.into):
            yield told
        return
    schema = LIVE if arguments.into == "live" else schema_named(arguments.into)
    async with open_shadow(
        desk.settings,
        desk.log,
        schema,
        wanted=wanted,
        rate=arguments.rate,
        strict=arguments.strict,
    ) as shadow:
        if schema != LIVE:
            state = "is new" if shadow.is_new else "was begun before, and is gone on with"
            yield Line(f"{schema} {state}.", aside=True)
        async for told in follow(shadow.replay, "replaying"):
            yield told
        if schema != LIVE:
            await finish_shadow(shadow.connection, schema)
        async for told in tell(shadow.replay):
            yield told
        count = sum(shadow.replay.tally.folded.values())
        yield Line(f"{count:,} events are folded into {schema}.", aside=True)
        if schema != LIVE:
            yield Line("The collector drops it in a week, with what people erase.", aside=True)


async def foretell(desk: Desk, wanted: Wanted, into: str) -> AsyncIterator[Told]:
    """Count what would be folded, by role and type. Opens nothing, writes nothing."""
    counted: Counter[tuple[str, str]] = Counter()
    read, told_at = 0, time.monotonic()
    streams = streams_of(REPLAYED, desk.log.partitions)
    heads = await heads_of(desk.log, streams)
    async with open_history(desk.settings, desk.log) as history:
        for stream in streams:
            role, topic, partition = stream
            heard, until = tags_of(REPLAYED[role]), wanted.end(heads[stream])
            if wanted.after >= until:
                continue
            async for page in history.pages(topic, partition, after=wanted.after, until=until):
                read += len(page)
                for entry in page:
                    tag = entry[1].get(TYPE, b"")
                    known = tag.decode(errors="replace")
                    if (tag in heard or known not in BY_TAG) and wanted.admits(entry):
                        counted[role, known] += 1
                if time.monotonic() - told_at > TELL_SECONDS:
                    told_at = time.monotonic()
                    yield Progress(what="counting", done=read)
    rows = tuple(
        (*key, count, "" if key[1] in BY_TAG else "unknown here") for key, count in counted.items()
    )
    yield Table(heads=("role", "type", "events", ""), rows=rows)
    where = f" into {into}" if into else ""
    yield Line(f"{sum(counted.values()):,} events would be folded{where}.", aside=True)


async def wanted_by(desk: Desk, arguments: argparse.Namespace) -> Wanted:
    return Wanted(
        from_ms=arguments.since or 0,
        until_ms=arguments.until,
        tags=arguments.types,
        account=await People(desk.log).find(arguments.account) if arguments.account else None,
    )
