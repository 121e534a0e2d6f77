"""Plots of what was measured, as PNG beside the tables. A quick run says so in each."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.table import RESULTS

INCHES = (4.6, 3.4)  # of one panel
DOTS_AN_INCH = 110
mpl.rcParams.update({"font.size": 8, "axes.grid": True, "grid.alpha": 0.3, "axes.axisbelow": True})

Draw = Callable[[Any], None]
"""Draws into one panel."""


def save(name: str, title: str, panels: Sequence[Draw], *, quick: bool) -> None:
    """`bench/results/<name>.png`, its panels side by side, two in a row."""
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(INCHES[0] * columns, INCHES[1] * rows + 0.4))
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis, draw in zip(axes, panels, strict=False):
        draw(axis)
    for axis in axes[len(panels) :]:
        axis.remove()
    today = datetime.now(tz=UTC).strftime("%Y-%m-%d") + (", quick run" if quick else "")
    figure.suptitle(f"{title}\n2 shared vCPU, {today}", fontsize=9)
    figure.tight_layout()
    RESULTS.mkdir(exist_ok=True)
    figure.savefig(RESULTS / f"{name}.png", dpi=DOTS_AN_INCH, metadata={"Software": None})


def bars(
    title: str, labels: Sequence[str], series: Mapping[str, Sequence[float]], *, log: bool = False
) -> Draw:
    """Groups of bars, one group a label, one bar of it a series, each with its value."""

    def draw(axis: Any) -> None:
        width = 0.8 / len(series)
        for number, (name, values) in enumerate(series.items()):
            left = [at - 0.4 + width * (number + 0.5) for at in range(len(labels))]
            drawn = axis.bar(left, values, width, label=name)
            axis.bar_label(drawn, [short(each) for each in values], fontsize=7, padding=1)
        axis.set_xticks(range(len(labels)), labels)
        axis.set_title(title, fontsize=8)
        axis.margins(y=0.15)
        if log:
            axis.set_yscale("log")
        if len(series) > 1:
            axis.legend(fontsize=7)

    return draw


def lines(
    title: str, across: str, at: Sequence[float], series: Mapping[str, Sequence[float]]
) -> Draw:
    """One line a series over a logarithmic axis, from zero up."""

    def draw(axis: Any) -> None:
        for name, values in series.items():
            axis.plot(at, values, marker="o", label=name)
            for x, y in zip(at, values, strict=True):
                axis.annotate(
                    short(y), (x, y), xytext=(0, 5), textcoords="offset points", fontsize=7
                )
        axis.set_xscale("log")
        axis.set_xticks(list(at), [f"{each:,.0f}" for each in at])
        axis.minorticks_off()
        axis.set_xlabel(across)
        axis.set_title(title, fontsize=8)
        axis.set_ylim(0, 1.2 * max(max(values) for values in series.values()))
        axis.legend(fontsize=7)

    return draw


def spread(title: str, series: Mapping[str, Sequence[float]]) -> Draw:
    """Which share of the latencies, given in seconds, is no longer than so many milliseconds."""

    def draw(axis: Any) -> None:
        for name, seconds in series.items():
            ranked = sorted(seconds)
            at = range(0, len(ranked), max(1, len(ranked) // 2_000))
            axis.plot([ranked[n] * 1e3 for n in at], [n / len(ranked) for n in at], label=name)
        axis.set_xscale("log")
        axis.set_xlabel("ms")
        axis.set_title(title, fontsize=8)
        axis.legend(fontsize=7)

    return draw


def short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
