"""Periodic points of the iteration theta_{k+1} = theta_k + eta F(theta_k), stable or not, by Newton's iteration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dynamics.fields import VectorField, gauge_of, reduced, to_parameters, to_reduced
from dynamics.orbits import BLOWN_UP
from mdp import Array

LONGEST_PERIOD = 16  # steps, of the periodic points that are looked for
SAME = 1e-7  # an iterate this close to the first point, relative to the size of the set, is the first point again


@dataclass(frozen=True, eq=False)
class PeriodicPoints:
    """Points visited in turn: `points` (period, *shape), each the next one's predecessor, the last the first's.

    `period` is the least k with f^k(x) = x (1: a rest point); `multipliers` (n,) the eigenvalues of D f^k in the
    reduced chart, largest first; `residual` is `max |f^k(x) − x|` there.
    """

    period: int
    points: Array
    multipliers: Array
    residual: float

    @property
    def stable(self) -> bool:
        """Whether every multiplier lies inside the unit circle."""
        return bool((np.abs(self.multipliers) < 1).all())


def periodic_points(
    field: VectorField, theta: ArrayLike, eta: float, period: int, *, most: int = 50
) -> PeriodicPoints | None:
    """The points of (a divisor of) `period` near `theta` (*shape), or None where Newton's iteration finds none.

    Solves `f^k(x) = x`, f(x) = x + eta F(x), k = period, by Newton with halved steps while the residual grows; the
    derivative of f^k is the product of I + eta J along the way, so that unstable points are found like stable ones.
    Raises ValueError for a period outside 1 to 16, a step size that is not positive, or a theta of another shape.
    Source: Kuznetsov, Elements of Applied Bifurcation Theory, third edition, section 10.1 (Newton for fixed points).

    >>> from vorticity import FunctionField
    >>> logistic = FunctionField(lambda x: 3.2 * x * (1 - x) - x, (1,))
    >>> found = periodic_points(logistic, [0.5], 1.0, 2)
    >>> sorted(found.points.ravel().round(6).tolist()), found.multipliers.real.round(6).tolist(), found.stable
    ([0.513045, 0.799455], [0.16], True)
    """
    theta = np.asarray(theta, dtype=float)
    if theta.shape != field.shape:
        raise ValueError(f"theta has shape {theta.shape}; must be {field.shape}")
    if not 1 <= period <= LONGEST_PERIOD:
        raise ValueError(f"the period is {period}; must be 1 to {LONGEST_PERIOD}")
    if not (np.isfinite(eta) and eta > 0):
        raise ValueError(f"the step size is {eta}; must be positive and finite")
    seen = reduced(field)
    with np.errstate(all="ignore"):
        found = solve(seen, to_reduced(seen, theta), eta, period, most=most)
    if found is None:
        return None
    points, multipliers, residual = found
    return PeriodicPoints(len(points), to_parameters(seen, points, gauge_of(seen, theta)), multipliers, residual)


def solve(seen: VectorField, x: Array, eta: float, period: int, *, most: int = 50) -> tuple[Array, Array, float] | None:
    """Points (k, n), multipliers and residual near a flat point x (n,) of the reduced chart; None where there are none.

    >>> from vorticity import FunctionField
    >>> solve(FunctionField(lambda x: -x, (1,)), np.array([3.0]), 0.5, 2)[0].tolist()
    [[0.0]]
    """
    points, derivative = around(seen, x, eta, period)
    gap = points[-1] - x
    for _ in range(most):
        if not (np.isfinite(gap).all() and np.isfinite(derivative).all()):
            return None
        change = np.linalg.lstsq(np.eye(len(x)) - derivative, gap, rcond=1e-14)[0]
        share, tried = 1.0, x
        while share > 1e-3:
            tried = x + share * change
            ways, slope = around(seen, tried, eta, period)
            if np.linalg.norm(ways[-1] - tried) <= np.linalg.norm(gap):
                break
            share /= 2
        else:
            break  # no step lessens the residual: at rounding, or stuck
        x, points, derivative, gap = tried, ways, slope, ways[-1] - tried
        if np.linalg.norm(share * change) <= 1e-13 * (1 + np.linalg.norm(x)) or not gap.any():
            break
    scale = 1 + float(np.abs(x).max())
    residual = float(np.abs(gap).max())
    if not residual <= 1e-9 * scale * max(1.0, float(np.abs(derivative).max())):
        return None
    span = float(np.ptp(points, axis=0).max())
    near = [k for k in range(1, period + 1) if period % k == 0 and np.abs(points[k] - x).max() <= SAME * (span + 1e-6)]
    least = 1 if span <= 1e-9 * scale else min(near, default=period)
    if least < period:
        points, derivative = around(seen, x, eta, least)
    values = np.linalg.eigvals(derivative)
    return points[:least], values[np.argsort(-np.abs(values))], residual


def around(seen: VectorField, x: Array, eta: float, period: int) -> tuple[Array, Array]:
    """x, f(x), ..., f^k(x) as (k + 1, n), and the derivative of f^k at x (n, n); nan beyond 1e8.

    >>> from vorticity import FunctionField
    >>> points, slope = around(FunctionField(lambda x: -x, (1,)), np.array([8.0]), 0.5, 3)
    >>> points.ravel().tolist(), slope.tolist()
    ([8.0, 4.0, 2.0, 1.0], [[0.125]])
    """
    derivative, points = np.eye(len(x)), [x]
    for _ in range(period):
        if not (np.isfinite(points[-1]).all() and np.abs(points[-1]).max() <= BLOWN_UP):
            nothing = np.full(len(x), np.nan)
            return np.array([x] * period + [nothing]), np.full_like(derivative, np.nan)
        here = points[-1].reshape(seen.shape)
        derivative = (np.eye(len(x)) + eta * seen.jacobian(here)) @ derivative
        points.append(points[-1] + eta * np.asarray(seen(here)).ravel())
    return np.array(points), derivative
