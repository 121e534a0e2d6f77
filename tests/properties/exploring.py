"""How far properties look: a fixed set of examples in CI, as many as one likes by hand.

`pytest tests/properties --hypothesis-profile=explore` takes twenty times as many, new ones each
time; `--hypothesis-seed=N` repeats a run.
"""

from hypothesis import settings


def examples(count):
    """So many in CI: a profile's `max_examples` is read as a percentage."""
    return count * settings.default.max_examples // 100
