"""Rational functions in generators, with a derivation: the arithmetic of the exact field.

A `Ratio` is a polynomial over QQ divided by powers of a few known denominators (the determinant of I − g P_q, mostly),
which are never expanded or cancelled: zero is decided by the numerator alone, so no greatest common divisors are
needed. Elements enter `dynamics.fields.update` as object arrays, like every other exact number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import flint
import numpy as np

from mdp import Algebra, Array
from proofs.exact.arithmetic import Arithmetic, objects

Derivation = Mapping[int, "Ratio"]  # the derivative of each generator, by its index; 0 where it is not named


class Ring:
    """Rational functions over QQ in named generators; `gens[name]` are elements.

    >>> ring = Ring(["x", "y"])
    >>> x, y = ring.gens["x"], ring.gens["y"]
    >>> ((x * x - y * y) / (x - y) - (x + y)) == 0
    True
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.context = flint.fmpq_mpoly_ctx.get(tuple(names), "degrevlex")
        self.names = tuple(names)
        self.gens = {name: Ratio(self, x, {}) for name, x in zip(names, self.context.gens(), strict=True)}
        self.index = {name: k for k, name in enumerate(names)}
        self.factors: list[Any] = []  # the denominators that have occurred

    def number(self, x: Any) -> Ratio:
        """An exact number (int, Fraction, fmpq) as an element."""
        return Ratio(self, self.constant(x), {})

    def constant(self, x: Any) -> Any:
        """An exact number as a polynomial."""
        numerator = x.numerator if not isinstance(x, flint.fmpq) else x.p
        denominator = x.denominator if not isinstance(x, flint.fmpq) else x.q
        return self.context.constant(flint.fmpq(int(numerator), int(denominator)))

    def factor(self, polynomial: Any) -> int:
        """The index of a denominator, which is remembered."""
        for k, known in enumerate(self.factors):
            if known == polynomial:
                return k
        self.factors.append(polynomial)
        return len(self.factors) - 1

    def product(self, powers: Mapping[int, int]) -> Any:
        """The product of powers of the known denominators."""
        result = self.context.constant(1)
        for k, power in powers.items():
            result = result * self.factors[k] ** power
        return result

    def arithmetic(self, log: Callable[[Ratio], Ratio]) -> Arithmetic:
        """The ring as an `Arithmetic`; `log` gives each element's logarithm, a generator."""
        algebra = Algebra(self.inverse, lambda x, y: np.asarray(x @ y))
        return Arithmetic(
            "rational functions", self.number, lambda x: objects([log(y) for y in x.ravel()], x.shape), algebra
        )

    def inverse(self, matrix: Array) -> Array:
        """adj(M) / det(M) of a matrix (n, n), by fraction-free elimination.

        Rows are first multiplied by their common denominators, which the inverse's columns get back. Then every
        intermediate entry is a minor of [M | I], so nothing grows beyond what the answer needs (Bareiss).
        Raises ZeroDivisionError when the determinant is 0.
        """
        n = len(matrix)
        lifted = [[x if isinstance(x, Ratio) else self.number(x) for x in row] for row in matrix]
        common = [_common_powers(row) for row in lifted]
        zero, one = self.context.constant(0), self.context.constant(1)
        work = [[x.over(powers) for x in row] + [zero] * n for row, powers in zip(lifted, common, strict=True)]
        for k in range(n):
            work[k][n + k] = one
        previous = one
        for k in range(n):
            pivot = next((row for row in range(k, n) if work[row][k] != 0), None)
            if pivot is None:
                raise ZeroDivisionError("matrix is singular")
            if pivot != k:
                work[k], work[pivot] = work[pivot], work[k]
            lead = work[k][k]
            for row in range(n):
                if row != k:
                    front = work[row][k]
                    work[row] = [(lead * x - front * y) / previous for x, y in zip(work[row], work[k], strict=True)]
            previous = lead
        powers = {} if previous.is_one() else {self.factor(previous): 1}
        columns = [Ratio(self, self.product(lower), {}) for lower in common]
        found = [Ratio(self, x, powers) * columns[k] for row in work for k, x in enumerate(row[n:])]
        return objects(found, (n, n))


def _common_powers(row: list[Ratio]) -> dict[int, int]:
    """The least powers of denominators over which a row's entries are polynomials."""
    powers: dict[int, int] = {}
    for x in row:
        for k, power in x.powers.items():
            powers[k] = max(powers.get(k, 0), power)
    return powers


class Ratio:
    """`top / Π factors[k]^powers[k]`: an immutable element of a `Ring`. Compared with 0 exactly."""

    __slots__ = ("powers", "ring", "top")

    def __init__(self, ring: Ring, top: Any, powers: Mapping[int, int]) -> None:
        self.ring, self.top = ring, top
        self.powers = powers if top != 0 else {}

    def _lift(self, other: Any) -> Ratio | None:
        if isinstance(other, Ratio):
            return other
        if isinstance(other, (int, np.integer, Fraction, flint.fmpq)):
            return self.ring.number(other)
        return None

    def __add__(self, other: Any) -> Any:
        there = self._lift(other)
        if there is None:
            return NotImplemented
        if self.top == 0:
            return there
        if there.top == 0:
            return self
        if self.powers == there.powers:
            return Ratio(self.ring, self.top + there.top, self.powers)
        powers = {k: max(self.powers.get(k, 0), there.powers.get(k, 0)) for k in {*self.powers, *there.powers}}
        return Ratio(self.ring, self.over(powers) + there.over(powers), powers)

    def over(self, powers: Mapping[int, int]) -> Any:
        """The numerator over a larger denominator."""
        missing = {k: power - self.powers.get(k, 0) for k, power in powers.items()}
        return self.top * self.ring.product({k: power for k, power in missing.items() if power})

    def __mul__(self, other: Any) -> Any:
        there = self._lift(other)
        if there is None:
            return NotImplemented
        if self.top == 0 or there.top == 0:
            return self.ring.number(0)
        powers = dict(self.powers)
        for k, power in there.powers.items():
            powers[k] = powers.get(k, 0) + power
        return Ratio(self.ring, self.top * there.top, powers)

    def __truediv__(self, other: Any) -> Any:
        there = self._lift(other)
        if there is None:
            return NotImplemented
        if there.top == 0:
            raise ZeroDivisionError("division by the zero function")
        powers = dict(self.powers)
        top = self.top * self.ring.product(there.powers)
        if there.top.is_constant():
            return Ratio(self.ring, top / there.top, powers)
        k = self.ring.factor(there.top)
        powers[k] = powers.get(k, 0) + 1
        return Ratio(self.ring, top, powers)

    def __neg__(self) -> Ratio:
        return Ratio(self.ring, -self.top, self.powers)

    def __sub__(self, other: Any) -> Any:
        there = self._lift(other)
        return NotImplemented if there is None else self + -there

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __rtruediv__(self, other: Any) -> Any:
        return self.ring.number(other) / self

    __radd__ = __add__
    __rmul__ = __mul__

    def __eq__(self, other: object) -> bool:
        there = self._lift(other)
        return NotImplemented if there is None else bool((self - there).top == 0)

    __hash__ = None  # type: ignore[assignment]

    def derivative(self, derivation: Derivation) -> Ratio:
        """D(top / Π f^e) for a derivation D given on the generators."""
        ring = self.ring
        slope = self._polynomial_derivative(self.top, derivation)
        result = slope
        for k, power in self.powers.items():
            change = self._polynomial_derivative(ring.factors[k], derivation)
            if change.top != 0:
                inverse = Ratio(ring, ring.context.constant(1), {k: 1})
                result = result - power * Ratio(ring, self.top, {}) * change * inverse
        found: Ratio = result * Ratio(ring, ring.context.constant(1), self.powers)
        return found

    def _polynomial_derivative(self, polynomial: Any, derivation: Derivation) -> Ratio:
        total = self.ring.number(0)
        for k, slope in derivation.items():
            partial = polynomial.derivative(k)
            if partial != 0:
                total = total + Ratio(self.ring, partial, {}) * slope
        return total

    def to_sympy(self) -> Any:
        """The same function as a sympy expression, in symbols with the generators' names.

        >>> x = Ring(["x"]).gens["x"]
        >>> (1 / (1 + x)).derivative({0: x * 0 + 1}).to_sympy()
        -1/(x + 1)**2
        """
        import sympy

        names = {name: sympy.Symbol(name) for name in self.ring.names}

        def polynomial(x: Any) -> Any:
            terms = zip(x.monoms(), x.coeffs(), strict=True)
            return sympy.Add(*(_sympy_term(names, powers, coefficient) for powers, coefficient in terms))

        below = (polynomial(self.ring.factors[k]) ** power for k, power in self.powers.items())
        return polynomial(self.top) / sympy.Mul(*below)

    def _repr_latex_(self) -> str:
        import sympy

        return f"${sympy.latex(self.to_sympy())}$"

    def __str__(self) -> str:
        below = "*".join(f"({self.ring.factors[k]})" + (f"^{e}" if e > 1 else "") for k, e in self.powers.items())
        return f"({self.top})/({below})" if below else str(self.top)

    __repr__ = __str__


def _sympy_term(names: Mapping[str, Any], powers: Sequence[int], coefficient: Any) -> Any:
    import sympy

    monomial = (x**power for x, power in zip(names.values(), powers, strict=True))
    return sympy.Rational(int(coefficient.p), int(coefficient.q)) * sympy.Mul(*monomial)
