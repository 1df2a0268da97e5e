"""The normal form of a Hopf point in balls: the other eigenvalues, the left eigenvector, the speed, and l1.

All of it at a point that is known to have the eigenvalues ±iω with `(J − iω) q = 0`, exactly, somewhere in the balls
that are given (`proofs.cycles.hopf`). The same formulas in floats are in `dynamics.bifurcations.hopf`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import flint
import numpy as np

from mdp import Array
from proofs.enclosures import Ball, Balls, Derivatives, Parametric, taylor
from proofs.exact import objects


def others(J: Any, omega: Ball) -> int | None:
    """How many of the other n − 2 eigenvalues have positive real part; None unless none is shown to lie on the axis.

    ±iω being eigenvalues, λ² + ω² divides the characteristic polynomial; sign changes in the first column of the
    quotient's Routh array count its roots in the right half plane, and no entry 0 there means none on the axis.
    Source: Gantmacher, The Theory of Matrices, volume 2, chapter XV, sections 3 and 4.

    >>> from proofs.exact import precision
    >>> with precision(64):
    ...     others(flint.arb_mat([[0, -1, 0], [1, 0, 0], [0, 0, 2]]), flint.arb(1))
    1
    """
    coefficients: Balls = list(J.charpoly())[::-1]  # from the leading 1 down
    quotient: Balls = []
    for k in range(len(coefficients) - 2):
        quotient.append(coefficients[k] - (omega * omega * quotient[k - 2] if k >= 2 else 0))
    column = routh(quotient)
    if any(y.contains(0) or not y.is_finite() for y in column):
        return None
    return sum(bool((y > 0) != (z > 0)) for y, z in pairwise(column))


def routh(polynomial: Balls) -> Balls:
    """The first column of Routh's array of c_0 λ^m + c_1 λ^{m−1} + … + c_m, as far as it goes without dividing by 0.

    >>> [round(float(y), 6) for y in routh([flint.arb(c) for c in (1, 2, 3, 4)])]  # (1, 3), (2, 4), 1, 4
    [1.0, 2.0, 1.0, 4.0]
    """
    above, below = polynomial[::2], polynomial[1::2]
    column = [above[0]]
    while below:
        column.append(below[0])
        if below[0].contains(0):
            return column
        ratio = above[0] / below[0]
        padded = [*below[1:], *[flint.arb(0)] * len(above)]
        above, below = below, [y - ratio * z for y, z in zip(above[1:], padded, strict=False)]
    return column


def left_eigenvector(J: Any, omega: Ball, q: Array) -> Array:
    """p (n,) with p^T (J − iω) = 0 and p^T q = 1, without conjugation: from the regular system

        [ J^T − iω   q̄ ] [p]   [0]
        [    q^T     0 ] [s] = [1],      in which s = 0, as q^T times the upper rows is s |q|².

    Raises ZeroDivisionError where it may be singular, that is where iω may not be a simple eigenvalue.
    """
    n = len(q)
    rows = flint.acb_mat(n + 1, n + 1)
    for i in range(n):
        for j in range(n):
            rows[i, j] = flint.acb(J[j, i]) - (flint.acb(0, omega) if i == j else 0)
        rows[i, n], rows[n, i] = q[i].conjugate(), q[i]
    right = flint.acb_mat(n + 1, 1, [0] * n + [1])
    return objects(rows.solve(right).entries()[:n], (n,))


def crossing_speed(d: Derivatives, J: Any, p: Array, q: Array) -> Ball:
    """`d Re λ/d mu = Re p^T (∂J/∂mu + Σ_j ∂_j J x'_j) q` along the curve of rest points, `x' = −J⁻¹ ∂F/∂mu`."""
    n = len(q)
    slope = J.solve(flint.arb_mat(n, 1, [-y for y in d.first[:, n]])).entries()
    turned = d.second[:, :n, :] @ objects([*slope, flint.arb(1)], (n + 1,))
    return (p @ (turned @ q)).real


def lyapunov(at: Parametric, x: Balls, mu: Ball, d: Derivatives, J: Any, omega: Ball, p: Array, q: Array) -> Ball:
    """l1 at a Hopf point, of the eigenvector of length 1; B and C the second and third derivatives in x, p^T q = 1:

    `l1 = Re[p^T C(q, q, q̄) − 2 p^T B(q, J⁻¹ B(q, q̄)) + p^T B(q̄, (2iω − J)⁻¹ B(q, q))] / (2ω ⟨q, q⟩)`.

    Source: Kuznetsov, eq. (5.34), which is homogeneous of degree 2 in q.
    """
    n = at.size
    second = d.second[:, :n, :n]
    conjugate = objects([y.conjugate() for y in q], (n,))

    def B(v: Array, w: Array) -> Array:
        return np.asarray((second @ w) @ v)

    def column(v: Array) -> Any:
        return flint.acb_mat(n, 1, [flint.acb(y) for y in v.tolist()])

    complex_J = flint.acb_mat(J)
    twice = flint.acb_mat(n, n, [flint.acb(0, 2 * omega) if i == j else 0 for i in range(n) for j in range(n)])
    shift = objects(complex_J.solve(column(B(q, conjugate))).entries(), (n,))
    second_harmonic = objects((twice - complex_J).solve(column(B(q, q))).entries(), (n,))
    cubic = third(at, x, mu, objects([y.real for y in q], (n,)), objects([y.imag for y in q], (n,)))
    total = p @ cubic - 2 * (p @ B(q, shift)) + p @ B(conjugate, second_harmonic)
    length = sum((y.real * y.real + y.imag * y.imag for y in q), flint.arb(0))
    return total.real / (2 * omega * length)


def third(at: Parametric, x: Balls, mu: Ball, a: Array, b: Array) -> Array:
    """C(q, q, q̄) = C(aaa) + C(abb) + i (C(aab) + C(bbb)), q = a + ib, from the third derivatives along a, b, a ± b."""
    along = [[6 * c[3] for c in taylor(at, x, mu, u.tolist(), 0)] for u in (a, b, a + b, a - b)]
    aaa, bbb, plus, minus = (objects(one, (at.size,)) for one in along)
    half_sum, half_difference = (plus + minus) / 2, (plus - minus) / 2  # aaa + 3 abb and 3 aab + bbb
    real, imaginary = aaa + (half_sum - aaa) / 3, bbb + (half_difference - bbb) / 3
    return objects([flint.acb(y, z) for y, z in zip(real, imaginary, strict=True)], (at.size,))
