"""A slice is read as the server wrote it, whatever its order among equals."""

from stores.slices import slice_of


def test_entries_fall_by_moment_and_then_by_id():
    """Those of one moment come in no order; ids are compared as numbers, not as text."""
    reply = [b"7", b"30,5,20,9,20,100,20,10,10,1", b""]

    found = slice_of(reply, 9)
    assert (found.floor, found.hidden) == (7, frozenset())
    assert found.entries == [(30, 5), (20, 100), (20, 10), (20, 9), (10, 1)]
    assert slice_of(reply, 2).entries == [(30, 5), (20, 100)]


def test_nothing_and_the_hidden():
    """An empty slice is none; hidden authors are a set of numbers."""
    assert slice_of([b"0", b"", b"4,5"], 30)[:3] == (0, [], {4, 5})
