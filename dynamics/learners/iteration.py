"""What the iteration theta_{k+1} = theta_k + eta F(theta_k) does, at one step size and from one start.

Its answers are its own, not the ODE's: a step that is not small turns a centre into an outward spiral and a focus into
an invariant circle. `dynamics.learners.discrete` compares them with the ODE and with smaller steps.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg as sl
from numpy.typing import ArrayLike

from dynamics.fields import ChartField, VectorField, gauge_of, reduced, to_reduced
from dynamics.learners.invariant_circles import turning
from dynamics.learners.periodic_points import LONGEST_PERIOD, solve
from dynamics.motion import Progress, iterate, start_of
from dynamics.orbits import (
    BLOWN_UP,
    FARTHEST,
    SETTLED,
    Found,
    Outcome,
    Run,
    assemble,
    boundary,
    ellipsoid,
    first_found,
    newton,
)


def iterated(
    field: VectorField,
    theta0: ArrayLike,
    eta: float,
    n_steps: int = 20_000,
    *,
    limit: int = 160_000,
    progress: Progress | None = None,
) -> Outcome:
    """As `dynamics.learners.discrete.discrete_outcome`, without the comparison with the ODE and with smaller steps.

    >>> from vorticity import FunctionField
    >>> halve = FunctionField(lambda x: -x, (1,))
    >>> iterated(halve, [1.0], 0.5, 100).kind, iterated(halve, [1.0], 2.5, 100).kind
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
            found = _judged(field, run, eta)
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


def _judged(field: VectorField, run: Run, eta: float) -> Found | None:
    return first_found(
        lambda: _rest(run, eta),
        lambda: boundary(field, run),
        lambda: _periodic(run, eta),
        lambda: turning(run),
    )


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
    """Points visited in turn: found by Newton on the k-th iterate, stable, and approached by the iteration's end."""
    scale = 1 + np.abs(run.end).max()
    for k in range(2, min(LONGEST_PERIOD, (len(run.x) - 1) // 4) + 1):
        span = float(np.ptp(run.x[-k:], axis=0).max())
        if np.abs(run.x[-1 - k] - run.end).max() > 1e-3 * span:
            continue
        if span < 1e-6 * scale:
            return None  # crawling, not jumping
        found = solve(run.seen, run.end, eta, k, most=12)
        if found is None:
            continue
        points, multipliers, residual = found
        distances = np.abs(run.x[[-1 - 3 * k, -1 - 2 * k, -1 - k, -1]] - points[0]).max(1)
        closing = (distances[1:] <= np.maximum(distances[:-1], 1e-9 * scale)).all() and distances[-1] <= 1e-2 * span
        if len(points) == k and closing and (np.abs(multipliers) < 1).all():
            return "cycle", {
                "form": f"period {k}",
                "points": run.parameters(points).tolist(),
                "multipliers": [[float(m.real), float(m.imag)] for m in multipliers],
                "distance": float(distances[-1]),
                "residual": residual,
                "isolated": True,
                "period": float(k),
            }
    return None
