"""Plain floats, for the facts that are numerical."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from proofs.checker.numbers.arithmetic import Number, eliminate
from proofs.checker.numbers.rational import Refused


class Floats:
    """Python floats.

    >>> Floats().solve([[2.0, 1.0], [1.0, 1.0]], [[3.0], [2.0]])
    [[1.0], [1.0]]
    """

    def number(self, x: Fraction) -> float:
        return float(x)

    def log(self, x: Number) -> float:
        if x <= 0:
            raise Refused("log of a number that is not positive")
        return math.log(x)

    def solve(self, matrix: Sequence[Sequence[Number]], right: Sequence[Sequence[Number]]) -> list[list[Number]]:
        return eliminate(matrix, right, abs, lambda x: x == 0)
