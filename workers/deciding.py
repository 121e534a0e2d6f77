"""Push or pull, the planner's question: decided once for each post, and kept on its row.

A push costs the cache something for every active follower, all at once; a pulled post costs each of
their reads something, whenever that comes (docs/decisions/0014). So the number of active followers
decides, as the author's last fan-out met them.
"""

from collections.abc import Collection, Sequence

from stores import follows, pulled_posts
from stores.database import Database, transaction
from stores.posts import PostRow
from stores.progress import Note, Plan
from stores.pushes import Pushed
from workers.site import Site

# Of so many followers the share that is active is known to two or three per cent.
SAMPLE = 1_000


async def is_pulling(site: Site, author_id: int, followers: int, rows: Sequence[PostRow]) -> bool:
    """Whether what the author publishes now is to be pulled; asked of nobody with few followers."""
    if followers <= site.pull_above:
        return False
    async with transaction(site.database) as db:
        last = await pulled_posts.last_decided(db, author_id, [each.id for each in rows])
    progress = await site.fanouts.of(last) if last else None
    if progress is None or not progress.met.targets:
        return True  # nothing is known of them: all may be active
    met = progress.met
    return followers * (met.targets - met.absent) > site.pull_above * met.targets


async def decide(db: Database, rows: Sequence[PostRow], *, pulling: bool) -> Collection[int]:
    """Which of the posts are pulled: as decided before, else this, which is decided now."""
    pulled = {each.id for each in rows if each.pulled}
    if undecided := [each.id for each in rows if each.pulled is None]:
        decided = await pulled_posts.decide(db, undecided, pulled=pulling)
        pulled |= {post_id for post_id, is_pulled in decided.items() if is_pulled}
    return pulled


async def put_out(site: Site, author_id: int, followers: int, rows: Sequence[PostRow]) -> None:
    """Put the author's posts, decided as pulled, into the outbox; then see how many are active.

    What is met of a sample stands for the next decision where there are no pushes to tell it.
    """
    plan = Plan(pulled=True, followers=followers, parts=1)
    await site.feeds.refresh()
    await site.outboxes.push(author_id, [(each.published_ms or 0, each.id) for each in rows])
    async with site.large, transaction(site.database) as db:
        every = max(1, followers // SAMPLE)
        some = await follows.follower_range_bounds(db, author_id, every)
    floors = await site.feeds.floors(some)
    absent = sum(each is None for each in floors)
    met = Pushed(len(some), len(some) - absent, absent, 0)
    await site.fanouts.note(Note(each.id, plan, "sample", met) for each in rows)
