"""Break the tree once for each mutant, in a copy, and tell which test notices.

`python -m tests.mutants [words of a name]` runs all, or those with these words. Fails when one
survives, when a sound copy does not pass, or when there is nothing left to break.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants.mutants import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 300
FAILED = re.compile(r"^FAILED (\S+?::.*?)(?: - .*)?$", re.MULTILINE)


class Broken(Exception):
    """The run says nothing about the mutant."""


def main() -> int:
    words = " ".join(sys.argv[1:])
    chosen = [each for each in MUTANTS if words in each.name]
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = Path(folder) / "tree"
        copy_to(tree)
        tests = sorted({test for mutant in chosen for test in mutant.tests})
        print(f"unbroken: {len(tests)} targets", end=" ", flush=True)
        # Twice: on a busy machine something may have taken too long.
        if failing(tree, tests) and (noticed := failing(tree, tests)):
            print(f"fail already: {noticed}")
            return 2
        print(f"pass ({time.monotonic() - started:.0f} s)\n")
        survivors = [each.name for each in chosen if not told(each, caught_by(each, tree))]
    seconds = time.monotonic() - started
    print(f"\n{len(chosen) - len(survivors)} of {len(chosen)} were noticed, in {seconds:.0f} s")
    return 1 if survivors or not chosen else 0


def copy_to(tree: Path) -> None:
    """What the repository has now, its changes that are not committed included."""
    command = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)


def caught_by(mutant: Mutant, tree: Path) -> str:
    """The first test that fails on the broken tree; empty when none does."""
    path = tree / mutant.file
    sound = path.read_text(encoding="utf-8")
    if sound.count(mutant.sound) != 1:
        raise Broken(f"{mutant.file} has no longer, exactly once:\n{mutant.sound}")
    path.write_text(sound.replace(mutant.sound, mutant.broken), encoding="utf-8")
    try:
        noticed = failing(tree, mutant.tests)
        # Again, alone: what fails by chance has noticed nothing.
        return failing(tree, (noticed,)) if noticed else ""
    finally:
        path.write_text(sound, encoding="utf-8")


def failing(tree: Path, tests: list[str] | tuple[str, ...]) -> str:
    command = (sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests)
    try:
        done = subprocess.run(
            command, cwd=tree, check=False, capture_output=True, text=True, timeout=PATIENCE_SECONDS
        )
    except subprocess.TimeoutExpired as error:  # a busy machine is no test that notices
        message = f"no test ended within {PATIENCE_SECONDS} s"
        raise Broken(message) from error
    found = FAILED.search(done.stdout)
    # An error of a fixture, or a test that is not there, is no proof of anything.
    if done.returncode not in {0, 1} or (done.returncode == 1 and not found):
        raise Broken(done.stdout[-3000:] + done.stderr[-3000:])
    return found[1] if found else ""


def told(mutant: Mutant, noticed: str) -> bool:
    print(f"{mutant.name:52} {noticed.removeprefix('tests/') or 'SURVIVED'}", flush=True)
    return bool(noticed)


if __name__ == "__main__":
    sys.exit(main())
