"""Periodic orbits: Newton shooting from a guess, Floquet multipliers, stability.

A periodic orbit is a zero of `phi_T(x) − x` in the pair (x, T), with the phase fixed by asking that the correction be
orthogonal to the flow. The variational equation `M' = J(x) M` gives the monodromy matrix, whose eigenvalues are the
Floquet multipliers; one of them is 1, along the flow, and its distance from 1 says how accurate the rest are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from dynamics.charts import ChartField, in_chart
from dynamics.field import Field
from dynamics.flow import sampled, steps
from dynamics.vector import FunctionField, VectorField, complex_step_holds
from mdp.policy import Array


@dataclass(frozen=True, eq=False)
class Orbit:
    """A periodic orbit: `period` (time of F), points `theta` (n, *shape) over one period, and its multipliers.

    `multipliers` are the Floquet multipliers other than the trivial one, largest first; `trivial` is that one;
    `residual` is `|phi_T(x) − x|`. Points are equally spaced in time, the first and the last the same.
    """

    period: float
    theta: Array
    multipliers: Array
    trivial: complex
    residual: float

    @property
    def stable(self) -> bool:
        """Whether every multiplier but the trivial one lies inside the unit circle."""
        return bool((np.abs(self.multipliers) < 1).all())

    @property
    def amplitude(self) -> Array:
        """Peak to peak in every parameter, (*shape)."""
        return peak_to_peak(self.theta)


def peak_to_peak(theta: Array) -> Array:
    """Largest less least value of each parameter over a closed orbit (n, *shape) whose last point is its first.

    Between the samples each extremum is that of the parabola through three neighbours.

    >>> t = np.linspace(0, 2 * np.pi, 100)
    >>> bool(abs(peak_to_peak(np.sin(t)[:, None])[0] - 2) < 1e-6)
    True
    """

    def highest(values: Array) -> Array:
        peak = np.take_along_axis(values, values.argmax(0)[None], 0)[0]
        before, after = (
            np.take_along_axis(values, (values.argmax(0)[None] + shift) % len(values), 0)[0] for shift in (-1, 1)
        )
        bend = before - 2 * peak + after
        rise = np.divide((after - before) ** 2, -8 * bend, out=np.zeros_like(peak), where=bend < 0)
        return np.asarray(peak + rise)

    once = theta[:-1]
    return highest(once) + highest(-once)


def reduced(field: VectorField) -> VectorField:
    """The field without gauge freedom: an MDP's field on rows of logits in the chart of differences, else itself.

    >>> from mdp import zoo
    >>> reduced(Field(zoo.load("swirl"), "on-policy")).shape
    (2, 1)
    """
    if isinstance(field, Field) and len(field.shape) == 2 and field.shape[1] > 1:
        return in_chart(field, "differences")
    return field


def to_reduced(seen: VectorField, theta: ArrayLike) -> Array:
    """Parameters as a flat point of the reduced chart."""
    theta = np.asarray(theta, dtype=float)
    return (seen.from_parameters(theta) if isinstance(seen, ChartField) else theta).ravel()


def to_parameters(seen: VectorField, x: Array, gauge: Array | float = 0.0) -> Array:
    """Flat points (..., n) of the reduced chart as parameters (..., *shape); rows of logits get the mean `gauge`.

    The mean of a row of logits never changes along the flow, since its update sums to 0.
    """
    shaped = x.reshape(*x.shape[:-1], *seen.shape)
    if not isinstance(seen, ChartField):
        return np.asarray(shaped)
    theta = seen.to_parameters(shaped)
    return np.asarray(theta - theta.mean(-1, keepdims=True) + gauge)


def gauge_of(seen: VectorField, theta: ArrayLike) -> Array | float:
    """What `to_parameters` needs to give back parameters with theta's row means."""
    return np.asarray(theta, dtype=float).mean(-1, keepdims=True) if isinstance(seen, ChartField) else 0.0


def shoot(
    field: VectorField, theta: ArrayLike, period: float, *, tol: float = 1e-10, points: int = 2001, most: int = 12
) -> Orbit | None:
    """The periodic orbit near `theta` with a period near `period`, or None when Newton's iteration finds none.

    Solves `phi_T(x) = x` on the section through theta across the flow there, by Gauss–Newton (least squares, so that
    families of closed orbits are found too); the orbit's first point lies on that section. A rest point is no orbit:
    None. Multipliers come from the variational equation over the period.
    Source: Guckenheimer and Holmes, *Nonlinear Oscillations*, section 1.5; Seydel, section 7.1.

    >>> from dynamics.vector import FunctionField
    >>> circle = FunctionField(lambda x: np.array([x[0] - x[1], x[0] + x[1]]) - x * (x @ x), (2,))
    >>> orbit = shoot(circle, [1.1, 0.0], 6.0)
    >>> bool(abs(orbit.period - 2 * np.pi) < 1e-9 and abs(orbit.multipliers[0] - np.exp(-4 * np.pi)) < 1e-9)
    True
    """
    seen = _trusted(reduced(field), to_reduced(reduced(field), theta))
    x, T = to_reduced(seen, theta), float(period)
    normal, reach = _velocity(seen, x), 0.0
    for _ in range(most):
        flown = _variational(seen, x, T)
        if flown is None:
            return None
        end, monodromy, size = flown
        reach = max(reach, size)
        gap = end - x
        if np.linalg.norm(gap) <= tol * (1 + np.linalg.norm(x)):
            # A point that hardly moves over the whole period is a rest point, not an orbit.
            if size < 1e-5 * (1 + np.linalg.norm(x)):
                return None
            return _orbit(seen, x, T, monodromy, gap, points, gauge_of(seen, theta))
        n = len(x)
        matrix = np.zeros((n + 1, n + 1))
        matrix[:n, :n] = monodromy - np.eye(n)
        matrix[:n, n] = _velocity(seen, end)
        matrix[n, :n] = normal
        change = np.linalg.lstsq(matrix, np.append(-gap, 0.0), rcond=1e-9)[0]
        if not np.isfinite(change).all() or np.linalg.norm(change[:n]) > 2 * reach + 1:
            return None
        damping = min(1.0, 0.3 * T / max(abs(change[n]), 1e-300))
        x, T = x + damping * change[:n], T + damping * change[n]
    return None


def _trusted(seen: VectorField, x: Array) -> VectorField:
    """A callable's field that need not be asked at every point whether its complex step is to be trusted."""
    if isinstance(seen, FunctionField) and seen.analytic is None:
        return replace(seen, analytic=complex_step_holds(seen, x.reshape(seen.shape)))
    return seen


def _velocity(seen: VectorField, x: Array) -> Array:
    return np.asarray(seen(x.reshape(seen.shape)).ravel())


def _variational(seen: VectorField, x: Array, period: float) -> tuple[Array, Array, float] | None:
    """phi_T(x), the monodromy matrix, and how far the orbit strays from x; None when it does not get there."""
    n = len(x)

    def function(state: Array) -> Array:
        at = state[:n].reshape(seen.shape)
        moved = seen.jacobian(at) @ state[n:].reshape(n, n)
        return np.concatenate([seen(at).ravel(), moved.ravel()])

    start = np.concatenate([x, np.eye(n).ravel()])
    strayed, last = 0.0, None
    for step in steps(function, start, period, rtol=1e-12, atol=1e-13):
        strayed, last = max(strayed, float(np.linalg.norm(step.x[:n] - x))), step
        if not np.isfinite(step.x).all() or np.abs(step.x).max() > 1e12:
            return None
    if last is None or last.t < period:
        return None
    return last.x[:n], last.x[n:].reshape(n, n), strayed


def _orbit(
    seen: VectorField, x: Array, period: float, monodromy: Array, gap: Array, points: int, gauge: Array | float
) -> Orbit:
    """The orbit's points and multipliers; the trivial multiplier is the one along the flow."""
    values, vectors = np.linalg.eig(monodromy)
    along = _velocity(seen, x)
    along = along / np.linalg.norm(along)
    # The eigenvector along the flow; in a family several multipliers are 1, and any of them will do.
    alignment = np.abs(along @ vectors) / np.linalg.norm(vectors, axis=0)
    trivial = int(np.argmax(alignment - np.abs(values - 1) / (1 + np.abs(values))))
    others = np.delete(values, trivial)
    others = others[np.argsort(-np.abs(others))]
    times = np.linspace(0.0, period, points)
    states = sampled(lambda y: _velocity(seen, y), x, times, rtol=1e-12, atol=1e-13)
    theta = to_parameters(seen, states, gauge)
    return Orbit(period, theta, others, complex(values[trivial]), float(np.linalg.norm(gap)))
