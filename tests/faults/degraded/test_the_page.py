"""docs/degraded-modes.md names the tests of every row, and none is left out."""

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "degraded-modes.md"


def test_every_row_names_tests_that_exist():
    """Whoever reads the page can run what shows it."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")][1:]
    written = set(names_here())
    named = [re.findall(r"`(test_\w+)`", row.split("|")[-2]) for row in rows]

    assert len(rows) >= 7
    assert all(named)
    assert {name for names in named for name in names} == written


def names_here():
    """The names of the tests beside this one."""
    for path in HERE.glob("test_*.py"):
        if path != Path(__file__):
            for each in ast.parse(path.read_text()).body:
                if isinstance(each, ast.AsyncFunctionDef) and each.name.startswith("test_"):
                    yield each.name
