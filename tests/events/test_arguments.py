"""Moments as operators give and are told them."""

import argparse
import time

import pytest

from events.arguments import moment, rfc3339


@pytest.mark.parametrize("ms", [0, 1, 1_795_852_045_751, 1_795_852_046_028, 1_795_852_046_999])
def test_a_moment_that_was_told_can_be_given_back(ms):
    """To the millisecond: one less would be the state before the event that is asked about."""
    assert moment(rfc3339(ms)) == ms


def test_every_millisecond_of_a_second_is_read_as_itself():
    first = 1_795_852_046_000
    assert [moment(rfc3339(first + n)) for n in range(1000)] == [first + n for n in range(1000)]


def test_a_moment_without_a_zone_is_utc_and_others_are_converted():
    assert (
        moment("2026-11-28T10:00")
        == moment("2026-11-28T12:00+02:00")
        == moment("2026-11-28T10:00Z")
    )


def test_ages_count_back_from_now():
    now = time.time() * 1000
    assert abs(now - moment("2h") - 2 * 3_600_000) < 60_000


@pytest.mark.parametrize("text", ["soon", "2x", "", "-3d", "2026-13-01"])
def test_anything_else_is_refused_in_words(text):
    with pytest.raises(argparse.ArgumentTypeError, match="neither like"):
        moment(text)


def test_what_no_calendar_has_is_told_as_a_number():
    """An entry may stand at any 63 bits."""
    assert rfc3339(2**62) == f"{2**62} ms"
