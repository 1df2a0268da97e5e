"""What a notebook shows for a trajectory: its log-odds over time, and its orbit where there are two.

Inline SVG, made here; no plotting library.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from dynamics.drawing.svg import COLOURS, DASHES, GREY, INKS, Drawing, text
from mdp import Array

if TYPE_CHECKING:
    from dynamics.motion import Trajectory

LINES = 8  # coordinates drawn
MEMBERS = 30  # orbits of an ensemble drawn
POINTS = 600  # points of a line drawn
HEIGHT = 220.0
HUGE = 1e100


def trajectory_html(trajectory: Trajectory) -> str:
    """The trajectory over time, and its orbit beside it where it has two coordinates, as inline SVG.

    Rows of logits (n, O, A) are shown as log-odds against the first action, `theta[o, a] − theta[o, 0]`; parameters
    (n, m) as they are. Of an ensemble (n, members, O, A) the first 30 members are drawn, of many coordinates the first
    eight, of a long run some 600 points; the words below the picture say so. An ensemble of parameters (m,) cannot be
    told from rows of logits, and is drawn as such.

    >>> from vorticity import Trajectory
    >>> shown = trajectory_html(Trajectory(np.array([0.0, 1.0]), np.zeros((2, 2, 2))))
    >>> shown.count("<svg")
    2
    """
    t, theta = np.asarray(trajectory.t, dtype=float), np.asarray(trajectory.theta, dtype=float)
    kept = np.flatnonzero(np.isfinite(theta.reshape(len(theta), math.prod(theta.shape[1:]))).all(1))
    if not len(kept) or not theta.size:
        return f"<p>an empty trajectory{': ' + text(trajectory.note) if trajectory.note else ''}</p>"
    names, x = log_odds(theta[kept].clip(-HUGE, HUGE))
    said = ["logits: log-odds against the first action"] if theta.ndim > 2 else []
    said += [f"{len(names)} coordinates, the first {LINES} shown"] if len(names) > LINES else []
    said += [f"{x.shape[1]} members, the first {MEMBERS} shown"] if x.shape[1] > MEMBERS else []
    said += [trajectory.note] if trajectory.note else []
    few = np.unique(np.linspace(0, len(kept) - 1, min(len(kept), POINTS)).round().astype(int))
    t, x = t[kept[few]], x[few, :MEMBERS]
    across = (
        "time of F" if trajectory.kind == "ode" else f"steps of {trajectory.step:g}" if trajectory.step else "steps"
    )
    pictures = [_series(t, x[..., :LINES], names[:LINES], across)]
    if len(names) == 2:
        pictures.append(_orbit(x, names))
    images = "".join(f'<div style="display:inline-block;vertical-align:top">{picture}</div>' for picture in pictures)
    words = f'<div style="color:{GREY};font-size:85%">{text("; ".join(said))}</div>' if said else ""
    return f"<div>{images}{words}</div>"


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


class Axes:
    """A rectangle of a drawing, with numbers along its left and lower side, that data are mapped into."""

    def __init__(self, x: Array, y: Array, width: float) -> None:
        self.x, self.y, self.width = limits(x), limits(y), width
        self.drawing = Drawing()

    def at(self, x: Array, y: Array) -> list[tuple[float, float]]:
        """Points (k,), (k,) of the data in the drawing."""
        across = self.width * (x - self.x[0]) / (self.x[1] - self.x[0])
        down = HEIGHT * (self.y[1] - y) / (self.y[1] - self.y[0])
        return list(zip(across.tolist(), down.tolist(), strict=True))

    def frame(self, across: str, up: str) -> None:
        """Lines at round numbers, the numbers, and the names of the two axes."""
        draw, pale = self.drawing, "#DDDDDD"
        for x in ticks(*self.x):
            (place,) = self.at(np.array([x]), np.array([self.y[0]]))
            draw.polyline([(place[0], 0.0), (place[0], HEIGHT)], pale, width=1)
            draw.write(place[0], HEIGHT + 12, number(x), size=10)
        for y in ticks(*self.y):
            (place,) = self.at(np.array([self.x[0]]), np.array([y]))
            draw.polyline([(0.0, place[1]), (self.width, place[1])], pale, width=1)
            draw.write(-6, place[1], number(y), "end", size=10)
        draw.write(self.width / 2, HEIGHT + 28, across)
        if up:
            draw.write(-6, -14, up, "start")


def _series(t: Array, x: Array, names: list[str], across: str) -> str:
    """Every coordinate over time; a coordinate has one colour and dash, and its name in them at the top."""
    axes = Axes(t, x, 420.0)
    axes.frame(across, "")
    for k in range(len(names)):
        colour, dash = COLOURS[k % len(COLOURS)], DASHES[k // len(COLOURS)]
        for member in range(x.shape[1]):
            axes.drawing.polyline(axes.at(t, x[:, member, k]), colour, dash, 1.8 if x.shape[1] == 1 else 0.8)
    left = 0.0
    for k, name in enumerate(names):
        colour, dash = COLOURS[k % len(COLOURS)], DASHES[k // len(COLOURS)]
        axes.drawing.polyline([(left, -14), (left + 22, -14)], colour, dash, 2)
        axes.drawing.write(left + 27, -14, name, "start", INKS[k % len(INKS)])
        left += 44 + 7 * len(name)
    return axes.drawing.svg([], "the coordinates over time")


def _orbit(x: Array, names: list[str]) -> str:
    """The second coordinate over the first: a ring at the start, arrows on the way, a dot at the end."""
    axes = Axes(x[..., 0], x[..., 1], HEIGHT)
    axes.frame(names[0], names[1])
    for member in range(x.shape[1]):
        points = axes.at(x[:, member, 0], x[:, member, 1])
        axes.drawing.polyline(points, COLOURS[0], "", 1.8 if x.shape[1] == 1 else 0.8)
        if x.shape[1] == 1:
            for a, b in _halfway(points):
                axes.drawing.arrow([a, ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2), b], COLOURS[0])
        for (px, py), fill in ((points[0], "white"), (points[-1], COLOURS[1])):
            ring = f'cx="{px:.1f}" cy="{py:.1f}" r="{4 if x.shape[1] == 1 else 2}"'
            axes.drawing.shapes.append(f'<circle {ring} fill="{fill}" stroke="{COLOURS[1]}" stroke-width="1.5"/>')
    return axes.drawing.svg([], "the orbit, from the ring to the dot")


def _halfway(points: list[tuple[float, float]]) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    """Up to three pieces of a line, each some pixels long, at a quarter, a half and three quarters of its length."""
    steps = np.hypot(*np.diff(np.array(points), axis=0).T)
    length = np.concatenate([[0.0], np.cumsum(steps)])
    if length[-1] < 40:
        return
    for share in (0.1, 0.3, 0.6):
        k = int(np.searchsorted(length, share * length[-1]))
        m = int(np.searchsorted(length, length[k] - 10))
        if m < k and math.hypot(points[k][0] - points[m][0], points[k][1] - points[m][1]) > 5:
            yield points[m], points[k]


def limits(x: Array) -> tuple[float, float]:
    """The range of data with a little room; around a single value, one on either side.

    >>> limits(np.array([2.0, 2.0]))
    (1.0, 3.0)
    """
    low, high = float(np.min(x)), float(np.max(x))
    room = 0.04 * (high - low) if high - low > 1e-9 * max(abs(low), abs(high), 1e-3) else max(1.0, abs(low) / 2)
    return low - room, high + room


def ticks(low: float, high: float) -> list[float]:
    """Four to nine round numbers between low and high.

    >>> ticks(0.0, 10.0)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    power = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = power * max(m for m in (1, 2, 5) if m * power <= (high - low) / 4)
    return [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def number(x: float) -> str:
    """A tick's number.

    >>> number(-0.0), number(-2.5)
    ('0', '−2.5')
    """
    return f"{x + 0.0:.5g}".replace("-", "−")
