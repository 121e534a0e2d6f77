"""One change of the code that some test must notice."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """In `file`, `sound` stands exactly once; `broken` in its place is what must not survive."""

    name: str
    file: str
    sound: str
    broken: str
    tests: tuple[str, ...]
    """Those that should notice; the first that fails is told."""
