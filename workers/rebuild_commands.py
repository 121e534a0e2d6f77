"""python -m events rebuild: tables, counters and feeds made again from what they derive from."""

import argparse
from collections.abc import AsyncIterator

from events.telling import Desk, Line, Told
from runtime.schema import LIVE
from runtime.shadow import drop_shadow, schema_named
from workers.rebuilding import Rebuilding, rebuild_metadata
from workers.shadowing import alone


async def metadata(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:
    async for told in rebuild_metadata(desk.settings, desk.log, rebuilding(arguments)):
        yield told


async def drop(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:
    """A shadow, or what a swap left behind."""
    name = arguments.schema.removeprefix(f"{LIVE}_")
    schema = f"{LIVE}_{name}" if name.startswith("old_") else schema_named(name)
    async with alone(desk.settings, schema) as connection:
        if await drop_shadow(connection, schema):
            yield Line(f"{schema} is dropped.")
        else:
            yield Line(f"There is no {schema}.", failed=True)


def rebuilding(arguments: argparse.Namespace, *, raise_feeds: bool = True) -> Rebuilding:
    return Rebuilding(
        schema=schema_named(arguments.shadow),
        swap=not arguments.no_swap,
        verify=not arguments.no_verify,
        raise_feeds=raise_feeds,
        despite_faults=arguments.despite_faults,
        strict=arguments.strict,
        rate=arguments.rate,
    )
