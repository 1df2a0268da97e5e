"""On which sides of the imaginary axis the eigenvalues of an interval matrix lie: Routh's scheme."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from proofs.checker.numbers.intervals import ONE, ZERO, Interval, Wide, add, divide, multiply, negative, subtract

_SHIFTS = (0.5, 0.05, 0.005, 0.0005, 0.00005)


def to_the_right(matrix: Sequence[Sequence[Interval]]) -> int | None:
    """How many eigenvalues have a real part > 0, if all others are < 0, for every matrix in it; None if not known.

    Routh: where no entry of the first column of his scheme is 0, no root is imaginary, and those to the right are as
    many as there are changes of sign (Gantmacher, The Theory of Matrices, 1959, XV.3). Where one may be 0 the matrix
    is moved to either side: if as many eigenvalues are right of −c as of c, those are the ones right of 0.

    >>> to_the_right([[(1.0, 1.1), (5.0, 5.1)], [(-5.0, -5.0), (1.0, 1.0)]])
    2
    >>> to_the_right([[(0.0, 0.0), (1.0, 1.0)], [(1.0, 1.0), (0.0, 0.0)]])
    1
    >>> to_the_right([[(-0.1, 0.1), (1.0, 1.0)], [(-1.0, -1.0), (0.0, 0.0)]]) is None
    True
    """
    found = _right_of(matrix, 0.0)
    for c in _SHIFTS:
        if found is None:
            left, right = _right_of(matrix, -c), _right_of(matrix, c)
            found = left if left == right else None
    return found


def _right_of(matrix: Sequence[Sequence[Interval]], c: float) -> int | None:
    """How many eigenvalues have a real part > c, if all others are < c; None if not known."""
    moved = [[subtract(x, (c, c)) if i == j else x for j, x in enumerate(row)] for i, row in enumerate(matrix)]
    try:
        return _changes(_characteristic(moved))
    except Wide:
        return None


def _characteristic(A: Sequence[Sequence[Interval]]) -> list[Interval]:
    """det(x − A), highest power first: Faddeev and Le Verrier's M_k = A M_{k−1} + c_{n−k+1}, c_{n−k} = −tr(A M_k)/k."""
    n = len(A)
    found, M = [ONE], [[ONE if i == j else ZERO for j in range(n)] for i in range(n)]
    for k in range(1, n + 1):
        AM = [[_dot(A[i], [M[t][j] for t in range(n)]) for j in range(n)] for i in range(n)]
        trace = ZERO
        for i in range(n):
            trace = add(trace, AM[i][i])
        c = negative(divide(trace, (float(k), float(k))))
        found.append(c)
        M = [[add(AM[i][j], c) if i == j else AM[i][j] for j in range(n)] for i in range(n)]
    return found


def _dot(x: Sequence[Interval], y: Sequence[Interval]) -> Interval:
    whole = ZERO
    for u, v in zip(x, y, strict=True):
        whole = add(whole, multiply(u, v))
    return whole


def _changes(polynomial: Sequence[Interval]) -> int | None:
    """The changes of sign in the first column of Routh's scheme; None where an entry may be 0."""
    n = len(polynomial) - 1
    rows = [list(polynomial[0::2]), list(polynomial[1::2])]
    signs = []
    for k in range(n + 1):
        if k >= 2:
            above, row = rows[k - 2], rows[k - 1]
            try:
                factor = divide(above[0], row[0])
                rows.append([subtract(x, multiply(factor, y)) for x, y in zip(above[1:], [*row[1:], ZERO])])  # noqa: B905
            except Wide:
                return None
        if not rows[k]:
            return None
        low, high = rows[k][0]
        if low <= 0 <= high:
            return None
        signs.append(low > 0)
    return sum(x != y for x, y in pairwise(signs))
