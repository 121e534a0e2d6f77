"""A gateway finds out by itself that an engine is away, and that it is back."""

import pytest

from gateway.keys import CACHE_REACH, LOG, READER_REACH
from tests.faults.proxy import proxied
from tests.gateway.serving import serving, until

REACHES = {
    "database": lambda app: app[READER_REACH],
    "cache": lambda app: app[CACHE_REACH],
    "log": lambda app: app[LOG].reach,
}


@pytest.mark.parametrize("silent", [False, True])
async def test_an_idle_gateway_knows_which_engines_are_away(settings, clean_site, silent):
    """Nobody has to wait to learn it, nor to end it."""
    async with proxied(settings) as (through, lines), serving(through) as gateway:
        reaches = {name: reach(gateway.app) for name, reach in REACHES.items()}
        for name in reaches:
            if silent:
                lines[name].stall()
            else:
                await lines[name].refuse()
        await until(lambda: all(reach.is_away() for reach in reaches.values()))
        for name in reaches:
            await lines[name].heal()
        await until(lambda: not any(reach.is_away() for reach in reaches.values()))
