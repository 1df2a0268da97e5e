"""Intervals of doubles with outward rounding, many at a time: arrays of ends [lo, hi], every operation an enclosure.

A double holds 53 bits, which is plenty where boxes are wide; what is wanted there is speed, so that an operation acts
on thousands of boxes at once. Rounding is accounted for: IEEE's + − × ÷ are off by at most half a unit in the last
place (and by less than 2^-1022 where numbers underflow), and every end is moved outward by more than that.
Exponentials and logarithms are Arb's, at the ends. What is not a number is never taken to prove anything: a
comparison with it is false.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import flint
import numpy as np

from mdp import Array
from proofs.exact import precision

ULP, TINY = 2.0**-51, 2.0**-1000


def below(x: Array) -> Array:
    """Numbers smaller than x by more than the rounding of the operation that gave x."""
    return np.asarray(x - (np.abs(x) * ULP + TINY))


def above(x: Array) -> Array:
    """Numbers larger than x by more than the rounding of the operation that gave x."""
    return np.asarray(x + (np.abs(x) * ULP + TINY))


@dataclass(frozen=True, eq=False, slots=True)
class Interval:
    """All numbers from `lo` to `hi`, entry by entry: two float arrays of one shape. Doubles count as exact.

    >>> x = Interval(np.array(1.0), np.array(2.0))
    >>> (x - x).lo < -1, bool((x / 3).lo < 1 / 3 < (x / 3).hi)
    (np.True_, True)
    """

    lo: Array
    hi: Array

    __array_ufunc__ = None  # numpy must leave `array * interval` to the interval

    @property
    def shape(self) -> tuple[int, ...]:
        """The arrays' shape."""
        return np.shape(self.lo)

    @property
    def mid(self) -> Array:
        """A double inside or next to each interval (for guidance, not for proofs)."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.lo / 2 + self.hi / 2)

    @property
    def width(self) -> Array:
        """`hi − lo`, rounded (for guidance)."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.hi - self.lo)

    def __getitem__(self, key: Any) -> Interval:
        return Interval(np.asarray(self.lo[key]), np.asarray(self.hi[key]))

    def __neg__(self) -> Interval:
        return Interval(-self.hi, -self.lo)

    def __add__(self, other: Number) -> Interval:
        if not isinstance(other, PLAIN):
            return NotImplemented
        y = of(other)
        return Interval(below(self.lo + y.lo), above(self.hi + y.hi))

    def __sub__(self, other: Number) -> Interval:
        if not isinstance(other, PLAIN):
            return NotImplemented
        y = of(other)
        return Interval(below(self.lo - y.hi), above(self.hi - y.lo))

    def __mul__(self, other: Number) -> Interval:
        if not isinstance(other, PLAIN):
            return NotImplemented
        if not isinstance(other, Interval):
            a, b = self.lo * other, self.hi * other
            return Interval(below(np.minimum(a, b)), above(np.maximum(a, b)))
        a, b = self.lo * other.lo, self.lo * other.hi
        c, d = self.hi * other.lo, self.hi * other.hi
        low = np.minimum(np.minimum(a, b), np.minimum(c, d))
        high = np.maximum(np.maximum(a, b), np.maximum(c, d))
        return Interval(below(low), above(high))

    def __truediv__(self, other: Number) -> Interval:
        """The quotient; (−∞, ∞) where the divisor holds 0."""
        if not isinstance(other, PLAIN):
            return NotImplemented
        y = of(other)
        safe = (y.lo > 0) | (y.hi < 0)
        one = np.where(safe, y.lo, 1.0), np.where(safe, y.hi, 1.0)
        a, b, c, d = self.lo / one[0], self.lo / one[1], self.hi / one[0], self.hi / one[1]
        low = below(np.minimum(np.minimum(a, b), np.minimum(c, d)))
        high = above(np.maximum(np.maximum(a, b), np.maximum(c, d)))
        return Interval(np.where(safe, low, -np.inf), np.where(safe, high, np.inf))

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: Number) -> Interval:
        if not isinstance(other, PLAIN):
            return NotImplemented
        return of(other) - self

    def __rtruediv__(self, other: Number) -> Interval:
        if not isinstance(other, PLAIN):
            return NotImplemented
        return of(other) / self

    def square(self) -> Interval:
        """`x²`, which is never negative."""
        low, high = np.abs(self.lo), np.abs(self.hi)
        least = np.where((self.lo <= 0) & (self.hi >= 0), 0.0, np.minimum(low, high))
        return Interval(np.maximum(below(least * least), 0.0), above(np.maximum(low, high) ** 2))

    def sum(self, axis: int) -> Interval:
        """The sum over one axis, rounded at every step."""
        lo, hi = np.moveaxis(self.lo, axis, 0), np.moveaxis(self.hi, axis, 0)
        total = Interval(lo[0], hi[0])
        for a, b in zip(lo[1:], hi[1:], strict=True):
            total = total + Interval(a, b)
        return total

    def meet(self, other: Interval) -> Interval:
        """The intersection of two enclosures of one thing; an end that is not a number says nothing."""
        return Interval(np.fmax(self.lo, other.lo), np.fmin(self.hi, other.hi))

    def join(self, other: Interval) -> Interval:
        """The smallest interval around both."""
        return Interval(np.minimum(self.lo, other.lo), np.maximum(self.hi, other.hi))

    def holds_zero(self) -> Array:
        """Where 0 is not excluded (also where an end is not a number)."""
        return np.asarray(~((self.lo > 0) | (self.hi < 0)))

    def inside(self, other: Interval) -> Array:
        """Where the interval lies in the interior of the other."""
        return np.asarray((self.lo > other.lo) & (self.hi < other.hi))


Number: TypeAlias = Interval | Array | float | int
PLAIN = (Interval, np.ndarray, np.floating, float, int)  # other operands are left to their own class


def of(x: Number) -> Interval:
    """A number of any kind as an interval; doubles are exact."""
    if isinstance(x, Interval):
        return x
    array = np.asarray(x, dtype=float)
    return Interval(array, array)


def of_fractions(values: Any) -> Interval:
    """The tightest intervals around an array of exact numbers.

    >>> third = of_fractions([Fraction(1, 3)])
    >>> Fraction(float(third.lo[0])) < Fraction(1, 3) < Fraction(float(third.hi[0]))
    True
    """
    table = np.asarray(values, dtype=object)
    lo, hi = np.empty(table.shape), np.empty(table.shape)
    for place, x in np.ndenumerate(table):
        exact = Fraction(int(x.numerator), int(x.denominator))
        near = float(exact)
        lo[place] = near if Fraction(near) <= exact else np.nextafter(near, -np.inf)
        hi[place] = near if Fraction(near) >= exact else np.nextafter(near, np.inf)
    return Interval(lo, hi)


def stack(parts: Iterable[Interval], axis: int = 0) -> Interval:
    """Intervals of shapes that broadcast, stacked along a new axis."""
    listed = list(parts)
    shape = np.broadcast_shapes(*(x.shape for x in listed))
    return Interval(
        np.stack([np.broadcast_to(x.lo, shape) for x in listed], axis),
        np.stack([np.broadcast_to(x.hi, shape) for x in listed], axis),
    )


def concatenate(parts: Iterable[Interval], axis: int) -> Interval:
    """Intervals joined along an axis they have."""
    listed = list(parts)
    return Interval(np.concatenate([x.lo for x in listed], axis), np.concatenate([x.hi for x in listed], axis))


def product(x: Interval, y: Interval) -> Interval:
    """The matrix product of stacks of matrices with the batch last: (i, j, ...) times (j, k, ...)."""
    total = x[:, 0][:, None] * y[0][None]
    for j in range(1, x.shape[1]):
        total = total + x[:, j][:, None] * y[j][None]
    return total


def rising(function: Callable[[Any], Any], x: Interval) -> Interval:
    """An increasing function of one Arb number over intervals: its values at the ends, rounded outward.

    >>> y = rising(lambda z: z.exp(), of(np.array([0.0, 1.0])))
    >>> bool((y.lo <= np.exp([0, 1])).all() and (y.hi >= np.exp([0, 1])).all())
    True
    """
    lo = _at_ends(function, x.lo)
    same = x.lo is x.hi or bool((x.lo == x.hi).all())
    return Interval(lo[0], lo[1] if same else _at_ends(function, x.hi)[1])


def _at_ends(function: Callable[[Any], Any], x: Array) -> tuple[Array, Array]:
    """Lower and upper bounds of the function at doubles; boxes of a grid share their ends, so each is asked once."""
    ends, places = np.unique(x, return_inverse=True)
    low, high = np.empty(ends.shape), np.empty(ends.shape)
    with precision(64):
        for k, end in enumerate(ends.tolist()):
            ball = function(flint.arb(end))
            low[k], high[k] = float(ball.lower()), float(ball.upper())
    return below(low[places].reshape(x.shape)), above(high[places].reshape(x.shape))
