"""No hole and no double, whatever interleaving: windows against a model, on a real Valkey.

Postgres is a Python set here; what runs at the same time is cut into steps, and Hypothesis chooses
whose step comes next.
"""

import asyncio
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from stores.feed_keys import both_keys
from stores.feeds import Feeds, Merge, Push

VIEWER = 123 << 10
CAP = 10
AUTHORS = st.integers(1, 3)


class Post(NamedTuple):
    ms: int
    id: int
    author: int


class Windows(RuleBasedStateMachine):
    """One viewer's window, and what changes it at the same time."""

    cache_url = ""
    log_url = ""

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.posts, self.follows, self.edge_version = set(), set(), 0
        self.running = []

    def do(self, awaitable):
        return self.loop.run_until_complete(awaitable)

    @initialize()
    def open(self):
        self.cache = Redis.from_url(self.cache_url)
        self.log = Redis.from_url(self.log_url)
        self.do(self.cache.flushdb())
        self.feeds = Feeds(self.cache, self.log, cap=CAP)
        self.do(self.feeds.refresh())
        self.keys = both_keys(self.feeds._names, VIEWER)
        self.follows = {1, 2}
        self.build()
        self.everything_done()

    def teardown(self):
        if hasattr(self, "feeds"):
            self.everything_done()
            self.do(self.cache.aclose())
            self.do(self.log.aclose())
        self.loop.close()

    # What happens: the row is committed at once, its effect on the window comes in steps.

    @rule(ms=st.integers(1, 40), post_id=st.integers(1, 3_000), author=AUTHORS)
    def publish(self, ms, post_id, author):
        """Also late: the moment is anywhere in time."""
        if any(each.id == post_id for each in self.posts):
            return
        post = Post(ms, post_id, author)
        self.posts.add(post)
        self.running.append(self.fan_out(post))

    @rule(start=st.integers(1, 30), author=AUTHORS, count=st.integers(5, 25))
    def publish_many(self, start, author, count):
        for number in range(count):
            self.publish(start + number // 2, start * 97 + number, author)

    @rule(author=AUTHORS)
    def follow_or_leave(self, author):
        self.follows ^= {author}
        self.edge_version += 1
        self.running.append(self.reflect(author))

    @rule(lost=st.booleans())
    def build(self, *, lost=False):
        """A window is built because it was lost, or because a slow reader thinks so."""
        if lost:
            self.do(self.cache.delete(self.keys[0]))
        self.running.append(self.build_in_steps())

    @rule(which=st.sampled_from([None, 0, 1, 1]))
    def evict(self, which):
        """Either key may go alone; not in every history, or there would never be much to lose."""
        if which is not None:
            self.do(self.cache.delete(self.keys[which]))

    @rule(turns=st.lists(st.integers(0, 6), min_size=1, max_size=12))
    def advance(self, turns):
        """So many more steps, each of one of those that run."""
        for which in turns:
            if not self.running:
                return
            worker = self.running[which % len(self.running)]
            try:
                next(worker)
            except StopIteration:
                self.running.remove(worker)

    @rule()
    def everything_done(self):
        """When all have finished, the window is exactly what Postgres has above its floor."""
        while self.running:
            self.advance([0])
        window = self.do(self.feeds.skeleton(VIEWER, None, 1_000))
        if window is None:
            self.build()
            return
        authors = {post.id: post.author for post in self.posts}
        shown = [place for place in window.entries if authors[place[1]] not in window.hidden]
        assert shown == [place for place in self.pull() if place[0] > window.floor]
        assert self.follows.isdisjoint(window.hidden)
        assert len(window.entries) <= CAP + CAP // 10

    @invariant()
    def pages_add_up(self):
        """Page by page or at once, a window reads the same, in order, nothing twice."""
        if not hasattr(self, "feeds"):
            return
        window = self.do(self.feeds.skeleton(VIEWER, None, 1_000))
        if window is None:
            return
        assert window.entries == sorted(set(window.entries), reverse=True)
        assert len({post_id for _, post_id in window.entries}) == len(window.entries)
        assert all(ms > window.floor for ms, _ in window.entries)
        for size in (1, 3):
            seen, before = [], None
            while page := self.do(self.feeds.skeleton(VIEWER, before, size)).entries:
                seen += page
                before = page[-1]
            assert seen == window.entries

    # What fan-out and the feed route do, as workers/fanout.py and gateway/pulling.py order it.

    def fan_out(self, post):
        yield
        followers = [VIEWER] if post.author in self.follows else []
        yield
        self.do(self.feeds.push([Push(post.ms, post.id, followers)]))

    def build_in_steps(self):
        token = self.do(self.feeds.begin_build(VIEWER))
        if token is None:
            return
        yield
        rows = self.pull()
        yield
        entries, truncated = rows[:CAP], len(rows) > CAP
        self.do(self.feeds.finish_build(VIEWER, token, entries, truncated=truncated))

    def reflect(self, author):
        yield
        version = None
        while version != self.edge_version:
            version, holds = self.edge_version, author in self.follows
            yield
            if not holds:
                self.do(self.feeds.hide([(VIEWER, author)]))
                yield
                continue
            self.do(self.feeds.unhide([(VIEWER, author)]))
            yield
            (floor,) = self.do(self.feeds.floors([VIEWER]))
            if floor is None:
                continue
            yield
            theirs = [p for p in self.posts if p.author == author and p.ms > floor]
            recent = sorted(((p.ms, p.id) for p in theirs), reverse=True)[:CAP]
            yield
            lowest = recent[-1][0] if len(recent) == CAP else 0
            self.do(self.feeds.merge([Merge(VIEWER, recent, lowest)]))
            yield

    def pull(self):
        places = [(p.ms, p.id) for p in self.posts if p.author in self.follows]
        return sorted(places, reverse=True)


@pytest.mark.usefixtures("cache_client", "log_client")
def test_windows_have_no_hole_and_no_double(engines):
    """Push, trim, build, backfill, hide, eviction and late publication, interleaved at will."""
    machine = type(
        "Machine", (Windows,), {"cache_url": engines.cache_url, "log_url": engines.log_url}
    )
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
