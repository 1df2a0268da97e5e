"""`hopf-point`: a rest point where one pair of eigenvalues crosses the imaginary axis, with speed and l1 not 0.

    p^T J = iω p^T,  p^T q = 1,  v = −J^−1 ∂F/∂mu
    d Re λ/dmu = Re p^T (∂J/∂mu + Σ_j (∂J/∂x_j) v_j) q
    l1 = Re[ p^T C(q,q,q̄) − 2 p^T B(q, J^−1 B(q,q̄)) + p^T B(q̄, (2iω − J)^−1 B(q,q)) ] / (2ω Σ_j |q_j|²)

(Yu. A. Kuznetsov, Elements of Applied Bifurcation Theory, third edition, theorem 3.3 and eq. (5.34).)
What a fact says: docs/certificates.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from proofs.checker.hopf.equations import Derivatives, Parts, System, expand, only_solution, split
from proofs.checker.hopf.family import Family, motion, read_family
from proofs.checker.numbers.arithmetic import Number
from proofs.checker.numbers.enclosure import Enclosures, ends
from proofs.checker.numbers.linear import apply, characteristic, dot, positive_roots, solve, solve_complex
from proofs.checker.numbers.rational import Refused, rational, show
from proofs.checker.numbers.series import Work
from proofs.checker.reading import strict

MOST_DIMENSIONS = 8
MOST_WORK = 2_000_000  # operations on intervals
BITS = 256
_LARGEST = {"x": 1000, "value": 10**6, "omega": 10**6, "q": 10**6}  # of the centre's numbers


@dataclass(frozen=True)
class Stated:
    """A fact's numbers: the box, the pivot, and the intervals by name."""

    centre: list[Fraction]
    radius: Fraction
    pivot: int
    intervals: dict[str, tuple[Fraction, Fraction]]
    unstable: int
    side: int


@dataclass(frozen=True)
class Crossing:
    """How the pair crosses the axis at the solution: enclosures, and the other eigenvalues to the right of the axis."""

    speed: Number
    l1: Number
    unstable: int


def hopf_point(fact: dict[str, Any]) -> float:
    """The fact holds; raises Refused where that is not shown."""
    family = read_family(fact["field"], fact["parameter"])
    stated = _read(fact, family)
    system = System(motion(family), family.dimension, stated.pivot, Enclosures(BITS), Work(MOST_WORK))
    box = only_solution(system, stated.centre, stated.radius)
    mu, omega = box[family.dimension], box[family.dimension + 1]
    _within(mu, stated, "value", "the parameter")
    _within(omega, stated, "omega", "ω")
    if not family.allows(*mu):
        raise Refused(f"value: the parameter is {_about(*mu)}, outside of the open range of {family.kind!r}")
    found = crossing(system, [system.numbers.between(low, high) for low, high in box])
    if found.unstable != stated.unstable:
        raise Refused(f"unstable: {stated.unstable}, but {found.unstable} other eigenvalues have positive real part")
    _within(ends(found.speed), stated, "speed", "d Re λ/dmu")
    _within(ends(found.l1), stated, "l1", "the first Lyapunov coefficient")
    speed, l1 = (stated.intervals[key][0] for key in ("speed", "l1"))
    if stated.side != (side := -1 if (speed > 0) == (l1 > 0) else 1):
        raise Refused(f"side: {stated.side:+d}, but −speed · l1 has sign {side:+d}")
    return 0.0


def crossing(system: System, u: Sequence[Number]) -> Crossing:
    """Speed, l1 and the count of eigenvalues at the solution that u encloses.

    Raises Vanishing or Refused where iω is not surely simple, or another eigenvalue not surely off the axis.
    """
    numbers, at = system.numbers, split(system.n, u)
    found = expand(system, at.x, at.mu, 3)
    J = found.jacobian()
    c = characteristic(numbers, J)
    d = c[:1]  # det(λ − J) / (λ² + ω²), which leaves no remainder at the solution
    for m in range(1, system.n - 1):
        d.append(c[m] - at.omega * at.omega * d[m - 2] if m >= 2 else c[m])
    unstable = positive_roots(numbers, d)
    p = left_vector(numbers, J, at)
    return Crossing(speed_of(found, J, at, p), l1_of(found, J, at, p), unstable)


def left_vector(numbers: Enclosures, J: list[list[Number]], at: Parts) -> tuple[list[Number], list[Number]]:
    """Real and imaginary part of p with p^T J = iω p^T and p^T q = 1; it is there only if iω is simple.

    From (J^T − iω) p + s q̄ = 0, q^T p = 1. Times q^T the first says s |q|² = 0. The matrix is regular exactly if iω
    has one eigenvector q and a p with p^T q ≠ 0, that is, is simple; Vanishing is raised where that is not sure.
    """
    zero, one = (numbers.number(Fraction(x)) for x in (0, 1))
    n = len(J)
    M = [[*column, at.a[i]] for i, column in enumerate(zip(*J, strict=True))]
    N = [[*(-at.omega if i == j else zero for j in range(n)), -at.b[i]] for i in range(n)]
    right = [*[zero] * n, one]
    x, y = solve_complex(numbers, [*M, [*at.a, zero]], [*N, [*at.b, zero]], right, [zero] * (n + 1))
    return x[:n], y[:n]


def speed_of(found: Derivatives, J: list[list[Number]], at: Parts, p: tuple[list[Number], list[Number]]) -> Number:
    """d Re λ/dmu along the curve of rest points x(mu), whose slope is v = −J^−1 ∂F/∂mu."""
    numbers, n = found.space.base, len(J)
    v = [-y for y in solve(numbers, J, [found.of(i, n) for i in range(n)])]
    moved = [found.jacobian(j) for j in range(n + 1)]
    along = [*v, numbers.number(Fraction(1))]
    H = [[dot(numbers, [M[i][j] for M in moved], along) for j in range(n)] for i in range(n)]
    return _real(numbers, p, apply(numbers, H, at.a), apply(numbers, H, at.b))


def l1_of(found: Derivatives, J: list[list[Number]], at: Parts, p: tuple[list[Number], list[Number]]) -> Number:
    """The first Lyapunov coefficient, for the q of length 1: the formula at the head of this module."""
    numbers, B, C, a, b = found.space.base, found.second, found.third, at.a, at.b
    n, two, zero = len(J), numbers.number(Fraction(2)), numbers.number(Fraction(0))
    cubic = _real(numbers, p, _sum(C(a, a, a), C(a, b, b)), _sum(C(a, a, b), C(b, b, b)))
    aa, ab, bb = B(a, a), B(a, b), B(b, b)
    w = solve(numbers, J, _sum(aa, bb))  # J^−1 B(q, q̄)
    mean = _real(numbers, p, B(a, w), B(b, w))
    opposite = [[-x for x in row] for row in J]
    turn = [[two * at.omega if i == j else zero for j in range(n)] for i in range(n)]
    x, y = solve_complex(  # (2iω − J)^−1 B(q, q)
        numbers, opposite, turn, [u - v for u, v in zip(aa, bb, strict=True)], [two * u for u in ab]
    )
    double = _real(numbers, p, _sum(B(a, x), B(b, y)), [u - v for u, v in zip(B(a, y), B(b, x), strict=True)])
    length = dot(numbers, a, a) + dot(numbers, b, b)
    return (cubic - two * mean + double) / (two * at.omega * length)


def _real(numbers: Enclosures, p: tuple[list[Number], list[Number]], x: list[Number], y: list[Number]) -> Number:
    """Re p^T (x + iy)."""
    return dot(numbers, p[0], x) - dot(numbers, p[1], y)


def _sum(u: list[Number], v: list[Number]) -> list[Number]:
    return [x + y for x, y in zip(u, v, strict=True)]


def _read(fact: dict[str, Any], family: Family) -> Stated:
    """The numbers of a fact, which are of the right form and size and do not contradict each other at sight."""
    n = family.dimension
    if not 2 <= n <= MOST_DIMENSIONS:
        raise Refused(f"field: {n} differences of logits; from 2 to {MOST_DIMENSIONS} are checked")
    strict.limit(fact["radius"], "radius", 2000)
    radius = rational(fact["radius"], "radius")
    if not 0 < radius <= 1:
        raise Refused(f"radius: {show(fact['radius'])}; must be positive and at most 1")
    intervals = {key: _interval(fact[key], key) for key in ("value", "omega", "l1", "speed")}
    if intervals["omega"][0] <= 0:
        raise Refused(f"omega[0]: {show(fact['omega'][0])}; must be positive")
    for key in ("l1", "speed"):
        if intervals[key][0] <= 0 <= intervals[key][1]:
            raise Refused(f"{key}: holds 0, so it does not show that the number is not 0")
    side = fact["side"]
    if type(side) is not int or side not in (1, -1):
        raise Refused(f"side: {show(side)}; must be 1 or -1")
    pivot, unstable = strict.index(fact["pivot"], "pivot", n), strict.index(fact["unstable"], "unstable", n - 1)
    return Stated(_centre(fact["centre"], n), radius, pivot, intervals, unstable, side)


def _interval(value: object, where: str) -> tuple[Fraction, Fraction]:
    strict.limit(value, where, 2000)
    low, high = (rational(x, f"{where}[{k}]") for k, x in enumerate(strict.items(value, where, 2)))
    if not low < high:
        raise Refused(f"{where}: from {show(low)} to {show(high)}; must rise")
    return low, high


def _centre(value: object, n: int) -> list[Fraction]:
    """The middle of the box in the order x, mu, ω, a, b."""
    strict.limit(value, "centre")
    keys = strict.record(value, "centre", list(_LARGEST))
    x = strict.items(keys["x"], "centre.x", n)
    q = [strict.items(pair, f"centre.q[{j}]", 2) for j, pair in enumerate(strict.items(keys["q"], "centre.q", n))]
    named = [
        *(("x", f"x[{j}]", y) for j, y in enumerate(x)),
        *((key, key, keys[key]) for key in ("value", "omega")),
        *(("q", f"q[{j}][{part}]", pair[part]) for part in (0, 1) for j, pair in enumerate(q)),
    ]
    result = []
    for key, where, text in named:
        number = rational(text, f"centre.{where}")
        if abs(number) > _LARGEST[key]:
            raise Refused(f"centre.{where}: {show(number)}; numbers beyond ±{_LARGEST[key]} are not checked")
        result.append(number)
    return result


def _within(found: tuple[Fraction, Fraction], stated: Stated, key: str, name: str) -> None:
    """Raises Refused unless the interval that is stated under the key holds all of what was found."""
    low, high = stated.intervals[key]
    if not low <= found[0] <= found[1] <= high:
        raise Refused(f"{key}: {_about(low, high)} is stated, but {name} is not surely in it: it is {_about(*found)}")


def _about(low: Fraction, high: Fraction) -> str:
    try:
        return f"[{float(low):.13g}, {float(high):.13g}]"
    except OverflowError:
        return "beyond the floats"
