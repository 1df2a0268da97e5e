"""Exact arithmetic: rationals, and polynomials over them in logarithms of rationals, which stay symbols.

A result that is a rational again holds no logarithm: it is the value. One that keeps logarithms is a number of which
no more is known here than that it is zero when all its coefficients are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from proofs.checker.numbers.arithmetic import Number, Vanishing, eliminate
from proofs.checker.numbers.rational import Refused, show

Monomial = tuple[Fraction, ...]  # the arguments of the logarithms that are multiplied, sorted


class Irrational(ArithmeticError):
    """A logarithm stands where only rationals can be used: in a denominator or in another logarithm."""


@dataclass(frozen=True, slots=True, eq=False)
class Logs:
    """Σ coefficient · log x_1 · ... · log x_n; never empty, and never without a logarithm (that is a Fraction)."""

    terms: dict[Monomial, Fraction]

    def __add__(self, other: Logs | Fraction) -> Number:
        terms = dict(self.terms)
        for key, x in _terms(other).items():
            terms[key] = terms.get(key, Fraction(0)) + x
        return _simplest(terms)

    __radd__ = __add__

    def __neg__(self) -> Logs:
        return Logs({key: -x for key, x in self.terms.items()})

    def __sub__(self, other: Logs | Fraction) -> Number:
        return self + (-other)

    def __rsub__(self, other: Fraction) -> Number:
        return -self + other

    def __mul__(self, other: Logs | Fraction) -> Number:
        terms: dict[Monomial, Fraction] = {}
        for left, x in self.terms.items():
            for right, y in _terms(other).items():
                key = tuple(sorted(left + right))
                terms[key] = terms.get(key, Fraction(0)) + x * y
        return _simplest(terms)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Number:
        if isinstance(other, Logs):
            raise Irrational("a division by a logarithm")
        return self * (1 / other)

    def __rtruediv__(self, other: Any) -> Number:
        raise Irrational("a division by a logarithm")


class Exact:
    """Fractions, with every logarithm a symbol of its own.

    >>> exact = Exact()
    >>> log2 = exact.log(Fraction(2))
    >>> (Fraction(3) * log2 - log2 * Fraction(3)) + exact.log(Fraction(1))
    Fraction(0, 1)
    """

    def number(self, x: Fraction) -> Fraction:
        return x

    def log(self, x: Number) -> Number:
        if isinstance(x, Logs):
            raise Irrational("a logarithm of a logarithm")
        if x <= 0:
            raise Refused(f"log of {show(x)}: a logarithm needs a positive argument")
        return Fraction(0) if x == 1 else Logs({(x,): Fraction(1)})

    def solve(self, matrix: Sequence[Sequence[Number]], right: Sequence[Sequence[Number]]) -> list[list[Number]]:
        return eliminate(matrix, right, _weight, lambda x: isinstance(x, Fraction) and x == 0)


def _weight(x: Number) -> float:
    """Any rational but 0 will do as a pivot: nothing is rounded."""
    if isinstance(x, Logs):
        raise Irrational("a logarithm in the transitions")
    return float(x != 0)


def _terms(x: Logs | Fraction) -> dict[Monomial, Fraction]:
    return x.terms if isinstance(x, Logs) else {(): x}


def _simplest(terms: dict[Monomial, Fraction]) -> Number:
    kept = {key: x for key, x in terms.items() if x}
    if not kept:
        return Fraction(0)
    return kept[()] if set(kept) == {()} else Logs(kept)


__all__ = ["Exact", "Irrational", "Logs", "Vanishing"]
