"""The picture of `choose`: every rule's evidence as one row of points, in the order of the ranking.

One panel for each criterion that is known of any: return, KL on either side's states, time, trajectories an update. The
shape and colour of a rule's points tell what guarantees it; a line carries its name across. Arrows: infinite KLs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dynamics.choice import GROUPS, SAID, Evidence, Ranking, Scales, speed
from dynamics.drawing.style import BLUE, GREEN, GREY, INK, ORANGE, PALE, VERMILLION, plain, style

LOOKS = dict(zip(GROUPS, ((BLUE, "o"), (GREEN, "s"), (ORANGE, "D"), (VERMILLION, "X")), strict=True))
WORDS = {
    "cannot cycle": "cannot cycle (a theorem)",
    "came to rest": "seen to come to rest",
    "undecided": "undecided",
    "cycles": "cycles here (seen)",
}
FLOOR = 1e-6  # KLs below this are drawn there
Value = Callable[[Evidence], float | None]


def draw(rows: Sequence[Evidence], found: Ranking, scales: Scales, name: str) -> Figure:
    """The evidence of the rules that ran, in the order of the ranking, the tree's advice in bold.

    >>> row = Evidence("reward", False, "reward", outcome="rest", expected_return=1.0)
    >>> one = Ranking("improve", (("reward", False),), (), (), None, None, ())
    >>> [ax.get_title() for ax in draw([row], one, Scales(0.0, 0.5, 1.0, 0.1, 0.1), "bandit").axes]
    ['return']
    """
    by_choice = {row.choice: row for row in rows}
    ordered = [by_choice[choice] for choice in found.order]
    every: tuple[tuple[str, Value, bool], ...] = (
        ("return", lambda row: row.expected_return, False),
        ("KL (nats, at least 1e-6),\nstudent's states", lambda row: row.kl_student_states, True),
        ("KL (nats, at least 1e-6),\nteacher's states", lambda row: row.kl_teacher_states, True),
        ("time of F to 95 %", lambda row: speed(row, found.wish), True),
        ("trajectories an update\nfor noise = signal", lambda row: row.variance, True),
    )
    panels = [panel for panel in every if any(panel[1](row) is not None for row in ordered)]
    with style():
        figure = Figure(figsize=(1.5 + 2.7 * len(panels), 2.3 + 0.31 * len(ordered)), dpi=110, layout="constrained")
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for ax, (title, value, log) in zip(axes, panels, strict=True):
            _panel(ax, ordered, value, log, infinite=title.startswith("KL") and scales.teacher is not None)
            ax.set_title(title, fontsize=12)
        if panels and panels[0][0] == "return":
            _returns(axes[0], scales)
        advised = found.tree or ()
        axes[0].set_yticks(range(len(ordered)), [plain(row.label) for row in ordered], fontsize=11)
        for label, row in zip(axes[0].get_yticklabels(), ordered, strict=True):
            label.set_fontweight("bold" if row.choice in advised else "normal")
        axes[0].set_ylim(len(ordered) - 0.4, -0.6)
        bold = "; bold: the tree's advice" if advised else ""
        figure.suptitle(plain(f"{name}: to {SAID[found.wish]}, the best rule first{bold}"), fontsize=14)
        handles = [
            Line2D([], [], color=colour, marker=mark, linestyle="none", markersize=8, label=WORDS[group])
            for group, (colour, mark) in LOOKS.items()
            if any(row.guarantee is not None and row.guarantee.group == group for row in ordered)
        ]
        lines: list[tuple[str, Any]] = [("teacher", (0, (4, 2))), ("optimal", "-"), ("uniform", (0, (1, 1.5)))]
        handles += [Line2D([], [], color=GREY, linestyle=dash, label=f"return: {word}") for word, dash in lines]
        figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=10.5)
    return figure


def _panel(ax: Axes, rows: Sequence[Evidence], value: Value, log: bool, *, infinite: bool) -> None:
    """One criterion: a point a rule, nothing where it is not known."""
    known = [(k, x) for k, row in enumerate(rows) if (x := value(row)) is not None and np.isfinite(x)]
    if log:
        ax.set_xscale("log")
        known = [(k, max(x, FLOOR)) for k, x in known]
    for k, row in enumerate(rows):
        ax.axhline(k, color=PALE, linewidth=0.5, alpha=0.6, zorder=0)
        group = GROUPS[2] if row.guarantee is None else row.guarantee.group
        colour, mark = LOOKS[group]
        x = dict(known).get(k)
        if x is not None:
            ax.plot(
                x, k, mark, color=colour, markersize=7.5, markeredgecolor="white", markeredgewidth=0.6, clip_on=False
            )
        elif infinite and row.outcome == "boundary":
            ax.annotate("→ ∞", (0.98, k), xycoords=("axes fraction", "data"), ha="right", va="center", color=colour)
    if log and known:
        low, high = min(x for _, x in known), max(x for _, x in known)
        ax.set_xlim(low / 2, high * (8 if infinite else 2))
    ax.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.tick_params(axis="x", labelsize=10)


def _returns(ax: Axes, scales: Scales) -> None:
    """Lines at the returns of the teacher, an optimal policy and the uniform student."""
    for x, dash in ((scales.teacher, (0, (4, 2))), (scales.optimal, "-"), (scales.uniform, (0, (1, 1.5)))):
        if x is not None:
            ax.axvline(x, color=GREY, linestyle=dash, linewidth=1.0, zorder=0)
    ax.locator_params(axis="x", nbins=4)
    ax.tick_params(axis="y", labelcolor=INK)
