"""Curves of periodic orbits in a family's parameter, followed round folds by pseudo-arclength.

Unknowns are y = (x, log T, mu): a point of the orbit in the reduced chart, its period, and the parameter in units of
the interval asked for. The equations are `phi_T(x; mu) = x` and a phase condition, that the correction be orthogonal to
the flow, in the metric in which the last orbit is round (else points near the tip of a thin orbit would swing to and
fro); an orbit is predicted along the tangent of the last one, corrected by Newton's iteration in the hyperplane across
it, and then handed to `dynamics.orbits.periodic.shoot`, which judges it and gives its multipliers.
Sources: Kuznetsov, Elements of Applied Bifurcation Theory, third edition, chapter 10 (continuation of cycles);
Seydel, Practical Bifurcation and Stability Analysis, chapter 7.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq

from dynamics.bifurcations.continuation import SHORTEST, Extended, check_step, extended, predicted, tangent
from dynamics.fields import Family, to_parameters, to_reduced
from dynamics.motion import steps
from dynamics.orbits import Orbit, peak_to_peak, shoot
from mdp import Array

FIRST = 0.05  # the first step along a curve of orbits
TURN = 0.8  # cosine of the largest angle between the tangents at two neighbouring orbits
POINTS = 401  # points kept of every orbit


@dataclass(frozen=True, eq=False)
class CycleBranch:
    """A curve of periodic orbits, in the order it was followed.

    `parameter` (n,), `period` (n,), `amplitude` (n, *reduced shape): peak to peak in log-odds (in the field's own
    parameters where it is no MDP's), `multipliers` (n, m − 1) without the trivial one, `stable` (n,), the `orbits`
    themselves. `folds` are the rows where the curve turns back in the parameter and a multiplier passes +1, located.
    `end` says why it ends: "stop", "start" (it came back), "hopf" (the amplitude goes to 0), "long period" (towards a
    homoclinic or heteroclinic orbit, as a rule), "most" (as many orbits as were asked for) or "lost".
    """

    parameter: Array
    period: Array
    amplitude: Array
    multipliers: Array
    stable: Array
    orbits: tuple[Orbit, ...]
    folds: tuple[int, ...]
    end: str
    interval: tuple[float, float]

    @property
    def hopf_parameter(self) -> float | None:
        """Where the amplitude goes to 0, extrapolated: its square is linear in the parameter. None unless it does."""
        if self.end != "hopf" or len(self.orbits) < 2:
            return None
        a, b = self.parameter[-2:]
        u, v = self.amplitude[-2:].reshape(2, -1).max(1) ** 2
        return float(b - v * (b - a) / (v - u))


@dataclass(frozen=True, eq=False)
class _Node:
    y: Array
    tangent: Array
    orbit: Orbit
    radius: float
    metric: Array
    fold: bool = False


def cycle_branch(
    family: Family,
    orbit: Orbit,
    start: float,
    stop: float,
    *,
    largest: float = 0.5,
    most: int = 200,
    smallest: float = 0.05,
    longest: float = 20.0,
) -> CycleBranch:
    """The curve of periodic orbits through `orbit`, one of `family(start)`, followed towards `stop`.

    `largest` bounds the step along the curve, `most` the number of orbits. It ends at an amplitude below `smallest` or
    a period above `longest` times the first one. Raises ValueError where `orbit` is none of the field at `start`.

    >>> from vorticity import FunctionField
    >>> rotor = lambda a: FunctionField(lambda x: np.array([a * x[0] - x[1], x[0] + a * x[1]]) - x * (x @ x), (2,))
    >>> curve = cycle_branch(rotor, shoot(rotor(0.25), [0.5, 0.0], 6.28), 0.25, -0.25)
    >>> curve.end, bool(curve.stable.all()), abs(round(curve.hopf_parameter, 9))
    ('hopf', True, 0.0)
    """
    check_step(largest)
    system = extended(family, orbit.theta[0], start, stop)
    seen = system.at(0.0)
    first = shoot(family(system.start), orbit.theta[0], orbit.period, points=POINTS)
    if first is None:
        raise ValueError(f"no periodic orbit is found near the one given at the parameter {start}; must be one there")
    ahead = np.zeros(seen.size + 2)
    ahead[-1] = 1.0
    points = _reduced_points(system, first).reshape(-1, seen.size)
    x = points[np.argmax(np.linalg.norm(points - points[:-1].mean(0), axis=1))]  # the farthest: it stays off the centre
    y = np.concatenate([x, [np.log(first.period), 0.0]])
    equations = _equations(system, y, _metric(points))
    if equations is None:
        raise ValueError(f"the orbit at the parameter {start} cannot be followed: the flow leaves the range of floats")
    nodes, end, step = [_node(system, y, equations[1], ahead)], "", FIRST
    while not end:
        if len(nodes) >= most:
            end = "most"
            break
        before = nodes[-1]
        step = min(step, largest, before.radius / 2)
        taken = _step(system, before, step)
        if taken is None:
            step /= 2
            end = "lost" if step < SHORTEST else ""
            continue
        found, count = taken
        nodes.extend(found)
        end = _ending(system, nodes, smallest, longest * first.period)
        step *= 1.5 if count <= 4 else 1.0 if count <= 5 else 0.7
    return _branch(system, nodes, end)


def _ending(system: Extended, nodes: list[_Node], smallest: float, longest: float) -> str:
    last = nodes[-1]
    if last.y[-1] in (0.0, 1.0):
        return "stop" if last.y[-1] else "start"
    if _amplitude(system, last.orbit).max() < smallest:
        return "hopf"
    return "long period" if last.orbit.period > longest else ""


def _amplitude(system: Extended, orbit: Orbit) -> Array:
    """Peak to peak in the reduced chart, of its shape."""
    return peak_to_peak(_reduced_points(system, orbit))


def _reduced_points(system: Extended, orbit: Orbit) -> Array:
    seen = system.at(0.0)
    return np.stack([to_reduced(seen, theta).reshape(seen.shape) for theta in orbit.theta])


def _branch(system: Extended, nodes: list[_Node], end: str) -> CycleBranch:
    orbits = tuple(node.orbit for node in nodes)
    return CycleBranch(
        np.array([system.parameter(node.y[-1]) for node in nodes]),
        np.array([orbit.period for orbit in orbits]),
        np.stack([_amplitude(system, orbit) for orbit in orbits]),
        np.stack([orbit.multipliers for orbit in orbits]).astype(complex),
        np.array([orbit.stable for orbit in orbits]),
        orbits,
        tuple(k for k, node in enumerate(nodes) if node.fold),
        end,
        (system.start, system.stop),
    )


def _node(system: Extended, y: Array, matrix: Array, along: Array) -> _Node:
    """The node at a corrected y; ArithmeticError where shooting does not confirm the orbit."""
    seen, field = system.at(y[-1]), system.family(system.parameter(y[-1]))
    point, period = to_parameters(seen, y[:-2]), float(np.exp(y[-2]))
    # At a fold shooting alone is singular and would move off it: the orbit solved for is taken as it is.
    orbit = shoot(field, point, period, segments=1, tol=1e-8, points=POINTS, most=1)
    orbit = orbit or shoot(field, point, period, tol=1e-8, points=POINTS)
    if orbit is None:
        raise ArithmeticError
    points = _reduced_points(system, orbit)[:-1].reshape(-1, seen.size)
    return _Node(y, tangent(matrix, along), orbit, float(np.linalg.norm(y[:-2] - points.mean(0))), _metric(points))


def _metric(points: Array) -> Array:
    """The inverse of the points' covariance, a little rounded off: in this metric their orbit is about a circle."""
    n = points.shape[-1]
    covariance = np.cov(points.T).reshape(n, n)
    return np.asarray(np.linalg.inv(covariance / np.trace(covariance) + 1e-4 * np.eye(n)))


def _step(system: Extended, node: _Node, step: float) -> tuple[list[_Node], int] | None:
    """The next orbit, behind the fold on the way where there is one, and its Newton steps; None for a step too long."""
    guess, normal = predicted(node.y, node.tangent, step)
    done = _correct(system, guess, normal, node.metric)
    if done is None or np.linalg.norm(done[0] - node.y) > 2 * step:
        return None
    try:
        after = _node(system, *done[:2], node.tangent)
        if after.tangent @ node.tangent < TURN:
            return None
        return ([_fold(system, node, after), after] if after.tangent[-1] * node.tangent[-1] < 0 else [after]), done[2]
    except ArithmeticError:
        return None


def _fold(system: Extended, before: _Node, after: _Node) -> _Node:
    """The orbit between two where the curve turns back in the parameter."""
    chord = after.y - before.y

    def between(share: float) -> tuple[Array, Array]:
        done = _correct(system, before.y + share * chord, chord / np.linalg.norm(chord), before.metric)
        equations = None if done is None else _equations(system, done[0], before.metric)
        if done is None or equations is None:
            raise ArithmeticError
        return done[0], equations[1]

    def turning(share: float) -> float:
        if share in (0.0, 1.0):
            return float((after if share else before).tangent[-1])
        return float(tangent(between(share)[1], before.tangent)[-1])

    share = brentq(turning, 0.0, 1.0, xtol=1e-6, rtol=1e-6)
    return replace(_node(system, *between(share), before.tangent), fold=True)


def _correct(
    system: Extended, guess: Array, normal: Array, metric: Array, most: int = 7
) -> tuple[Array, Array, int] | None:
    """Newton in the hyperplane across `normal`: y, the last Jacobian, the steps; None where it does not settle."""
    y, last = guess, np.inf
    for count in range(1, most + 1):
        equations = _equations(system, y, metric)
        if equations is None:
            return None
        gap, matrix = equations
        full = np.vstack([matrix, normal])
        change = np.linalg.lstsq(full, -np.append(gap, normal @ (y - guess)), rcond=1e-14)[0]
        length = float(np.abs(change).max())
        if not length < min(1.0, 2 * last):
            return None
        y = y + change
        if not -1e-12 <= y[-1] <= 1 + 1e-12:
            return None
        y[-1] = min(max(y[-1], 0.0), 1.0)
        if length <= 1e-6 * (1 + np.abs(y).max()):  # the next step, of about its square, would be below rounding
            return y, matrix, count
        last = length
    return None


def _equations(system: Extended, y: Array, metric: Array) -> tuple[Array, Array] | None:
    """(gap, 0) and its Jacobian in y, shapes (n + 1,) and (n + 1, n + 2); None when the flow does not get there.

    The rows are `M − I, T F(phi_T(x)), ∂phi_T/∂mu` and the phase condition `F(x)^T metric, 0, 0`, of length 1.
    """
    x, period, mu = y[:-2], float(np.exp(y[-2])), float(y[-1])
    n, seen = len(x), system.at(mu)
    low, high = max(mu - 1e-4, 0.0), min(mu + 1e-4, 1.0)
    below, above = system.at(low), system.at(high)

    def function(state: Array) -> Array:
        at = state[:n].reshape(seen.shape)
        carried = seen.jacobian(at) @ state[n:].reshape(n, n + 1)
        carried[:, n] += (above(at) - below(at)).ravel() / (high - low)
        return np.concatenate([seen(at).ravel(), carried.ravel()])

    last = None
    for last in steps(function, np.concatenate([x, np.eye(n, n + 1).ravel()]), period, rtol=1e-10, atol=1e-12):
        if np.abs(last.x).max() > 1e12:
            return None
    if last is None or last.t < period:
        return None
    end, carried = last.x[:n], last.x[n:].reshape(n, n + 1)
    across = metric @ seen(x.reshape(seen.shape)).ravel()
    ending = seen(end.reshape(seen.shape)).ravel()
    matrix = np.zeros((n + 1, n + 2))
    matrix[:n] = np.column_stack([carried[:, :n] - np.eye(n), period * ending, carried[:, n]])
    matrix[n, :n] = across / np.linalg.norm(across)
    return np.append(end - x, 0.0), matrix
