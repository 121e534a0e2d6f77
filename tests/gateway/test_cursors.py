import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.ids import MAX_ID
from gateway.cursors import decode_cursor, encode_cursor
from runtime.errors import Invalid

numbers = st.integers(1, MAX_ID)


@given(st.lists(numbers, min_size=1, max_size=4))
def test_a_cursor_gives_back_what_it_was_given(given_numbers):
    cursor = encode_cursor(*given_numbers)

    assert decode_cursor(cursor, len(given_numbers)) == tuple(given_numbers)


@given(numbers, numbers, st.data())
def test_an_edited_cursor_is_refused(one, two, data):
    """Whatever character is changed, the answer is no guess at another place in the list."""
    cursor = encode_cursor(one, two)
    at = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda each: each != cursor[at]))

    with pytest.raises(Invalid, match="bad-cursor"):
        decode_cursor(cursor[:at] + other + cursor[at + 1 :], 2)


@pytest.mark.parametrize("text", ["", "!", "AAAA", "ÄÖ", "A" * 1000, "=", "AQ=="])
def test_what_is_no_cursor_is_refused(text):
    with pytest.raises(Invalid, match="bad-cursor"):
        decode_cursor(text, 1)


@pytest.mark.parametrize("given_numbers", [(0, 1), (1, 0), (0, 0), (-1, 1), (1, -(2**63))])
def test_a_forged_cursor_of_no_entry_is_refused(given_numbers):
    """Entries lie above 0: such a place is none, and never the top of the list again."""
    with pytest.raises(Invalid, match="bad-cursor"):
        decode_cursor(encode_cursor(*given_numbers), 2)


def test_a_cursor_of_another_list_is_refused():
    with pytest.raises(Invalid, match="bad-cursor"):
        decode_cursor(encode_cursor(1, 2), 1)
