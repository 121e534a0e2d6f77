"""What an operator sees of what a command tells: on a terminal, in a pipe, as JSON lines."""

import io
import json
import os
import pty
import re
import select
import sys

import pytest
from rich.console import Console

from events.meters import Reports
from events.printing import Printer
from events.telling import Line, Progress, Record, Table

TABLE = Table(
    title="Groups",
    heads=("role", "behind"),
    rows=(("posts", 7), ("fan\x1b[2Jout\nx", 1_000), ("graph", None)),
)


@pytest.fixture
def printed(capsys):
    """Say some things to a pipe: what was printed, what was said aside."""

    def printed(*told, as_json=False):
        capsys.readouterr()
        with Printer(as_json=as_json) as printer:
            for each in told:
                printer.say(each)
        out, err = capsys.readouterr()
        return out, err, printer.failed

    return printed


def test_a_pipe_gets_a_row_a_line_and_nothing_that_speaks_to_a_terminal(printed):
    """Numbers stand right, cells are whole, and no client's text moves a cursor."""
    out, err, failed = printed(TABLE)

    assert out.splitlines() == [
        "Groups",
        "role               behind",
        "posts                   7",
        "fan\\u001b[2Jout x    1000",
        "graph",
    ]
    assert (err, failed) == ("", False)


def test_machines_get_objects_only(printed):
    """Lines, records and rows alike; what is said aside stays aside, and progress is not told."""
    out, err, failed = printed(
        Line("three are done", failed=True),
        Line("of five", aside=True),
        Line('{"already": 1}'),
        Record(text="for people", fields={"for": "machines", "raw": b"\x00"}),
        TABLE,
        Progress(what="replay", done=1, total=2),
        as_json=True,
    )
    assert [json.loads(line) for line in out.splitlines()] == [
        {"said": "three are done", "failed": True},
        {"already": 1},
        {"for": "machines", "raw": "AA=="},
        {"role": "posts", "behind": 7},
        {"role": "fan\x1b[2Jout\nx", "behind": 1_000},
        {"role": "graph", "behind": None},
    ]
    assert "\x1b" not in out
    assert (err, failed) == ("of five\n", True)


def test_long_work_in_a_pipe_says_every_ten_seconds_that_it_lives():
    """With the rate so far and what remains; short work says nothing, and the end is told once."""
    said, times = [], iter((0.0, 9.9, 10.0, 15.0, 20.0, 21.0, 22.0, 30.0, 45.0))
    reports = Reports(said.append, lambda: next(times))
    for done in (0, 990, 1_000, 1_500, 2_000, 50_000, 50_000):
        reports.show(Progress(what="replay", done=done, total=50_000))
    reports.show(Progress(what="short", done=0, total=10))
    reports.show(Progress(what="endless", done=10))

    assert said == [
        "replay: 1,000 of 50,000 events, 100/s, 8 min left",
        "replay: 2,000 of 50,000 events, 100/s, 8 min left",
        "replay: 50,000 of 50,000 events, 2,381/s",
    ]


def test_bars_on_a_terminal_leave_what_is_piped_alone(monkeypatch):
    """`... | jq` in a terminal: the bar is drawn on the screen, the lines go down the pipe."""
    ours, screen = pty.openpty()
    piped = io.StringIO()
    with os.fdopen(screen, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setattr(sys, "stdout", piped)
        with Printer(as_json=False) as printer:
            printer.say(Progress(what="replay", done=1, total=2))
            printer.say(Line("told"))
            printer.say(Progress(what="replay", done=2, total=2))
        shown = read(ours)
    os.close(ours)

    assert piped.getvalue() == "told\n"
    assert "replay" in shown
    assert "2/2" in shown


def test_a_table_folds_into_a_narrow_terminal(monkeypatch):
    """Nothing of a cell is lost, and no line is longer than the screen."""
    ours, screen = pty.openpty()
    monkeypatch.setenv("COLUMNS", "40")
    with os.fdopen(screen, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        assert Console(file=terminal).width == 40
        with Printer(as_json=False) as printer:
            printer.say(Table(heads=("address", "type"), rows=(("x" * 50, "post.published"),)))
        shown = re.sub(r"\x1b\[[0-9;]*m", "", read(ours)).splitlines()
    os.close(ours)

    assert sum(line.count("x") for line in shown) == 50
    assert max(map(len, shown)) <= 40


def read(descriptor):
    """Everything that was written to the terminal so far."""
    found = b""
    while select.select([descriptor], [], [], 0.2)[0]:
        found += os.read(descriptor, 65_536)
    return found.decode()
