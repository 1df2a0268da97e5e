"""What a notebook shows for a trajectory: its log-odds over time, and its orbit where there are two."""

from __future__ import annotations

import math
import textwrap
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dynamics.drawing.graphs import inline, printable
from dynamics.drawing.style import BLUE, GREEN, GREY, PALE, PURPLE, VERMILLION, style
from mdp import Array

if TYPE_CHECKING:
    from dynamics.motion import Trajectory

LINES = 8  # coordinates drawn
MEMBERS = 30  # orbits of an ensemble drawn
POINTS = 600  # points of a line drawn
HUGE = 1e100
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE)


def trajectory_html(trajectory: Trajectory) -> str:
    """The figure of a trajectory as SVG, or a line of words where no time has finite parameters.

    >>> from vorticity import Trajectory
    >>> trajectory_html(Trajectory(np.array([0.0, 1.0]), np.zeros((2, 2, 2))))[:4]
    '<svg'
    >>> trajectory_html(Trajectory(np.empty(0), np.empty((0, 2, 2)), note="x < 0"))
    '<p>an empty trajectory: x &lt; 0</p>'
    """
    if len(_kept(trajectory)):
        return inline(trajectory_figure(trajectory))
    return f"<p>an empty trajectory{escape(printable(': ' * bool(trajectory.note) + trajectory.note))}</p>"


def trajectory_figure(trajectory: Trajectory) -> Figure:
    """The trajectory over time, and its orbit beside it where it has two coordinates.

    Rows of logits (n, O, A) are shown as log-odds against the first action, `theta[o, a] − theta[o, 0]`; parameters
    (n, m) as they are. Of an ensemble (n, members, O, A) the first 30 members are drawn, of many coordinates the first
    eight, of a long run some 600 points; words below say so. An ensemble of parameters (m,) cannot be told from rows of
    logits, and is drawn as such. Raises ValueError where no time has finite parameters.

    >>> from vorticity import Trajectory
    >>> len(trajectory_figure(Trajectory(np.array([0.0, 1.0]), np.zeros((2, 2, 2)))).axes)
    2
    """
    kept = _kept(trajectory)
    if not len(kept):
        raise ValueError("trajectory is empty; must have finite parameters at some time to be drawn")
    theta = np.asarray(trajectory.theta, dtype=float)
    names, x = log_odds(theta[kept].clip(-HUGE, HUGE))
    said = ["logits: log-odds against the first action"] if theta.ndim > 2 else []
    said += [f"{len(names)} coordinates, the first {LINES} shown"] if len(names) > LINES else []
    said += [f"{x.shape[1]} members, the first {MEMBERS} shown"] if x.shape[1] > MEMBERS else []
    said += [printable(trajectory.note)] if trajectory.note else []
    few = np.unique(np.linspace(0, len(kept) - 1, min(len(kept), POINTS)).round().astype(int))
    t, x = np.asarray(trajectory.t, dtype=float)[kept[few]], x[few, :MEMBERS]
    planar = len(names) == 2
    with style():
        figure = Figure(figsize=(9.6 if planar else 6.4, 3.9), dpi=100, layout="constrained")
        axes = figure.subplots(1, 1 + planar, squeeze=False, width_ratios=[5, 3][: 1 + planar])[0]
        for k, name in enumerate(names[:LINES]):
            look = {"color": COLOURS[k % len(COLOURS)], "linestyle": "-" if k < len(COLOURS) else "--"}
            look["marker"] = "o" if len(t) == 1 else ""
            lines = axes[0].plot(t, x[..., k], linewidth=1.7 if x.shape[1] == 1 else 0.7, **look)
            lines[0].set_label(name)
        discrete = f"steps of {trajectory.step:g}" if trajectory.step else "steps"
        axes[0].set_xlabel("time of F" if trajectory.kind == "ode" else discrete)
        axes[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, borderaxespad=0.2, handlelength=1.6)
        if planar:
            _orbit(axes[1], x, names)
        for ax in axes:
            ax.grid(color=PALE, alpha=0.4, linewidth=0.6)
            ax.spines[["top", "right"]].set_visible(False)
        words = textwrap.fill("; ".join(said), 100 if planar else 66)
        figure.supxlabel(words, x=0.01, ha="left", size=9.5, color=GREY, parse_math=False)
    return figure


def log_odds(theta: Array) -> tuple[list[str], Array]:
    """Names (m,) and coordinates (n, members, m) of a trajectory's parameters.

    >>> log_odds(np.array([[[1.0, 3.0], [0.0, 0.5]]]))
    (['o0', 'o1'], array([[[2. , 0.5]]]))
    """
    x = np.asarray(theta, dtype=float)
    if x.ndim <= 2:
        x = x.reshape(len(x), 1, -1)
        return [f"θ{k}" for k in range(x.shape[-1])], x
    if x.ndim == 3:
        x = x[:, None]
    rows, actions = x.shape[-2:]
    if actions > 1:
        x = x[..., 1:] - x[..., :1]
    names = [f"o{o}" if actions <= 2 else f"o{o}:a{a + 1}" for o in range(rows) for a in range(x.shape[-1])]
    return names, x.reshape(len(x), -1, len(names))


def _kept(trajectory: Trajectory) -> Array:
    """The times, as indices, at which there are parameters and all are finite."""
    theta = np.asarray(trajectory.theta, dtype=float)
    flat = theta.reshape(len(theta), math.prod(theta.shape[1:]))
    return np.flatnonzero(np.isfinite(flat).all(1) & (flat.shape[1] > 0))


def _orbit(ax: Axes, x: Array, names: list[str]) -> None:
    """The second coordinate over the first: a ring at the start, arrows on the way, a dot at the end."""
    single = x.shape[1] == 1
    ax.plot(x[..., 0], x[..., 1], color=BLUE, linewidth=1.7 if single else 0.7)
    size = 7 if single else 4
    ring, dot = {"markerfacecolor": "white", "markeredgewidth": 1.5}, {"markerfacecolor": VERMILLION}
    for ends, look in ((x[0], ring), (x[-1], dot)):
        ax.plot(*ends.T, "o", color=VERMILLION, markersize=size, zorder=3, **look)
    ax.set(xlabel=names[0], ylabel=names[1], box_aspect=1, title="from the ring to the dot")
    spans = np.ptp(x[:, 0], axis=0)
    if not single or not (spans > 0).any():
        return
    steps = np.hypot(*(np.diff(x[:, 0], axis=0) / np.where(spans > 0, spans, 1)).T)
    length = np.concatenate([[0.0], np.cumsum(steps)])
    for share in (0.1, 0.3, 0.6):
        k = int(np.searchsorted(length, share * length[-1]))
        back = int(np.searchsorted(length, length[k] - 0.08, side="right")) - 1
        look = {"arrowstyle": "-|>,head_length=0.5,head_width=0.25", "linewidth": 0, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", x[k, 0], x[max(0, back), 0], arrowprops={**look, "color": BLUE, "mutation_scale": 18})
