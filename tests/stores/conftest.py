import pytest

from stores.feeds import Feeds
from tests.stores.viewing import VIEWER


@pytest.fixture
async def feeds(cache_client, log_client):
    made = Feeds(cache_client, log_client, cap=20)
    await made.refresh()
    return made


@pytest.fixture
def build(feeds):
    """Give a viewer the window that a reader would build of these entries."""

    async def built(viewer=VIEWER, entries=(), *, truncated=False):
        token = await feeds.begin_build(viewer)
        assert await feeds.finish_build(viewer, token, entries, truncated=truncated)

    return built
