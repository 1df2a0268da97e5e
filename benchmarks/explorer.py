"""How long the explorer needs to follow a slider: `python benchmarks/explorer.py`.

A redraw is a new field, 30 × 30 arrows, nullclines, and the PNG image that the notebook shows. Beside it a bare
matplotlib figure of the same size with a 30 × 30 quiver whose arrows are changed, as PNG. The two sides alternate; the
least and the median of 25 runs are given, for the median rises with whatever else the machine does.
"""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from dynamics.drawing import explorer
from mdp import zoo

LIMIT = 0.150  # seconds, the aim for one redraw
CASES = (
    ("swirl", "reverse-kl"),
    ("aliased-cycle", "on-policy"),
    ("corridor-cycle", "on-policy"),
    ("fig2", "on-policy"),
)


def bare(size: tuple[float, float]) -> Callable[[int], object]:
    """A redraw of 30 × 30 arrows with matplotlib alone."""
    figure = Figure(figsize=size)
    x, y = np.meshgrid(*[np.linspace(*explorer.WINDOW, explorer.ARROWS)] * 2)
    arrows = figure.subplots().quiver(x, y, -y, x)

    def redraw(k: int) -> None:
        turn = 0.1 * k
        arrows.set_UVC(np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y)
        figure.savefig(io.BytesIO(), format="png", dpi=explorer.DPI)

    return redraw


def following(name: str, rule: str) -> tuple[Callable[[int], object], tuple[float, float]]:
    """A redraw of the explorer's portrait, and its figure's size in inches."""
    mdp = zoo.load(name)
    picture = explorer.build(mdp, rule)

    def redraw(k: int) -> None:
        explorer.png(explorer.build(mdp, rule, alpha=1 + k / 20, sharpness=1 - k / 40, picture=picture))

    width, height = picture.figure.get_size_inches()
    return redraw, (float(width), float(height))


def seconds(function: Callable[[int], object], k: int) -> float:
    started = time.perf_counter()
    function(k)
    return time.perf_counter() - started


def main() -> None:
    worst = 0.0
    for name, rule in CASES:
        ours, size = following(name, rule)
        plain = bare(size)
        ours(0), plain(0)
        pairs = [(seconds(ours, k), seconds(plain, k)) for k in range(1, 26)]
        mine, theirs = (min(column) for column in zip(*pairs, strict=True))
        usual = statistics.median(pair[0] for pair in pairs)
        worst = max(worst, mine)
        times = f"{mine * 1e3:6.1f} ms (median {usual * 1e3:.1f})"
        print(f"{name:16} {rule:12} redraw {times} = {mine / theirs:4.2f} x bare ({theirs * 1e3:.1f} ms)")
    print(
        f"slowest redraw {worst * 1e3:.0f} ms; the aim is {LIMIT * 1e3:.0f} ms: {'met' if worst < LIMIT else 'MISSED'}"
    )


if __name__ == "__main__":
    main()
