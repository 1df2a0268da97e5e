"""What a base arithmetic must offer, so that eq. (1) is written once and evaluated in several.

The arithmetics: `exact.Exact` (rationals and polynomials in logarithms), `enclosure.Enclosures` (intervals),
`floats.Floats`, `residue.Residues` (random points modulo a prime), `residue.Sizes` (degrees and heights), and
`dual.Duals` over any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any, Protocol

Number = Any  # an element of the arithmetic at hand: it has + - * / with elements of its own kind


class Vanishing(ArithmeticError):
    """Something that is divided by is 0 at the point at hand, or a matrix is singular there."""


class Arithmetic(Protocol):
    """Numbers of one kind."""

    def number(self, x: Fraction) -> Number:
        """The element that stands for a rational number."""

    def log(self, x: Number) -> Number:
        """log x, with log 1 = 0."""

    def solve(self, matrix: Sequence[Sequence[Number]], right: Sequence[Sequence[Number]]) -> list[list[Number]]:
        """X with matrix · X = right, for a square matrix and any number of columns on the right."""


def total(numbers: Arithmetic, values: Iterable[Number]) -> Number:
    """Σ values, 0 where there are none."""
    result: Number | None = None
    for value in values:
        result = value if result is None else result + value
    return numbers.number(Fraction(0)) if result is None else result


def eliminate(
    matrix: Sequence[Sequence[Number]],
    right: Sequence[Sequence[Number]],
    weight: Callable[[Number], float],
    is_zero: Callable[[Number], bool],
) -> list[list[Number]]:
    """X with matrix · X = right by Gauss and Jordan; the pivot is the entry of greatest weight in its column.

    A weight of 0 marks what may not be divided by. Raises Vanishing when a column offers no pivot.

    >>> eliminate([[Fraction(2), Fraction(1)], [Fraction(1), Fraction(1)]], [[Fraction(3)], [Fraction(2)]],
    ...     weight=lambda x: float(x != 0), is_zero=lambda x: x == 0)
    [[Fraction(1, 1)], [Fraction(1, 1)]]
    """
    n = len(matrix)
    rows = [[*matrix[i], *right[i]] for i in range(n)]
    for column in range(n):
        pivot = max(range(column, n), key=lambda i: weight(rows[i][column]))
        if not weight(rows[pivot][column]):
            raise Vanishing("a singular system")
        rows[column], rows[pivot] = rows[pivot], rows[column]
        divisor = rows[column][column]
        top = [*rows[column][: column + 1], *(x / divisor for x in rows[column][column + 1 :])]
        rows[column] = top
        for i in range(n):
            factor = rows[i][column]
            if i == column or is_zero(factor):
                continue
            rows[i] = [
                *rows[i][: column + 1],
                *(x - factor * y for x, y in zip(rows[i][column + 1 :], top[column + 1 :], strict=True)),
            ]
    return [row[n:] for row in rows]
