"""Floquet multipliers enclosed: the monodromy matrix as a product of enclosed factors, and its eigenvalues but 1.

The determinant comes from Liouville's formula, exp ∫ div F, far more narrowly than from any product of matrices; 1 is
an eigenvalue exactly. So in the plane the determinant is the multiplier, and in three dimensions the other two solve
`λ² − (tr M − 1) λ + det M = 0`. Use within `proofs.exact.arithmetic.precision`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flint
import numpy as np


def product(factors: Sequence[Any]) -> Any:
    """An enclosure (arb_mat) of D_m ··· D_1 for enclosures D_i = `factors[i − 1]`, by Lohner's moving frames.

    Multiplied out naively the boxes turn against their own axes and grow at every factor. In frames Q_i, orthogonal in
    floats and taken as exact, `R_i = Q_i^{-1} D_i Q_{i−1}` is all but triangular, and products of such stay narrow.
    Source: Lohner, in *Computational Ordinary Differential Equations*, 1992.

    >>> quarter = flint.arb_mat([[0, -1], [1, 0]])
    >>> product([quarter] * 4) == flint.arb_mat([[1, 0], [0, 1]])
    True
    """
    n = factors[0].nrows()
    identity = flint.arb_mat(n, n, [int(i == j) for i in range(n) for j in range(n)])
    frame, total = identity, identity
    for factor in factors:
        moved = factor * frame
        middle = np.array([float(y.mid()) for y in moved.entries()]).reshape(n, n)
        frame = flint.arb_mat(n, n, np.linalg.qr(middle)[0].ravel().tolist())
        total = frame.inv() * moved * total
    return frame * total


def multipliers(monodromy: Any, determinant: Any) -> list[Any] | None:
    """The n − 1 eigenvalues beside 1 as complex balls (acb), largest first; real ones have the imaginary part 0.

    None where they are not told apart (a double one, as far as balls can tell) and for n > 3.

    >>> [float(x.real) for x in multipliers(flint.arb_mat([[1, 0, 0], [0, 2, 0], [0, 0, 3]]), flint.arb(6))]
    [3.0, 2.0]
    """
    n = monodromy.nrows()
    if n == 2:
        return [flint.acb(determinant)]
    if n != 3:
        return None
    total = monodromy[0, 0] + monodromy[1, 1] + monodromy[2, 2] - 1
    discriminant = total * total - 4 * determinant
    if discriminant < 0:
        imaginary = (-discriminant).sqrt() / 2
        return [flint.acb(total / 2, imaginary), flint.acb(total / 2, -imaginary)]
    if discriminant > 0 and (total > 0 or total < 0):
        root = discriminant.sqrt()
        larger = (total + root if total > 0 else total - root) / 2
        return [flint.acb(larger), flint.acb(determinant / larger)]
    return None
