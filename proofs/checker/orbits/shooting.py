"""Periodic orbits, proved: exactly one near the points given, its least period and its multipliers.

Segments are followed by validated steps (`flow`) and joined by Krawczyk's operator (`cyclic`). Unknown are x_1 .. x_m
and T, in the box of the radius given around the points and the sum of the durations; the last segment takes T − t_m.
A second pass around the orbit found, over much smaller boxes, encloses the integral of the divergence and the
derivative of the flow over the period.
That T is the least period: it is one, the orbit does not meet the box of x_1 from t_2 to t_m, and 2 t_2 <= t_m,
T <= 2 t_m. Were T / k with k >= 2 the least one (or the orbit a point), a multiple of it would lie in [t_2, t_m].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import TYPE_CHECKING, Any

import flint

from proofs.checker.numbers.rational import Refused
from proofs.checker.orbits import cyclic, flow
from proofs.checker.orbits.taylor import UNIT, ball, precision

if TYPE_CHECKING:
    from proofs.checker.orbits.statement import Ends, Statement

BITS = 100
_SHARPENED = 4  # times that the operator is applied again
_PIECES = (1, 4, 16, 64)  # parts of a segment, where it must be seen to keep away from x_1
_AROUND = flint.arb(0, 1)  # the ball [−1, 1]

Balls = list[Any]


@dataclass(frozen=True)
class Shots:
    """The segments from some centres, and Krawczyk's operator for deviations from these centres and durations."""

    paths: list[flow.Path]
    tubes: list[flow.Tube]
    operator: cyclic.Operator


def decide(said: Statement) -> None:
    """Raises Refused unless all that is said holds."""
    with precision(BITS, flow.DEGREE + 1):
        equation, radius = flow.Equation(said.field), ball(said.radius)
        points, durations = [[ball(x) for x in row] for row in said.points], [ball(x) for x in said.durations]
        radii = [radius] * (len(points) + 1)
        wide = _shoot(equation, points, durations, radii, (said.section, flint.arb(0)))
        near = wide.operator(_boxes(radii, equation.size))
        _check_inside(near, radius)
        for _ in range(_SHARPENED):
            near = wide.operator(near)
        near[0][said.section] = flint.arb(0)
        T = ball(sum(said.durations, Fraction(0))) + near[-1][0]
        if not ball(said.period[0]) <= T <= ball(said.period[1]):
            raise Refused(f"period: from {_ends(said.period)}, but it is {T.str(15)}")
        _check_least(said, wide, T, [x + e for x, e in zip(points[0], near[0], strict=True)])
        _check_multipliers(said, *_along(equation, wide, points, durations, near, said.section))


def _shoot(
    equation: flow.Equation,
    starts: Sequence[Balls],
    durations: Balls,
    radii: Balls,
    section: tuple[int, Any],
    known: Sequence[flow.Path] | None = None,
) -> Shots:
    """Every segment over the box around its start; `radii` has one entry per point and one for the period.

    `section` is the coordinate that is fixed, and how far the first start is above it; `known` are paths nearby.
    """
    paths, tubes, G, D, m = [], [], [], [], len(starts)
    at = span = flint.arb(1)
    for i, (start, duration) in enumerate(zip(starts, durations, strict=True)):
        longest = duration
        if i == m - 1:
            longest = duration + radii[m]
            at, span = duration / longest, (duration + _AROUND * radii[m]) / longest
        try:
            paths.append(flow.path(equation, [x.mid() for x in start], longest, known[i] if known else None))
            offset = [x - x.mid() for x in start]
            tubes.append(flow.tube(equation, paths[i], radii[i] + flow.largest(offset)))
        except (ArithmeticError, Refused) as e:
            raise Refused(f"segment {i} cannot be followed: {e}") from None
        V = flow.derivative(tubes[i], span)
        end = flow.end(paths[i], tubes[i], V if i < m - 1 else flow.derivative(tubes[i], at), offset, at)
        D.append(V)
        G.append([x - y for x, y in zip(end, starts[(i + 1) % m], strict=True)])
    velocity = flow.velocity(paths[-1], tubes[-1], span)
    return Shots(paths, tubes, cyclic.operator([*G, [section[1]]], D, velocity, section[0]))


def _boxes(radii: Balls, size: int) -> list[Balls]:
    """[−radius, radius] in every coordinate of every point, and for the period."""
    return [*([_AROUND * r] * size for r in radii[:-1]), [_AROUND * radii[-1]]]


def _check_inside(image: Sequence[Balls], radius: Any) -> None:
    """Raises Refused unless Krawczyk's image of the box is inside of it: then there is exactly one orbit in the box."""
    for i, row in enumerate(image):
        for j, x in enumerate(row):
            if not abs(x) < radius:
                name = f"points[{i}][{j}]" if i < len(image) - 1 else "the sum of the durations"
                far = f"{float(abs(x).abs_upper()):.3g} away, the radius is {float(radius):.3g}"
                raise Refused(f"no orbit is proved in the boxes: it may be at {name} ± {far}")


def _check_least(said: Statement, shots: Shots, T: Any, first: Balls) -> None:
    """Raises Refused unless T is the least period, `first` holding the orbit's first point."""
    second, last = said.durations[0], sum(said.durations[:-1], Fraction(0))
    if not (2 * second <= last and 2 * ball(last) >= T):
        raise Refused("durations: 2 t_2 <= t_m and T <= 2 t_m are asked, for the least period")
    for i in range(1, len(shots.paths) - 1):
        if not any(_apart(shots.paths[i], shots.tubes[i], first, pieces) for pieces in _PIECES):
            raise Refused(f"period: the orbit may be at its first point again in segment {i}, so it is not the least")


def _apart(path: flow.Path, tube: flow.Tube, first: Balls, pieces: int) -> bool:
    """Does no solution in the tube meet the box `first`, as far as `pieces` parts of the time can tell?"""
    for k in range(pieces):
        s = (k + UNIT) / pieces
        if all((y(s) + _AROUND * tube.width).overlaps(x) for y, x in zip(path.y, first, strict=True)):
            return False
    return True


def _along(
    equation: flow.Equation,
    wide: Shots,
    points: Sequence[Balls],
    durations: Balls,
    near: Sequence[Balls],
    section: int,
) -> tuple[Any, Any]:
    """exp ∫ tr J over the period, and the derivative of the flow over it: a second pass, around points + near."""
    centres = [[(x + e).mid() for x, e in zip(*pair, strict=True)] for pair in zip(points, near[:-1], strict=True)]
    rest = [[x + e - c for x, e, c in zip(*rows, strict=True)] for rows in zip(points, near[:-1], centres, strict=True)]
    last = (durations[-1] + near[-1][0]).mid()
    rest.append([durations[-1] + near[-1][0] - last])
    radii = [flow.largest(row) for row in rest]
    height = centres[0][section] - points[0][section]
    thin = _shoot(equation, centres, [*durations[:-1], last], radii, (section, height), wide.paths)
    for _ in range(_SHARPENED):
        rest = thin.operator(rest)
    tubes = [flow.tube(equation, path, flow.largest(row)) for path, row in zip(thin.paths, rest[:-1], strict=True)]
    stops = [flint.arb(1)] * (len(tubes) - 1) + [(last + rest[-1][0]) / (last + radii[-1])]
    pairs = list(zip(tubes, stops, strict=True))
    monodromy = reduce(lambda done, pair: flow.derivative(*pair) * done, pairs[1:], flow.derivative(*pairs[0]))
    return sum((flow.divergence(*pair) for pair in pairs), flint.arb(0)).exp(), monodromy


def _check_multipliers(said: Statement, product: Any, monodromy: Any) -> None:
    """The product, and each multiplier: with 1 divided out, the roots of z² − (tr M − 1) z + det M for n = 3."""
    if not ball(said.product[0]) <= product <= ball(said.product[1]):
        raise Refused(f"product: from {_ends(said.product)}, but it is {product.str(12)}")
    if said.multipliers is None:
        return
    zero = flint.arb(0)
    found = [(product, zero)]
    if len(said.multipliers) == 2:
        half = (monodromy.trace() - 1) / 2
        found = _roots(half, product)
    elif not said.multipliers:
        found = []
    for order in (found, found[::-1]):
        if all(_within(x, box) for x, box in zip(order, said.multipliers, strict=True)):
            return
    shown = "; ".join(f"{x.str(8)} + {y.str(8)} i" for x, y in found)
    raise Refused(f"multipliers: they are {shown}, not surely in the boxes")


def _roots(half: Any, product: Any) -> list[tuple[Any, Any]]:
    """The roots of z² − 2 half z + product: real, or a pair. Raises Refused where it is not seen which."""
    zero, discriminant = flint.arb(0), half * half - product
    if discriminant > 0:
        large = half + discriminant.sqrt() if half > 0 else half - discriminant.sqrt()
        return [(large, zero), (product / large, zero)]
    if discriminant < 0:
        height = (-discriminant).sqrt()
        return [(half, height), (half, -height)]
    raise Refused("multipliers: they may be equal, and are not told apart")


def _within(x: tuple[Any, Any], box: tuple[Ends, Ends]) -> bool:
    return all(bool(ball(low) <= part) and bool(part <= ball(high)) for part, (low, high) in zip(x, box, strict=True))


def _ends(ends: Ends) -> str:
    return f"{float(ends[0]):.15g} to {float(ends[1]):.15g}"
