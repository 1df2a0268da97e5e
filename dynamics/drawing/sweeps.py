"""The picture of a sweep: outcomes as stacked bars, or, where the lines are many, a map of the share that cycles."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dynamics.drawing.style import BLUE, GREEN, INK, ORANGE, PALE, PURPLE, VERMILLION, plain, style
from dynamics.experiments import ALL_KINDS, Row, levels, pooled

LOOKS = {  # colour and hatch of each outcome: they differ in both, and in lightness
    "rest": (BLUE, ""),
    "cycle": (ORANGE, "///"),
    "boundary": (GREEN, "..."),
    "diverged": (VERMILLION, "xxx"),
    "undecided": (PALE, "\\\\\\"),
    "refused": ("white", ""),
    "failed": (PURPLE, "++"),
}
MOST_BARS = 48
MOST_NUMBERS = 400  # cells of a map that hold their number
WORDS = {"mdp": "MDP", "reward": "reward added"}


def draw_sweep(table: Sequence[Row], axes: Sequence[str], title: str) -> Figure:
    """Bars of outcomes, one for each line of the table (sums over the shortest axes where there are too many lines).

    A map over the two longest axes where even those make more than MOST_BARS lines. What is summed over is said.
    """
    lines, kept = list(table), list(axes)
    while len(lines) > MOST_BARS and len(kept) > 2:
        kept.remove(min(reversed(kept), key=lambda axis: len(levels(lines, axis))))
        lines = pooled(lines, tuple(kept))
    summed = [WORDS.get(axis, axis) for axis in axes if axis not in kept]
    title += f"\nsummed over {', '.join(summed)}" if summed else ""
    with style():
        return _bars(lines, kept, title) if len(lines) <= MOST_BARS or len(kept) < 2 else _map(lines, kept, title)


def wrapped(title: str) -> str:
    """A title in lines that fit the narrowest figure.

    >>> wrapped("word " * 20).count(chr(10))
    1
    """
    return "\n".join(line for part in title.split("\n") for line in textwrap.wrap(plain(part), 64))


def _bars(table: list[Row], axes: list[str], title: str) -> Figure:
    kinds = [kind for kind in ALL_KINDS if any(line[kind] for line in table)]
    size = (9.0, 2.0 + 0.32 * len(table))
    figure = Figure(figsize=size, dpi=130, layout="constrained")
    ax = figure.add_subplot()
    y = np.arange(len(table))
    total = np.array([line["cases"] for line in table], dtype=float)
    left = np.zeros(len(table))
    for kind in kinds:
        colour, hatch = LOOKS[kind]
        width = np.array([line[kind] for line in table]) / total
        ax.barh(y, width, left=left, height=0.74, color=colour, hatch=hatch, edgecolor=INK, linewidth=0.6, label=kind)
        _numbers(ax, table, kind, left, width)
        left += width
    names = [", ".join(_named(axis, line[axis]) for axis in axes) or "all" for line in table]
    ax.set_yticks(y, names, fontsize=10)
    ax.set(xlim=(0, 1), ylim=(len(table) - 0.4, -0.6), xlabel="share of the cases (numbers: how many)")
    ax.set_title(wrapped(title))
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=len(kinds), fontsize=10)
    return figure


def _numbers(ax: Axes, table: list[Row], kind: str, left: np.ndarray, width: np.ndarray) -> None:
    """How many cases each piece is, where there is room."""
    for k, line in enumerate(table):
        if width[k] > 0.035:
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.2}
            ax.text(left[k] + width[k] / 2, k, str(line[kind]), ha="center", va="center", fontsize=9, bbox=box)


def _named(axis: str, label: str) -> str:
    if axis == "reward":
        return "+ R" if label == "yes" else "no R"
    return f"{axis} {label}" if axis in ("alpha", "control", "teacher", "start") else label


def _map(table: list[Row], axes: list[str], title: str) -> Figure:
    across, down = sorted(axes, key=lambda axis: -len(levels(table, axis)))
    cells = {(line[down], line[across]): line for line in table}
    rows, columns = levels(table, down), levels(table, across)
    share = np.full((len(rows), len(columns)), np.nan)
    for (one, other), line in cells.items():
        if line["share"] is not None:
            share[rows.index(one), columns.index(other)] = line["share"]
    figure = Figure(
        figsize=(min(3.2 + 0.62 * len(columns), 30.0), min(3.0 + 0.42 * len(rows), 30.0)), dpi=130, layout="constrained"
    )
    ax = figure.add_subplot()
    ax.set_facecolor(PALE)
    drawn = ax.imshow(share, vmin=0, vmax=1, cmap="cividis", aspect="auto")
    figure.colorbar(drawn, ax=ax, label="share that cycles")
    if share.size <= MOST_NUMBERS:
        for i, j in np.argwhere(np.isfinite(share)):
            colour = "white" if share[i, j] < 0.55 else INK
            ax.text(j, i, f"{share[i, j]:.2g}", ha="center", va="center", color=colour, fontsize=9)
    step = -(-len(columns) // 40), -(-len(rows) // 60)
    ax.set_xticks(range(0, len(columns), step[0]), columns[:: step[0]], rotation=40, ha="right", fontsize=10)
    ax.set_yticks(range(0, len(rows), step[1]), rows[:: step[1]], fontsize=10)
    ax.set(xlabel=WORDS.get(across, across), ylabel=WORDS.get(down, down))
    ax.set_title(wrapped(title))
    return figure
