"""Reading a feed is what makes somebody active, whichever way a page takes through the gateway."""

import pytest

from gateway.keys import FEEDS
from stores.feed_keys import window_key
from tests.gateway.feeding import NOW, make_id
from tests.workers.fanning import Position

DAY = 86_400
ENTRIES = [(NOW + n, make_id(Position(NOW + n, 0), 5)) for n in range(40)]


@pytest.mark.parametrize("path", ["/v1/feed", "/v1/feed?limit=3", "{next}"])
async def test_a_page_prolongs_the_life_of_its_window(gateway, cache_client, path):
    """The first page, a short one, or one further down; read again within a day it writes nothing.

    Posts nobody has a row of: a page of nothing is a read as well.
    """
    ada = await gateway.sign_up("ada")
    feeds = gateway.app[FEEDS]
    await feeds.refresh()
    token = await feeds.begin_build(ada.id)
    assert await feeds.finish_build(ada.id, token, ENTRIES[::-1], truncated=False)
    window = window_key(await feeds.current_names(), ada.id)
    first = await gateway.ask("GET", "/v1/feed?limit=3", ada)
    asked = path.format(next=f"/v1/feed?cursor={first.body['next']}")

    for _ in range(3):  # by whatever way: the first may only find out that there is another
        await cache_client.expire(window, 28 * DAY)
        assert (await gateway.ask("GET", asked, ada)).status == 200
        assert await cache_client.ttl(window) > 29.9 * DAY

    await cache_client.expire(window, int(29.5 * DAY))
    assert (await gateway.ask("GET", asked, ada)).status == 200
    assert await cache_client.ttl(window) <= 29.5 * DAY
