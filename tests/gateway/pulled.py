"""Fan-out by hand: published posts that are pushed to Bob, or left in an outbox."""

from gateway.outboxes import OUTBOXES
from stores import pulled_posts
from stores.feeds import Feeds
from stores.pushes import Push
from tests.gateway.feeding import ADA, BOB, NOW, publish
from workers.site import Site


def site_of(database, cache_client, log_client):
    """What fan-out works with."""
    return Site(log=None, database=database, feeds=Feeds(cache_client, log_client))


async def publish_and_fan_out(site, author=ADA, ms=1, sequence=0, *, pulled):
    """Publish, and pull, or push to Bob; the post's id."""
    post_id = await publish(site.database, author, ms, sequence)
    await pulled_posts.decide(site.database, [post_id], pulled=pulled)
    await site.feeds.refresh()
    if pulled:
        await site.outboxes.push(author, [(NOW + ms, post_id)])
    else:
        await site.feeds.push([Push(NOW + ms, post_id, [BOB])])
    return post_id


def a_second_later(client):
    """The gateway asks who is on the roll again."""
    client.app[OUTBOXES]._until = 0.0
