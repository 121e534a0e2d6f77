"""A page of a window and of outboxes, against all posts there are: whatever stands where."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.outboxes import Remembered, join
from gateway.timelines import Box
from stores.outboxes import Roll
from stores.slices import Slice


def posts_of(author):
    """Of few moments, so that many are of the same one."""
    ids = st.integers(10 * author, 10 * author + 9)
    return st.sets(st.tuples(st.integers(1, 12), ids), max_size=60)


LIST = b"id.3:1,2,3"


def gateway_with(boxes):
    """One that remembers these outboxes, of authors 1, 2 and so on; and the roll it has."""
    remembered = Remembered(None)
    authors = dict.fromkeys(range(1, len(boxes) + 1), 3)
    for author, (floor, posts) in enumerate(boxes, 1):
        above = sorted(each for each in posts if each[0] > floor)
        remembered.boxes[author] = Box(b"id", 3, floor, above)
    return remembered, Roll(b"id", 3, 3, authors, authors)


def slice_of(window, floor, before, count):
    """As feeds.lua answers: the newest of what is above the floor and below the cursor."""
    below = [each for each in window if each[0] > floor and (before is None or each < before)]
    return Slice(floor, sorted(below, reverse=True)[:count], frozenset(), LIST)


@given(
    pushed=posts_of(0),
    pulled=st.tuples(*map(posts_of, (1, 2, 3))),
    built=st.integers(0, 3),
    floors=st.lists(st.integers(0, 12), min_size=5, max_size=5),
    counts=st.lists(st.integers(1, 7), min_size=2, max_size=2),
)
def test_pages_are_all_posts_each_once(pushed, pulled, built, floors, counts):
    """Page by page, the window and three outboxes with floors of their own, then Postgres.

    The window also has some that are pulled, as one that was built of Postgres has; a second viewer
    with the same list has another window and other pages.
    """
    everything = pushed.union(*pulled)
    window = pushed.union(*pulled[:built])
    remembered, roll = gateway_with(list(zip(floors[:3], pulled, strict=True)))
    for floor, count in zip(floors[3:], counts, strict=True):
        seen, before = [], None
        while True:
            mine = slice_of(window, floor, before, count)
            page = join(remembered, roll, mine, before, count)
            assert len(page.entries) <= count
            assert page.floor == max(floor, *floors[:3])
            seen += page.entries
            if len(page.entries) < count:
                break
            before = page.entries[-1]

        # Below the floor Postgres has it all.
        below = sorted((each for each in everything if each[0] <= page.floor), reverse=True)
        assert seen + below == sorted(everything, reverse=True)


def test_what_nobody_pulls_is_left_alone():
    """The very entries of the window, not a copy."""
    window = Slice(3, [(9, 1), (8, 1)], frozenset({5}), LIST)
    for boxes in ([], [(0, {(4, 2), (7, 9)})]):
        remembered, roll = gateway_with(boxes)
        assert join(remembered, roll, window, None, 2).entries is window.entries
    assert join(remembered, roll, window, None, 3) == (3, [(9, 1), (8, 1), (7, 9)], {5}, LIST)


def test_what_is_not_known_is_said_to_be():
    """An outbox of before the last change, or of another roll; a list of before somebody joined."""
    window = Slice(3, [(9, 1)], frozenset(), LIST)
    remembered, roll = gateway_with([(0, {(4, 2)})])
    assert join(remembered, roll, window, None, 3)
    later = Roll(b"id", 4, 3, {1: 4}, {1: 3})
    assert join(remembered, later, window, None, 3) is None
    assert join(remembered, roll._replace(newest=4), window, None, 3) is None
    assert join(remembered, roll._replace(id=b"other"), window, None, 3) is None
