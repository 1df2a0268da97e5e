"""Where the parts of a portrait go, in inches: squares of axes, legends below them, nothing overlapping."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

AXES, LEFT, BELOW, SERIES = 5.0, 0.95, 0.72, 2.3  # a square of axes, room for its labels; the height of a time series


@dataclass(frozen=True)
class Layout:
    """The size of a figure and, in inches, (left, bottom, width, height) of its portraits and of its time series."""

    width: float
    height: float
    portraits: tuple[tuple[float, float, float, float], ...]
    series: tuple[tuple[float, float, float, float], ...]
    notes: tuple[str, ...]


def columns(names: Sequence[str]) -> int:
    """Two columns of a legend where they fit below the axes, else one.

    >>> columns(["orbits", "cycle", "rest"]), columns(["a" * 40] * 3)
    (2, 1)
    """
    widths = [max(map(len, name.split("\n"))) for name in names]
    half = -(-len(widths) // 2)
    return 2 if len(widths) > 2 and max(widths[:half]) + max(widths[half:]) < 60 else 1


def legend_height(names: Sequence[str]) -> float:
    """Inches that a legend with these entries takes."""
    if not names:
        return 0.0
    rows = -(-len(names) // columns(names))
    return max(sum(0.245 + 0.18 * name.count("\n") for name in names[k : k + rows]) for k in range(0, len(names), rows))


def layout(
    count: int, legends: Sequence[Sequence[str]], series: Sequence[Sequence[str]], *, bar: bool, title: bool, note: str
) -> Layout:
    """Places for `count` portraits with these legends; time series beside a single one, below several.

    >>> layout(1, [["orbits"]], [], bar=False, title=True, note="").portraits[0][2:]
    (5.0, 5.0)
    """
    below = bool(series) and count > 1
    panel = LEFT + AXES + (1.35 if bar else 0.45)
    width = panel * (count + (bool(series) and not below))
    notes = textwrap.wrap(note, int(14.5 * width))
    foot = 0.2 * len(notes) + 0.1 * bool(notes)
    places: list[tuple[float, float, float, float]] = []
    if below:
        bottom = foot + BELOW + max(map(legend_height, series)) + 0.12
        places = [(k * panel + LEFT, bottom, AXES, SERIES) for k in range(count)]
        foot = bottom + SERIES + 0.12
    foot += BELOW + max(map(legend_height, [*legends, *(() if below else series)])) + 0.12
    if series and not below:
        places = [(panel + LEFT, foot, AXES, AXES)]
    portraits = tuple((k * panel + LEFT, foot, AXES, AXES) for k in range(count))
    return Layout(width, foot + AXES + (0.45 if title else 0.15), portraits, tuple(places), tuple(notes))
