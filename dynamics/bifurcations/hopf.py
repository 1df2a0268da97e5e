"""Hopf points: frequency, first Lyapunov coefficient, speed of crossing, and the small orbits born there.

At a Hopf point a pair of eigenvalues ±iω crosses the imaginary axis. With `A q = iω q`, `A^T p = −iω p`, `⟨q, q⟩ =
⟨p, q⟩ = 1` (`⟨u, v⟩ = ū·v`, in the reduced chart), the motion on the centre manifold is `x ≈ x* + 2 Re(z q)` with

    z' = (speed (λ − λ*) + iω) z + ω l1 z |z|² + ...,

so that orbits of |z|² ≈ −speed (λ − λ*) / (ω l1) exist on one side: attracting on the manifold where l1 < 0
(supercritical), repelling where l1 > 0 (subcritical). The sign of l1 is a fact; its size goes with the length of q.
Source: Kuznetsov, Elements of Applied Bifurcation Theory, third edition, eq. (5.34) and section 3.5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dynamics.bifurcations.continuation import Branch, crossing_pair, extended, parameter_slope
from dynamics.fields import ChartField, Family, Field, VectorField, reduced, to_parameters, to_reduced
from dynamics.orbits import Orbit, rest_point, shoot
from mdp import Array

TRIFLING = 1e-6  # an l1 below this share of the terms it is the sum of is called zero
STEP = 0.02  # the longest step of third derivatives, in nats (in the field's own units where it is no MDP's)


@dataclass(frozen=True, eq=False)
class NormalForm:
    """ω, q and p (n,) of the reduced chart, `l1`, its `terms` (three, whose sum it is), and its numerical `error`."""

    omega: float
    q: Array
    p: Array
    l1: float
    terms: tuple[float, float, float]
    error: float

    @property
    def kind(self) -> str:
        """ "supercritical" (l1 < 0), "subcritical" (l1 > 0), or "degenerate" where l1 is 0 as far as can be told."""
        floor = max(TRIFLING * sum(abs(term) for term in self.terms), 10 * self.error, 1e-9)
        return "degenerate" if abs(self.l1) <= floor else "supercritical" if self.l1 < 0 else "subcritical"


@dataclass(frozen=True, eq=False)
class HopfPoint:
    """A Hopf point: its `parameter`, `theta` (*shape), frequency `omega`, `l1` and `kind`; see the module.

    `speed` is d Re(v)/d parameter of the crossing eigenvalue v along the curve of rest points. `side` is +1 where the
    small orbits live above the parameter, −1 where below, 0 where l1 or the speed cannot tell.
    """

    parameter: float
    theta: Array
    omega: float
    l1: float
    kind: str
    speed: float
    q: Array

    @property
    def side(self) -> int:
        """On which side of the parameter the orbits born here live: the sign of −speed · l1."""
        return 0 if self.kind == "degenerate" else int(np.sign(-self.speed * self.l1))

    @property
    def period(self) -> float:
        """The period 2π/ω at which orbits are born."""
        return 2 * np.pi / self.omega


def normal_form(field: VectorField, theta: ArrayLike) -> NormalForm:
    """The normal form at a rest point theta (*shape) with a pair ±iω:

    `l1 = Re(⟨p, C(q, q, q̄)⟩ − 2 ⟨p, B(q, A⁻¹ B(q, q̄))⟩ + ⟨p, B(q̄, (2iω − A)⁻¹ B(q, q))⟩) / 2ω`,

    B and C the second and third derivatives, taken from the closed-form Jacobian: B by complex step for an MDP's field,
    else by central differences; C by central differences of B (three steps, extrapolated).
    Raises ValueError where no pair of eigenvalues lies on the imaginary axis (to 1e-6 of it).
    Source: Kuznetsov, eq. (5.34), with ⟨q, q⟩ = 1.

    >>> from vorticity import FunctionField
    >>> a = -3.0
    >>> rotor = FunctionField(lambda x: np.array([-x[1], x[0]]) + a * x * (x @ x), (2,))
    >>> found = normal_form(rotor, [0.0, 0.0])  # z' = i z + 2 a z |z|², for x = √2 Re z
    >>> found.kind, round(found.l1, 6), found.omega
    ('supercritical', -6.0, 1.0)
    """
    seen = reduced(field)
    return _normal_form(seen, to_reduced(seen, theta))


def _normal_form(seen: VectorField, x: Array) -> NormalForm:
    A = np.asarray(seen.jacobian(x.reshape(seen.shape)), dtype=float)
    omega, q, p = _critical(A)
    coarse, fine = (_terms(seen, x, A, omega, q, p, h) for h in (STEP, STEP / 2))
    return NormalForm(omega, q, p, sum(fine), fine, abs(sum(fine) - sum(coarse)))


def _critical(A: Array) -> tuple[float, Array, Array]:
    """ω, q and p of the pair nearest to the imaginary axis."""
    values, vectors = np.linalg.eig(A)
    k = crossing_pair(values)
    if k is None:
        listed = ", ".join(f"{v:.6g}" for v in values)
        raise ValueError(f"the eigenvalues are {listed}; a Hopf point has a complex pair on the imaginary axis")
    others, lefts = np.linalg.eig(A.T)
    q = vectors[:, k] / np.linalg.norm(vectors[:, k])
    p = lefts[:, np.argmin(np.abs(others - values[k].conj()))]
    return float(values[k].imag), q, p / (p.conj() @ q).conj()


def _terms(
    seen: VectorField, x: Array, A: Array, omega: float, q: Array, p: Array, h: float
) -> tuple[float, float, float]:
    """The three terms of l1, with third derivatives by steps of h, h/2, h/4."""
    a, b = q.real, q.imag
    by_a, by_b = (second_derivative(seen, x, u, h) for u in (a, b))
    by_aa, by_ab, by_bb = (third_derivative(seen, x, u, v, h) for u, v in ((a, a), (a, b), (b, b)))
    by_q = by_a + 1j * by_b  # v -> B(q, v)
    qq, mixed = by_q @ q, (by_q @ q.conj()).real
    cubic = (by_aa - by_bb + 2j * by_ab) @ q.conj()
    shift = by_q @ np.linalg.solve(A, mixed)
    twice = by_q.conj() @ np.linalg.solve(2j * omega * np.eye(len(x)) - A, qq)
    first, second, third = (float((p.conj() @ term).real / (2 * omega)) for term in (cubic, -2 * shift, twice))
    return first, second, third


def second_derivative(seen: VectorField, x: Array, u: Array, h: float) -> Array:
    """The matrix (n, n) of v -> B(u, v) at a flat point x (n,): the derivative of the Jacobian along u (n,).

    By complex step for an MDP's field, else by central differences of step h.

    >>> from vorticity import FunctionField
    >>> cube = FunctionField(lambda x: x**3, (1,))
    >>> second_derivative(cube, np.array([2.0]), np.array([1.0]), STEP).round(6).tolist()
    [[12.0]]
    """
    if isinstance(seen, (Field, ChartField)):  # closed forms that take complex numbers
        step = 1e-20
        return np.asarray(seen.jacobian((x + 1j * step * u).reshape(seen.shape)).imag / step)
    return _central(lambda s: np.asarray(seen.jacobian((x + s * u).reshape(seen.shape)), dtype=float), h)


def third_derivative(seen: VectorField, x: Array, u: Array, v: Array, h: float) -> Array:
    """The matrix (n, n) of w -> C(u, v, w) at a flat point x (n,): the derivative along u of that along v.

    By central differences of step h.

    >>> from vorticity import FunctionField
    >>> cube, one = FunctionField(lambda x: x**3, (1,)), np.array([1.0])
    >>> third_derivative(cube, np.array([2.0]), one, one, STEP).round(6).tolist()
    [[6.0]]
    """
    return _central(lambda s: second_derivative(seen, x + s * u, v, h), h)


def _central(function: Callable[[float], Array], h: float) -> Array:
    """The derivative at 0 by central differences with h, h/2, h/4, extrapolated: error O(h^6)."""
    one, two, four = ((function(s) - function(-s)) / (2 * s) for s in (h, h / 2, h / 4))
    return np.asarray((one - 20 * two + 64 * four) / 45)


def hopf_points(family: Family, branch: Branch) -> tuple[HopfPoint, ...]:
    """The Hopf points of a curve of rest points of the family, in its order.

    >>> from dynamics.bifurcations.continuation import rest_branch
    >>> from vorticity import FunctionField
    >>> def brusselator(B):
    ...     turn = lambda x: np.array([1 - x[0], 0.0]) + (x[0]**2 * x[1] - B * x[0]) * np.array([1.0, -1.0])
    ...     return FunctionField(turn, (2,))
    >>> (point,) = hopf_points(brusselator, rest_branch(brusselator, [1.0, 1.0], 1.0, 3.0))
    >>> round(point.parameter, 9), round(point.omega, 9), point.kind, point.side, round(point.speed, 6)
    (2.0, 1.0, 'supercritical', 1, 0.5)
    """
    return tuple(hopf_point(family, branch.theta[k], branch.parameter[k], branch.interval) for k in branch.hopf)


def hopf_point(family: Family, theta: ArrayLike, parameter: float, interval: tuple[float, float]) -> HopfPoint:
    """The facts about a Hopf point found at `theta` (*shape) and `parameter`; the family is asked in `interval` only.

    The speed is `Re ⟨p, (dA/dλ) q⟩`, dA/dλ along the curve of rest points. Raises ValueError as `normal_form`, and
    for a parameter outside the interval.
    """
    low, high = sorted(interval)
    if not low <= parameter <= high:
        raise ValueError(f"the parameter is {parameter}; must lie in the interval [{low}, {high}]")
    system = extended(family, theta, low, high)
    mu = (parameter - low) / (high - low)
    seen = system.at(mu)
    x = to_reduced(seen, theta)
    form = _normal_form(seen, x)
    drift = -np.linalg.solve(system.jacobian(x, mu), parameter_slope(lambda m: system.value(x, m), mu))
    turned = parameter_slope(lambda m: system.jacobian(x + (m - mu) * drift, m), mu)
    speed = float((form.p.conj() @ turned @ form.q).real) / (high - low)
    return HopfPoint(float(parameter), to_parameters(seen, x), form.omega, form.l1, form.kind, speed, form.q)


def orbit_near(family: Family, point: HopfPoint, offset: float) -> Orbit | None:
    """The orbit born at a Hopf point, `offset` of the parameter away from it; None where shooting does not find it.

    Predicted as `x*(λ) + 2 |z| Re(q e^{iωt})` with the |z| of the normal form, then found by
    `dynamics.orbits.periodic.shoot`.
    Raises ValueError where the normal form has no orbit on that side, or is degenerate.

    >>> from vorticity import FunctionField
    >>> rotor = lambda mu: FunctionField(lambda x: np.array([mu * x[0] - x[1], x[0] + mu * x[1]]) - x * (x @ x), (2,))
    >>> orbit = orbit_near(rotor, hopf_point(rotor, [0.0, 0.0], 0.0, (-1.0, 1.0)), 0.04)
    >>> orbit.amplitude.round(6).tolist()
    [0.4, 0.4]
    """
    if point.side * offset <= 0:
        raise ValueError(f"offset is {offset}; orbits of this {point.kind} Hopf point need one of sign {point.side:+d}")
    field = family(point.parameter + offset)
    rest = rest_point(field, point.theta)
    if rest is None:
        return None
    seen = reduced(field)
    radius = np.sqrt(-point.speed * offset / (point.omega * point.l1))
    x = to_reduced(seen, rest.theta) + 2 * radius * point.q.real
    return shoot(field, to_parameters(seen, x), point.period)
