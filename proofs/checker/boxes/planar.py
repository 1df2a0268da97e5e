"""Facts about rest points, periodic orbits and their absence, for the field in differences of logits, with proof.

Coordinates z[o, a] = theta[o, a] − theta[o, 0], a = 1..A−1, row by row; Z[o, a] = F[o, a] − F[o, 0]. What the facts
say: docs/certificates.md. Everything is decided by enclosures with outward rounding; nothing that a certificate lists
is taken as a hint that could make a false fact pass: zeros are counted, faces and edges are covered anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from proofs.checker.boxes.crossing import check_edges, check_ring
from proofs.checker.boxes.dulac import Weight, check_divergence
from proofs.checker.boxes.polygons import MOST_VERTICES, check_inside, check_simple, polygons
from proofs.checker.boxes.zeros import Box, Exact, System, evaluate, inward, only_zeros, place, system
from proofs.checker.identities.always import curl_free
from proofs.checker.numbers.intervals import Interval
from proofs.checker.numbers.jets import variables
from proofs.checker.numbers.rational import Refused, rational, show
from proofs.checker.numbers.spectrum import to_the_right
from proofs.checker.reading import strict
from proofs.checker.reading.field import read_field

TYPES = ("source", "sink", "saddle", "undecided")
LARGEST = 250  # of a coordinate: exponentials of differences stay well inside the floats
MOST_COORDINATES = 12
MOST_POINTS = 100
_MOST_CHARACTERS = 400  # of one number in a polygon


def rest_points(fact: dict[str, Any]) -> float:
    """The box holds exactly the zeros of Z that are listed, one in each box, of the types that are stated."""
    on = _read(fact)
    _points(on, read_box(fact["box"], "box", on.n), fact["points"])
    return 0.0


def trapping_box(fact: dict[str, Any]) -> float:
    """Z points inward on all faces of a box in the plane, whose one zero has a positive trace and determinant."""
    on = _read(fact, plane=True)
    box, point = read_box(fact["box"], "box", 2), read_box(fact["rest_point"], "rest_point", 2, thin=True)
    if not all(a < c and d < b for (a, b), (c, d) in zip(box, point, strict=True)):
        raise Refused("rest_point: not in the interior of the box")
    inward(on, box)
    (zero,) = only_zeros(on, box, [point], "rest_point")
    (a, b), (c, d) = _jacobian(on, zero)
    if to_the_right(((a, b), (c, d))) != 2:
        raise Refused(f"rest_point: trace and determinant are not seen to be positive at {place(zero)}")
    return 0.0


def annulus(fact: dict[str, Any]) -> float:
    """Z crosses two nested polygons into the ring between them, or out of it, and has no zero in the ring."""
    on = _read(fact, plane=True)
    outer, inner = polygons([_vertices(fact[key], key) for key in ("outer", "inner")])
    if fact["crossing"] not in ("inward", "outward"):
        raise Refused(f"crossing: {show(fact['crossing'])}; must be inward or outward")
    check_simple(outer, "outer")
    check_simple(inner, "inner")
    check_inside(inner, outer)
    into = 1 if fact["crossing"] == "inward" else -1
    check_edges(on, outer, into, "outer")
    check_edges(on, inner, -into, "inner")
    check_ring(on, outer, inner)
    return 0.0


def no_cycle_box(fact: dict[str, Any]) -> float:
    """div(D Z)/D has one sign on a box in the plane of two observations with two actions."""
    on = _read(fact, plane=True)
    if not on.two_actions:
        raise Refused("field: must have two actions and two observations")
    box = read_box(fact["box"], "box", 2)
    given = strict.record(fact["dulac"], "dulac", ["exp", "bump", "det", "visits"])
    lengths = {"exp": 2, "bump": 2, "visits": on.field.n_states}
    parts = {}
    for key, n in lengths.items():
        texts = strict.items(given[key], f"dulac.{key}", n)
        strict.limit(texts, f"dulac.{key}")
        parts[key] = tuple(rational(x, f"dulac.{key}[{k}]") for k, x in enumerate(texts))
    visited = {s for states in on.jets.visited for s in states}
    for s, x in enumerate(parts["visits"]):
        if x and s not in visited:
            raise Refused(f"dulac.visits[{s}]: {show(x)}, but state {s} is never visited")
    weight = Weight(parts["exp"], parts["bump"], rational(given["det"], "dulac.det"), parts["visits"])
    if fact["sign"] not in ("+", "-"):
        raise Refused(f'sign: {show(fact["sign"])}; must be "+" or "-"')
    check_divergence(on, box, weight, 1 if fact["sign"] == "+" else -1)
    return 0.0


def settles(fact: dict[str, Any]) -> float:
    """Z points inward on all faces of a box, which holds exactly the zeros listed, and F is a gradient."""
    on = _read(fact)
    box = read_box(fact["box"], "box", on.n)
    inward(on, box)
    _points(on, box, fact["points"])
    return curl_free(fact)


def read_box(value: object, where: str, n: int, thin: bool = False) -> Exact:
    """A box of n ranges with rational ends, lo < hi, or lo <= hi where it may be `thin`.

    >>> read_box([["-1", "1/2"]], "box", 1)
    ((Fraction(-1, 1), Fraction(1, 2)),)
    >>> read_box([["1", "1"]], "box", 1)
    Traceback (most recent call last):
    proofs.checker.numbers.rational.Refused: box[0]: from 1 to 1; must rise
    """
    found = []
    for k, (low, high) in enumerate(strict.table(value, where, n, 2)):
        if low > high or (low == high and not thin):
            raise Refused(f"{where}[{k}]: from {show(low)} to {show(high)}; must rise")
        if max(-low, high) > LARGEST:
            raise Refused(f"{where}[{k}]: reaches beyond ±{LARGEST}, which is not checked")
        found.append((low, high))
    return tuple(found)


def _read(fact: dict[str, Any], plane: bool = False) -> System:
    """The field of a fact, prepared; with two coordinates where that is asked."""
    field = read_field(fact["field"], "field")
    n = field.n_observations * (field.n_actions - 1)
    if plane and n != 2:
        raise Refused(f"field: {n} differences of logits; must be 2")
    if n > MOST_COORDINATES:
        raise Refused(f"field: {n} differences of logits; at most {MOST_COORDINATES} are checked")
    return system(field)


def _points(on: System, box: Exact, listed: object) -> None:
    """That the box holds exactly the zeros listed, of the types stated."""
    boxes, types = [], []
    entries = strict.items(listed, "points")
    if len(entries) > MOST_POINTS:
        raise Refused(f"points: {len(entries)}; at most {MOST_POINTS} are checked")
    for k, entry in enumerate(entries):
        point = strict.record(entry, f"points[{k}]", ["box", "type"])
        boxes.append(read_box(point["box"], f"points[{k}].box", on.n, thin=True))
        if point["type"] not in TYPES:
            raise Refused(f"points[{k}].type: {show(point['type'])}; must be one of {', '.join(TYPES)}")
        types.append(point["type"])
    for k, zero in enumerate(only_zeros(on, box, boxes, "points")):
        if types[k] == "undecided":
            continue
        right = to_the_right(_jacobian(on, zero))
        found = "undecided" if right is None else "sink" if right == 0 else "source" if right == on.n else "saddle"
        if found != types[k]:
            raise Refused(f"points[{k}].type: {types[k]}, but the checker finds {found} at {place(zero)}")


def _jacobian(on: System, zero: Box) -> list[list[Interval]]:
    """∂Z/∂z on a box, times a positive factor; at a zero of Z that factor's derivative drops out."""
    Z = evaluate(on, variables(zero), scaled=True).Z or []
    if any(x.slopes is None for x in Z):
        raise Refused("field: does not depend on its parameters")
    return [list(x.slopes or ()) for x in Z]


def _vertices(value: object, where: str) -> Sequence[Sequence[Fraction]]:
    """The vertices of a polygon."""
    rows = [strict.items(row, f"{where}[{k}]", 2) for k, row in enumerate(strict.items(value, where))]
    if not 3 <= len(rows) <= MOST_VERTICES:
        raise Refused(f"{where}: {len(rows)} vertices; from 3 to {MOST_VERTICES} are checked")
    found = []
    for k, row in enumerate(rows):
        strict.limit(row, f"{where}[{k}]", _MOST_CHARACTERS)
        vertex = [rational(x, f"{where}[{k}][{i}]") for i, x in enumerate(row)]
        if max(map(abs, vertex)) > LARGEST:
            raise Refused(f"{where}[{k}]: reaches beyond ±{LARGEST}, which is not checked")
        found.append(vertex)
    return found
