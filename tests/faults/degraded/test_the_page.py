"""docs/degraded-modes.md names the tests of every row, and none is left out."""

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "degraded-modes.md"
ROWS = (
    "PostgreSQL",
    "cache",
    "log",
    "log nearly full, clocks disagree",
    "object storage",
    "a worker",
    "a decoder child",
    "a write gateway",
    "a read gateway",
)
ONE_WAY = {"log nearly full, clocks disagree", "a decoder child"}
"""What is seen in a figure, and what is killed as soon as it falls silent."""


def test_every_row_names_tests_that_exist():
    """Whoever reads the page can run what shows it; no row and no test is there alone."""
    named = rows_of_the_page()

    assert tuple(named) == ROWS
    assert all(named.values())
    assert {name for names in named.values() for name in names} == arguments_here().keys()


def test_what_can_fall_silent_is_taken_away_both_ways():
    """Stopped or killed, and stalled or frozen: the second is what hangs."""
    arguments = arguments_here()
    both_ways = {row: names for row, names in rows_of_the_page().items() if row not in ONE_WAY}

    assert [n for names in both_ways.values() for n in names if "how" not in arguments[n]] == []


def rows_of_the_page():
    """What is down, and the names of the tests of that row."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")][1:]
    cells = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]
    return {row[0]: re.findall(r"`(test_\w+)`", row[-1]) for row in cells}


def arguments_here():
    """The tests beside this one, and what each is given."""
    return {
        each.name: {argument.arg for argument in each.args.args}
        for path in HERE.glob("test_*.py")
        if path != Path(__file__)
        for each in ast.parse(path.read_text()).body
        if isinstance(each, ast.AsyncFunctionDef) and each.name.startswith("test_")
    }
