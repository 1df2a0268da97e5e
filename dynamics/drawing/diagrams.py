"""Bifurcation diagrams with matplotlib: the parameter across, one coordinate up.

Rest points are a solid line where stable, dashed where not; a cycle is drawn by the least and the greatest value of the
coordinate on it, with filled dots where stable, open ones where not. Hopf points (H) and folds (F) are numbered, and
the legend gives their parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from dynamics.bifurcations import Diagram, flat, flat_orbit, moving
from dynamics.drawing.layout import AXES, BELOW, columns, layout
from dynamics.drawing.style import BLUE, GREEN, INK, ORANGE, VERMILLION, style
from dynamics.fields import reduced
from dynamics.portraits import coordinate_name
from mdp import Array


def rest_curves(drawn: Diagram, k: int, *, ax: Axes) -> list[Artist]:
    """Coordinate k of the rest points against the parameter, solid where stable, dashed where not."""
    made: list[Artist] = []
    for stable, dashes, name in ((True, "-", "rest point, stable"), (False, (0, (4, 2)), "rest point, unstable")):
        label = name
        for curve in drawn.rests:
            branch = curve.branch
            for rows in _runs(branch.stable, (*branch.folds, *branch.hopf), stable):
                made += ax.plot(
                    branch.parameter[rows], flat(drawn, branch.theta)[rows, k], color=INK, linestyle=dashes,
                    linewidth=2.2 if stable else 1.8, zorder=3, label=label,
                )  # fmt: skip
                label = "_"
    return made


def cycle_curves(drawn: Diagram, k: int, *, ax: Axes) -> list[Artist]:
    """The least and the greatest value of coordinate k on the cycles, dots filled where stable, open where not."""
    made: list[Artist] = []
    looks: tuple[tuple[bool, str, str, str], ...] = (
        (True, BLUE, BLUE, "cycle, stable: least and greatest"),
        (False, VERMILLION, "white", "cycle, unstable: least and greatest"),
    )
    for stable, colour, fill, name in looks:
        label = name
        for curve in drawn.cycles:
            points = [flat_orbit(drawn, orbit)[:, k] for orbit in curve.orbits]
            ends = np.array([[values.min(), values.max()] for values in points])
            for rows in _runs(curve.stable, curve.folds, stable):
                for side in (0, 1):
                    made += ax.plot(
                        curve.parameter[rows], ends[rows, side], "o-" if stable else "o--", color=colour, linewidth=1.4,
                        markersize=5, markerfacecolor=fill, markeredgecolor=colour, markeredgewidth=1.2, zorder=4,
                        label=label, markevery=0.03,
                    )  # fmt: skip
                    label = "_"
    return made


def special_points(drawn: Diagram, k: int, *, ax: Axes) -> list[Artist]:
    """Hopf points (diamonds, filled where supercritical) and folds (triangles), numbered, with their parameters."""
    made: list[Artist] = []
    for j, point in enumerate(drawn.hopf, 1):
        name = f"H{j}: {point.kind} Hopf point at {point.parameter:.8g}"
        fill = ORANGE if point.kind == "supercritical" else "white"
        at = (point.parameter, float(flat(drawn, point.theta[None])[0, k]))
        made += _marked(ax, [at], f"H{j}", name, marker="D", markerfacecolor=fill, markeredgecolor=INK, markersize=8)
    rests = [(c.branch.parameter[r], flat(drawn, c.branch.theta)[r, k]) for c in drawn.rests for r in c.branch.folds]
    folds: list[tuple[str, list[tuple[float, float]]]] = [("rest points", [one]) for one in rests]
    for curve in drawn.cycles:
        for row in curve.folds:
            values = flat_orbit(drawn, curve.orbits[row])[:, k]
            folds.append(("cycles", [(curve.parameter[row], value) for value in (values.max(), values.min())]))
    for j, (what, places) in enumerate(sorted(folds, key=lambda fold: fold[1][0][0]), 1):
        name = f"F{j}: fold of {what} at {places[0][0]:.8g}"
        made += _marked(ax, places, f"F{j}", name, marker="^", markerfacecolor=GREEN, markeredgecolor=INK, markersize=9)
    return made


def _marked(ax: Axes, places: list[tuple[float, float]], short: str, name: str, **look: Any) -> list[Artist]:
    """Marks at some places, the first of them with a short name beside it, on the side where there is more room."""
    made: list[Artist] = [
        *ax.plot(*np.array(places).T, linestyle="none", zorder=6, label=name.replace("-", "−"), **look)
    ]
    left = places[0][0] < sum(ax.get_xlim()) / 2
    made.append(
        ax.annotate(
            short,
            places[0],
            xytext=(-11 if left else 11, 4),
            textcoords="offset points",
            ha="right" if left else "left",
            fontsize=12,
            color=INK,
            zorder=7,
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )
    )
    return made


def _runs(flags: Array, special: Sequence[int], wanted: bool) -> list[slice]:
    """The rows of each stretch of `wanted`; neighbours share a row, that of the special point where there is one."""
    marks, last = set(special), len(flags) - 1
    turns = {int(k) for k in np.flatnonzero(flags[1:] != flags[:-1]) if not marks & {int(k), int(k) + 1}}
    runs = []
    for a, b in pairwise(sorted({0, last} | marks | turns)):
        inside = flags[a + 1 : b]
        stable = bool(inside.mean() > 0.5) if len(inside) else bool(flags[a if b in marks else b])
        if stable == wanted:
            runs.append(slice(a, b + 1))
    return runs


def diagram_figure(drawn: Diagram, *, coordinate: int | None = None, title: str = "") -> Figure:
    """The diagram as a figure of its own; `coordinate` is flat in the chart of differences (default: what moves most).

    Raises ValueError for a coordinate that is not there.

    >>> from vorticity import rest_point
    >>> from vorticity import diagram
    >>> from dynamics.orbits import Inventory
    >>> from vorticity import FunctionField
    >>> fold = lambda a: FunctionField(lambda x: a + x**2, (1,))
    >>> known = Inventory((rest_point(fold(-1.0), [-1.0]),), (), None, "")
    >>> made = diagram_figure(diagram(fold, -1.0, 0.5, name="a", known=[(-1.0, known)]))
    >>> [text.get_text() for text in made.axes[0].get_legend().get_texts()]
    ['rest point, stable', 'rest point, unstable', 'F1: fold of rest points at 0']
    """
    k = moving(drawn) if coordinate is None else coordinate
    size = reduced(drawn.field).size
    if not 0 <= k < size:
        raise ValueError(f"coordinate {k}; must be a number from 0 to {size - 1}")
    with style():
        figure = Figure(dpi=150)
        ax = figure.add_axes((0, 0, 1, 1))
        ax.set_xlim(*drawn.interval)
        rest_curves(drawn, k, ax=ax)
        cycle_curves(drawn, k, ax=ax)
        special_points(drawn, k, ax=ax)
        name = coordinate_name(drawn.field, k)
        ax.set_xlabel(drawn.name)
        ax.set_ylabel(name + (" (nats)" if name.startswith("log-odds") else ""))
        ax.margins(y=0.12)
        ax.ticklabel_format(useOffset=False)
        ax.locator_params(axis="x", nbins=6)
        if title:
            ax.set_title(title.replace("$", r"\$"), pad=9)
        handles, names = ax.get_legend_handles_labels()
        if names:
            ax.legend(
                loc="upper center", bbox_to_anchor=(0.5, -BELOW / AXES), borderaxespad=0.0, ncols=columns(names),
                handles=handles, columnspacing=1.6, labelspacing=0.45, handlelength=2.6,
            )  # fmt: skip
        plan = layout(1, [names], [], bar=False, title=bool(title), note="")
        figure.set_size_inches(plan.width, plan.height)
        inches = np.array([plan.width, plan.height] * 2)
        ax.set_position(tuple(np.array(plan.portraits[0]) / inches))
    return figure
