"""The table of mutants does not rot: what it breaks is still there, and so is who should notice."""

import ast
from pathlib import Path

import pytest

from tests.mutants.mutants import MUTANTS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_can_still_be_made(mutant):
    """Its text stands exactly once, what is made of it runs, and who should notice it is there."""
    sound = (ROOT / mutant.file).read_text(encoding="utf-8")
    assert sound.count(mutant.sound) == 1
    if mutant.file.endswith(".py"):
        ast.parse(sound.replace(mutant.sound, mutant.broken))
    for test in mutant.tests:
        path, _, name = test.partition("::")
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        tests = {each.name for each in ast.walk(tree) if hasattr(each, "name")}
        assert not name or name.partition("[")[0] in tests


def test_no_two_mutants_have_one_name():
    """A name chooses one of them."""
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
