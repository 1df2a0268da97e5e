"""Periodic orbits: Newton shooting from a guess, Floquet multipliers, stability, minimal period.

A periodic orbit is a zero of `phi_T(x) − x` in the pair (x, T), with the phase fixed by keeping x on a section across
the flow. The variational equation `M' = J(x) M` gives the monodromy matrix, whose eigenvalues are the Floquet
multipliers; one of them is 1, along the flow, and its distance from 1 says how accurate the rest are. How the equations
are cut into segments, solved, and the multipliers taken from the pieces, is in `dynamics.orbits.shooting`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from dynamics.fields import FunctionField, VectorField, complex_step_holds, gauge_of, reduced, to_parameters, to_reduced
from dynamics.motion import steps
from dynamics.orbits import shooting
from dynamics.orbits.shooting import Segments, Transport
from mdp import Array

FRACTIONS = (2, 3, 5, 7, 11, 13)  # of a period, at which an orbit is looked at for having closed already
CHEAP = 24  # segments where they are there for speed alone


@dataclass(frozen=True, eq=False)
class Orbit:
    """A periodic orbit: `period` (time of F), points `theta` (n, *shape) over one period, and its multipliers.

    `period` is the minimal one, so far as fractions down to 1/13 tell. `multipliers` are the Floquet multipliers other
    than the trivial one, largest first; `trivial` is that one; `residual` is `|phi_T(x) − x|`, the largest gap where
    the orbit was solved for in several `segments`. Points are equally spaced in time, the first and the last the same.
    """

    period: float
    theta: Array
    multipliers: Array
    trivial: complex
    residual: float
    segments: int = 1

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


def shoot(
    field: VectorField,
    theta: ArrayLike,
    period: float,
    *,
    segments: int | None = None,
    tol: float = 1e-10,
    rtol: float = 1e-12,
    points: int = 2001,
    most: int = 12,
) -> Orbit | None:
    """The periodic orbit near `theta` with a period near `period`, or None when Newton's iteration finds none.

    Solves `phi_T(x) = x` on the section through theta across the flow there, by Gauss–Newton (least squares, so that
    families of closed orbits are found too); the orbit's first point lies on that section. `theta` is a point (*shape)
    or a guess of the whole orbit (k, *shape), equally spaced in time, its last point the first again: what long or
    strongly unstable orbits need. `segments` is the number of pieces of multiple shooting (1: none; None: as many as
    make it fast, and more where nearby orbits part by more than 100 within one). `tol` bounds the gaps, relative to
    1 + |x|, and `rtol` the integrator's error of a step. A rest point is no orbit: None. An orbit run through k times,
    k ≤ 13, is reported once, with its minimal period. Newton takes at most `most` steps; with 1, and one segment, theta
    is judged as it is, not improved. Multipliers come from the variational equation.
    Raises ValueError for a theta of another shape, or a period or number of segments that is not positive.
    Source: Guckenheimer and Holmes, *Nonlinear Oscillations*, section 1.5; Seydel, sections 7.1 to 7.4.

    >>> from vorticity import FunctionField
    >>> circle = FunctionField(lambda x: np.array([x[0] - x[1], x[0] + x[1]]) - x * (x @ x), (2,))
    >>> orbit = shoot(circle, [1.1, 0.0], 6.0)
    >>> bool(abs(orbit.period - 2 * np.pi) < 1e-9 and abs(orbit.multipliers[0] - np.exp(-4 * np.pi)) < 1e-9)
    True
    """
    guess = np.asarray(theta, dtype=float)
    _check(field, guess, period, segments)
    whole = guess.ndim > len(field.shape)
    first = guess[0] if whole else guess
    base = reduced(field)
    seen = _trusted(base, to_reduced(base, first))
    if seen.size < 2:
        return None
    if whole:
        path = np.stack([to_reduced(seen, point) for point in guess[:-1]])
        start: Segments | None = _sampled_guess(path, float(period), segments)
    else:
        start = _flown_guess(seen, to_reduced(seen, first), float(period), segments)
    if start is None:
        return None
    normal = shooting.velocity(seen, start.x[0])
    speed = float(np.linalg.norm(normal))
    if not (np.isfinite(speed) and speed > 0):
        return None
    found = shooting.solve(seen, start, normal / speed, rtol=rtol, tol=tol, most=most, refine=segments is None)
    # A point that hardly moves over the whole period is a rest point, not an orbit.
    if found is None or found[1].extent < 1e-5 * (1 + np.linalg.norm(found[0].x[0])):
        return None
    return _orbit(seen, *found, points, gauge_of(seen, first), rtol=rtol, tol=tol)


def first_return(function: Callable[[Array], Array], x: Array, *, most: int = 2000) -> float | None:
    """About how long the flow of `function` from x (n,) takes to come back: a first guess of a period, to 1e-5 or so.

    The time of its first return, nearer than 0.7 of the distance gone, to the plane through x across the flow; None
    when it has not come back after `most` steps of the integrator.

    >>> period = first_return(lambda x: np.array([-x[1], x[0]]), np.array([1.0, 0.0]))
    >>> round(period / np.pi, 4)
    2.0
    """
    normal, low, high, last = function(x), x, x, 0.0
    for count, step in enumerate(steps(function, x, 1e12, rtol=shooting.COARSE, atol=0.1 * shooting.COARSE)):
        low, high = np.minimum(low, step.x), np.maximum(high, step.x)
        spread, height = float(np.linalg.norm(high - low)), float((step.x - x) @ normal)
        if count and last < 0 <= height and np.linalg.norm(step.x - x) < 0.7 * spread:
            return float(brentq(lambda t: float((step.at(t) - x) @ normal), step.t0, step.t))  # noqa: B023
        last = height
        if count > most or not spread < 1e3:
            return None
    return None


def _check(field: VectorField, guess: Array, period: float, segments: int | None) -> None:
    lead = guess.ndim - len(field.shape)
    if lead not in (0, 1) or guess.shape[lead:] != field.shape or (lead and len(guess) < 2):
        raise ValueError(f"theta has shape {guess.shape}; must be {field.shape}, or that of at least 2 points")
    if not (np.isfinite(period) and period > 0):
        raise ValueError(f"the period is {period}; must be positive and finite")
    if segments is not None and segments < 1:
        raise ValueError(f"{segments} segments; must be at least 1")


def _flown_guess(seen: VectorField, x: Array, period: float, segments: int | None) -> Segments | None:
    """Points along the flow from x, after equal numbers of the integrator's steps; None where the flow ends early."""
    if segments == 1:
        return Segments(x[None], np.ones(1), period)
    coarse = shooting.COARSE
    flown = list(steps(lambda y: shooting.velocity(seen, y), x, period, rtol=coarse, atol=0.1 * coarse))
    if not flown or flown[-1].t < period:
        return None
    single = isinstance(seen, FunctionField) and not seen.vectorised  # a call for each point: less to be gained
    m = segments or (CHEAP // 4 if single else CHEAP)
    at = np.arange(m) * len(flown) / m  # in steps
    times = np.interp(at, np.arange(len(flown) + 1), [0.0, *(step.t for step in flown)])
    points = [flown[int(k)].at(t) for k, t in zip(at, times, strict=True)]
    return Segments(np.array(points), np.diff(times, append=period) / period, period)


def _sampled_guess(path: Array, period: float, segments: int | None) -> Segments:
    """Segments from points (k, n) of a guessed orbit, equally spaced in time."""
    m = min(segments or CHEAP, len(path))
    at = np.arange(m + 1) * len(path) // m
    return Segments(path[at[:-1]], np.diff(at) / len(path), period)


def _trusted(seen: VectorField, x: Array) -> VectorField:
    """A callable's field that need not be asked at every point whether its complex step is to be trusted."""
    if isinstance(seen, FunctionField) and seen.analytic is None:
        return replace(seen, analytic=complex_step_holds(seen, x.reshape(seen.shape)))
    return seen


def _orbit(
    seen: VectorField,
    segments: Segments,
    flown: Transport,
    points: int,
    gauge: Array | float,
    *,
    rtol: float,
    tol: float,
) -> Orbit | None:
    """The orbit's points and multipliers, run through once."""
    times = np.linspace(0.0, 1.0, points)[:-1]
    states = shooting.along(seen, segments, np.concatenate([times, 1 / np.array(FRACTIONS)]), rtol)
    if states is None:
        return None
    size = np.ptp(states, axis=0).max()
    away = np.abs(states[len(times) :] - states[0]).max(-1)
    for k, distance in zip(FRACTIONS, away, strict=True):
        if distance <= 1e-6 * size:
            once = _once(seen, segments, k, rtol=rtol, tol=tol)
            if once is not None and np.abs(once[0].x[0] - states[0]).max() <= 1e-6 * size:
                return _orbit(seen, *once, points, gauge, rtol=rtol, tol=tol)
    others, trivial = shooting.multipliers(seen, segments, flown)
    gaps = np.linalg.norm(flown.ends - np.roll(segments.x, -1, 0), axis=1)
    theta = to_parameters(seen, np.concatenate([states[: len(times)], states[:1]]), gauge)
    return Orbit(segments.period, theta, others, complex(trivial), float(gaps.max()), len(segments.x))


def _once(
    seen: VectorField, segments: Segments, k: int, *, rtol: float, tol: float
) -> tuple[Segments, Transport] | None:
    """The orbit that `segments` run through k times, run through once."""
    m = max(len(segments.x) // k, 1)
    x = shooting.along(seen, segments, np.arange(m) / (m * k), rtol)
    if x is None:
        return None
    normal = shooting.velocity(seen, x[0])
    start = Segments(x, np.full(m, 1 / m), segments.period / k)
    unit = normal / np.linalg.norm(normal)
    return shooting.newton(seen, start, x[0], unit, rtol=rtol, tol=tol, most=8, polish=True)
