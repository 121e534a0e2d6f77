"""python -m events rebuild: tables, counters and feeds made again from what they derive from."""

import argparse
from collections.abc import AsyncIterator

from events.telling import Desk, Line, Told
from runtime.schema import LIVE
from runtime.shadow import drop_shadow, schema_named
from workers.rebuilding import Rebuilding, rebuild_metadata
from workers.recounting import rebuild_counters
from workers.refilling import rebuild_feeds
from workers.rerendering import rebuild_renditions
from workers.shadowing import alone


async def metadata(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:
    async for told in rebuild_metadata(desk.settings, desk.log, rebuilding(arguments)):
        yield told


async def feeds(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:  # noqa: ARG001 - as every command
    async for told in rebuild_feeds(desk.settings, desk.log):
        yield told


async def counters(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:  # noqa: ARG001 - as every command
    async for told in rebuild_counters(desk.settings, desk.log):
        yield told


async def renditions(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:  # noqa: ARG001 - as every command
    async for told in rebuild_renditions(desk.settings, desk.log):
        yield told


async def everything(desk: Desk, arguments: argparse.Namespace) -> AsyncIterator[Told]:
    """Metadata, its counters among it, and then the feeds that are read from it."""
    async for told in rebuild_metadata(desk.settings, desk.log, rebuilding(arguments, feeds=False)):
        yield told
    if not arguments.no_swap:
        async for told in rebuild_feeds(desk.settings, desk.log):
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


def rebuilding(arguments: argparse.Namespace, *, feeds: bool = True) -> Rebuilding:
    return Rebuilding(
        schema=schema_named(arguments.shadow),
        swap=not arguments.no_swap,
        verify=not arguments.no_verify,
        raise_feeds=feeds,
        despite_faults=arguments.despite_faults,
        strict=arguments.strict,
        rate=arguments.rate,
    )
