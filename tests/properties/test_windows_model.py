"""No hole and no double, whatever interleaving: windows against what was posted and followed.

What fan-out and the feed route really do, on real engines, stops before each call to a server, and
Hypothesis chooses whose call comes next, what is evicted, published late, and who dies.
"""

import asyncio

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from stores import publications
from stores.feed_keys import both_keys
from tests.properties.exploring import examples
from tests.properties.windowing import (
    AUTHORS,
    VIEWERS,
    Judged,
    Post,
    Work,
    close_engines,
    open_engines,
)
from tests.workers.fanning import NOW, commit_follow, commit_post, commit_withdrawal
from workers.fanout import backfill, hide_author, plan_fanout

author_of = st.sampled_from(AUTHORS)
viewer_of = st.sampled_from(VIEWERS)
moments = st.integers(1, 40)


class Windows(Judged):
    """Everything that changes windows at the same time."""

    # What happens: the row is committed at once, its effect on the windows comes in steps.

    @rule(ms=moments, author=author_of, calls=st.sampled_from([99, 99, 1, 0]))
    def publish(self, ms, author, calls):
        """Also late: the moment is anywhere in time. Fan-out is slow, or done in no time."""
        self.sequence += 1
        delivery = self.do(commit_post(self.engines.database, author, ms, self.sequence))
        post = Post(NOW + ms, delivery.event.post_id, author)
        self.posts[post.id] = post
        self.begin(Work(author, plan_fanout, delivery), calls)

    @rule(start=moments, author=author_of, count=st.integers(3, 15))
    def publish_many(self, start, author, count):
        for number in range(count):
            self.publish(start + number // 2, author, 99)

    @precondition(lambda self: self.posts)
    @rule(which=st.integers(0, 99))
    def delete(self, which):
        """Windows keep what was deleted; readers do not show it."""
        post = sorted(self.posts.values())[which % len(self.posts)]
        self.do(publications.write_deletions(self.engines.database, [post.id]))
        self.deleted.add(post.id)

    @rule(viewer=viewer_of, author=author_of)
    def follow_or_leave(self, viewer, author):
        self.moment += 1
        leaves = (viewer, author) in self.follows
        commit = commit_withdrawal if leaves else commit_follow
        delivery = self.do(commit(self.engines.database, viewer, author, self.moment))
        self.follows ^= {(viewer, author)}
        self.begin(Work(author, hide_author if leaves else backfill, delivery))

    @rule(viewer=viewer_of, lost=st.booleans(), calls=st.sampled_from([1, 1, 1, 2, 0, 99]))
    def lose_and_build(self, viewer, lost, calls):
        """A reader found no window, or found none a moment ago."""
        if lost:
            self.evict(viewer, (0, 1))
        self.begin(Work(None, None, viewer), calls)

    @rule(viewer=viewer_of, which=st.sampled_from([(0,), (1,), (0, 1)]))
    def evict(self, viewer, which):
        """Either key may go alone."""
        keys = both_keys(self.feeds._names, viewer)
        self.do(self.engines.cache.delete(*(keys[each] for each in which)))

    @precondition(lambda self: self.turns)
    @rule(which=st.integers(0, 4), calls=st.sampled_from([1, 1, 2, 3, 99]))
    def advance(self, which, calls):
        """One of those that run makes so many more calls; or all it has to make."""
        self.do(self.turns.advance(which, calls))

    @precondition(lambda self: self.turns)
    @rule(which=st.integers(0, 9))
    def a_process_dies(self, which):
        """What it was doing is delivered to another; a build is not, its token stays behind."""
        work = self.do(self.turns.kill(which))
        if work.handler:
            self.begin(work)

    @precondition(lambda self: self.past)
    @rule(which=st.integers(0, 99))
    def something_comes_again(self, which):
        self.begin(self.past[which % len(self.past)])


@pytest.mark.usefixtures("clean_site")
def test_windows_have_no_hole_and_no_double(settings, pulled_in_turn):
    """Push, trim, build, backfill, hide, eviction, death and late publication, interleaved."""
    engines = pulled_in_turn
    with asyncio.Runner() as runner:
        open_engines(engines, settings, runner)
        machine = type("Machine", (Windows,), {"engines": engines})
        try:
            run_state_machine_as_test(
                machine,
                settings=hypothesis.settings(max_examples=examples(40), stateful_step_count=40),
            )
        finally:
            close_engines(engines, runner)
