"""What the model says of feeds: what windows and outboxes must hold above their own floors."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection
from typing import NamedTuple

from events.model import Model
from events.model_rows import edges_of, posts_of
from events.model_things import PUBLISHED

Place = tuple[int, int]
"""(publication in Unix ms, post id)"""


class Wrong(NamedTuple):
    """One post that a window lacks, or shows though it must not."""

    viewer_id: int
    post_id: int
    author_id: int
    published_ms: int
    lacks: bool


class Due:
    """Published posts by author and followees by follower, as the model has them now."""

    def __init__(self, model: Model, pulled: Collection[int] = frozenset()) -> None:
        """`pulled`: posts that fan-out has decided to leave in their authors' outboxes."""
        self._pulled = pulled
        self.authors: dict[int, int] = {}
        self._posts: dict[int, list[Place]] = defaultdict(list)
        self._followees: dict[int, set[int]] = defaultdict(set)
        for post_id, post in posts_of(model):
            if post["state"].value == PUBLISHED:
                author = post["author_id"].value
                self.authors[post_id] = author
                self._posts[author].append((post["published_ms"].value, post_id))
        for places in self._posts.values():
            places.sort()
        for (follower_id, followee_id), edge in edges_of(model):
            if edge["holds"].value:
                self._followees[follower_id].add(followee_id)

    def above(self, viewer_id: int, floor: int) -> dict[Place, int]:
        """The author of each post that the viewer's feed has above the floor."""
        due = {}
        for author in self._followees.get(viewer_id, ()):
            places = self._posts.get(author, [])
            for place in places[bisect_right(places, (floor, 2**63)) :]:
                due[place] = author
        return due

    def wrong_with(
        self, viewer_id: int, floor: int, entries: Collection[Place], hidden: Collection[int]
    ) -> list[Wrong]:
        """What the viewer would miss, or see too much, reading this window.

        Entries of posts that are not published, or whose author is hidden, are shown to nobody.
        What is pulled may be missing here: it is in an outbox.
        """
        due = self.above(viewer_id, floor)
        shown = {
            place: self.authors[place[1]]
            for place in entries
            if place[1] in self.authors and self.authors[place[1]] not in hidden
        }
        return [
            Wrong(viewer_id, place[1], author, place[0], lacks=lacks)
            for lacks, one, other in ((True, due, shown), (False, shown, due))
            for place, author in sorted(one.items())
            if place not in other and not (lacks and place[1] in self._pulled)
        ]

    def lacking_in_outbox(
        self, author_id: int, floor: int, entries: Collection[Place]
    ) -> list[Wrong]:
        """What everybody who follows the author would miss, reading this outbox."""
        return [
            Wrong(author_id, post_id, author_id, ms, lacks=True)
            for ms, post_id in self._posts.get(author_id, [])
            if ms > floor and post_id in self._pulled and (ms, post_id) not in entries
        ]
