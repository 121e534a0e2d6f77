"""A page of a window and of outboxes, against all posts there are: whatever stands where."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.outboxes import Box, merged
from stores.feeds import Slice

# Few moments, so that many posts are of the same one.
places = st.sets(st.tuples(st.integers(1, 12), st.integers(1, 6)), max_size=40)


def slice_of(window, floor, before, count):
    """As feeds.lua answers: the newest of what is above the floor and below the cursor."""
    below = [each for each in window if each[0] > floor and (before is None or each < before)]
    return Slice(floor, sorted(below, reverse=True)[:count], frozenset())


@given(
    pushed=places,
    pulled=st.lists(places, max_size=3),
    built=places,
    floors=st.lists(st.integers(0, 12), min_size=4, max_size=4),
    count=st.integers(1, 7),
)
def test_pages_are_all_posts_each_once(pushed, pulled, built, floors, count):
    """Page by page, the window and three outboxes with floors of their own, then Postgres.

    The window also has some that are pulled, as one that was built of Postgres has.
    """
    everything = pushed.union(*pulled)
    window, floor = pushed | (built & everything), floors[0]
    boxes = [
        Box(b"", 0, low, sorted(each for each in posts if each[0] > low))
        for low, posts in zip(floors[1:], pulled, strict=False)
    ]
    seen, before = [], None
    while True:
        page = merged(slice_of(window, floor, before, count), boxes, before, count)
        assert len(page.entries) <= count
        assert page.floor == max([floor, *(each.floor for each in boxes)])
        seen += page.entries
        if len(page.entries) < count:
            break
        before = page.entries[-1]

    # Below the floor Postgres has it all.
    below = sorted((each for each in everything if each[0] <= page.floor), reverse=True)
    assert seen + below == sorted(everything, reverse=True)


def test_what_nobody_pulls_is_left_alone():
    """The very entries of the window, not a copy."""
    window = Slice(3, [(9, 1), (8, 1)], frozenset({5}))
    assert merged(window, [], None, 2).entries is window.entries
    older = Box(b"", 0, 0, [(4, 2), (7, 9)])
    assert merged(window, [older], None, 2).entries is window.entries
    assert merged(window, [older], None, 3) == (3, [(9, 1), (8, 1), (7, 9)], {5}, b"")
