"""Makes windows agree with who follows whom, after a follow, its end, or a push that was slow.

Part of the role `fanout`.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from stores import follows, pulls
from stores.database import transaction
from stores.feeds import Merge
from stores.follows import EdgeRow
from workers.site import Site

Edge = tuple[int, int]
"""(follower, followee)"""


async def edge_rows(site: Site, edges: Iterable[Edge]) -> dict[Edge, EdgeRow]:
    async with transaction(site.database) as db:
        return await follows.edges_of(db, sorted(set(edges)))


async def reflect(site: Site, rows: dict[Edge, EdgeRow]) -> None:
    """Make windows agree with what holds, until a look after the fact shows the same rows.

    Without that look, a slow worker that hides could undo another's later backfill.
    """
    while rows:
        await site.feeds.refresh()
        await site.outboxes.forget_lists({follower_id for follower_id, _ in rows})
        await site.feeds.hide(edge for edge, row in rows.items() if not row.holds)
        await show(site, [edge for edge, row in rows.items() if row.holds])
        now = await edge_rows(site, rows)
        rows = {edge: row for edge, row in now.items() if row != rows[edge]}


async def show(site: Site, edges: Sequence[Edge]) -> None:
    """Unhide followees, and add their posts above the floor of each follower's window."""
    await site.feeds.unhide(edges)
    floors = await site.feeds.floors([follower_id for follower_id, _ in edges])
    windows: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for (follower_id, followee_id), floor in zip(edges, floors, strict=True):
        if floor is not None:
            windows[followee_id].append((follower_id, floor))

    for followee_id, followers in windows.items():
        lowest_floor = min(floor for _, floor in followers)
        async with transaction(site.database) as db:
            entries = await pulls.recent_of_author(db, followee_id, lowest_floor, site.feeds.cap)
        # A full read has more below it: there the window has to end, or it would have a hole.
        floor = entries[-1][0] if len(entries) == site.feeds.cap else 0
        await site.feeds.merge(Merge(follower_id, entries, floor) for follower_id, _ in followers)
