"""Numbers that move with a point of a box, enclosed in mean-value form: the arithmetic behind facts about boxes.

A `Jet` encloses a function f on a box (a line, a plane, ...): f at the middle, f on all of the box, and its partial
derivatives on all of the box. After every operation the range is cut with f(middle) + Σ_k ∂_k f(box) (box − middle)_k,
which loses a term of second order where plain intervals lose one of first order.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import inf, nextafter

from proofs.checker.numbers.arithmetic import Number, Vanishing, eliminate
from proofs.checker.numbers.intervals import (
    ONE,
    ZERO,
    Interval,
    Wide,
    add,
    divide,
    enclose,
    exp,
    inverse,
    log,
    multiply,
    negative,
    size,
    subtract,
)

_SLACK = 1.0 + 1e-13  # more than the rounding of a sum of 48 products
_LEAST = 1e-300  # more than what such products lose by underflow


class Jet:
    """`middle`, `range`, `slopes` (None for a constant) on the box with the half-widths `reach`.

    `reciprocal` and `logarithm` are jets of 1/f and log f, where they are known better than by division: those of
    probabilities. f · (1/f) is then exactly 1.
    """

    __slots__ = ("logarithm", "middle", "range", "reach", "reciprocal", "slopes")

    def __init__(
        self, middle: Interval, range: Interval, slopes: tuple[Interval, ...] | None, reach: tuple[float, ...]
    ) -> None:
        self.middle = middle
        self.range = range
        self.slopes = slopes
        self.reach = reach
        self.reciprocal: Jet | None = None
        self.logarithm: Jet | None = None

    def __add__(self, other: Jet) -> Jet:
        if other.slopes is None:
            if other.range is ZERO:
                return self
            slopes = self.slopes
        elif self.slopes is None:
            if self.range is ZERO:
                return other
            slopes = other.slopes
        else:
            slopes = tuple([add(x, y) for x, y in zip(self.slopes, other.slopes, strict=True)])
        return _jet(add(self.middle, other.middle), add(self.range, other.range), slopes, self.reach or other.reach)

    def __neg__(self) -> Jet:
        slopes = None if self.slopes is None else tuple([negative(x) for x in self.slopes])
        return Jet(negative(self.middle), negative(self.range), slopes, self.reach)

    def __sub__(self, other: Jet) -> Jet:
        if other.slopes is None:
            slopes = self.slopes
        elif self.slopes is None:
            slopes = tuple([negative(x) for x in other.slopes])
        else:
            slopes = tuple([subtract(x, y) for x, y in zip(self.slopes, other.slopes, strict=True)])
        middle, values = subtract(self.middle, other.middle), subtract(self.range, other.range)
        return _jet(middle, values, slopes, self.reach or other.reach)

    def __mul__(self, other: Jet) -> Jet:
        u, v = self.range, other.range
        if u is ONE or v is ZERO:
            return other
        if v is ONE or u is ZERO:
            return self
        if self.reciprocal is other and self.reciprocal is not None:
            return UNIT
        if other.slopes is None:
            slopes = None if self.slopes is None else tuple([multiply(x, v) for x in self.slopes])
        elif self.slopes is None:
            slopes = tuple([multiply(u, y) for y in other.slopes])
        else:
            slopes = tuple(
                [add(multiply(x, v), multiply(u, y)) for x, y in zip(self.slopes, other.slopes, strict=True)]
            )
        return _jet(multiply(self.middle, other.middle), multiply(u, v), slopes, self.reach or other.reach)

    def __truediv__(self, other: Jet) -> Jet:
        if other.reciprocal is not None:
            return self * other.reciprocal
        u, v = self.range, other.range
        if u is ZERO:
            return self
        quotient = divide(u, v)
        if other.slopes is None:
            slopes = None if self.slopes is None else tuple([divide(x, v) for x in self.slopes])
        elif self.slopes is None:
            slopes = tuple([negative(divide(multiply(quotient, y), v)) for y in other.slopes])
        else:
            pairs = zip(self.slopes, other.slopes, strict=True)
            slopes = tuple([divide(subtract(x, multiply(quotient, y)), v) for x, y in pairs])
        return _jet(divide(self.middle, other.middle), quotient, slopes, self.reach or other.reach)


def _jet(middle: Interval, values: Interval, slopes: tuple[Interval, ...] | None, reach: tuple[float, ...]) -> Jet:
    """A jet whose range is cut with its mean-value form."""
    if slopes is None:
        return Jet(middle, values, None, reach)
    spread = 0.0
    for (low, high), width in zip(slopes, reach, strict=True):
        spread += (high if high > -low else -low) * width
    spread = spread * _SLACK + _LEAST
    low, high = nextafter(middle[0] - spread, -inf), nextafter(middle[1] + spread, inf)
    # What is no number compares as false: then the plain bound stands.
    return Jet(middle, (low if low > values[0] else values[0], high if high < values[1] else values[1]), slopes, reach)


UNIT = Jet(ONE, ONE, None, ())
NOTHING = Jet(ZERO, ZERO, None, ())


class Jets:
    """The arithmetic of jets; constants are intervals around rationals.

    >>> x = variables([(1.0, 1.25)])[0]
    >>> square = x * x - Jets().number(Fraction(2)) * x
    >>> square.range[0] > -1.05, square.range[1] < -0.92  # the plain difference is in [-1.5, -0.43]
    (True, True)
    """

    def number(self, x: Fraction) -> Jet:
        above, below = x.as_integer_ratio()
        if below == 1 and 0 <= above <= 1:
            return UNIT if above else NOTHING
        interval = enclose(x)
        return Jet(interval, interval, None, ())

    def log(self, x: Number) -> Jet:
        if x.logarithm is not None:
            return x.logarithm  # type: ignore[no-any-return]
        slopes = None if x.slopes is None else tuple([divide(y, x.range) for y in x.slopes])
        return _jet(log(x.middle), log(x.range), slopes, x.reach)

    def solve(self, matrix: Sequence[Sequence[Number]], right: Sequence[Sequence[Number]]) -> list[list[Number]]:
        try:
            return eliminate(matrix, right, _weight, lambda x: x.range is ZERO)
        except Vanishing:
            raise Wide("a matrix that may be singular") from None


def _weight(x: Jet) -> float:
    low, high = x.range
    return 0.0 if low <= 0 <= high else min(abs(low), abs(high))


def variables(box: Sequence[Interval]) -> list[Jet]:
    """The coordinates of a box as jets."""
    middles = [min(max(low / 2 + high / 2, low), high) for low, high in box]
    reach = tuple(
        max(nextafter(high - m, inf), nextafter(m - low, inf)) for (low, high), m in zip(box, middles, strict=True)
    )
    found = []
    for k, (m, interval) in enumerate(zip(middles, box, strict=True)):
        slopes = tuple(ONE if i == k else ZERO for i in range(len(box)))
        found.append(Jet((m, m), interval, slopes, reach))
    return found


def chances(logits: Sequence[Jet]) -> list[Jet]:
    """The probabilities that belong to (0, logits...): p_a = e^{z_a} / Σ_b e^{z_b}, z_0 = 0, with 1/p_a and log p_a.

    All bounds are monotone ones: 1/p_a = Σ_b e^{z_b − z_a} falls in z_a and rises in the others.

    >>> chances(variables([(-1.0, 1.0)]))[1].range[1] < 0.7311
    True
    """
    z = [Jet(ZERO, ZERO, tuple(ZERO for _ in logits[0].slopes or ()), logits[0].reach), *logits]
    reach, n = logits[0].reach, len(z)
    middles = [_reciprocal(a, [x.middle for x in z]) for a in range(n)]
    ranges = [_reciprocal(a, [x.range for x in z]) for a in range(n)]
    found = []
    for a in range(n):
        p = inverse(ranges[a])
        by_z, below, logs = [], [], []
        for c in range(n):
            if c == a:
                by_z.append(multiply(p, _rest(p)) if n > 2 else _bump(z[1].range))
                below.append(negative(_rest_sum(a, [x.range for x in z])))
                logs.append(_rest(p) if n > 2 else inverse(ranges[1 - a]))
            else:
                other = inverse(ranges[c])
                by_z.append(negative(multiply(p, other) if n > 2 else _bump(z[1].range)))
                below.append(exp(_minus(z[c].range, z[a].range)))
                logs.append(negative(other))
        jet = _jet(inverse(middles[a]), p, _chain(by_z, z), reach)
        jet.reciprocal = _jet(middles[a], ranges[a], _chain(below, z), reach)
        jet.reciprocal.reciprocal = jet
        jet.logarithm = _jet(negative(log(middles[a])), negative(log(ranges[a])), _chain(logs, z), reach)
        found.append(jet)
    return found


def bump(z: Jet) -> Jet:
    """p (1 − p) for two actions with the difference z of logits; its derivative is p (1 − p) (1 − 2 p)."""
    p = chances([z])
    slope = multiply(_bump(z.range), subtract(p[0].range, p[1].range))
    return _jet(_bump(z.middle), _bump(z.range), _chain([ZERO, slope], [UNIT, z]), z.reach)


def _minus(x: Interval, y: Interval) -> Interval:
    return negative(y) if x is ZERO else subtract(x, y)


def _reciprocal(a: int, z: Sequence[Interval]) -> Interval:
    """1/p_a = 1 + Σ_{b ≠ a} e^{z_b − z_a}."""
    return add(ONE, _rest_sum(a, z))


def _rest_sum(a: int, z: Sequence[Interval]) -> Interval:
    found = ZERO
    for b, x in enumerate(z):
        if b != a:
            found = add(found, exp(_minus(x, z[a])))
    return found


def _rest(p: Interval) -> Interval:
    """1 − p."""
    return max(0.0, nextafter(1.0 - p[1], -inf)), nextafter(1.0 - p[0], inf)


def _bump(z: Interval) -> Interval:
    """p (1 − p) for two actions: 1/(2 + e^z + e^−z), which falls in |z|."""
    least = 0.0 if z[0] <= 0 <= z[1] else min(abs(z[0]), abs(z[1]))
    far, near = size(z), least
    return _bump_at(far)[0], _bump_at(near)[1]


def _bump_at(x: float) -> Interval:
    e = exp((-x, -x))
    below = add(ONE, e)
    return divide(e, multiply(below, below))


def _chain(by_z: Sequence[Interval], z: Sequence[Jet]) -> tuple[Interval, ...]:
    """Σ_c ∂f/∂z_c ∂z_c/∂x_k for every k."""
    found = []
    for k in range(len(z[1].slopes or ())):
        whole = ZERO
        for x, y in zip(by_z[1:], z[1:], strict=True):
            if y.slopes is None:
                raise Wide("a coordinate without slopes")
            whole = add(whole, x if y.slopes[k] is ONE else multiply(x, y.slopes[k]))
        found.append(whole)
    return tuple(found)
