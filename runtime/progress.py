"""What a person sees while a site starts: one line a step, with its time."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def step(name: str) -> Iterator[None]:
    """Name what is waited for, then say how long it took."""
    started = time.monotonic()
    sys.stdout.write(f"  {name:<14} ")
    sys.stdout.flush()
    try:
        yield
    except BaseException:
        say("-")
        raise
    say(f"ready after {time.monotonic() - started:4.1f} s")
