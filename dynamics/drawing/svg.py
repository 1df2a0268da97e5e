"""SVG by hand: a few shapes, text that is escaped and legible, and a box that grows around them. Strings only.

Colours are Okabe and Ito's, safe for the colour-blind; each has its own dashes too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from itertools import pairwise

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
INKS = ("#005488", "#A34700", "#00614A", "#8C4A75")  # the same, darker, for text
DASHES = ("", "7 4", "2 3", "9 3 2 3")
GREY = "#444444"
Point = tuple[float, float]


def text(words: object) -> str:
    r"""Text that is safe inside XML: escaped, and characters that XML forbids replaced.

    >>> text("a<b & \x07")
    'a&lt;b &amp; �'
    """
    return escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(words)))


class Drawing:
    """SVG elements in the making, and the box that holds them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.shapes: list[str] = []
        self.words: list[str] = []
        self.points: list[Point] = []
        self.taken: list[tuple[Point, Point]] = []

    def take(self, left: float, top: float, right: float, bottom: float) -> None:
        """Claim a box: the image grows to hold it, and words that can stand elsewhere keep off it."""
        self.taken.append(((left, top), (right, bottom)))
        self.points += [(left, top), (right, bottom)]

    def write(
        self,
        x: float,
        y: float,
        words: str,
        anchor: str = "middle",
        ink: str = GREY,
        size: int = 12,
        bare: bool = False,
    ) -> None:
        """Text whose middle line is at y, on a white ground that keeps it readable above lines, unless `bare`."""
        if not words:
            return
        (left, top), (right, bottom) = extent(x, y, words, anchor, size)
        self.take(left, top, right, bottom)
        if not bare:
            box = f'x="{number(left)}" y="{number(top)}" width="{number(right - left)}" height="{number(bottom - top)}"'
            self.words.append(f'<rect {box} fill="white" fill-opacity="0.8"/>')
        place = f'x="{number(x)}" y="{number(y + 0.35 * size)}" text-anchor="{anchor}" font-size="{size}" fill="{ink}"'
        self.words.append(f"<text {place}>{text(words)}</text>")

    def place(self, spots: Sequence[tuple[float, float, str]], words: str, ink: str) -> None:
        """Text at the first of several spots (x, y, anchor) that is free, or at the one that is least covered."""
        covered = [sum(overlap(extent(x, y, words, anchor), box) for box in self.taken) for x, y, anchor in spots]
        x, y, anchor = spots[covered.index(min(covered))]
        self.write(x, y, words, anchor, ink)

    def arrow(self, points: Sequence[Point], colour: str, dash: str = "", tooltip: str = "") -> None:
        """An arrow along a Bézier curve of three or four points."""
        (x, y), tip = points[-2], points[-1]
        length = math.hypot(tip[0] - x, tip[1] - y) or 1.0
        u, v = (tip[0] - x) / length, (tip[1] - y) / length
        base = (tip[0] - 9 * u, tip[1] - 9 * v)
        head = (tip, (base[0] - 4.5 * v, base[1] + 4.5 * u), (base[0] + 4.5 * v, base[1] - 4.5 * u))
        path = f"M{pair(points[0])} {'Q' if len(points) == 3 else 'C'}{' '.join(map(pair, (*points[1:-1], base)))}"
        stroke = f'fill="none" stroke="{colour}" stroke-width="1.8"{dashed(dash)}'
        shape = f'<path d="{path}" {stroke}/><polygon points="{" ".join(map(pair, head))}" fill="{colour}"/>'
        self.lines.append(f"<g><title>{text(tooltip)}</title>{shape}</g>")
        self.points += [bezier(points, k / 8) for k in range(9)]

    def polyline(self, points: Sequence[Point], colour: str, dash: str = "", width: float = 1.5) -> None:
        """A line through points."""
        stroke = f'fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"{dashed(dash)}'
        self.lines.append(f'<polyline points="{" ".join(map(pair, points))}" {stroke}/>')
        self.points += points

    def svg(self, caption: Sequence[str], title: str) -> str:
        """The whole image."""
        xs, ys = zip(*self.points, strict=True)
        left, bottom = min(xs), max(ys) + 10
        for k, line in enumerate(caption):
            self.write(left, bottom + 12 + 16 * k, line, "start", size=11)
        xs, ys = zip(*self.points, strict=True)
        x, y, width, height = min(xs) - 12, min(ys) - 12, max(xs) - min(xs) + 24, max(ys) - min(ys) + 24
        box = f"{number(x)} {number(y)} {number(width)} {number(height)}"
        size = f'width="{number(width)}" height="{number(height)}"'
        ground = f'<rect x="{number(x)}" y="{number(y)}" {size} fill="white"/>'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" {size} style="max-width:100%" '
            f'role="img" font-family="Helvetica, Arial, sans-serif"><title>{text(title)}</title>{ground}'
            + "".join([*self.lines, *self.shapes, *self.words])
            + "</svg>"
        )


def extent(x: float, y: float, words: str, anchor: str, size: int = 12) -> tuple[Point, Point]:
    """The corners of the box that words take, roughly: characters are 0.56 sizes wide.

    >>> extent(0.0, 0.0, "four", "start", 10)
    ((-1.0, -6.0), (23.400000000000002, 6.0))
    """
    width = 0.56 * size * len(words)
    left = x - {"start": 0.0, "middle": width / 2, "end": width}[anchor] - 1
    return (left, y - 0.6 * size), (left + width + 2, y + 0.6 * size)


def overlap(a: tuple[Point, Point], b: tuple[Point, Point]) -> float:
    """The area that two boxes share.

    >>> overlap(((0.0, 0.0), (2.0, 2.0)), ((1.0, 1.0), (3.0, 3.0)))
    1.0
    """
    wide, high = (min(a[1][k], b[1][k]) - max(a[0][k], b[0][k]) for k in (0, 1))
    return max(wide, 0.0) * max(high, 0.0)


def number(x: float) -> str:
    """A coordinate, to a tenth of a pixel.

    >>> number(1.25), number(-0.01)
    ('1.2', '0')
    """
    return f"{round(x, 1) + 0.0:g}"


def pair(point: Point) -> str:
    """A point as SVG writes it.

    >>> pair((1.0, -2.5))
    '1,-2.5'
    """
    return f"{number(point[0])},{number(point[1])}"


def bezier(points: Sequence[Point], share: float) -> Point:
    """The point of a Bézier curve at `share` in [0, 1], by de Casteljau.

    >>> bezier([(0.0, 0.0), (2.0, 2.0), (4.0, 0.0)], 0.5)
    (2.0, 1.0)
    """
    while len(points) > 1:
        points = [((1 - share) * p[0] + share * q[0], (1 - share) * p[1] + share * q[1]) for p, q in pairwise(points)]
    return points[0]


def dashed(dash: str) -> str:
    """The attribute of a dashed line.

    >>> dashed("2 3"), dashed("")
    (' stroke-dasharray="2 3"', '')
    """
    return f' stroke-dasharray="{dash}"' if dash else ""
