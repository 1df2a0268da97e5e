"""Numbers with first derivatives in any number of directions, over any arithmetic: d(xy) = x dy + y dx and so on.

Duals over duals have mixed second derivatives: the slopes of the inner ones are the gradient that eq. (1) itself takes,
those of the outer ones the derivative of the whole field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from proofs.checker.numbers.arithmetic import Arithmetic, Number


@dataclass(frozen=True, slots=True)
class Dual:
    """value + Σ_k slopes[k] e_k with e_k e_l = 0; a direction that is absent has slope 0.

    >>> x = Dual(Fraction(3), {0: Fraction(1)})
    >>> (x * x / x - x).slopes, (x * x).slopes
    ({0: Fraction(0, 1)}, {0: Fraction(6, 1)})
    """

    value: Number
    slopes: dict[int, Number]

    def __add__(self, other: Dual) -> Dual:
        slopes = dict(self.slopes)
        for k, y in other.slopes.items():
            slopes[k] = slopes[k] + y if k in slopes else y
        return Dual(self.value + other.value, slopes)

    def __neg__(self) -> Dual:
        return Dual(-self.value, {k: -x for k, x in self.slopes.items()})

    def __sub__(self, other: Dual) -> Dual:
        slopes = dict(self.slopes)
        for k, y in other.slopes.items():
            slopes[k] = slopes[k] - y if k in slopes else -y
        return Dual(self.value - other.value, slopes)

    def __mul__(self, other: Dual) -> Dual:
        slopes = {k: x * other.value for k, x in self.slopes.items()}
        for k, y in other.slopes.items():
            slopes[k] = slopes[k] + self.value * y if k in slopes else self.value * y
        return Dual(self.value * other.value, slopes)

    def __truediv__(self, other: Dual) -> Dual:
        quotient = self.value / other.value
        slopes = dict(self.slopes)
        for k, y in other.slopes.items():
            slopes[k] = slopes[k] - quotient * y if k in slopes else -(quotient * y)
        return Dual(quotient, {k: x / other.value for k, x in slopes.items()})


@dataclass(frozen=True)
class Duals:
    """The arithmetic of duals over `base`."""

    base: Arithmetic

    def number(self, x: Fraction) -> Dual:
        return Dual(self.base.number(x), {})

    def log(self, x: Dual) -> Dual:
        """log with d log x = dx / x."""
        return Dual(self.base.log(x.value), {k: y / x.value for k, y in x.slopes.items()})

    def solve(self, matrix: Sequence[Sequence[Dual]], right: Sequence[Sequence[Dual]]) -> list[list[Dual]]:
        """X with A X = B: A X_0 = B_0, and A_0 X_k = B_k − A_k X_0 in every direction k, all in one elimination."""
        n, width = len(matrix), len(right[0])
        values = [[x.value for x in row] for row in matrix]
        first = self.base.solve(values, [[x.value for x in row] for row in right])
        directions = sorted({k for row in [*matrix, *right] for x in row for k in x.slopes})
        if not directions:
            return [[Dual(x, {}) for x in row] for row in first]
        zero = self.base.number(Fraction(0))
        moved: list[list[Number]] = []
        for i in range(n):
            line = []
            for k in directions:
                bent = [(j, x.slopes[k]) for j, x in enumerate(matrix[i]) if k in x.slopes]
                for c in range(width):
                    change = right[i][c].slopes.get(k, zero)
                    for j, slope in bent:
                        change = change - slope * first[j][c]
                    line.append(change)
            moved.append(line)
        second = self.base.solve(values, moved)
        return [
            [Dual(first[i][c], {k: second[i][at * width + c] for at, k in enumerate(directions)}) for c in range(width)]
            for i in range(n)
        ]
