"""What the iteration theta_{k+1} = theta_k + eta F(theta_k) does; its answers are its own, not the ODE's.

A step that is not small turns a centre into an outward spiral and a focus into an invariant circle. So a turning
iteration is described by its returns (steps a turn, growth a turn), and only called a cycle when those converge.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg as sl
from numpy.typing import ArrayLike

from dynamics.charts import ChartField
from dynamics.cycles import gauge_of, reduced, to_reduced
from dynamics.flow import Progress, iterate, start_of
from dynamics.outcome import BLOWN_UP, FARTHEST, SETTLED, Found, Outcome, Run, assemble, boundary, ellipsoid, newton
from dynamics.vector import VectorField
from mdp.policy import Array

LONGEST_PERIOD = 16  # steps, of the periodic points that are looked for


def discrete_outcome(
    field: VectorField,
    theta0: ArrayLike,
    eta: float,
    n_steps: int = 20_000,
    *,
    limit: int = 160_000,
    progress: Progress | None = None,
) -> Outcome:
    """What the iteration with step size `eta` from theta0 (*shape) does: `n_steps` steps, then as many as it takes.

    Kinds as in `dynamics.outcome.outcome`; times and periods count steps. Rest needs the zero's multipliers
    1 + eta·lambda inside the unit circle and a quadratic Lyapunov function that falls from step to step. A cycle is a
    set of at most 16 points visited in turn, or an invariant circle on which the returns to a section converge. An
    iteration that turns without closing is "undecided", and the evidence gives its steps and its growth by turn.
    Raises ValueError as `dynamics.flow.iterate`.

    >>> from dynamics.vector import FunctionField
    >>> halve = FunctionField(lambda x: -x, (1,))
    >>> discrete_outcome(halve, [1.0], 0.5).kind, discrete_outcome(halve, [1.0], 2.5, 100).kind
    ('rest', 'diverged')
    """
    theta0 = start_of(field, theta0, members=False)
    seen = reduced(field)
    gauge = gauge_of(seen, theta0)
    total = n_steps
    trajectory = iterate(field, theta0, eta, n_steps, progress=progress)
    while True:
        x = np.array([to_reduced(seen, theta) for theta in trajectory.theta])
        run = Run(seen, trajectory.t.astype(float), x, gauge)
        if (not trajectory.complete and "range of floats" in trajectory.note) or np.abs(x[-1]).max() > BLOWN_UP:
            found: Found | None = ("diverged", {"size": float(np.abs(x[-1]).max())})
        else:
            found = _rest(run, eta) or boundary(field, run) or _periodic(run, eta) or _turning(run)
        if found is not None and found[0] != "turning":
            return assemble(found[0], found[1], run, trajectory)
        if total >= limit or not trajectory.complete:
            note = trajectory.note or f"no verdict by step {total}"
            facts = (found[1] if found else {}) | {"note": note}
            return assemble("undecided", facts, run, trajectory)
        further = min(total, limit - total)
        more = iterate(field, trajectory.theta[-1], eta, further, progress=progress)
        trajectory = type(trajectory)(
            np.concatenate([trajectory.t, trajectory.t[-1] + more.t[1:]]),
            np.concatenate([trajectory.theta, more.theta[1:]]),
            "discrete",
            eta,
            more.complete,
            more.note,
        )
        total += further


def _rest(run: Run, eta: float) -> Found | None:
    zero = newton(run.seen, run.end)
    if zero is None or (isinstance(run.seen, ChartField) and np.abs(zero[0]).max() > FARTHEST):
        return None
    x, jacobian = zero
    step = np.eye(len(x)) + eta * jacobian
    multipliers = np.linalg.eigvals(step)
    radius = float(np.abs(multipliers).max())
    if not radius < 1 - 1e-9 * eta * np.abs(jacobian).max():
        return None
    distance = float(np.linalg.norm(run.end - x))
    shape = sl.solve_discrete_lyapunov(step.T, np.eye(len(x)))
    offsets = ellipsoid(shape, float((run.end - x) @ shape @ (run.end - x)))
    after = offsets + eta * run.velocity(x + offsets)
    falls = np.einsum("ti,ij,tj->t", after, shape, after) < np.einsum("ti,ij,tj->t", offsets, shape, offsets)
    if not falls.all():
        return None
    wait = 0.0 if distance <= SETTLED else float(np.log(SETTLED / distance) / np.log(max(radius, 1e-300)))
    return "rest", {
        "rest": x,
        "distance": distance,
        "residual": float(np.linalg.norm(run.velocity(x))),
        "multipliers": [[float(m.real), float(m.imag)] for m in multipliers],
        "lyapunov_points": len(offsets),
        "extrapolated": distance > SETTLED,
        "settled_by": float(run.t[-1]) + wait,
    }


def _periodic(run: Run, eta: float) -> Found | None:
    """A set of k points visited in turn: x_{n+k} = x_n to rounding, and stable by the product of its derivatives."""
    scale = 1 + np.abs(run.end).max()
    for k in range(2, min(LONGEST_PERIOD, len(run.x) - 1) + 1):
        if np.abs(run.x[-1 - k] - run.end).max() > 1e-11 * scale:
            continue
        points = run.x[-k:]
        if np.abs(points - run.end).max() < 1e-6 * scale:
            return None  # crawling, not jumping
        product = np.eye(len(run.end))
        for point in points:
            product = (np.eye(len(point)) + eta * run.seen.jacobian(point.reshape(run.seen.shape))) @ product
        multipliers = np.linalg.eigvals(product)
        if (np.abs(multipliers) < 1).all():
            evidence: dict[str, Any] = {
                "points": run.parameters(points).tolist(),
                "multipliers": [[float(m.real), float(m.imag)] for m in multipliers],
            }
            return "cycle", evidence | {"isolated": True, "period": float(k)}
    return None


def _turning(run: Run) -> Found | None:
    """Returns to the section through the end: converging (an invariant circle), or turning with a growth a turn."""
    late = run.since(0.2)
    times = run.t[-len(late) :]
    speed = run.velocity(run.end)
    span = float(np.linalg.norm(np.ptp(late, axis=0)))
    if len(run.end) < 2 or not np.linalg.norm(speed) > 0 or span < 1e-9:
        return None
    height = (late - run.end) @ (speed / np.linalg.norm(speed))
    at = np.flatnonzero((height[:-1] < 0) & (height[1:] >= 0))
    at = at[(at > 0) & (at < len(late) - 2)]
    when, where = _cubic_crossings(times, late, height, at)
    near = np.linalg.norm(where - run.end, axis=1) < 0.25 * span
    when, where = when[near], where[near]
    jumps = np.linalg.norm(np.diff(late, axis=0), axis=1).max() > 0.25 * span
    if len(when) < 4 or jumps or np.ptp(np.diff(when)[-3:]) > 0.05 * np.diff(when)[-1]:
        return None
    middle = late.mean(0)
    radii = np.linalg.norm(where - middle, axis=1)
    moves = np.linalg.norm(np.diff(where, axis=0), axis=1)
    evidence: dict[str, Any] = {
        "steps_by_turn": np.diff(when)[-4:].tolist(),
        "growth_by_turn": float((radii[-1] / radii[-4]) ** (1 / 3) - 1),
        "moves_by_turn": moves[-4:].tolist(),
    }
    grain = 1e-6 * span
    shrinking = (moves[1:] < np.maximum(0.98 * moves[:-1], grain)).all()
    if shrinking and moves[-1] < 1e-3 * radii[-1]:
        return "cycle", evidence | {"isolated": None, "period": float(np.diff(when)[-1])}
    return "turning", evidence


def _cubic_crossings(t: Array, x: Array, height: Array, at: Array) -> tuple[Array, Array]:
    """Crossings of height 0 on the cubics through four neighbouring iterates."""
    share = -height[at] / (height[at + 1] - height[at])
    for _ in range(8):
        value = _cubic(height[:, None], at, share)[:, 0]
        slope = height[at + 1] - height[at]
        share = np.clip(share - value / slope, 0.0, 1.0)
    return t[at] + share * (t[at + 1] - t[at]), _cubic(x, at, share)


def _cubic(values: Array, at: Array, share: Array) -> Array:
    """Lagrange's cubic through the values at −1, 0, 1, 2, evaluated at `share` in [0, 1]."""
    s = share[:, None]
    weights = (
        -s * (s - 1) * (s - 2) / 6,
        (s + 1) * (s - 1) * (s - 2) / 2,
        -(s + 1) * s * (s - 2) / 2,
        (s + 1) * s * (s - 1) / 6,
    )
    total = np.zeros((len(at), values.shape[1]))
    for offset, weight in zip((-1, 0, 1, 2), weights, strict=True):
        total += weight * values[at + offset]
    return total
