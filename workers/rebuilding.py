"""`rebuild metadata`: all tables again from the log, beside the site, and then in their place.

A shadow is filled while the site goes on, follows it to within a moment, is compared, and swapped
in. Whatever happens before the swap, the site is as it was; begun again, it goes on where it was.
"""

import time
from collections.abc import AsyncIterator
from typing import NamedTuple

import asyncpg

from events.log import Log
from events.replay import Replay
from events.tally import Fault
from events.telling import Line, Progress, Table, Told
from events.undone import undone
from events.wanted import heads_of
from runtime.connections import CONNECT_SECONDS
from runtime.errors import Conflict
from runtime.schema import code_version, database_version
from runtime.settings import Settings
from runtime.shadow import finish_shadow
from stores.epochs import Generations
from workers.excuses import Heads
from workers.ground import open_ground
from workers.refilling import forget_generation
from workers.shadowing import TABLES_AND_FEEDS, Shadow, alone, open_shadow
from workers.swapping import catch_up, swap
from workers.verify_commands import tell as tell_verdict
from workers.verifying import LOOKS_APART_SECONDS, verify

# Then the last step, in which handlers wait, is short.
NEAR_SECONDS = 1.0
MOST_ROUNDS = 1_000
MOST_SHOWN = 20


class Rebuilding(NamedTuple):
    """What is wanted of a rebuild."""

    schema: str
    verify: bool = True
    swap: bool = True
    raise_feeds: bool = True
    """Else somebody is about to build them, and raises their generation then."""
    despite_faults: bool = False
    strict: bool = False
    rate: float | None = None


async def rebuild_metadata(settings: Settings, log: Log, wanted: Rebuilding) -> AsyncIterator[Told]:
    """Tells as it goes. `Conflict` when the shadow may not be swapped in; it stays then."""
    await refuse_other_version(settings)
    async with (
        alone(settings, TABLES_AND_FEEDS),
        open_shadow(settings, log, wanted.schema, rate=wanted.rate, strict=wanted.strict) as shadow,
    ):
        yield Line(
            f"{shadow.schema} is new; it is filled from the first event on."
            if shadow.is_new
            else f"{shadow.schema} was begun before; it is gone on with.",
            aside=True,
        )
        async for told in follow(shadow.replay, "folding"):
            yield told
        yield Line("Making indexes.", aside=True)
        await finish_shadow(shadow.connection, shadow.schema)
        async for told in follow(shadow.replay, "following"):
            yield told
        async for told in tell(shadow.replay):
            yield told
        if not wanted.despite_faults:
            await refuse_faults(shadow)
        if wanted.verify:
            async for told in hold_to_model(settings, shadow):
                yield told
        if not wanted.swap:
            yield Line(
                f"{shadow.schema} holds everything up to a moment ago. Swap it in with the same "
                f"command, or drop it: python -m events rebuild drop {shadow.schema}"
            )
            return
        async for told in take_its_place(settings, shadow, raise_feeds=wanted.raise_feeds):
            yield told


async def take_its_place(
    settings: Settings, shadow: Shadow, *, raise_feeds: bool
) -> AsyncIterator[Told]:
    """Swap the shadow in, and have old windows forgotten with the tables they came from."""
    generations = Generations(shadow.replay.log.client)
    before = await generations.read()
    generation = await generations.reserve() if raise_feeds else 0
    swapped = await swap(shadow.connection, shadow.replay, shadow.schema, generation=generation)
    yield Line(
        f"Swapped: handlers waited {swapped.held_seconds * 1000:.0f} ms, "
        f"{swapped.groups_set_back} groups were set back."
    )
    if swapped.old_schema:
        yield Line(
            f"What was there before is {swapped.old_schema}, with all that people have erased "
            f"since: python -m events rebuild drop {swapped.old_schema}"
        )
    if generation:
        yield Line("Every window is built anew as it is read.", aside=True)
        await forget_generation(settings, before)


async def refuse_other_version(settings: Settings) -> None:
    """Tables of this version are there, or none at all: those of a database that was lost.

    None are made before the swap: a gateway that finds empty tables would say that nobody is here.
    """
    connection = await asyncpg.connect(settings.database_url, timeout=CONNECT_SECONDS)
    try:
        found, wanted = await database_version(connection), code_version()
    finally:
        await connection.close()
    if found not in {None, wanted}:
        raise Conflict(
            "database-of-other-version",
            f"The database is of version {found}, this code of {wanted}: "
            "run python -m runtime prepare first.",
        )


async def follow(replay: Replay, what: str) -> AsyncIterator[Told]:
    """Fold, until the way to the head takes no more than a moment."""
    for _ in range(MOST_ROUNDS):
        began = time.monotonic()
        heads = await heads_of(replay.log, replay.streams)
        async for tally in replay.run(heads):
            yield Progress(what=what, done=tally.read, total=replay.expected(heads))
        if time.monotonic() - began < NEAR_SECONDS:
            return


async def tell(replay: Replay) -> AsyncIterator[Told]:
    """What was folded, and what could not be."""
    tally = replay.tally
    rows = tuple((*key, count) for key, count in sorted(tally.folded.items()))
    if rows:
        yield Table(heads=("role", "type", "events"), rows=rows)
    if replay.without_effect:
        yield Line(
            f"{replay.without_effect} events have no effect: what they depend on is not there.",
            aside=True,
        )
    for fault in tally.faults:
        text = f"{fault.address}, {fault.tag or 'no type'}, for {fault.stream.role}: {fault.reason}"
        yield Line(text, failed=True, aside=True)
    if tally.faulty > len(tally.faults):
        yield Line(f"and {tally.faulty - len(tally.faults)} more", failed=True, aside=True)


async def refuse_faults(shadow: Shadow) -> None:
    """An event that the site itself could not fold either, and buried, is missing in neither."""
    tally = shadow.replay.tally
    if tally.given_up:
        raise Conflict(
            "rebuild-incomplete",
            f"{tally.given_up} events waited in vain while others came that they may have waited "
            f"for: {shadow.schema} is not swapped in. Run it again, or say --despite-faults.",
        )
    known = [each for each in tally.faults if await is_buried(shadow.replay.log, each)]
    if unknown := tally.faulty - len(known):
        raise Conflict(
            "rebuild-incomplete",
            f"{unknown} events could not be folded that the site has: {shadow.schema} is not "
            "swapped in. Mend the cause and drop it; or say --despite-faults.",
        )


async def hold_to_model(settings: Settings, shadow: Shadow) -> AsyncIterator[Told]:
    """Hold the shadow to what all events add up to, worked out another way."""

    async def behind(_: Heads) -> bool:
        await catch_up(shadow.replay)
        return False

    async with open_ground(settings, shadow.replay.log) as ground:
        async for each in verify(
            ground,
            live=shadow.schema,
            behind=behind,
            looks_apart_seconds=LOOKS_APART_SECONDS,
        ):
            if isinstance(each, Progress):
                yield each
            else:
                for told in tell_verdict(each, "the model", MOST_SHOWN):
                    yield told
                if each.drifted:
                    raise Conflict(
                        "rebuild-differs",
                        f"{shadow.schema} is not what its events add up to: a handler is wrong, or "
                        "the model. It is not swapped in.",
                    )


async def is_buried(log: Log, fault: Fault) -> bool:
    """Whether the site's own role gave the event up."""
    found = await undone(log, *fault.stream)
    return fault.position in {*found.buried, *found.dropped}
