"""Whether two looks at a row found the same wrong in it, and not two things that were under way."""

from collections.abc import Iterable

from stores.differences import Difference

COUNTERS = frozenset({"posts", "followers", "following"})
"""Of accounts. They have no version, and go up and down: stores/counted.py judges them."""

Side = dict[str, str | None]


def stands(before: Difference | None, now: Difference) -> bool:
    """Whether a register held one value here and another there, in both looks by the same events.

    Or a row is missing on the same side, and no event has set anything in the other's since.
    """
    if before is None:
        return False
    one, other = (before.one, now.one), (before.other, now.other)
    if not now.columns or not before.columns:
        return _unchanged(one, ()) and _unchanged(other, ())
    columns = set(before.columns) & set(now.columns) - COUNTERS
    return any(_unchanged(one, (each,)) and _unchanged(other, (each,)) for each in columns)


def moves(now: Difference) -> bool:
    """Whether anything but counters differs."""
    return not now.columns or not COUNTERS.issuperset(now.columns)


def _unchanged(looks: tuple[Side | None, Side | None], columns: Iterable[str]) -> bool:
    """Whether the columns, and what versions them, are the same in both looks."""
    before, now = looks
    if before is None or now is None:
        return before is now
    versions = {each for each in now if each.endswith("_version")}
    names = set()
    for column in columns:
        own = f"{column}_version"
        names |= {column, own} if own in versions else {column, *versions}
    return all(before[name] == now[name] for name in names or versions)
