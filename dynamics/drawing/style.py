"""How every picture looks, and how it becomes a file.

Colours are Okabe and Ito's, which readers who see fewer colours can tell apart; what differs in colour differs in
shape or line too. Nothing here changes matplotlib's settings outside of its own calls, and pyplot is not used.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, GREY, PALE = "#222222", "#5B6770", "#A9B4BC"
ORANGE, SKY, GREEN, BLUE, VERMILLION, PURPLE = "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7"
SERIES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, INK)
STYLE: Any = {
    "font.family": ["DejaVu Sans"],
    "font.size": 11.5,
    "axes.titlesize": 13,
    "axes.labelsize": 12.5,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.facecolor": "white",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.fontsize": 11,
    "legend.frameon": False,
    "path.simplify": True,
    "text.usetex": False,
    "svg.hashsalt": "vorticity",
    "svg.fonttype": "path",
    "pdf.compression": 6,
}
FORMATS = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None},
}


@contextmanager
def style() -> Iterator[None]:
    """The settings of these pictures, for the time of a `with` block."""
    with mpl.rc_context(STYLE):
        yield


def figure_that_holds(ax: Axes) -> Figure:
    """The figure that axes stand in."""
    figure = ax.get_figure(root=True)
    if not isinstance(figure, Figure):
        raise ValueError("these axes stand in no figure")
    return figure


def plain(text: str) -> str:
    """Text that matplotlib does not read as mathematics."""
    return text.replace("$", r"\$")


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG, SVG or PDF, by the suffix: the same bytes every time, without dates or names.

    Raises ValueError for another suffix, OSError where the place cannot be written.
    """
    path = Path(path)
    path.write_bytes(rendered(figure, checked_suffix(path)))


def checked_suffix(path: Path) -> str:
    """The suffix of a figure's file.

    >>> checked_suffix(Path("figure.jpg"))
    Traceback (most recent call last):
    ValueError: figure.jpg: has the suffix '.jpg'; a figure is saved as .png, .svg or .pdf
    """
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"{path}: has the suffix {path.suffix!r}; a figure is saved as .png, .svg or .pdf")
    return path.suffix.lower()


def rendered(figure: Figure, suffix: str) -> bytes:
    """The bytes of the figure's file."""
    held = io.BytesIO()
    with style():
        figure.savefig(held, format=suffix[1:], metadata=FORMATS[suffix])
    if suffix != ".svg":
        return held.getvalue()
    # A hundredth of a point is finer than anybody sees; matplotlib's six decimals double the file.
    return re.sub(rb"(\d\.\d\d)\d+", rb"\1", held.getvalue())
