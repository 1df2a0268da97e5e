"""What a trajectory did: rest, cycle, boundary, diverged, or undecided, each with what it rests on.

No verdict is given on a small field alone: at the boundary of the simplex every field is small. Each kind needs its own
evidence at the end of the trajectory:

* rest: a zero of the field found by Newton, stable by its eigenvalues, with a quadratic Lyapunov function that falls
  at every sampled point of a neighbourhood which holds the trajectory's end; or a degenerate zero approached by a
  steady power law of time. When the end is not yet there, the time at which it will be is extrapolated.
* cycle: a periodic orbit found by shooting, which the trajectory's returns approach (an isolated cycle), or on which
  it stays to rounding while the multipliers are 1 (one of a family).
* boundary: actions whose probability falls for good: from a sixteenth of the time on by steady factors, without
  a rise since a quarter of it, and (where parameters are rows of logits) the field would push them further down if they
  were nearly extinct already.
* diverged: the state left every bound, or grows steadily like t or log t (fields that are no MDP's).

Where none of these holds the trajectory is prolonged, up to a limit, and then the answer is "undecided".
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.linalg as sl
from numpy.typing import ArrayLike

from dynamics.fields import ChartField, Field, VectorField, gauge_of, reduced, to_parameters, to_reduced
from dynamics.motion import Progress, Trajectory, start_of, steps
from dynamics.orbits.periodic import Orbit, peak_to_peak, shoot
from mdp import Array, EndlessError

KINDS = ("rest", "cycle", "boundary", "diverged", "undecided")
SETTLED = 1e-6  # this close to a rest point, in the chart's units, counts as there
FARTHEST = 28.0  # log-odds beyond which a zero of the field is indistinguishable from the boundary
EXTINCT = 0.05  # only actions below this probability may be called extinct
BLOWN_UP = 1e8
ESCAPED = 1e4  # beyond this a state for which no step is small enough runs to infinity in finite time


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a trajectory did. `kind` is one of "rest", "cycle", "boundary", "diverged", "undecided".

    `period` and `isolated` belong to cycles; `amplitude` is peak to peak in every parameter (*shape); `at` is the rest
    point, or the last state; `evidence` is what the verdict rests on, as plain values; `trajectory` is what was looked
    at; `orbit` the periodic orbit, where there is one.
    """

    kind: str
    period: float | None
    isolated: bool | None
    amplitude: Array
    at: Array
    evidence: dict[str, Any]
    trajectory: Trajectory
    orbit: Orbit | None = None

    def to_json(self) -> dict[str, Any]:
        """The object of the command's JSON."""
        return {
            "kind": self.kind,
            "period": self.period,
            "isolated": self.isolated,
            "amplitude": self.amplitude.tolist(),
            "at": self.at.tolist(),
            "evidence": self.evidence,
        }


@dataclass(frozen=True, eq=False)
class Run:
    """The states so far, flat in the reduced chart, at the integrator's own steps and in between."""

    seen: VectorField
    t: Array
    x: Array
    gauge: Array | float

    @property
    def end(self) -> Array:
        return np.asarray(self.x[-1])

    def since(self, share: float) -> Array:
        """The states from the given share of the elapsed time on."""
        return np.asarray(self.x[np.searchsorted(self.t, share * self.t[-1]) :])

    def parameters(self, x: Array) -> Array:
        """Flat points (..., n) as parameters (..., *shape)."""
        return to_parameters(self.seen, x, self.gauge)

    def velocity(self, x: Array) -> Array:
        """The field at flat points (..., n)."""
        return _velocity(self.seen, x)


def _velocity(seen: VectorField, x: Array) -> Array:
    return np.asarray(seen(x.reshape(*x.shape[:-1], *seen.shape)).reshape(x.shape))


def outcome(
    field: VectorField,
    theta0: ArrayLike,
    *,
    time: float = 200.0,
    limit: float = 20_000.0,
    rtol: float = 1e-10,
    atol: float = 1e-12,
    most_steps: int = 60_000,
    progress: Progress | None = None,
) -> Outcome:
    """What the flow of `field` from theta0 (*shape) does: integrated for `time`, then as long as the verdict needs.

    At most until `limit` (time of F) or `most_steps` steps of the integrator; then, or on Ctrl-C, "undecided".
    Raises ValueError for a theta0 of another shape, or times that are not positive.

    >>> from vorticity import FunctionField
    >>> outcome(FunctionField(lambda x: -x, (1,)), [1.0]).kind
    'rest'
    """
    theta0 = start_of(field, theta0, members=False)
    if not (time > 0 and limit > 0 and np.isfinite([time, limit]).all()):
        raise ValueError(f"time is {time}, limit {limit}; both must be positive and finite")
    seen = reduced(field)
    gauge = gauge_of(seen, theta0)
    t, x = [0.0], [to_reduced(seen, theta0)]
    horizon, note, found = float(time), "", None
    n_steps = 0
    try:
        while found is None:
            alive = False
            for step in steps(lambda y: _velocity(seen, y), x[-1], horizon, rtol=rtol, atol=atol, start=t[-1]):
                inner = np.linspace(step.t0, step.t, 5)[1:]
                states = step.at(inner).T
                x.extend(states)
                t.extend(inner)
                n_steps += 1
                alive = step.t >= horizon
                if n_steps >= most_steps or np.abs(step.x).max() > BLOWN_UP:
                    break
                if progress is not None and n_steps % 64 == 0:
                    progress(min(step.t / limit, 1.0))
            run = Run(seen, np.array(t), np.array(x), gauge)
            if not alive and n_steps < most_steps:
                if np.abs(run.end).max() <= ESCAPED:
                    note = f"stopped at t = {t[-1]:.6g}: no step was small enough"
                    break
                found = _diverged(run)
            else:
                found = _still(run) or _examine(field, run)
            if found is None and (horizon >= limit or n_steps >= most_steps):
                note = f"no verdict by t = {t[-1]:.6g}, after {n_steps} steps"
                break
            horizon = min(2 * horizon, limit) if horizon < limit else horizon
    except KeyboardInterrupt:
        note = f"interrupted at t = {t[-1]:.6g}"
    run = Run(seen, np.array(t), np.array(x[: len(t)]), gauge)
    trajectory = Trajectory(run.t, run.parameters(run.x), complete=not note, note=note)
    kind, facts = found or ("undecided", _describe(run) | {"note": note})
    return assemble(kind, facts, run, trajectory)


def assemble(kind: str, facts: dict[str, Any], run: Run, trajectory: Trajectory) -> Outcome:
    """The outcome from a verdict and its facts: `orbit`, `rest`, `isolated` and `period` become fields of their own."""
    facts = {"time": float(run.t[-1])} | facts
    orbit: Orbit | None = facts.pop("orbit", None)
    period = orbit.period if orbit is not None else facts.pop("period", None)
    isolated = facts.pop("isolated", None)
    at = trajectory.theta[-1]
    rest = facts.pop("rest", None)
    if rest is not None:
        at = run.parameters(rest)
    late = trajectory.theta[np.searchsorted(run.t, 0.75 * run.t[-1]) :]
    amplitude = orbit.amplitude if orbit is not None else np.ptp(late, axis=0)
    if kind == "rest":
        amplitude = np.zeros_like(at)
    if orbit is not None and isinstance(run.seen, ChartField):
        facts["amplitude_log_odds"] = peak_to_peak(run.seen.from_parameters(orbit.theta)).tolist()
    return Outcome(kind, period, isolated, amplitude, at, facts, trajectory, orbit)


Found = tuple[str, dict[str, Any]]


def _examine(field: VectorField, run: Run) -> Found | None:
    """The first verdict whose evidence is there."""
    return first_found(
        lambda: _rest(run),
        lambda: boundary(field, run),
        lambda: _cycle(field, run),
        lambda: _tail(run),
    )


def first_found(*tests: Callable[[], Found | None]) -> Found | None:
    """What the first test finds that finds anything; one that comes to policies without end, and no field, does not."""
    for test in tests:
        with suppress(EndlessError):
            found = test()
            if found is not None:
                return found
    return None


def _describe(run: Run) -> dict[str, Any]:
    late = run.since(0.75)
    return {
        "speed": float(np.linalg.norm(run.velocity(run.end))),
        "range_of_last_quarter": np.ptp(late, axis=0).reshape(run.seen.shape).tolist(),
    }


def _diverged(run: Run) -> Found:
    return "diverged", {"size": float(np.abs(run.end).max()), "reason": "the state left every bound"}


# --- rest -------------------------------------------------------------------------------------------------------------


def _still(run: Run) -> Found | None:
    """A start at which the field is exactly 0: at rest whatever its stability."""
    if run.velocity(run.x[0]).any():
        return None
    eigenvalues = np.linalg.eigvals(run.seen.jacobian(run.x[0].reshape(run.seen.shape)))
    return "rest", {
        "rest": run.x[0],
        "distance": 0.0,
        "residual": 0.0,
        "eigenvalues": [[float(e.real), float(e.imag)] for e in eigenvalues],
        "note": "the field is 0 at the start",
        "extrapolated": False,
        "settled_by": 0.0,
    }


def newton(run_seen: VectorField, x: Array, *, most: int = 60) -> tuple[Array, Array] | None:
    """A zero of the field from x by Newton's iteration, and the Jacobian there; None when it does not converge."""
    for _ in range(most):
        if not (np.isfinite(x).all() and np.abs(x).max() <= BLOWN_UP):
            return None
        jacobian = run_seen.jacobian(x.reshape(run_seen.shape))
        velocity = _velocity(run_seen, x)
        if not (np.isfinite(jacobian).all() and np.isfinite(velocity).all()):
            return None
        change = np.linalg.lstsq(jacobian, -velocity, rcond=1e-14)[0]
        size = np.abs(change).max()
        if not size <= 50:
            return None
        x = x + change
        if size <= 1e-11 * (1 + np.linalg.norm(x)):
            return x, run_seen.jacobian(x.reshape(run_seen.shape))
    return None


def _rest(run: Run) -> Found | None:
    """A hyperbolic stable zero with a falling Lyapunov function between it and the trajectory's end."""
    zero = newton(run.seen, run.end)
    if zero is None:
        return None
    x, jacobian = zero
    if isinstance(run.seen, ChartField) and np.abs(x).max() > FARTHEST:
        return None
    eigenvalues = np.linalg.eigvals(jacobian)
    slowest, fastest = eigenvalues.real.max(), np.abs(eigenvalues).max()
    # A rate that could not have been seen in the time so far is that of a degenerate zero, found inexactly.
    if not (slowest < -1e-9 * fastest and -slowest * run.t[-1] > 1e-3):
        return None
    distance = float(np.linalg.norm(run.end - x))
    shape = sl.solve_continuous_lyapunov(jacobian.T, -np.eye(len(x)))
    level = float((run.end - x) @ shape @ (run.end - x))
    late = run.since(0.9) - x
    falling = np.einsum("ti,ij,tj->t", late, shape, late)
    if distance > SETTLED and falling[-1] > falling.max() * (1 - 1e-9):
        return None
    worst = _lyapunov_holds(run, x, shape, level)
    if worst is None:
        return None
    settled = float(run.t[-1]) if distance <= SETTLED else float(run.t[-1] + np.log(distance / SETTLED) / -slowest)
    return "rest", {
        "rest": x,
        "distance": distance,
        "residual": float(np.linalg.norm(run.velocity(x))),
        "eigenvalues": [[float(e.real), float(e.imag)] for e in eigenvalues],
        "lyapunov_points": worst,
        "extrapolated": distance > SETTLED,
        "settled_by": settled,
    }


def ellipsoid(shape: Array, level: float, points: int = 400) -> Array:
    """Points y (k, n) on eight shells of {yᵀ shape y <= level}, in seeded random directions, from the outside in."""
    level = max(level, SETTLED**2 * float(np.linalg.eigvalsh(shape).max()))
    root = np.linalg.inv(np.linalg.cholesky((shape + shape.T) / 2)).T
    directions = np.random.default_rng(0).normal(size=(points, len(shape)))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    shells = np.sqrt(level) * np.array([1.0, 0.9, 0.75, 0.6, 0.45, 0.3, 0.15, 0.05])
    return np.asarray((shells[:, None, None] * (directions @ root.T)).reshape(-1, len(shape)))


def _lyapunov_holds(run: Run, x: Array, shape: Array, level: float) -> int | None:
    """Number of sampled points around x at which V = yᵀ shape y falls; None when it rises at one of them."""
    offsets = ellipsoid(shape, level)
    slopes = 2 * np.einsum("ti,ij,tj->t", offsets, shape, run.velocity(x + offsets))
    return len(offsets) if np.isfinite(slopes).all() and (slopes < 0).all() else None


def _tail(run: Run) -> Found | None:
    """Slow tails, over the last four doublings of time, by a steady law.

    * |x − x*| ∝ t^(−k) towards a degenerate zero x* of the field, as in x' = −x², straight or spiralling: rest.
    * equal moves in every doubling, x ~ log t, or moves that double, x ~ t: diverged.
    """
    marks = np.searchsorted(run.t, run.t[-1] * 2.0 ** -np.arange(5)[::-1]).clip(0, len(run.t) - 1)
    moves = np.diff(run.x[marks], axis=0)
    sizes = np.linalg.norm(moves, axis=1)
    if (sizes <= 0).any():
        return None
    growth = np.log2(sizes[1:] / sizes[:-1])
    straight = (moves[1:] * moves[:-1]).sum(1) > 0.99 * sizes[1:] * sizes[:-1]
    if straight.all() and not isinstance(run.seen, ChartField):
        for rate, law in ((0.0, "log t"), (1.0, "t")):
            if np.abs(growth - rate).max() < 0.03:
                return "diverged", {"size": float(np.abs(run.end).max()), "tail": f"grows like {law}"}
    zero = newton(run.seen, run.end)
    if zero is None or (isinstance(run.seen, ChartField) and np.abs(zero[0]).max() > FARTHEST):
        return None
    away = np.linalg.norm(run.x - zero[0], axis=1)
    # The largest distance within each doubling: the envelope, when the approach spirals.
    envelope = np.array([away[a : b + 1].max() for a, b in pairwise(marks)])
    k = -np.diff(np.log2(np.maximum(envelope, 1e-300)))
    if not (k.min() > 0.2 and np.ptp(k) < 0.1 * k.mean() and envelope[-1] > SETTLED):
        return None
    return "rest", {
        "rest": zero[0],
        "distance": float(away[-1]),
        "residual": float(np.linalg.norm(run.velocity(zero[0]))),
        "tail": f"distance falls like t^-{k[-1]:.3g}",
        "extrapolated": True,
        "settled_by": float(run.t[-1] * (away[-1] / SETTLED) ** (1 / k[-1])),
    }


# --- boundary ---------------------------------------------------------------------------------------------------------


def boundary(field: VectorField, run: Run) -> Found | None:
    """Actions that die out for good, and rest or drift that vanishes in everything else."""
    if not isinstance(field, Field):
        return None
    times = run.t[-1] * np.array([1 / 16, 1 / 4, 1.0])
    states = np.array([run.x[min(np.searchsorted(run.t, time), len(run.t) - 1)] for time in times])
    policies = field.policy(run.parameters(states))
    p, log_p = policies.p, policies.log_p
    falling = (p[-1] < EXTINCT) & (log_p[2] < log_p[1] - 0.2) & (log_p[1] < log_p[0] - 0.2)
    falling |= (p[-1] < 1e-12) & (log_p[2] < log_p[0] - 0.01)
    if not falling.any():
        return None
    late = field.policy(run.parameters(run.since(1 / 4))).log_p
    monotone = (np.diff(late, axis=0) <= 1e-9).all(0)
    dying = falling & monotone
    # What has not died out must have come to rest: its probabilities move less and less over equal factors of time.
    alive = ~dying
    first, second = (np.abs(p[k + 1] - p[k])[alive].max(initial=0.0) for k in (0, 1))
    quiet = second < max(0.7 * first, 1e-6) and second < 0.1
    pushed = _stays_dying(field, run, dying) if dying.any() else False
    if not (dying.any() and quiet and pushed is not False):
        return None
    n_left = (~dying).sum(-1)
    mdp = field.mdp
    return "boundary", {
        "deterministic": {mdp.states[s]: mdp.actions[int(np.argmax(p[-1, s]))] for s in np.flatnonzero(n_left == 1)},
        "extinct": [[mdp.states[s], mdp.actions[a], float(p[-1, s, a])] for s, a in np.argwhere(dying)],
        "pushed_further": pushed,
        "speed_of_log_p": [float(v) for v in ((log_p[2] - log_p[1]) / np.log(4))[dying]],
        "largest_change_elsewhere": float(second),
        "tail": "the logits of dying actions fall like the logarithm of time, or slower",
    }


def _stays_dying(field: Field, run: Run, dying: Array) -> bool | None:
    """Whether the field keeps pushing the dying actions down when they are made rarer by e^-3 and e^-6.

    As p_a → 0 the velocity of log p_a relative to the row's others is p_a times a rate; the rate must stay negative.
    Only students whose parameters are rows of logits can be moved so; for others None: the trend alone must do.
    """
    observation = field.student.observation
    if observation is None:
        return None
    rows = np.zeros(field.shape, dtype=bool)
    rows[observation[np.argwhere(dying)[:, 0]], np.argwhere(dying)[:, 1]] = True
    theta = run.parameters(run.end)
    for shift in (0.0, 3.0, 6.0):
        moved = np.where(rows, theta - shift, theta)
        velocity = field(moved)
        weights = np.exp(moved - moved.max(-1, keepdims=True)) * ~rows
        lead = (weights * velocity).sum(-1, keepdims=True) / weights.sum(-1, keepdims=True)
        if ((velocity - lead)[rows] > 0).any():
            return False
    return True


# --- cycle ------------------------------------------------------------------------------------------------------------


def _cycle(field: VectorField, run: Run) -> Found | None:
    """A periodic orbit through the section at the trajectory's end, which its returns approach or stay on."""
    returns = _returns(run)
    if returns is None:
        return None
    period, points = returns
    orbit = shoot(field, run.parameters(run.end), period)
    if orbit is None or abs(orbit.period - period) > 0.25 * period:
        return None
    start = to_reduced(run.seen, orbit.theta[0])
    diameter = float(np.linalg.norm(np.ptp([to_reduced(run.seen, theta) for theta in orbit.theta], axis=0)))
    distances = np.linalg.norm(points - start, axis=1)
    if diameter < 1e-4 or distances[-1] > 0.1 * diameter:
        return None
    evidence = {
        "orbit": orbit,
        "residual": orbit.residual,
        "multipliers": [[float(m.real), float(m.imag)] for m in orbit.multipliers],
        "trivial_multiplier_error": abs(orbit.trivial - 1),
        "distance_at_returns": distances.tolist(),
    }
    grain = 1e-6 * diameter  # what interpolation and the integrator's own error leave
    if (np.abs(orbit.multipliers - 1) < 1e-5).any():
        return ("cycle", evidence | {"isolated": False}) if distances.max() < grain else None
    steadily = (distances[1:] < np.maximum(distances[:-1], grain)).all()
    return ("cycle", evidence | {"isolated": True}) if orbit.stable and steadily else None


def _returns(run: Run, most: int = 6) -> tuple[float, Array] | None:
    """The time of the last turn, and where the trajectory crossed the section at its end once a turn, oldest first.

    The section is the plane through the end across the flow there; crossings are found on cubic Hermite interpolants.
    None without three returns.
    """
    late = run.since(0.3)
    times = run.t[-len(late) :]
    span = float(np.linalg.norm(np.ptp(late, axis=0)))
    speed = float(np.linalg.norm(run.velocity(run.end)))
    if len(run.end) < 2 or span < 1e-9 or not speed > 0:
        return None
    normal = run.velocity(run.end) / speed
    height = (late - run.end) @ normal
    crossing = np.flatnonzero((height[:-1] < 0) & (height[1:] >= 0))
    crossing = crossing[crossing < len(late) - 2]
    if len(crossing) < 2:
        return None
    when, where = _crossings(run, times, late, crossing, normal)
    gaps = np.linalg.norm(where - run.end, axis=1)
    near = gaps < 0.25 * span
    if near.sum() < 2:
        return None
    # Several crossings may be close; the latest that is about as close as any is one turn ago.
    last = np.flatnonzero(near & (gaps <= 1.5 * gaps[near].min() + 1e-3 * span))[-1]
    period = float(times[-1] - when[last])
    turns = [run.end]
    for k in range(1, most + 1):
        nearest = np.flatnonzero(np.abs(when - (times[-1] - k * period)) < 0.2 * period)
        if not len(nearest):
            break
        turns.append(where[nearest[np.argmin(np.linalg.norm(where[nearest] - turns[-1], axis=1))]])
    return (period, np.array(turns[::-1])) if len(turns) >= 4 else None


def _crossings(run: Run, times: Array, x: Array, at: Array, normal: Array) -> tuple[Array, Array]:
    """Times and points at which the cubic Hermite interpolants of the intervals `at` cross the section."""
    h = (times[at + 1] - times[at])[:, None]
    a, b = x[at], x[at + 1]
    va, vb = h * run.velocity(a), h * run.velocity(b)

    def point(share: Array) -> Array:
        s = share[:, None]
        ends = (1 + 2 * s) * (1 - s) ** 2 * a + s**2 * (3 - 2 * s) * b
        return np.asarray(ends + s * (1 - s) ** 2 * va - s**2 * (1 - s) * vb)

    low, high = np.zeros(len(at)), np.ones(len(at))
    for _ in range(50):
        middle = (low + high) / 2
        below = (point(middle) - run.end) @ normal < 0
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    share = (low + high) / 2
    return times[at] + share * h[:, 0], point(share)
