"""Validated steps of x' = F(x), x the logit differences of a field: one polynomial, its defect and a tube around it.

On a segment of duration h let y be any polynomial in s = t / h, found in floats. What F makes of it is enclosed along
it (`taylor.Series`), so the defect h F(y) − y' is tiny and known, and no box has to hold the whole segment. For a
solution x from near y(0) the error e = x − y has

    e' = A e + (h F(y) − y'),   A(s) = h ∫_0^1 J(y + θ e) dθ,

and wherever |e| ≤ E both A and h J(x) lie in the enclosure of h J over the tube y ± E, entry by entry. With |A| ≤ a
(row sums), |e(s)| ≤ (|e(0)| + |defect|) exp(a); if that is below E the solution cannot leave the tube.
The fundamental matrices of all such A lie about one polynomial matrix W: the same inequality for its defect A W − W'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any

import flint

from proofs.checker.identities.update import concrete, student, update
from proofs.checker.numbers.arithmetic import total
from proofs.checker.numbers.dual import Dual, Duals
from proofs.checker.numbers.rational import Refused
from proofs.checker.orbits.taylor import UNIT, Expansions, Series, middle
from proofs.checker.reading.field import Field

DEGREE = 20
_GROWING = (1, 3, 7, DEGREE)  # degrees of Newton's iteration on power series: each doubles the terms that are right
_TRIES = 4  # tubes tried, each wider

Balls = list[Any]


class Equation:
    """x' = F(x) for x[o (A−1) + k] = theta[o, k+1] − theta[o, 0], F the field of eq. (1), in series of any degree."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.size = field.n_observations * (field.n_actions - 1)
        self.moved = [o * field.n_actions + k for o in range(field.n_observations) for k in range(1, field.n_actions)]
        self._worlds = {n: concrete(field, Expansions(n)) for n in _GROWING}
        self._lifted = {n: world.lift() for n, world in self._worlds.items()}

    def velocity(self, x: Sequence[Series]) -> list[Series]:
        """F(x), n entries."""
        numbers = Expansions(x[0].n)
        p = self._policy(numbers, x)
        rows = [p[o] for o in self.field.observation]
        return self._differences(update(self.field, numbers, self._worlds[x[0].n], rows).F)

    def with_slopes(self, x: Sequence[Series]) -> tuple[list[Series], list[list[Series]]]:
        """F(x) and J[i][j] = ∂F_i / ∂x_j: moving x[o, k] is moving theta[o, k+1]."""
        numbers, zero = Expansions(x[0].n), Series(flint.arb_poly(), x[0].n)
        one = numbers.number(Fraction(1))
        p = student(self.field.observation, self._policy(numbers, x), one, set(self.moved))
        F: list[Dual] = self._differences(update(self.field, Duals(numbers), self._lifted[x[0].n], p).F)
        return [f.value for f in F], [[f.slopes.get(j, zero) for j in self.moved] for f in F]

    def _policy(self, numbers: Expansions, x: Sequence[Series]) -> list[list[Series]]:
        """p[o, k+1] = e^x[o, k] / (1 + Σ_k e^x[o, k]) and p[o, 0] the rest, by observation."""
        one, wide, rows = numbers.number(Fraction(1)), self.field.n_actions - 1, []
        for at in range(0, self.size, wide):
            weights = [one, *(z.exp() for z in x[at : at + wide])]
            whole = total(numbers, weights)
            rows.append([w / whole for w in weights])
        return rows

    def _differences(self, F: Sequence[Any]) -> list[Any]:
        n = self.field.n_actions
        return [F[i] - F[i - i % n] for i in self.moved]


@dataclass(frozen=True)
class Path:
    """A polynomial y in s = t / duration, h F(y) along it, a bound of h F(y) − y', and about the one of h J(y)."""

    duration: Any
    y: list[Series]
    speed: list[Series]
    defect: Any
    stretch: Any


@dataclass(frozen=True)
class Tube:
    """h J over y ± width, which solutions starting within the radius asked for do not leave; `growth` is exp(a)."""

    width: Any
    slopes: list[list[Series]]
    growth: Any


def path(equation: Equation, start: Sequence[Any], duration: Any, known: Path | None = None) -> Path:
    """The path of the given duration (a ball) from `start` (exact balls): Newton's iteration on power series.

    With F and J at y known, the correction solves e' = h J e + (h F(y) − y'), coefficient by coefficient. It begins at
    the polynomials of a known path nearby, where there is one.
    """
    y = [flint.arb_poly([x]) for x in start]
    if known is not None:
        y = [x + (near.poly - near.poly[0]) for x, near in zip(y, known.y, strict=True)]
    for n in _GROWING if known is None else _GROWING[-1:]:
        F, J = equation.with_slopes([Series(x, n) for x in y])
        gaps = [_floats(duration * f.poly - x.derivative(), n) for f, x in zip(F, y, strict=True)]
        e = _linear([[_floats(duration * x.poly, n) for x in row] for row in J], gaps)
        y = [middle(x + flint.arb_poly(more)) for x, more in zip(y, e, strict=True)]
    return measured(equation, y, duration, norm([[x(UNIT) * duration for x in row] for row in J]))


def measured(equation: Equation, y: Sequence[Any], duration: Any, stretch: Any) -> Path:
    """The path of any polynomials y (arb_poly, at most DEGREE) with what F makes of it, and a guess of its stretch."""
    series, scale = [Series(x, DEGREE) for x in y], flint.arb_poly([duration])
    speed = [Series(scale * f.poly, DEGREE) for f in equation.velocity(series)]
    gaps = [(f.poly - x.derivative())(UNIT) for f, x in zip(speed, y, strict=True)]
    return Path(duration, series, speed, largest(gaps), stretch)


def tube(equation: Equation, along: Path, radius: Any) -> Tube:
    """A tube for all solutions that start within `radius` (a ball's upper end, per coordinate) of y(0).

    Raises Refused where none is found: the segment is too long.
    """
    width = 1.1 * _float_up((radius + along.defect) * along.stretch.exp())
    for _ in range(_TRIES):
        if not width < 1:
            break
        around = flint.arb_poly([flint.arb(0, width)])
        wide = [Series(x.poly + around, DEGREE) for x in along.y]
        h = flint.arb_poly([along.duration])
        slopes = [[Series(h * x.poly, DEGREE) for x in row] for row in equation.with_slopes(wide)[1]]
        growth = norm([[x(UNIT) for x in row] for row in slopes]).exp()
        reached = (radius + along.defect) * growth
        if reached < width:
            return Tube(flint.arb(width), slopes, growth)
        width = 1.5 * _float_up(reached)
    raise Refused("too long a step, or too large a radius, to be followed")


def derivative(inside: Tube, s: Any) -> Any:
    """The matrices (n, n) at s (a ball in [0, 1]) of all V with V' = A V, V(0) = I, A in the tube's slopes."""
    n, A = len(inside.slopes), inside.slopes
    numbers = [[_floats(x.poly, DEGREE) for x in row] for row in A]
    W = [[flint.arb_poly()] * n for _ in range(n)]
    for j in range(n):  # w = unit vector j + e has e' = A e + A_j
        for i, e in enumerate(_linear(numbers, [row[j] for row in numbers])):
            W[i][j] = flint.arb_poly([float(i == j), *e[1:]])
    products = [[sum((A[i][k].poly * W[k][j] for k in range(n)), flint.arb_poly()) for j in range(n)] for i in range(n)]
    gaps = [[(products[i][j] - W[i][j].derivative())(UNIT) for j in range(n)] for i in range(n)]
    error = flint.arb(0, 1) * (norm(gaps) * inside.growth)
    return flint.arb_mat([[w(s) + error for w in row] for row in W])


def end(along: Path, inside: Tube, V: Any, offset: Balls, s: Any) -> Balls:
    """x(s) for the solution from y(0) + offset: y(s) + V(s) offset, and what the defect may add."""
    moved = V * flint.arb_mat([[x] for x in offset])
    error = flint.arb(0, 1) * (along.defect * inside.growth)
    return [y(s) + moved[i, 0] + error for i, y in enumerate(along.y)]


def velocity(along: Path, inside: Tube, s: Any) -> Balls:
    """F(x(s)) for every solution in the tube: F(y) + A e."""
    e = flint.arb(0, 1) * inside.width
    return [
        (f(s) + sum((abs(x(s)) for x in row), flint.arb(0)) * e) / along.duration
        for f, row in zip(along.speed, inside.slopes, strict=True)
    ]


def divergence(inside: Tube, s: Any) -> Any:
    """∫ tr J dt from 0 to s · duration along any solution in the tube."""
    return sum(row[i].poly.integral()(s) for i, row in enumerate(inside.slopes))


def norm(matrix: Sequence[Sequence[Any]]) -> Any:
    """The largest row sum of |entries|, an upper end."""
    return largest([sum((abs(x) for x in row), flint.arb(0)) for row in matrix])


def largest(balls: Sequence[Any]) -> Any:
    """The largest |x| that the balls hold."""
    return reduce(lambda x, y: x.max(y), (x.abs_upper() for x in balls))


def _floats(poly: Any, n: int) -> list[float]:
    """The middles of the coefficients 0..n."""
    known = [float(c) for c in poly.coeffs()[: n + 1]]
    return known + [0.0] * (n + 1 - len(known))


def _linear(A: Sequence[Sequence[list[float]]], gaps: Sequence[list[float]]) -> list[list[float]]:
    """The coefficients of e with e' = A e + gap, e(0) = 0: (j+1) e_{j+1} = gap_j + Σ_i A_i e_{j−i}."""
    e = [[0.0] for _ in gaps]
    for j in range(len(gaps[0]) - 1):
        fresh = [gap[j] + _convolved(row, e, j) for row, gap in zip(A, gaps, strict=True)]
        for row, x in zip(e, fresh, strict=True):
            row.append(x / (j + 1))
    return e


def _convolved(A: Sequence[list[float]], w: Sequence[list[float]], j: int) -> float:
    """Σ_k Σ_{i ≤ j} A_k[i] w_k[j − i]."""
    return sum(a * x for u, v in zip(A, w, strict=True) for a, x in zip(u[: j + 1], reversed(v), strict=True))


def _float_up(x: Any) -> float:
    """A float near the upper end of |x|; only guesses rest on it."""
    return float(x.abs_upper())
