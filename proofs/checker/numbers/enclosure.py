"""Rigorous enclosures: intervals with outward rounding, by `mpmath`'s interval context, for numbers with logarithms."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from mpmath.ctx_iv import MPIntervalContext  # type: ignore[import-untyped]

from proofs.checker.numbers.arithmetic import Number, Vanishing, eliminate
from proofs.checker.numbers.rational import Refused

_SPARE = (
    8  # bits by which a logarithm's enclosure is widened: mpmath rounds elementary functions, it does not prove them
)


class Enclosures:
    """Intervals of `bits` bits, in a context of their own: nobody else's precision is changed or used.

    >>> low, high = ends(Enclosures(100).log(Enclosures(100).number(Fraction(2))))
    >>> 0 < high - low < Fraction(1, 2**80), float(low)
    (True, 0.6931471805599453)
    """

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self._context = MPIntervalContext()
        self._context.prec = bits
        slack = Fraction(1, 2 ** (bits - _SPARE))
        self._wider = self._context.mpf([-1, 1]) * self._divide(slack)

    def _divide(self, x: Fraction) -> Number:
        return self._context.mpf(x.numerator) / self._context.mpf(x.denominator)

    def number(self, x: Fraction) -> Number:
        return self._divide(x)

    def between(self, low: Fraction, high: Fraction) -> Number:
        """An interval that holds [low, high]."""
        return self._context.mpf([self._divide(low).a, self._divide(high).b])

    def log(self, x: Number) -> Number:
        low, high = ends(x)
        if low <= 0:
            raise Refused("log of a number that is not positive, or not surely so")
        if low == high == 1:
            return self._context.mpf(0)
        result = self._context.log(x)
        # Widened by 2^(8 − bits), relative to the result and absolutely to the last bits of the argument.
        return result + result * self._wider

    def exp(self, x: Number) -> Number:
        """e^x, widened as the logarithm is."""
        result = self._context.exp(x)
        return result + result * self._wider

    def solve(self, matrix: Sequence[Sequence[Number]], right: Sequence[Sequence[Number]]) -> list[list[Number]]:
        return eliminate(matrix, right, _least_size, lambda x: False)


def ends(x: Number) -> tuple[Fraction, Fraction]:
    """The two ends of an interval, exactly. Raises Vanishing when it is unbounded (something in it divided by 0)."""
    low, high = (_fraction(raw) for raw in x._mpi_)
    return low, high


def _fraction(raw: tuple[int, int, int, int]) -> Fraction:
    sign, mantissa, exponent, _ = raw
    if not mantissa and exponent:
        raise Vanishing("an unbounded enclosure")
    value = int(mantissa) * Fraction(2) ** exponent
    return -value if sign else value


def _least_size(x: Number) -> float:
    """A lower bound of |x|, as a float that is 0 only if the interval holds 0 or is tiny: the weight of a pivot."""
    low, high = ends(x)
    if low <= 0 <= high:
        return 0.0
    return float(min(abs(low), abs(high)))
