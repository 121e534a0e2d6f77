"""No hole and no double where an author's posts are some pushed and some pulled.

The machine of test_windows_model.py, with authors who grow and shrink, gateways that read slowly,
and caches that lose outboxes, the roll, and lists.
"""

import asyncio

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from gateway.feed import whole_window
from gateway.keys import FEEDS, READER, READER_REACH, VIEWER
from gateway.outboxes import OUTBOXES, Remembered
from gateway.pulling import PULLING, Pulling
from gateway.viewer import Viewer
from runtime.reach import Reach
from stores.feed_keys import list_key, outbox_keys
from tests.properties.exploring import examples
from tests.properties.test_windows_model import Windows
from tests.properties.turns import Slowed
from tests.properties.windowing import (
    AUTHORS,
    CHANGING,
    VIEWERS,
    Work,
    close_engines,
    open_engines,
)

author_of = st.sampled_from(AUTHORS)
viewer_of = st.sampled_from(VIEWERS)
PATIENT = 600.0


class Asked(dict):
    """A request, as far as a skeleton looks at it."""

    def __init__(self, app, viewer):
        super().__init__({VIEWER: Viewer(viewer, 0)})
        self.app = app


def gateway(feeds, database):
    """What a page is made with; of a gateway that nobody is in a hurry with."""
    return {
        FEEDS: feeds,
        OUTBOXES: Remembered(feeds),
        PULLING: Pulling(),
        READER: database,
        READER_REACH: Reach("metadata-unavailable", PATIENT),
    }


class WithOutboxes(Windows):
    """Whoever has a follower more than none may be pulled."""

    pull_above = 0
    most_entries = 1_000

    async def _open(self):
        await super()._open()
        await self.engines.database.execute("UPDATE accounts SET followers = 0")
        self.slow = Slowed(self.feeds, self.turns, "push", *CHANGING, "current_names")
        self.app[FEEDS] = self.slow
        self.sight = gateway(self.feeds, self.engines.database)

    # What happens.

    @rule(author=author_of, many=st.booleans())
    def grow_or_shrink(self, author, many):
        """As the planner will find them: from now on it may decide otherwise."""
        self.do(
            self.engines.database.execute(
                "UPDATE accounts SET followers = $2 WHERE id = $1", author, 1 if many else 0
            )
        )

    @rule(author=author_of, count=st.integers(3, 15))
    def publish_many_pulled(self, author, count):
        """More than an outbox holds."""
        self.grow_or_shrink(author, many=True)
        self.publish_many(start=1, author=author, count=count)

    @rule(viewer=viewer_of, author=author_of)
    def follow_or_leave_a_celebrity(self, viewer, author):
        """Who is on the roll before, as the viewer's list knows, and pulls again after it."""
        self.publish_many_pulled(author, 3)
        self.whoever_reads_sees_everything_once()
        self.follow_or_leave(viewer, author)
        self.publish_many_pulled(author, 3)

    @rule(which=st.sampled_from(["outbox", "roll", "list"]), author=author_of, viewer=viewer_of)
    def lose(self, which, author, viewer):
        names = self.feeds._names
        key = {
            "outbox": outbox_keys(names, author)[0],
            "roll": names.roll,
            "list": list_key(names, viewer),
        }[which]
        self.do(self.engines.cache.delete(key))

    @rule(viewer=viewer_of, calls=st.sampled_from([0, 1, 2, 3, 99]))
    def read_slowly(self, viewer, calls):
        """Another gateway, which writes the roll, lists and outboxes that it finds absent."""
        request = Asked(gateway(self.slow, self.database), viewer)
        reading = whole_window(request, viewer, None, 5)
        self.do(self.turns.start(reading, Work(None, None, viewer), calls))

    # What every other gateway shows, which remembers outboxes but has just asked for the roll.

    async def page(self, viewer, before, size):
        self.sight[OUTBOXES]._until = 0.0
        return await whole_window(Asked(self.sight, viewer), viewer, before, size)


@pytest.mark.usefixtures("clean_site")
def test_pages_have_no_hole_and_no_double(settings, pulled_in_turn):
    """Decisions, outboxes, roll, lists and windows, each written while the others are read."""
    engines = pulled_in_turn
    with asyncio.Runner() as runner:
        open_engines(engines, settings, runner)
        machine = type("Machine", (WithOutboxes,), {"engines": engines})
        try:
            run_state_machine_as_test(
                machine,
                settings=hypothesis.settings(max_examples=examples(40), stateful_step_count=50),
            )
        finally:
            close_engines(engines, runner)
