"""Power series in several variables, truncated at a total degree, with intervals as coefficients.

Eq. (1) over them gives all partial derivatives up to that order at once: f(x + h) = Σ_α (∂^α f(x) / α!) h^α. Over a box
of x each coefficient holds the true one for every x in the box, because each operation is one on intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import factorial, prod

from proofs.checker.numbers.arithmetic import Number, Vanishing
from proofs.checker.numbers.enclosure import Enclosures, ends
from proofs.checker.numbers.rational import Refused

_DEAR = 20  # operations that a logarithm or an exponential counts for
MOST_EXPONENT = 10_000  # of e, so that no number has an exponent that itself fills the memory


@dataclass
class Work:
    """What may still be spent, in operations on intervals: the author of a certificate does not choose how long."""

    left: int

    def spend(self, amount: int) -> None:
        self.left -= amount
        if self.left < 0:
            raise Refused("field: too much work to be checked, its states, actions or formulas are too many")


@dataclass(frozen=True, slots=True)
class Series:
    """Σ_k terms[k] h^(exponents k of `space`); a term that is absent is exactly 0."""

    space: PowerSeries
    terms: dict[int, Number]

    def __add__(self, other: Series) -> Series:
        self.space.work.spend(len(other.terms))
        terms = dict(self.terms)
        for k, y in other.terms.items():
            terms[k] = terms[k] + y if k in terms else y
        return Series(self.space, terms)

    def __neg__(self) -> Series:
        return Series(self.space, {k: -x for k, x in self.terms.items()})

    def __sub__(self, other: Series) -> Series:
        return self + -other

    def __mul__(self, other: Series) -> Series:
        terms: dict[int, Number] = {}
        for i, x in self.terms.items():
            at = self.space.products[i]
            self.space.work.spend(min(len(at), len(other.terms)))
            for j, y in other.terms.items():
                k = at.get(j)
                if k is not None:
                    terms[k] = terms[k] + x * y if k in terms else x * y
        return Series(self.space, terms)

    def __truediv__(self, other: Series) -> Series:
        return self * self.space.reciprocal(other)


class PowerSeries:
    """The arithmetic of series in `n_variables` variables up to total degree `order`, for eq. (1) and its like.

    >>> numbers = PowerSeries(Enclosures(64), 2, 2, Work(1000))
    >>> x, y = (numbers.variable(j, numbers.base.number(Fraction(j + 2))) for j in range(2))
    >>> found = x * x / y  # at x = 2, y = 3: the derivative in x and then y is -2x / y^2
    >>> low, high = ends(numbers.derivative(found, 0, 1))
    >>> low <= Fraction(-4, 9) <= high, high - low < Fraction(1, 2**55)
    (True, True)
    """

    def __init__(self, base: Enclosures, n_variables: int, order: int, work: Work) -> None:
        self.base, self.n_variables, self.order, self.work = base, n_variables, order, work
        found = _exponents(n_variables, order)
        self.exponents = sorted(found, key=lambda x: (sum(x), tuple(-e for e in x)))  # the constant is number 0
        self.place = {x: k for k, x in enumerate(self.exponents)}
        # products[i][j] is the number of the monomial that monomials i and j give; absent beyond the order.
        self.products = [
            {
                j: self.place[tuple(u + v for u, v in zip(x, y, strict=True))]
                for j, y in enumerate(self.exponents)
                if sum(x) + sum(y) <= order
            }
            for x in self.exponents
        ]

    def number(self, x: Fraction) -> Series:
        self.work.spend(1 + x.numerator.bit_length() // 256 + x.denominator.bit_length() // 256)
        return Series(self, {0: self.base.number(x)} if x else {})

    def variable(self, j: int, value: Number) -> Series:
        """value + h_j."""
        one = self.place[tuple(int(i == j) for i in range(self.n_variables))]
        return Series(self, {0: value, one: self.base.number(Fraction(1))})

    def derivative(self, of: Series, *variables: int) -> Number:
        """The partial derivative in the variables named, each as often as it is named: α! times a coefficient."""
        exponents = tuple(variables.count(j) for j in range(self.n_variables))
        value = of.terms.get(self.place[exponents])
        return self.base.number(Fraction(0)) if value is None else value * prod(map(factorial, exponents))

    def log(self, x: Series) -> Series:
        """log(x_0 + h) = log x_0 + Σ_k (−1)^(k+1) (h / x_0)^k / k."""
        self.work.spend(_DEAR)
        at = self._constant(x)
        first = self.base.log(at)  # refused unless x_0 > 0
        powers = self._powers(self._inverse(at))
        signed = [self.base.number(Fraction((-1) ** (k + 1), k)) * powers[k] for k in range(1, self.order + 1)]
        return self._compose(x, [first, *signed])

    def exp(self, x: Series) -> Series:
        """exp(x_0 + h) = exp(x_0) Σ_k h^k / k!."""
        self.work.spend(_DEAR)
        at = self._constant(x)
        low, high = ends(at)
        if max(-low, high) > MOST_EXPONENT:
            raise Refused(f"exp of a number beyond ±{MOST_EXPONENT} is not checked")
        first = self.base.exp(at)
        rest = [first * self.base.number(Fraction(1, factorial(k))) for k in range(1, self.order + 1)]
        return self._compose(x, [first, *rest])

    def reciprocal(self, x: Series) -> Series:
        """1 / (x_0 + h) = Σ_k (−h)^k / x_0^(k+1)."""
        inverse = self._inverse(self._constant(x))
        powers = self._powers(inverse)
        return self._compose(x, [inverse * y if k % 2 == 0 else -(inverse * y) for k, y in enumerate(powers)])

    def solve(self, matrix: Sequence[Sequence[Series]], right: Sequence[Sequence[Series]]) -> list[list[Series]]:
        """X with M X = B, degree by degree: X_α = M_0^−1 (B_α − Σ_{β ≠ 0} M_β X_{α−β})."""
        n, columns, zero = len(matrix), range(len(right[0])), self.base.number(Fraction(0))
        unit = [[self.base.number(Fraction(i == j)) for j in range(n)] for i in range(n)]
        inverse = self.base.solve([[self._constant(x) for x in row] for row in matrix], unit)
        self.work.spend(2 * n**3)
        moving = [
            [(j, b, y) for j, x in enumerate(row) for b, y in x.terms.items() if b != 0] for row in matrix
        ]  # of each row of M the terms M_β with β ≠ 0
        found: list[list[dict[int, Number]]] = [[{} for _ in columns] for _ in range(n)]
        rest = [[dict(x.terms) for x in row] for row in right]
        for k in range(len(self.exponents)):
            for c in columns:
                known = [rest[i][c].get(k) for i in range(n)]
                if all(x is None for x in known):
                    continue
                self.work.spend(n * n)
                for i in range(n):
                    terms = [u * x for u, x in zip(inverse[i], known, strict=True) if x is not None]
                    found[i][c][k] = sum(terms, zero)
                self._move(found, rest, moving, k, c)
        return [[Series(self, found[i][c]) for c in columns] for i in range(n)]

    def _move(
        self,
        found: list[list[dict[int, Number]]],
        rest: list[list[dict[int, Number]]],
        moving: list[list[tuple[int, int, Number]]],
        k: int,
        c: int,
    ) -> None:
        """Take M_β X_k from what is left of the right side at the place of h^β h^k, for all β ≠ 0."""
        at = self.products[k]
        for i, row in enumerate(moving):
            self.work.spend(len(row))
            left = rest[i][c]
            for j, b, y in row:
                place = at.get(b)
                if place is not None:
                    change = y * found[j][c][k]
                    left[place] = left[place] - change if place in left else -change

    def _constant(self, x: Series) -> Number:
        return x.terms.get(0, self.base.number(Fraction(0)))

    def _inverse(self, x: Number) -> Number:
        self.work.spend(4)
        low, high = ends(x)
        if low <= 0 <= high:
            raise Vanishing("a division by a number that is 0, or may be")
        return self.base.number(Fraction(1)) / x

    def _powers(self, x: Number) -> list[Number]:
        """1, x, ..., x^order."""
        result = [self.base.number(Fraction(1))]
        for _ in range(self.order):
            result.append(result[-1] * x)
        return result

    def _compose(self, x: Series, coefficients: Sequence[Number]) -> Series:
        """Σ_k coefficients[k] (x − x_0)^k, by Horner's scheme."""
        h = Series(self, {k: y for k, y in x.terms.items() if k != 0})
        if not h.terms:
            return Series(self, {0: coefficients[0]})
        result = Series(self, {0: coefficients[-1]})
        for y in reversed(coefficients[:-1]):
            result = result * h + Series(self, {0: y})
        return result


def _exponents(n_variables: int, order: int) -> list[tuple[int, ...]]:
    """All exponents of total degree at most `order`."""
    if n_variables == 0:
        return [()]
    return [(e, *x) for e in range(order + 1) for x in _exponents(n_variables - 1, order - e)]
