"""How a lost window is built: in the order that leaves no hole, whatever happens meanwhile."""

import pytest

from gateway import pulling
from gateway.keys import FEEDS
from stores.pushes import Push
from tests.gateway.feeding import BOB, NOW, follow, opening, publish
from tests.workers.fanning import Pause


@pytest.fixture
async def client(settings, log_client, reader_database, database):
    async with opening(settings, log_client, reader_database, database) as opened:
        yield await opened()


async def test_a_post_published_during_a_build_is_in_the_window(client, database, monkeypatch):
    """Postgres is read after the token is in place: what that read just misses is pushed.

    Were it read before, the push would find no window, and the window would never have the post.
    """
    await follow(database)
    before = await publish(database, ms=2)
    feeds = client.app[FEEDS]
    slow = Pause(monkeypatch, pulling, "feed_pull", after=True)
    missed = []

    async def publish_and_push():
        missed.append(await publish(database, ms=3))
        await feeds.push([Push(NOW + 3, missed[0], [BOB])])

    pulled = await slow.during(pulling.read_and_keep(client.app, BOB), publish_and_push)

    assert [post_id for _, post_id in pulled.entries] == [before]
    window = await feeds.skeleton(BOB, None, 10)
    assert [post_id for _, post_id in window.entries] == [*missed, before]
