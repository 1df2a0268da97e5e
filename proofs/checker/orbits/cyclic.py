"""Krawczyk's operator for the points and the period of a closed orbit.

Unknowns u = (x_1, .., x_m, T); G(u) = (phi(x_i) − x_{i+1} for i < m, phi(x_m) − x_1, x_1[k] − const). In DG block row i
has D_i at x_i and −I at x_{i+1}, the last one also the velocity at T; the section's row is a unit row. Y is an
approximate inverse in floats, taken as exact. A matrix is kept as its blocks of columns, one for each point, and a
last column.
Source: Krawczyk, Computing 4 (1969); Rump, "Verification methods", Acta Numerica 19 (2010), section 13.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flint

from proofs.checker.numbers.arithmetic import Vanishing, eliminate
from proofs.checker.numbers.rational import Refused

Matrix = list[list[float]]


@dataclass(frozen=True)
class Operator:
    """v -> −Y G(u0) + (I − Y DG(U)) v for v = u − u0 in the box where DG was enclosed."""

    centre: Any
    contraction: list[Any]

    def __call__(self, deviation: Sequence[Sequence[Any]]) -> list[list[Any]]:
        """The image of a box given by points: m lists of n balls, and one with the ball of T − T0."""
        image = self.centre
        for block, part in zip(self.contraction, deviation, strict=True):
            image = image + block * flint.arb_mat([[x] for x in part])
        entries, n = image.entries(), len(deviation[0])
        return [entries[at : at + n] for at in range(0, len(entries), n)]


def operator(G: Sequence[Sequence[Any]], D: Sequence[Any], velocity: Sequence[Any], section: int) -> Operator:
    """From G(u0) (by segments, m lists of n balls, and one with the section's), D_i, and F at the last end."""
    n, m = len(velocity), len(D)
    Y = _inverse([_floats(d) for d in D], [float(x) for x in velocity], section)
    centre = -sum((y * flint.arb_mat([[x] for x in g]) for y, g in zip(Y, G, strict=True)), flint.arb_mat(m * n + 1, 1))
    unit = flint.arb_mat(1, n, [int(k == section) for k in range(n)])
    blocks = []
    for j in range(m):
        product = Y[j] * D[j] - Y[j - 1 if j else m - 1] + (Y[m] * unit if j == 0 else flint.arb_mat(m * n + 1, n))
        blocks.append(_identity(m * n + 1, n, j * n) - product)
    blocks.append(_identity(m * n + 1, 1, m * n) - Y[m - 1] * flint.arb_mat([[x] for x in velocity]))
    return Operator(centre, blocks)


def _inverse(D: Sequence[Matrix], velocity: Sequence[float], section: int) -> list[Any]:
    """An approximate inverse of the derivative of G, in floats: by blocks of columns (arb_mat), for each equation.

    DG w = v reads w_{i+1} = D_i w_i − v_i, so that w_i = Φ_i w_1 − Φ_{i,j+1} v_j for a right side in block j alone,
    Φ_{i,j} = D_{i−1} ⋯ D_j; closing and section give w_1 and the period's part.
    """
    n, m = len(velocity), len(D)
    one = [[float(i == k) for k in range(n)] for i in range(n)]
    whole = _powers(D, one)
    closing = [[whole[m][i][k] - one[i][k] for k in range(n)] + [velocity[i]] for i in range(n)]
    closing.append([float(k == section) for k in range(n)] + [0.0])
    blocks = []
    for j in range(m + 1):
        ahead = _powers(D[j + 1 :], one) if j < m else [[[0.0]] * n]
        right = [*ahead[-1], [0.0] * n if j < m else [1.0]]
        try:
            *first, period = eliminate(closing, right, abs, lambda x: x == 0)
        except Vanishing:
            raise Refused("no orbit is proved: the equations are singular, as at a point of rest") from None
        rows: Matrix = []
        for i in range(m):
            moved = _product(whole[i], first)
            late = i - j - 1
            rows += _minus(moved, ahead[late]) if j < m and late >= 0 else moved
        blocks.append(flint.arb_mat([*rows, period]))
    return blocks


def _powers(D: Sequence[Matrix], one: Matrix) -> list[Matrix]:
    """I, D_1, D_2 D_1, .."""
    found = [one]
    for d in D:
        found.append(_product(d, found[-1]))
    return found


def _product(a: Matrix, b: Matrix) -> Matrix:
    columns = list(zip(*b, strict=True))
    return [[sum(x * y for x, y in zip(row, column, strict=True)) for column in columns] for row in a]


def _minus(a: Matrix, b: Matrix) -> Matrix:
    return [[x - y for x, y in zip(u, v, strict=True)] for u, v in zip(a, b, strict=True)]


def _floats(matrix: Any) -> Matrix:
    return [[float(x) for x in row] for row in matrix.tolist()]


def _identity(rows: int, columns: int, at: int) -> Any:
    """The columns from `at` on of a unit matrix."""
    return flint.arb_mat(rows, columns, [int(i == at + k) for i in range(rows) for k in range(columns)])
