"""Hopf points with proof: a rest point with eigenvalues ±iω, crossing with speed, and the sign of what is born there.

Method H. Unknowns u = (x, mu, ω, q), q = a + ib in C^n, in the 3n + 2 real equations

    F(x, mu) = 0,      (J(x, mu) − iω) q = 0,      q_k = 1       (J = ∂F/∂x; k is called the pivot).

Krawczyk's operator on a small box round a numerical solution proves that there is exactly one solution in it, and
encloses it tightly. At that solution are then enclosed: the left eigenvector p (p^T J = iω p^T, p^T q = 1, which exists
only if iω is simple), the speed d Re λ/d mu along the curve of rest points, the first Lyapunov coefficient l1 and the
other eigenvalues' number on each side of the axis. With speed ≠ 0, l1 ≠ 0 and no other eigenvalue on the axis, the
Hopf theorem gives a periodic orbit for every parameter close enough on the side of the sign of −speed · l1. How close
is not enclosed.
Sources: Kuznetsov, Elements of Applied Bifurcation Theory, third edition, theorem 3.3 and eq. (5.34); Moore, Kearfott
and Cloud, Introduction to Interval Analysis, SIAM 2009, section 8.2; Griewank and Reddien, IMA J. Numer. Anal. 3
(1983), for the equations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flint
import numpy as np
from numpy.typing import ArrayLike

from mdp import Array
from proofs.cycles.normal_form import crossing_speed, left_eigenvector, lyapunov, others
from proofs.enclosures import Ball, Balls, Parametric, derivatives
from proofs.exact import contraction, objects, precision

BITS = 256
RADII = tuple(2.0**-k for k in range(12, 44, 4))  # of the box in which the solution is alone: the largest that works
STEPS = 30  # of Newton's iteration, and of tightening
FAR = 0.1  # farther than this from the guess, in mu or in any coordinate, is another point


@dataclass(frozen=True, eq=False)
class HopfProof:
    """A proved Hopf point. Balls (Arb) hold the true values: `parameter`, `x` (n), `omega`, `q` (n, complex), `l1`,
    `speed`.

    l1 is of the q with ⟨q, q⟩ = 1, as in `dynamics.bifurcations.hopf`. `unstable` counts the other eigenvalues with
    positive real part; the remaining ones have negative real part. The box of all u within `radius` of `centre`
    (doubles: x, mu, ω, Re q, Im q with q_`pivot` = 1) holds exactly one solution.
    """

    system: Parametric
    centre: tuple[float, ...]
    radius: float
    pivot: int
    parameter: Ball
    x: Balls
    omega: Ball
    q: Balls
    l1: Ball
    speed: Ball
    unstable: int

    @property
    def kind(self) -> str:
        """ "supercritical" (l1 < 0) or "subcritical" (l1 > 0)."""
        return "supercritical" if self.l1 < 0 else "subcritical"

    @property
    def side(self) -> int:
        """+1 where the orbits born here live above the parameter, −1 where below: the sign of −speed · l1."""
        return 1 if (self.speed < 0) == (self.l1 > 0) else -1

    @property
    def stable(self) -> bool:
        """Whether the orbits close enough to the point attract: supercritical, with no other unstable direction."""
        return bool(self.l1 < 0) and self.unstable == 0


@dataclass(frozen=True)
class Refusal:
    """Why nothing was proved. Not a disproof."""

    reason: str


def prove_hopf(at: Parametric, parameter: float, x: ArrayLike, *, bits: int = BITS) -> HopfProof | Refusal:
    """Prove a Hopf point near a guess: mu and x (n,), for a field the logit differences of theta. See the module.

    Raises ValueError where the guess is not n + 1 finite numbers. A `Refusal` says which part failed: nothing found
    near the guess, no box with exactly one solution (so where the pair does not cross, or is no simple pair), ω, l1
    or another eigenvalue that cannot be told from 0 or the axis.

    >>> found = prove_hopf(Parametric("Brusselator", 2, brusselator), 2.01, [1.0, 2.0])
    >>> float(found.parameter), float(found.omega), found.kind, found.side, found.stable
    (2.0, 1.0, 'supercritical', 1, True)
    """
    start = np.array([*np.ravel(np.asarray(x, dtype=float)), float(parameter)])
    if len(start) != at.size + 1 or not np.isfinite(start).all():
        raise ValueError(f"the guess is {start.tolist()}; must be {at.size} coordinates and the parameter, all finite")
    with precision(bits):
        try:
            return _prove(at, start)
        except ZeroDivisionError as error:
            return Refusal(f"the equations may be singular here, as where a pair does not cross: {error}")


def brusselator(x: Sequence[Any], B: Any) -> list[Any]:
    """The Brusselator with A = 1: `x' = 1 − (B + 1) x + x² y`, `y' = B x − x² y`; a Hopf point at B = 2, x = (1, 2).

    >>> brusselator([1, 2], 2)
    [0, 0]
    """
    cubic = x[0] * x[0] * x[1]
    return [1 - (B + 1) * x[0] + cubic, B * x[0] - cubic]


def _prove(at: Parametric, start: Array) -> HopfProof | Refusal:
    guess = _guess(at, start)
    if isinstance(guess, Refusal):
        return guess
    u, pivot = guess
    solved = newton(at, u, pivot)
    if solved is None:
        return Refusal("Newton's iteration does not converge from the guess")
    centre = np.array([float(y) for y in solved])
    moved = float(np.abs(centre[: at.size + 1] - start).max())
    if moved > FAR:
        return Refusal(f"the nearest solution found is {moved:.3g} away from the guess; at most {FAR:g} is near")
    for radius in RADII:
        box = alone(at, centre, radius, pivot)
        if box is not None:
            return certify(at, centre, radius, pivot, tightened(at, box, pivot))
    return Refusal("no box round the numerical solution could be shown to hold exactly one")


def _guess(at: Parametric, start: Array) -> tuple[Balls, int] | Refusal:
    """u and the pivot, from the eigenvalues at the guess."""
    point = [flint.arb(float(y)) for y in start]
    D = derivatives(at, point[:-1], point[-1]).first
    J = np.array([[float(y) for y in row] for row in D[:, :-1]])
    if not np.isfinite(J).all():
        return Refusal("the field is not defined at the guess")
    values, vectors = np.linalg.eig(J)
    pairs = [k for k in range(at.size) if values[k].imag > 0]
    if not pairs:
        return Refusal(f"no complex pair at the guess: the eigenvalues are {', '.join(f'{v:.6g}' for v in values)}")
    k = min(pairs, key=lambda k: abs(values[k].real))
    pivot = int(np.argmax(np.abs(vectors[:, k])))
    q = vectors[:, k] / vectors[pivot, k]
    return [*point, *(flint.arb(float(y)) for y in (values[k].imag, *q.real, *q.imag))], pivot


# --- the equations ----------------------------------------------------------------------------------------------------


def parts(u: Balls) -> tuple[Balls, Ball, Ball, Array, Array]:
    """x, mu, ω, a and b of the unknowns u (3n + 2)."""
    n = (len(u) - 2) // 3
    return u[:n], u[n], u[n + 1], objects(u[n + 2 : 2 * n + 2], (n,)), objects(u[2 * n + 2 :], (n,))


def equations(at: Parametric, u: Balls, pivot: int) -> tuple[Any, Any]:
    """G(u) as a column (3n + 2, 1), and DG(u), both as FLINT's matrices of balls; see the module."""
    n = at.size
    x, mu, omega, a, b = parts(u)
    d = derivatives(at, x, mu)
    J, J_a, J_b = d.first[:, :n], d.second[:, :n].swapaxes(1, 2) @ a, d.second[:, :n].swapaxes(1, 2) @ b
    G = np.concatenate([d.value, J @ a + omega * b, J @ b - omega * a, [a[pivot] - 1, b[pivot]]])
    DG = np.full((3 * n + 2, 3 * n + 2), flint.arb(0), dtype=object)
    turn = np.full((n, n), flint.arb(0), dtype=object)
    np.fill_diagonal(turn, omega)
    DG[:n, : n + 1] = d.first
    DG[n : 2 * n, : n + 1], DG[2 * n : 3 * n, : n + 1] = J_a, J_b
    DG[n : 2 * n, n + 1], DG[2 * n : 3 * n, n + 1] = b, -a
    DG[n : 2 * n, n + 2 : 2 * n + 2], DG[n : 2 * n, 2 * n + 2 :] = J, turn
    DG[2 * n : 3 * n, n + 2 : 2 * n + 2], DG[2 * n : 3 * n, 2 * n + 2 :] = -turn, J
    DG[3 * n, n + 2 + pivot] = DG[3 * n + 1, 2 * n + 2 + pivot] = flint.arb(1)
    return flint.arb_mat(3 * n + 2, 1, G.tolist()), flint.arb_mat(3 * n + 2, 3 * n + 2, DG.ravel().tolist())


def newton(at: Parametric, u: Balls, pivot: int) -> Balls | None:
    """A numerical solution to about half the working precision, from a guess; None where there is no convergence."""
    small = flint.arb(2) ** (-flint.ctx.prec // 2)
    for _ in range(STEPS):
        G, DG = equations(at, u, pivot)
        step = (DG.inv() * G).entries()
        if not all(y.is_finite() for y in step):
            return None
        u = [(y - dy).mid() for y, dy in zip(u, step, strict=True)]
        if all(abs(dy) < small for dy in step):
            return u
    return None


def alone(at: Parametric, centre: Array, radius: float, pivot: int) -> Balls | None:
    """An enclosure of the only solution within `radius` of `centre`, in all 3n + 2 unknowns; None where not proved.

    Krawczyk: K = −Y G(c) + (I − Y DG(box)) [−r, r]^{3n+2} inside the open (−r, r)^{3n+2} proves one solution, c + K.
    """
    c = [flint.arb(float(y)) for y in centre]
    box = [flint.arb(y, radius) for y in c]
    G, DG = equations(at, c, pivot)
    K = _krawczyk(at, box, [flint.arb(0, radius)] * len(c), G, DG, pivot)
    if not all(abs(k) < flint.arb(radius) for k in K):  # NaN is not smaller either
        return None
    return [y + k for y, k in zip(c, K, strict=True)]


def _krawczyk(at: Parametric, box: Balls, offset: Balls, G: Any, DG: Any, pivot: int) -> Balls:
    """−Y G + (I − Y DG(box)) offset, with Y an inverse of the middle of DG, taken as exact."""
    n = len(box)
    Y = flint.arb_mat(n, n, [y.mid() for y in DG.inv().entries()])
    _, slopes = equations(at, box, pivot)
    found = contraction(Y, slopes) * flint.arb_mat(n, 1, offset) - Y * G
    return list(found.entries())


def tightened(at: Parametric, box: Balls, pivot: int) -> Balls:
    """A smaller enclosure of the solution that `box` is known to hold: Krawczyk's operator, over and over.

    Until every radius is below about half the working precision, or none has halved.
    """
    small = flint.arb(2) ** (-flint.ctx.prec // 2)
    for _ in range(STEPS):
        c = [y.mid() for y in box]
        G, DG = equations(at, c, pivot)
        K = _krawczyk(at, box, [y - m for y, m in zip(box, c, strict=True)], G, DG, pivot)
        new = [y.intersection(m + k) for y, m, k in zip(box, c, K, strict=True)]
        if all(y.rad() < small or 2 * y.rad() > z.rad() for y, z in zip(new, box, strict=True)):
            return new
        box = new
    return box


# --- what holds at the solution ---------------------------------------------------------------------------------------


def certify(at: Parametric, centre: Array, radius: float, pivot: int, u: Balls) -> HopfProof | Refusal:
    """The other conditions of the Hopf theorem at the solution that u encloses. Raises ZeroDivisionError where a matrix
    that must be regular may not be."""
    x, mu, omega, a, b = parts(u)
    outside = _outside(at, mu)
    if outside is not None:
        return Refusal(outside)
    if not omega > 0:
        return Refusal(f"ω is in {omega}, which is not positive: a fold solves the equations with ω = 0")
    q = objects([flint.acb(y, z) for y, z in zip(a, b, strict=True)], (at.size,))
    d = derivatives(at, x, mu)
    J = flint.arb_mat(at.size, at.size, d.first[:, : at.size].ravel().tolist())
    unstable = others(J, omega)
    if unstable is None:
        return Refusal("another eigenvalue may lie on the imaginary axis: Routh's array has an entry that may be 0")
    p = left_eigenvector(J, omega, q)
    speed = crossing_speed(d, J, p, q)
    if speed.contains(0):
        return Refusal(f"the speed of crossing is in {speed}, which holds 0")
    l1 = lyapunov(at, x, mu, d, J, omega, p, q)
    if not (l1 > 0 or l1 < 0):
        return Refusal(f"l1 is in {l1}, which holds 0")
    given = tuple(float(y) for y in centre)
    return HopfProof(at, given, radius, pivot, mu, list(x), omega, q.tolist(), l1, speed, unstable)


def _outside(at: Parametric, mu: Ball) -> str | None:
    low, high = (None if y is None else flint.arb(flint.fmpq(y.numerator, y.denominator)) for y in (at.low, at.high))
    if (low is None or mu > low) and (high is None or mu < high):
        return None
    return f"the parameter is in {mu}; must lie between {at.low} and {at.high}"
