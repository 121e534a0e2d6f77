"""A slice is read as the server wrote it, whatever its order among equals."""

from stores.slices import slice_of


def test_entries_fall_by_moment_and_then_by_id():
    """Those of one moment come in no order; ids are compared as numbers, not as text."""
    reply = [b"7", b"30,5,20,9,20,100,20,10,10,1", b""]

    read = slice_of(reply, 9)
    assert (read.floor, read.hidden, read.followed) == (7, frozenset(), b"")
    assert read.entries == [(30, 5), (20, 100), (20, 10), (20, 9), (10, 1)]
    assert slice_of(reply, 2).entries == [(30, 5), (20, 100)]


def test_nothing_and_the_hidden():
    """An empty slice is one, too; hidden authors are a set of numbers; a list comes as it is."""
    assert slice_of([b"0", b"", b"4,5", b"a.1:"], 30) == (0, [], {4, 5}, b"a.1:")
