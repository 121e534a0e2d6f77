"""Windows judged by what was posted and followed, after every step of test_windows_model.py."""

from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from gateway import pulling
from gateway.keys import FEEDS
from runtime.connections import open_cache, open_database, open_log
from stores import pulls
from stores.feeds import Feeds
from tests.properties.turns import Slowed, SlowPool, Turns
from tests.workers.fanning import ADA, BOB, EVE, sign_up
from workers.site import PULL_ABOVE, Site

CAP = 10
AUTHORS = (ADA, BOB, EVE)
VIEWERS = (ADA + 50 * 1024, BOB + 50 * 1024)
CHANGING = ("refresh", "begin_build", "finish_build", "floors", "merge", "hide", "unhide")

author_of = st.sampled_from(AUTHORS)
viewer_of = st.sampled_from(VIEWERS)


class Post(NamedTuple):
    ms: int
    id: int
    author: int

    @property
    def place(self):
        return self.ms, self.id


class Work(NamedTuple):
    """A delivery to fan-out, or a build; and the author whose posts it moves, if just one's."""

    author: int | None
    handler: object
    delivery: object


class WholeWindows(Feeds):
    """No push may cost anybody a window: what stands too low is skipped."""

    async def push(self, pushes):
        before = await self.floors(VIEWERS)
        landed = await super().push(list(pushes))
        after = await self.floors(VIEWERS)
        assert [each is None for each in after] == [each is None for each in before]
        return landed


class Judged(RuleBasedStateMachine):
    """Two viewers, three authors, and whatever changes windows at the same time."""

    engines = None
    pull_above = PULL_ABOVE
    most_entries = CAP + CAP // 10

    def __init__(self):
        super().__init__()
        self.posts, self.deleted, self.follows = {}, set(), set()
        self.past = []
        self.sequence, self.moment = 0, 100

    def do(self, awaitable):
        return self.engines.loop.run_until_complete(awaitable)

    @initialize(followed=st.sets(st.tuples(viewer_of, author_of), min_size=2))
    def open(self, followed):
        self.do(self._open())
        for viewer, author in sorted(followed):
            self.follow_or_leave(viewer, author)
        for viewer in VIEWERS:
            self.lose_and_build(viewer, lost=True, calls=99)
        self.everything_done()

    async def _open(self):
        engines = self.engines
        await engines.cache.flushdb()
        await engines.database.execute(
            "DELETE FROM posts; DELETE FROM followers; DELETE FROM following"
        )
        self.turns = Turns()
        self.feeds = WholeWindows(engines.cache, engines.log, cap=CAP)
        await self.feeds.refresh()
        slow = Slowed(self.feeds, self.turns, "push", *CHANGING)
        self.database, self.app = SlowPool(engines.database, self.turns), {FEEDS: slow}
        engines.turns = self.turns

    def teardown(self):
        if hasattr(self, "turns"):
            self.everything_done()

    def everything_done(self):
        """When all have ended, nobody is busy: every window is exactly what it should be."""
        while self.turns:
            self.do(self.turns.advance(0, 99))
        self.whoever_reads_sees_everything_once()

    # What must hold at any time, of authors about whom nothing is going on just now.

    @invariant()
    def whoever_reads_sees_everything_once(self):
        if not hasattr(self, "turns"):
            return
        busy = {work.author for work in self.turns.subjects()}
        for viewer in VIEWERS:
            window = self.do(self.page(viewer, None, 1_000))
            if window is None:
                continue
            assert window.entries == sorted(set(window.entries), reverse=True)
            assert all(ms > window.floor for ms, _ in window.entries)
            assert len(window.entries) <= self.most_entries
            assert self.do(self.page_by_page(viewer, 3)) == window.entries
            below = self.do(
                pulls.feed_pull(self.engines.database, viewer, (window.floor + 1, 0), 1_000)
            )
            read = [self.posts[post_id] for _, post_id in window.entries]
            read = [each for each in read if each.author not in window.hidden]
            read += [self.posts[post_id] for _, post_id, _ in below]
            shown = [each.place for each in read if each.author not in busy]
            assert self.alive(shown) == self.due_to(viewer, busy)

    async def page_by_page(self, viewer, size):
        seen, before = [], None
        while page := (await self.page(viewer, before, size)).entries:
            assert len(page) <= size
            seen += page
            before = page[-1]
        return seen

    async def page(self, viewer, before, size):
        return await self.feeds.skeleton(viewer, before, size)

    def due_to(self, viewer, busy):
        followed = {author for each, author in self.follows if each == viewer} - busy
        theirs = [post.place for post in self.posts.values() if post.author in followed]
        return self.alive(sorted(theirs, reverse=True))

    def alive(self, places):
        return [place for place in places if place[1] not in self.deleted]

    def begin(self, work, calls=0):
        self.do(self.turns.start(self._done(work), work, calls))

    async def _done(self, work):
        if work.handler is None:
            await pulling.read_and_keep(self.app, work.delivery)
            return
        # Each is of another process: within one, few would be under way at once.
        site = Site(
            log=None, database=self.database, feeds=self.app[FEEDS], pull_above=self.pull_above
        )
        left = await work.handler(site, [work.delivery])
        assert not left
        self.past.append(work)


def open_engines(engines, settings, runner):
    """Put there what every example of a machine shares."""
    engines.loop = runner.get_loop()
    engines.cache, engines.log = open_cache(settings), open_log(settings)
    engines.database = runner.run(open_database(settings))
    runner.run(sign_up(engines.database, [*AUTHORS, *VIEWERS]))


def close_engines(engines, runner):
    runner.run(engines.database.close())
    runner.run(engines.cache.aclose())
    runner.run(engines.log.aclose())
