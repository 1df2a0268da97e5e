"""Small linear algebra on intervals: products, complex systems in real form, characteristic polynomials, Routh."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from proofs.checker.numbers.arithmetic import Arithmetic, Number, total
from proofs.checker.numbers.enclosure import Enclosures, ends
from proofs.checker.numbers.rational import Refused

Vector = Sequence[Number]
Matrix = Sequence[Sequence[Number]]


def dot(numbers: Arithmetic, u: Vector, v: Vector) -> Number:
    """Σ_i u_i v_i."""
    return total(numbers, (x * y for x, y in zip(u, v, strict=True)))


def apply(numbers: Arithmetic, M: Matrix, v: Vector) -> list[Number]:
    """M v."""
    return [dot(numbers, row, v) for row in M]


def identity(numbers: Arithmetic, n: int) -> list[list[Number]]:
    """The unit matrix."""
    return [[numbers.number(Fraction(i == j)) for j in range(n)] for i in range(n)]


def solve(numbers: Arithmetic, M: Matrix, v: Vector) -> list[Number]:
    """x with M x = v. Raises Vanishing where M is singular, or not surely regular."""
    return [row[0] for row in numbers.solve(M, [[x] for x in v])]


def solve_complex(numbers: Arithmetic, M: Matrix, N: Matrix, u: Vector, v: Vector) -> tuple[list[Number], list[Number]]:
    """(x, y) with (M + iN)(x + iy) = u + iv. Raises Vanishing where M + iN is not surely regular.

    The real matrix [[M, −N], [N, M]] is regular exactly if M + iN is: its determinant is |det(M + iN)|².
    """
    top = [[*row, *(-y for y in other)] for row, other in zip(M, N, strict=True)]
    below = [[*other, *row] for row, other in zip(M, N, strict=True)]
    found = solve(numbers, [*top, *below], [*u, *v])
    return found[: len(u)], found[len(u) :]


def characteristic(numbers: Arithmetic, J: Matrix) -> list[Number]:
    """c_0 = 1, ..., c_n with det(λ − J) = Σ_k c_k λ^(n−k), by Faddeev and LeVerrier.

    >>> from proofs.checker.numbers.exact import Exact
    >>> [int(c) for c in characteristic(Exact(), [[Fraction(1), Fraction(2)], [Fraction(3), Fraction(4)]])]
    [1, -5, -2]
    """
    n = len(J)
    found = [numbers.number(Fraction(1))]
    M = identity(numbers, n)
    for k in range(1, n + 1):
        M = [[dot(numbers, row, column) for column in zip(*M, strict=True)] for row in J]  # J M
        found.append(numbers.number(Fraction(-1, k)) * total(numbers, (M[i][i] for i in range(n))))
        M = [[x + found[-1] if i == j else x for j, x in enumerate(row)] for i, row in enumerate(M)]
    return found


def positive_roots(numbers: Enclosures, d: Sequence[Number]) -> int:
    """How many roots of Σ_k d_k λ^(m−k) have positive real part; none is on the imaginary axis.

    Routh: where no entry of the first column of his array is 0, no root is on the axis, and the changes of sign in
    that column are the roots to the right of it. Raises Refused where an entry may be 0.

    >>> numbers = Enclosures(64)
    >>> positive_roots(numbers, [numbers.number(Fraction(x)) for x in (1, -2, -5, 6)])  # roots 1, 3, -2
    2
    """
    zero = numbers.number(Fraction(0))
    above, row = list(d[::2]), list(d[1::2])
    column = [above[0]]
    for _ in range(len(d) - 1):
        row += [zero] * (len(above) - len(row))
        column.append(row[0])
        if sign(row[0]) == 0:
            break
        above, row = (
            row,
            [above[j + 1] - above[0] * row[j + 1] / row[0] for j in range(len(above) - 1)] or [zero],
        )
    signs = [sign(x) for x in column]
    if 0 in signs:
        raise Refused("an eigenvalue besides ±iω that is on the imaginary axis, or cannot be told from one that is")
    return sum(x != y for x, y in pairwise(signs))


def sign(x: Number) -> int:
    """+1 or −1 where that is sure, 0 where it is not."""
    low, high = ends(x)
    return 1 if low > 0 else -1 if high < 0 else 0
