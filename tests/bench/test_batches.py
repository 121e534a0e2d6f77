import pytest

from bench.batches import covered


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [
        ([], 0),
        ([(3, 5), (1, 2)], 3),
        ([(1, 4), (2, 3)], 3),
        ([(1, 3), (2, 5), (7, 8), (7, 8)], 5),
    ],
)
def test_chunks_that_run_side_by_side_are_counted_once(spans, seconds):
    """What pushing took is time on the clock, however many chunks were under way."""
    assert covered(spans) == seconds
