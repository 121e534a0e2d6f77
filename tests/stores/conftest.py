import pytest

from stores.feeds import Feeds
from stores.link import Link
from tests.stores.viewing import VIEWER


@pytest.fixture(params=["pooled", "linked"])
async def feeds(request, cache_client, log_client):
    """Over connections of a pool, or over one that all calls share."""
    link = Link(cache_client, 5) if request.param == "linked" else None
    made = Feeds(cache_client, log_client, cap=20, link=link)
    await made.refresh()
    yield made
    if link:
        link.close()


@pytest.fixture
def build(feeds):
    """Give a viewer the window that a reader would build of these entries."""

    async def built(viewer=VIEWER, entries=(), *, truncated=False):
        token = await feeds.begin_build(viewer)
        assert await feeds.finish_build(viewer, token, entries, truncated=truncated)

    return built
