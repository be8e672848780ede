"""The table as a picture: how many checks a second, beside what they are measured against, and the targets."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from tests.load.measure import Row
from tests.load.report import BASELINES
from tests.load.scenarios import hits
from tests.load.table import Target

OURS, THEIRS, MISSED, TEXT, LINE = "#2f6f8f", "#b9c2c9", "#c2703d", "#2b2f33", "#e3e7ea"


def draw(path: Path, rows: list[Row], targets: list[Target], title: str) -> None:
    """Draw rates as bars, and below them how far each target is reached."""
    measured = [target for target in targets if target.found is not None]
    heights = [0.34 * len(rows) + 0.8, 0.34 * len(measured) + 0.8]
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(10, sum(heights) + 0.8), height_ratios=heights, layout="constrained"
    )
    figure.suptitle(title, fontsize=11, color=TEXT, x=0.01, ha="left")
    _draw_rates(above, rows)
    _draw_targets(below, measured)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _draw_rates(axes: Axes, rows: list[Row]) -> None:
    names = [row.name for row in rows]
    bars = axes.barh(
        names,
        [row.rate for row in rows],
        color=[THEIRS if row.name in (*BASELINES, hits.EMPTY) else OURS for row in rows],
        height=0.66,
    )
    axes.bar_label(bars, [f" {row.rate:,.0f}" for row in rows], color=TEXT, fontsize=9)
    axes.set_title("Requests a second, on one core", loc="left", fontsize=10, color=TEXT)
    axes.margins(x=0.12)
    _calm(axes)


def _draw_targets(axes: Axes, targets: list[Target]) -> None:
    shares = [_share(target) for target in targets]
    names = [f"{target.text} ({target.sign} {target.wanted:g})" for target in targets]
    colours = [OURS if target.is_reached else MISSED for target in targets]
    bars = axes.barh(names, shares, color=colours, height=0.66)
    said = [f" {target.found:.3g}{'' if target.is_reached else ': not reached'}" for target in targets]
    axes.bar_label(bars, said, color=TEXT, fontsize=9)
    axes.axvline(1, color=TEXT, linewidth=0.8)
    axes.set_title("Targets: reached at the line or beyond", loc="left", fontsize=10, color=TEXT)
    axes.set_xlim(0, 2.4)
    axes.set_xticks([])
    _calm(axes)


def _share(target: Target) -> float:
    """Give how far a target is reached: 1 is just so, and more than 2 is shown as 2."""
    found = target.found or 0.0
    if target.sign == "≥":
        return min(2.0, found / target.wanted)
    return min(2.0, target.wanted / found) if found > 0 else 2.0


def _calm(axes: Axes) -> None:
    axes.invert_yaxis()
    axes.tick_params(length=0, labelsize=9, colors=TEXT)
    axes.grid(axis="x", color=LINE)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    for spine in axes.spines.values():
        spine.set_visible(False)
