"""Polygons in the plane, exactly: vertices are integers over one common denominator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

from proofs.checker.numbers.rational import Refused

Point = tuple[int, int]

MOST_VERTICES = 4000
_MOST_BITS = 4096  # of the common denominator
_MOST_PAIRS = 500_000  # of edges that are held against each other


@dataclass(frozen=True)
class Polygon:
    """A closed polygon with the vertices points[k] / scale, anticlockwise."""

    points: tuple[Point, ...]
    scale: int

    def edges(self) -> list[tuple[Point, Point]]:
        """All edges, the one back to the first vertex last."""
        return list(zip(self.points, (*self.points[1:], self.points[0]), strict=True))


def polygons(tables: Sequence[Sequence[Sequence[Fraction]]]) -> list[Polygon]:
    """Polygons over one common denominator. Raises Refused where that gets too long."""
    scale = 1
    for table in tables:
        for x in (x for row in table for x in row):
            scale = lcm(scale, x.denominator)
            if scale.bit_length() > _MOST_BITS:
                raise Refused(f"the vertices have a common denominator of more than {_MOST_BITS} bits")
    return [Polygon(tuple((int(x * scale), int(y * scale)) for x, y in table), scale) for table in tables]


def check_simple(polygon: Polygon, where: str) -> None:
    """That edges meet only in the vertices which consecutive ones share, and that the area is positive.

    >>> square = polygons([[[Fraction(x), Fraction(y)] for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))]])[0]
    >>> check_simple(square, "outer")
    >>> check_simple(Polygon(square.points[::-1], 1), "outer")
    Traceback (most recent call last):
    proofs.checker.numbers.rational.Refused: outer: clockwise, or of no area; must be listed anticlockwise
    """
    edges = polygon.edges()
    n = len(edges)
    for k, (v, w) in enumerate(edges):
        if v == w:
            raise Refused(f"{where}[{k}]: an edge of length 0")
        x = edges[(k + 1) % n][1]
        if turn(v, w, x) == 0 and (v[0] - w[0]) * (x[0] - w[0]) + (v[1] - w[1]) * (x[1] - w[1]) > 0:
            raise Refused(f"{where}[{(k + 1) % n}]: the edge turns back on itself")
    for i, j in _near(edges, edges):
        if i < j and j - i not in (1, n - 1) and segments_meet(*edges[i], *edges[j]):
            raise Refused(f"{where}: the edges from vertices {i} and {j} meet")
    if sum(v[0] * w[1] - w[0] * v[1] for v, w in edges) <= 0:
        raise Refused(f"{where}: clockwise, or of no area; must be listed anticlockwise")


def check_inside(inner: Polygon, outer: Polygon) -> None:
    """That `inner` lies in the interior of `outer`; both are simple and over one denominator."""
    first, second = inner.edges(), outer.edges()
    for i, j in _near(first, second):
        if segments_meet(*first[i], *second[j]):
            raise Refused(f"inner: its edge from vertex {i} meets that of outer from vertex {j}")
    x, y = inner.points[0]
    if not surrounds(outer, Fraction(x, inner.scale), Fraction(y, inner.scale)):
        raise Refused("inner: not inside of outer")


def surrounds(polygon: Polygon, x: Fraction, y: Fraction) -> bool:
    """Whether a point that is on no edge lies inside of a simple polygon: an odd number of edges to its right.

    >>> triangle = Polygon(((0, 0), (4, 0), (0, 4)), 1)
    >>> surrounds(triangle, Fraction(1), Fraction(1)), surrounds(triangle, Fraction(3), Fraction(3))
    (True, False)
    """
    below = lcm(x.denominator, y.denominator)
    p = (int(x * below) * polygon.scale, int(y * below) * polygon.scale)
    odd = False
    for (a, b), (c, d) in polygon.edges():
        b, d = b * below, d * below
        if (b > p[1]) != (d > p[1]):
            side = turn((a * below, b), (c * below, d), p)
            if (side > 0) == (d > b):
                odd = not odd
    return odd


def turn(a: Point, b: Point, c: Point) -> int:
    """> 0 where c is left of the line from a to b, 0 on it, < 0 right of it."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def segments_meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the closed segments ab and cd have a point in common.

    >>> segments_meet((0, 0), (2, 0), (1, 0), (1, 5)), segments_meet((0, 0), (2, 0), (3, 0), (4, 0))
    (True, False)
    """
    s, t, u, v = turn(a, b, c), turn(a, b, d), turn(c, d, a), turn(c, d, b)
    if _sign(s) * _sign(t) < 0 and _sign(u) * _sign(v) < 0:
        return True
    ends = ((s, a, b, c), (t, a, b, d), (u, c, d, a), (v, c, d, b))
    return any(side == 0 and _between(p, q, r) for side, p, q, r in ends)


def _sign(x: int) -> int:
    return (x > 0) - (x < 0)


def _between(p: Point, q: Point, r: Point) -> bool:
    """Whether r, on the line through p and q, is between them."""
    return min(p[0], q[0]) <= r[0] <= max(p[0], q[0]) and min(p[1], q[1]) <= r[1] <= max(p[1], q[1])


def _near(first: list[tuple[Point, Point]], second: list[tuple[Point, Point]]) -> Iterator[tuple[int, int]]:
    """Pairs (i, j) of edges whose bounding boxes meet. Raises Refused where there are too many to go through."""
    boxes = [
        [(min(v[0], w[0]), max(v[0], w[0]), min(v[1], w[1]), max(v[1], w[1]), k) for k, (v, w) in enumerate(edges)]
        for edges in (first, second)
    ]
    after = sorted(boxes[1])
    seen = 0
    live: list[tuple[int, int, int, int, int]] = []
    at = 0
    for low, high, bottom, top, i in sorted(boxes[0]):
        # Edges of `second` that begin before this one ends, less those that ended before it began.
        while at < len(after) and after[at][0] <= high:
            live.append(after[at])
            at += 1
        live = [box for box in live if box[1] >= low]
        seen += len(live)
        if seen > _MOST_PAIRS:
            raise Refused("the polygons' edges lie too close together to be held against each other")
        for c, _, e, f, j in live:
            if c <= high and bottom <= f and e <= top:
                yield i, j
