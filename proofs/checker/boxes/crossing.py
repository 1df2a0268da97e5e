"""A ring between two polygons in the plane: how a field crosses their edges, and that it has no zero between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from proofs.checker.boxes.polygons import Polygon, surrounds
from proofs.checker.boxes.zeros import Box, System, evaluate, exclude, give_up, halves, heights
from proofs.checker.numbers.intervals import Interval, Wide, add, enclose, join, multiply, subtract
from proofs.checker.numbers.jets import Jet, variables
from proofs.checker.numbers.rational import Refused

_LEAST_PIECE = 2.0**-30


def check_edges(on: System, polygon: Polygon, sign: int, where: str) -> None:
    """sign · (Z · m) > 0 on every closed edge from v to w, m = (−e_y, e_x), e = w − v.

    Along an edge everything is a function of one number t, z = v + t e, with 0 <= t <= 1. Raises Refused, naming the
    edge, where that is not shown.
    """
    for k, (v, w) in enumerate(polygon.edges()):
        corner = [Fraction(x, polygon.scale) for x in v]
        along = [Fraction(y - x, polygon.scale) for x, y in zip(v, w, strict=True)]
        todo = [(0.0, 1.0)]
        while todo:
            low, high = todo.pop()
            found = _across(on, corner, along, low, high)
            if found is not None:
                found = found if sign > 0 else (-found[1], -found[0])
                if found[0] > 0:
                    continue
                if found[1] < 0:
                    raise Refused(f"{where}[{k}]: Z crosses the edge from that vertex the other way")
            if high - low < _LEAST_PIECE:
                raise Refused(f"{where}[{k}]: Z is not seen to cross the edge from that vertex")
            middle = (low + high) / 2
            todo += [(low, middle), (middle, high)]


def _across(
    on: System, corner: Sequence[Fraction], along: Sequence[Fraction], low: float, high: float
) -> Interval | None:
    """Z · m on a piece of an edge, times a positive number; None where there are no bounds."""
    ends, half = (Fraction(low), Fraction(high)), (high - low) / 2  # exact: low and high are multiples of 2^−31
    middle = (ends[0] + ends[1]) / 2
    z = []
    for x, e in zip(corner, along, strict=True):
        first, last = enclose(x + ends[0] * e), enclose(x + ends[1] * e)
        z.append(Jet(enclose(x + middle * e), join(first, last), (enclose(e),), (half,)))
    try:
        Z = evaluate(on, z, scaled=True).Z or []
        ex, ey = (on.jets.numbers.number(e) for e in along)
        return (Z[1] * ex - Z[0] * ey).range  # type: ignore[no-any-return]
    except Wide:
        return None


@dataclass(frozen=True)
class _Edge:
    """An edge in floats: its bounding box, a vertex and the left normal, each as intervals."""

    x: Interval
    y: Interval
    vertex: tuple[Interval, Interval]
    normal: tuple[Interval, Interval]

    def misses(self, box: Box) -> bool:
        """Whether the edge surely has no point in the box: beside its bounding box, or on one side of its line."""
        (a, b), (c, d) = box
        if b < self.x[0] or a > self.x[1] or d < self.y[0] or c > self.y[1]:
            return True
        across = multiply(self.normal[0], subtract(box[0], self.vertex[0]))
        side = add(across, multiply(self.normal[1], subtract(box[1], self.vertex[1])))
        return side[0] > 0 or side[1] < 0


def _edges(polygon: Polygon) -> list[_Edge]:
    found = []
    for v, w in polygon.edges():
        (vx, vy), (wx, wy) = ([enclose(Fraction(x, polygon.scale)) for x in p] for p in (v, w))
        normal = enclose(Fraction(v[1] - w[1], polygon.scale)), enclose(Fraction(w[0] - v[0], polygon.scale))
        found.append(_Edge(join(vx, wx), join(vy, wy), (vx, vy), normal))
    return found


def check_ring(on: System, outer: Polygon, inner: Polygon) -> None:
    """No zero in the closed ring between the polygons: boxes inside `inner` or outside `outer` are passed over.

    A box that no edge meets lies on one side of both polygons, as its middle does, which is decided exactly.
    Raises Refused where a zero cannot be excluded.
    """
    edges = _edges(outer) + _edges(inner)
    whole: Box = (
        (min(e.x[0] for e in edges), max(e.x[1] for e in edges)),
        (min(e.y[0] for e in edges), max(e.y[1] for e in edges)),
    )
    todo = [(whole, edges)]
    while todo:
        part, near = todo.pop()
        if near:
            on.budget.spend_units(len(near) / 15)
            near = [edge for edge in near if not edge.misses(part)]
            if not near:
                on.budget.spend_units(len(edges) / 10)
                if not _in_ring(part, outer, inner):
                    continue
        rest: Box | None = part
        H = None
        try:
            H = heights(on, variables(part))
            rest = exclude(part, H)
        except Wide:
            pass
        if rest is None:
            continue
        give_up(rest, "a zero in the ring cannot be excluded")
        todo += [(half, near) for half in halves(rest, H)]


def _in_ring(box: Box, outer: Polygon, inner: Polygon) -> bool:
    """Whether the middle of a box that no edge meets lies in the ring."""
    x, y = (Fraction(low / 2 + high / 2) for low, high in box)
    return surrounds(outer, x, y) and not surrounds(inner, x, y)
