"""Reads of the feed of which it is sure which way they went."""

import asyncio

from prometheus_client import REGISTRY

from gateway.express import EXPRESS
from tests.gateway.feeding import BOB, read


def pages(client, outcome):
    """How many there were so far, those included that it would tell of in a moment."""
    client.app[EXPRESS].telling.flush()
    return REGISTRY.get_sample_value("heliograph_express_pages_total", {"outcome": outcome}) or 0


async def express(client, viewer=BOB, **query):
    """A read of which the express way is sure to be the maker."""
    served = pages(client, "served")
    answer = await read(client, viewer, **query)
    assert pages(client, "served") == served + 1
    return answer


async def ordinary(client, viewer=BOB, **query):
    """The same read, made the ordinary way: of a connection that is to be closed."""
    served = pages(client, "served")
    answer = await read(client, viewer, headers={"Connection": "close"}, **query)
    assert pages(client, "served") == served
    return answer


async def warm(client, viewer=BOB):
    """Until the viewer's page is within the gateway's memory; its ids."""
    async with asyncio.timeout(10):
        while True:
            served = pages(client, "served")
            _, body = await read(client, viewer)
            if pages(client, "served") > served:
                return [int(each["id"]) for each in body["items"]]
