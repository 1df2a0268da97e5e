"""The time of pictures, as ratios within one run: `python benchmarks/portraits.py`.

Whole processes (`vorticity portrait swirl`, with arrows and nullclines only, and with everything) beside a bare
matplotlib script that draws a 30 x 30 quiver into a PNG of the same size; then, inside one process, an explorer's
redraw of 30 x 30 arrows and nullclines, with matplotlib's own share. Least of several runs, the sides taking turns.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg

from dynamics.drawing import portraits
from dynamics.fields import Field
from dynamics.portraits import compose
from mdp import zoo

BARE = """
import numpy as np
from matplotlib.figure import Figure
x, y = np.meshgrid(np.linspace(-3, 3, 30), np.linspace(-3, 3, 30))
figure = Figure(figsize=(6.4, 6.7), dpi=150)
ax = figure.add_subplot()
ax.quiver(x, y, -y, x, angles="xy")
figure.savefig({path!r})
"""


def least(*functions: Callable[[], object], repeat: int) -> list[float]:
    """Least seconds of each function, run in turn."""
    best = [float("inf")] * len(functions)
    for _ in range(repeat):
        for k, function in enumerate(functions):
            started = time.perf_counter()
            function()
            best[k] = min(best[k], time.perf_counter() - started)
    return best


def processes(folder: Path) -> None:
    """Whole processes beside the bare script."""
    command = [sys.executable, "-m", "vorticity", "portrait", "swirl", "--rule", "reverse-kl", "--reward"]
    runs = {
        "bare matplotlib, 30 x 30 quiver": [sys.executable, "-c", BARE.format(path=str(folder / "bare.png"))],
        "portrait, arrows and nullclines": [*command, "--layers", "quiver,nullclines", "-o", str(folder / "few.png")],
        "portrait, everything": [*command, "-o", str(folder / "all.png")],
    }
    times = least(
        *(lambda c=line: subprocess.run(c, check=True, capture_output=True) for line in runs.values()), repeat=5
    )
    for name, seconds in zip(runs, times, strict=True):
        print(f"  {name:34} {seconds:6.2f} s = {seconds / times[0]:5.2f} x bare script")


def redraws() -> None:
    """An explorer's redraw: the field on the grid and its nullclines, then matplotlib's drawing of the figure."""
    fields = [Field(zoo.load("swirl"), "reverse-kl", reward=True, alpha=alpha) for alpha in ("1", "1/2")]
    drawn = compose.geometry(fields[0], (1.7, 3.5), (-0.8, 2.8), ["quiver", "nullclines"], arrows=30)
    picture = portraits.portrait(fields[0], geometry=drawn)
    canvas = FigureCanvasAgg(picture.figure)
    canvas.draw()
    update, both, alone = least(
        lambda: [portraits.redraw(picture, field) for field in fields],
        lambda: [(portraits.redraw(picture, field), canvas.draw()) for field in fields],
        lambda: [canvas.draw() for _ in fields],
        repeat=7,
    )
    print(f"  redraw of 30 x 30: update {update / 2 * 1e3:.0f} ms, update and draw {both / 2 * 1e3:.0f} ms, ", end="")
    print(f"of which matplotlib's drawing alone {alone / 2 * 1e3:.0f} ms ({alone / both:.0%})")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print("processes")
        processes(Path(folder))
    print("explorer")
    redraws()
