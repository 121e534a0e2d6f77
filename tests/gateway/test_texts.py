from unicodedata import is_normalized

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.texts import clean_line, clean_text
from runtime.errors import Invalid

FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("  sea  ", "sea"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("e\u0301", "\u00e9"),
        (FAMILY, FAMILY),
        ("\u202eevil\u202c", "evil"),
        ("\u2066a\u2069", "a"),
        ("\u05e9\u200f!", "\u05e9\u200f!"),
        ("a\tb", "a\tb"),
    ],
)
def test_text_is_kept_as_meant(written, kept):
    assert clean_text(written, "caption", 100) == kept


@pytest.mark.parametrize("text", ["nul\0", "\x1b[31m", "\x85", "\x7f", "\ufffe", "\ud800"])
def test_control_characters_are_refused(text):
    with pytest.raises(Invalid, match="control-characters"):
        clean_text(text, "caption", 100)


def test_the_limit_counts_characters():
    """Emoji count by the characters they are made of, and the limit itself is allowed."""
    assert clean_text(FAMILY * 2, "caption", 10) == FAMILY * 2
    with pytest.raises(Invalid, match="text-too-long"):
        clean_text(FAMILY * 2, "caption", 9)


def test_a_line_has_no_line_ends():
    assert clean_line(" Ada \n\t Lovelace\r\n", "display_name", 50) == "Ada Lovelace"
    with pytest.raises(Invalid):
        clean_line("a\0b", "display_name", 50)


@given(st.text(max_size=50))
def test_cleaning_twice_changes_nothing(text):
    try:
        once = clean_text(text, "caption", 200)
    except Invalid:
        return

    assert clean_text(once, "caption", 200) == once
    assert is_normalized("NFC", once)
