"""What two looks must have in common for a row to be wrong."""

from stores.differences import Difference
from workers.standing import moves, stands


def look(live, due):
    return Difference("t", ("1",), live, due)


def row(**registers):
    return {name: str(value) for name, value in registers.items()}


def test_the_same_wrong_value_twice_stands():
    seen = look(row(bio="x", bio_version=1), row(bio="y", bio_version=1))
    assert stands(seen, seen)
    assert not stands(None, seen)


def test_a_register_that_went_to_and_fro_was_under_way():
    """It holds what it held, and differs as it differed; but other events had set it."""
    before = look(row(private=True, private_version=5), row(private=False, private_version=4))
    now = look(row(private=True, private_version=7), row(private=False, private_version=6))
    assert not stands(before, now)


def test_what_has_no_version_of_its_own_goes_by_all_of_them():
    """Whether a follow holds follows from three registers."""
    before = look(row(holds=True, wish_version=5), row(holds=False, wish_version=4))
    assert stands(before, before)
    assert not stands(
        before, look(row(holds=True, wish_version=9), row(holds=False, wish_version=4))
    )


def test_one_still_register_is_wrong_beside_one_that_moves():
    before = look(
        row(bio="x", bio_version=1, name="a", name_version=2),
        row(bio="y", bio_version=1, name="b", name_version=3),
    )
    now = look(
        row(bio="x", bio_version=1, name="b", name_version=3),
        row(bio="y", bio_version=1, name="c", name_version=4),
    )
    assert stands(before, now)


def test_a_missing_row_is_missing_as_long_as_nothing_happens_to_it():
    there = row(wish="t", wish_version=5)
    assert stands(look(None, there), look(None, there))
    assert not stands(look(None, there), look(there, None))
    assert not stands(look(None, there), look(None, row(wish="f", wish_version=6)))


def test_counters_do_not_stand_and_do_not_move():
    """Others judge them."""
    counted = look(row(followers=1, bio="x"), row(followers=2, bio="x"))
    assert not stands(counted, counted)
    assert not moves(counted)
    assert moves(look(None, row(followers=2)))
