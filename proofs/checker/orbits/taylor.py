"""Functions of one variable s in [0, 1] enclosed by polynomials whose coefficients are balls (python-flint).

A `Series` with coefficients c_k holds every f such that at each s in [0, 1] there are numbers x_k in c_k with
f(s) = Σ x_k s^k. So sums and products of members are held by sums and products of series, what is above the degree
goes into the highest coefficient (s^(n+j) = s^n · s^j, s^j in [0, 1]), and the integral of f from 0 to s lies in
Σ c_k s^(k+1) / (k+1), balls being convex. What is divided by, and what a logarithm is taken of, is first made nearly 1
by an approximate result, which need not be right: only the rest is enclosed.

Precision and cap are flint's own and process-wide: `precision` sets and restores them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import flint

from proofs.checker.numbers.arithmetic import Number, Vanishing, eliminate
from proofs.checker.numbers.rational import Refused

UNIT = flint.arb(0.5, 0.5)  # the ball [0, 1]


@contextmanager
def precision(bits: int, length: int) -> Iterator[None]:
    """Work with balls of so many bits and power series of that length; restore what was set before."""
    before = flint.ctx.prec, flint.ctx.cap
    flint.ctx.prec, flint.ctx.cap = bits, length
    try:
        yield
    finally:
        flint.ctx.prec, flint.ctx.cap = before


def ball(x: Fraction) -> Any:
    """The ball of a rational number.

    >>> ball(Fraction(1, 3)) * 3 == 1, 1 in ball(Fraction(1, 3)) * 3
    (False, True)
    """
    return flint.arb(x.numerator) / x.denominator


class Series:
    """An enclosure of a function on [0, 1] by a polynomial of degree at most n with balls as coefficients.

    >>> x = Series(flint.arb_poly([2, 1]), 4)
    >>> ((x * x - x) / x)(flint.arb(1)).overlaps(flint.arb(2))
    True
    """

    __slots__ = ("_reciprocal", "n", "poly")

    def __init__(self, poly: Any, n: int) -> None:
        self.poly = poly if poly.length() <= n + 1 else _fold(poly, n)
        self.n = n
        self._reciprocal: Series | None = None

    def __call__(self, s: Any) -> Any:
        """The ball of the values at all points of the ball s in [0, 1]."""
        return self.poly(s)

    def __add__(self, other: Series) -> Series:
        return Series(self.poly + other.poly, self.n)

    def __neg__(self) -> Series:
        return Series(-self.poly, self.n)

    def __sub__(self, other: Series) -> Series:
        return Series(self.poly - other.poly, self.n)

    def __mul__(self, other: Series) -> Series:
        return Series(self.poly * other.poly, self.n)

    def __truediv__(self, other: Series) -> Series:
        return self * other.reciprocal()

    def reciprocal(self) -> Series:
        """1/f = g / (f g) with g about 1/f. Raises Vanishing unless f g is surely not 0 on [0, 1]."""
        if self._reciprocal is None:
            if self.poly.length() <= 1:
                self._reciprocal = Series(flint.arb_poly([1 / _nonzero(self.poly[0])]), self.n)
            else:
                _nonzero(self.poly[0])
                g = middle(1 / _power_series(self))
                self._reciprocal = Series(g * (1 / _nonzero((self.poly * g)(UNIT))), self.n)
        return self._reciprocal

    def exp(self) -> Series:
        """e^f. With q the middle of f and g about e^q, u = g e^−q has u' = (g' − q' g) e^−q, which is nearly 0."""
        if self.poly.length() <= 1:
            return Series(flint.arb_poly([self.poly[0].exp()]), self.n)
        q = middle(self.poly)
        g = middle(_power_series(self).exp())
        slope = (g.derivative() - q.derivative() * g)(UNIT) * (-q(UNIT)).exp()
        u = g[0] * (-q[0]).exp() + slope * UNIT
        return Series(g * ((self.poly - q)(UNIT).exp() / u), self.n)

    def log(self) -> Series:
        """log f = g + log(f e^−g) with g about log f. Raises Refused unless f is surely positive on [0, 1]."""
        if self.poly.length() <= 1:
            return Series(flint.arb_poly([_log(self.poly[0])]), self.n)
        _log(self.poly[0])
        g = Series(middle(_power_series(self).log()), self.n)
        rest = _log((self.poly * (-g).exp().poly)(UNIT))
        return Series(g.poly + flint.arb_poly([rest]), self.n)


class Expansions:
    """The arithmetic of series of degree n.

    >>> with precision(100, 13):
    ...     numbers = Expansions(12)
    ...     x = numbers.variable(Fraction(0))  # s
    ...     found = (x.exp() + numbers.number(Fraction(1))).log()(flint.arb(1))  # log(e + 1)
    ...     found.contains((flint.arb(1).exp() + 1).log()), round(float(found), 6)
    (True, 1.313262)
    """

    def __init__(self, n: int) -> None:
        self.n = n

    def number(self, x: Fraction) -> Series:
        return Series(flint.arb_poly([ball(x)]), self.n)

    def variable(self, start: Fraction) -> Series:
        """start + s."""
        return Series(flint.arb_poly([ball(start), 1]), self.n)

    def log(self, x: Series) -> Series:
        return x.log()

    def solve(self, matrix: Sequence[Sequence[Number]], right: Sequence[Sequence[Number]]) -> list[list[Number]]:
        return eliminate(matrix, right, lambda x: float(x.poly[0].abs_lower()), lambda x: x.poly.length() == 0)


def _fold(poly: Any, n: int) -> Any:
    """The polynomial with all that is above degree n put into the coefficient of s^n."""
    top = poly.right_shift(n)(UNIT)
    return poly.truncate(n) + flint.arb_poly([top]).left_shift(n)


def middle(poly: Any) -> Any:
    """The polynomial of the middles of the coefficients."""
    return flint.arb_poly([c.mid() for c in poly.coeffs()])


def _power_series(x: Series) -> Any:
    return flint.arb_series([c.mid() for c in x.poly.coeffs()], x.n + 1)


def _nonzero(x: Any) -> Any:
    if not (x > 0 or x < 0):
        raise Vanishing("what is divided by may be 0")
    return x


def _log(x: Any) -> Any:
    if not x > 0:
        raise Refused("log of a number that is not positive, or not surely so")
    return x.log()
