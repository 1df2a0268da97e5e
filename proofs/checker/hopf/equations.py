"""The equations of a Hopf point, and Krawczyk's operator on them.

Unknowns u = (x, mu, ω, a, b) in R^(3n + 2), q = a + ib; J = ∂F/∂x:

    G(u) = ( F(x, mu),  J a + ω b,  J b − ω a,  a_k − 1,  b_k ) = 0         that is F = 0, (J − iω) q = 0, q_k = 1

    K(U) = c − Y G(c) + (I − Y DG(U)) (U − c),   c in U, Y any matrix

If K(U) is in the interior of U, U holds exactly one zero of G. K(U) holds every zero of G that U holds, in any case.
(R. E. Moore, R. B. Kearfott, M. J. Cloud, Introduction to Interval Analysis, SIAM 2009, section 8.2.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from proofs.checker.hopf.family import Motion
from proofs.checker.numbers.arithmetic import Number, Vanishing, total
from proofs.checker.numbers.enclosure import Enclosures, ends
from proofs.checker.numbers.linear import apply, dot, identity
from proofs.checker.numbers.rational import Refused
from proofs.checker.numbers.series import PowerSeries, Series, Work

Interval = tuple[Fraction, Fraction]
_MOST_ROUNDS = 10


@dataclass(frozen=True)
class System:
    """x' = F(x, mu) in n dimensions, the index k with q_k = 1, and the arithmetic."""

    motion: Motion
    n: int
    pivot: int
    numbers: Enclosures
    work: Work


@dataclass(frozen=True)
class Parts:
    """The unknowns u as what they are."""

    x: list[Number]
    mu: Number
    omega: Number
    a: list[Number]
    b: list[Number]


@dataclass(frozen=True)
class Derivatives:
    """Partial derivatives of F in (x, mu) at a point, or over a box; the variable number n is mu."""

    space: PowerSeries
    F: list[Series]

    def of(self, i: int, *variables: int) -> Number:
        """The partial derivative of F_i in these variables."""
        return self.space.derivative(self.F[i], *variables)

    def jacobian(self, *variables: int) -> list[list[Number]]:
        """J[i][j] = ∂F_i/∂x_j, itself derived in the variables given."""
        n = len(self.F)
        return [[self.of(i, j, *variables) for j in range(n)] for i in range(n)]

    def second(self, v: Sequence[Number], w: Sequence[Number]) -> list[Number]:
        """B(v, w)_i = Σ_jk ∂²F_i/∂x_j∂x_k v_j w_k."""
        numbers = self.space.base
        slopes = [apply(numbers, self.jacobian(k), v) for k in range(len(w))]
        return [total(numbers, (row[i] * y for row, y in zip(slopes, w, strict=True))) for i in range(len(self.F))]

    def third(self, u: Sequence[Number], v: Sequence[Number], w: Sequence[Number]) -> list[Number]:
        """C(u, v, w)_i = Σ_jkl ∂³F_i/∂x_j∂x_k∂x_l u_j v_k w_l."""
        numbers, n = self.space.base, len(self.F)
        result = []
        for i in range(n):
            terms = (self.of(i, j, k, m) * u[j] * v[k] * w[m] for j in range(n) for k in range(n) for m in range(n))
            result.append(total(numbers, terms))
        return result


def split(n: int, u: Sequence[Number]) -> Parts:
    """x, mu, ω, a, b of u."""
    return Parts(list(u[:n]), u[n], u[n + 1], list(u[n + 2 : 2 * n + 2]), list(u[2 * n + 2 :]))


def expand(system: System, x: Sequence[Number], mu: Number, order: int) -> Derivatives:
    """The derivatives of F up to an order at (x, mu), numbers or intervals."""
    space = PowerSeries(system.numbers, system.n + 1, order, system.work)
    *moving, parameter = (space.variable(j, y) for j, y in enumerate([*x, mu]))
    return Derivatives(space, system.motion(space, moving, parameter))


def value(system: System, u: Sequence[Number]) -> list[Number]:
    """G(u)."""
    numbers, at = system.numbers, split(system.n, u)
    found = expand(system, at.x, at.mu, 1)
    J = found.jacobian()
    Ja, Jb = apply(numbers, J, at.a), apply(numbers, J, at.b)
    return [
        *(found.of(i) for i in range(system.n)),
        *(y + at.omega * z for y, z in zip(Ja, at.b, strict=True)),
        *(y - at.omega * z for y, z in zip(Jb, at.a, strict=True)),
        at.a[system.pivot] - numbers.number(Fraction(1)),
        at.b[system.pivot],
    ]


def derivative(system: System, u: Sequence[Number]) -> list[list[Number]]:
    """DG(u), columns in the order x, mu, ω, a, b."""
    numbers, n, at = system.numbers, system.n, split(system.n, u)
    found = expand(system, at.x, at.mu, 2)
    J = found.jacobian()
    moved = [found.jacobian(j) for j in range(n + 1)]  # the last one is ∂J/∂mu
    zero, unit = numbers.number(Fraction(0)), identity(numbers, n)
    rows = [[*(found.of(i, j) for j in range(n + 1)), *[zero] * (2 * n + 1)] for i in range(n)]
    for i in range(n):
        bent = [dot(numbers, M[i], at.a) for M in moved]
        rows.append([*bent, at.b[i], *J[i], *(at.omega * y for y in unit[i])])
    for i in range(n):
        bent = [dot(numbers, M[i], at.b) for M in moved]
        rows.append([*bent, -at.a[i], *(-at.omega * y for y in unit[i]), *J[i]])
    for half in (0, 1):
        at_pivot = n + 2 + half * n + system.pivot
        rows.append([numbers.number(Fraction(j == at_pivot)) for j in range(3 * n + 2)])
    return rows


def krawczyk(system: System, box: Sequence[Interval]) -> list[Interval]:
    """K(box), with the middle of the box as c. Raises Refused where the middle of DG(box) is not surely regular."""
    numbers = system.numbers
    middle = [(low + high) / 2 for low, high in box]
    slopes = derivative(system, [numbers.between(low, high) for low, high in box])
    try:
        inverse = numbers.solve([[_middle(numbers, x) for x in row] for row in slopes], identity(numbers, len(box)))
    except Vanishing:
        raise Refused("the equations of a Hopf point are singular there, as where the pair does not cross") from None
    Y = [[_middle(numbers, x) for x in row] for row in inverse]
    at_middle = value(system, [numbers.number(c) for c in middle])
    away = [numbers.between(low - c, high - c) for (low, high), c in zip(box, middle, strict=True)]
    columns = list(zip(*slopes, strict=True))
    result = []
    for i, row in enumerate(Y):
        spread = [numbers.number(Fraction(i == j)) - dot(numbers, row, column) for j, column in enumerate(columns)]
        low, high = ends(dot(numbers, spread, away) - dot(numbers, row, at_middle))
        result.append((middle[i] + low, middle[i] + high))
    return result


def only_solution(system: System, centre: Sequence[Fraction], radius: Fraction) -> list[Interval]:
    """A narrow enclosure of the one zero of G within `radius` of the centre. Raises Refused where that is not shown."""
    box: list[Interval] = [(c - radius, c + radius) for c in centre]
    found = krawczyk(system, box)
    for i, ((low, high), (least, most)) in enumerate(zip(found, box, strict=True)):
        if not least < low <= high < most:
            raise Refused(
                f"radius: {float(radius):.3g}, but Krawczyk's operator leaves this box in {_name(system.n, i)}, "
                "so that it is not shown to hold exactly one solution"
            )
    box = found
    for _ in range(_MOST_ROUNDS):
        width = max(high - low for low, high in box)
        found = krawczyk(system, box)
        box = [_meet(x, y) for x, y in zip(box, found, strict=True)]
        if 2 * max(high - low for low, high in box) > width:
            break
    return box


def _name(n: int, i: int) -> str:
    """The unknown number i, as a fact writes it."""
    if i < n + 2:
        return f"x[{i}]" if i < n else ("value", "omega")[i - n]
    half, j = divmod(i - n - 2, n)
    return f"q[{j}][{half}]"


def _middle(numbers: Enclosures, x: Number) -> Number:
    low, high = ends(x)
    return numbers.number((low + high) / 2)


def _meet(x: Interval, y: Interval) -> Interval:
    """The intersection, which holds the solution that both hold."""
    return max(x[0], y[0]), min(x[1], y[1])
