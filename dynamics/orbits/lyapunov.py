"""Ellipsoids inside the basin of a stable rest point, by a quadratic Lyapunov function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg as sl

from dynamics.fields import VectorField, to_reduced
from dynamics.orbits.equilibria import RestPoint
from mdp import Array

WIDEST = 3.0  # the longest half-axis of an ellipsoid round a rest point, in nats
SHELLS = np.linspace(0.02, 1.0, 50)  # sizes of the shells of it that are looked at


@dataclass(frozen=True, eq=False)
class AttractingEllipsoid:
    """A neighbourhood {y : yᵀ shape y < level} of a stable rest point, y = x − centre, in which V falls."""

    centre: Array
    shape: Array
    level: float

    def holds(self, x: Array) -> Array:
        """Which of the points (k, n) lie in it."""
        y = x - self.centre
        return np.asarray(np.einsum("ki,ij,kj->k", y, self.shape, y) < self.level)


def attracting_ellipsoid(
    seen: VectorField, point: RestPoint, others: Sequence[RestPoint], paths: Sequence[Array]
) -> AttractingEllipsoid | None:
    """An ellipsoid in which V = yᵀ S y falls at all sampled points, Sᵀ A + A S = −1: the largest of those tried.

    Its size is halved until it does, and once more: a thin shell where V rises may lie between two samples. It reaches
    neither another rest point nor one of the orbits, given as `paths` (m, n). None where the rest point is not stable
    by its eigenvalues, or V rises however small the ellipsoid.

    >>> from vorticity import rest_point
    >>> from vorticity import FunctionField
    >>> pull = FunctionField(lambda x: x**3 - x, (1,))
    >>> found = attracting_ellipsoid(pull, rest_point(pull, [0.1]), [], [])
    >>> found.holds(np.array([[0.3], [1.1]])).tolist()  # everything within 1 goes to 0
    [True, False]
    """
    slowest, fastest = point.eigenvalues.real.max(), np.abs(point.eigenvalues).max()
    if not slowest < -1e-9 * fastest:
        return None
    x = to_reduced(seen, point.theta)
    jacobian = np.asarray(seen.jacobian(x.reshape(seen.shape)), dtype=float)
    shape = sl.solve_continuous_lyapunov(jacobian.T, -np.eye(len(x)))
    unit = _unit_ellipsoid(shape)
    longest = float(np.linalg.norm(unit, axis=1).max())
    apart = [float(np.linalg.norm(to_reduced(seen, one.theta) - x)) for one in others if one is not point]
    apart += [float(np.linalg.norm(path - x, axis=1).min()) for path in paths]
    reach = min(WIDEST, 0.9 * min(apart, default=np.inf))
    for _ in range(40):
        offsets = (reach / longest * SHELLS[:, None, None] * unit).reshape(-1, len(x))
        with np.errstate(all="ignore"):
            velocity = seen((x + offsets).reshape(-1, *seen.shape)).reshape(offsets.shape)
            slopes = np.einsum("ti,ij,tj->t", offsets, shape, velocity)
        reach /= 2
        if np.isfinite(slopes).all() and (slopes < 0).all():
            return AttractingEllipsoid(x, shape, (reach / longest) ** 2)
    return None


def _unit_ellipsoid(shape: Array) -> Array:
    """Points y (k, n) with yᵀ shape y = 1: all round in the plane, else in seeded random directions."""
    n = len(shape)
    if n == 2:
        angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        directions = np.stack([np.cos(angle), np.sin(angle)], -1)
    else:
        directions = np.random.default_rng(0).normal(size=(200, n))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    root = np.linalg.inv(np.linalg.cholesky((shape + shape.T) / 2))
    return np.asarray(directions @ root)
