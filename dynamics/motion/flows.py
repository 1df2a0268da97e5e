"""Initial value problems: the flow of a field, the discrete iteration, and ensembles of many starts at once.

The ODE is dtheta/dt = F(theta), in "the time of F"; the iteration is theta_{k+1} = theta_k + eta F(theta_k). scipy's
DOP853 (the engine of `solve_ivp`) is stepped here one step at a time, so that a long run can show progress, end early,
and give back what it has when it is interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import DOP853

from dynamics.fields import VectorField
from dynamics.motion.trajectory import Trajectory
from mdp import Array

Progress = Callable[[float], None]  # called with the share of the run that is done


@dataclass(frozen=True, eq=False)
class Step:
    """One accepted step of the integrator: from `t0` to `t`, state `x` (n,) at its end, `at(t)` anywhere within."""

    t0: float
    t: float
    x: Array
    at: Callable[[ArrayLike], Array]


def steps(
    function: Callable[[Array], Array], x0: Array, time: float, *, rtol: float, atol: float, start: float = 0.0
) -> Iterator[Step]:
    """The accepted steps of DOP853 on `x' = function(x)`, flat states, from `start` to `time`.

    Ends early, without an exception, when no step is small enough or the state leaves the range of floats.
    """
    with np.errstate(all="ignore"):
        solver: Any = DOP853(lambda _t, x: function(x), start, x0, time, rtol=rtol, atol=atol)
        while solver.status == "running":
            solver.step()
            if str(solver.status) == "failed" or not np.isfinite(solver.y).all():
                return
            yield Step(solver.t_old, solver.t, solver.y, solver.dense_output())


def flow(
    field: VectorField,
    theta0: ArrayLike,
    time: float = 200.0,
    *,
    rtol: float = 1e-10,
    atol: float = 1e-12,
    samples: int | ArrayLike = 1001,
    progress: Progress | None = None,
) -> Trajectory:
    """The solution of `dtheta/dt = F(theta)` from theta0 (*shape) over [0, time], sampled.

    `samples` is a number of equally spaced times or the times themselves. `rtol`, `atol` bound the error of a step.
    Ctrl-C, a blow-up or a field that fails ends the run; what was reached is returned with `complete=False`.
    Raises ValueError for a theta0 of another shape or not finite, or a time that is not positive and finite.
    Source: Hairer, Nørsett and Wanner, Solving ODEs I, section II.5 (DOP853).

    >>> from vorticity import FunctionField
    >>> decay = flow(FunctionField(lambda x: -x, (1,)), [1.0], 1.0)
    >>> round(float(decay.theta[-1, 0]), 9) == round(float(np.exp(-1)), 9)
    True
    """
    theta0 = start_of(field, theta0, members=False)
    times = _times(samples, time)
    shape = theta0.shape
    return _run(lambda x: field(x.reshape(shape)).ravel(), theta0, times, rtol, atol, progress)


def ensemble(
    field: VectorField,
    theta0s: ArrayLike,
    time: float = 200.0,
    *,
    rtol: float = 1e-10,
    atol: float = 1e-12,
    samples: int | ArrayLike = 101,
    progress: Progress | None = None,
) -> Trajectory:
    """Many starts (members, *shape) integrated as one system on one shared step; theta is (n, members, *shape).

    The integrator bounds the root mean square over everything it carries; the tolerances are divided by √members, so
    that every member alone keeps the bound. Otherwise as `flow`.

    >>> from vorticity import FunctionField
    >>> both = ensemble(FunctionField(lambda x: -x, (1,), vectorised=True), [[1.0], [2.0]], 1.0)
    >>> both.theta.shape
    (101, 2, 1)
    """
    theta0s = start_of(field, theta0s, members=True)
    shape, share = theta0s.shape, np.sqrt(len(theta0s))
    # Below about 100 eps the integrator could not tell its error from rounding.
    tightest = 100 * np.finfo(float).eps
    return _run(
        lambda x: field(x.reshape(shape)).ravel(),
        theta0s,
        _times(samples, time),
        max(rtol / share, tightest),
        atol / share,
        progress,
    )


def sampled(function: Callable[[Array], Array], x0: Array, times: Array, *, rtol: float, atol: float) -> Array:
    """The solution of `x' = function(x)` from the flat state x0 (n,) at `times` (k,) from 0 on, shape (k, n).

    Shorter where the run ends early.

    >>> sampled(lambda x: -x, np.array([1.0]), np.array([0.0, 1.0]), rtol=1e-10, atol=1e-12).round(6)[-1]
    array([0.367879])
    """
    return _run(function, x0, times, rtol, atol, None).theta


def _run(
    function: Callable[[Array], Array],
    theta0: Array,
    times: Array,
    rtol: float,
    atol: float,
    progress: Progress | None,
) -> Trajectory:
    states = [theta0.ravel()[None]] if times[0] == 0 else []
    done, reached, note, last = len(states), 0.0, "", theta0.ravel()
    try:
        for step in steps(function, theta0.ravel(), float(times[-1]), rtol=rtol, atol=atol):
            upto = int(np.searchsorted(times, step.t, side="right"))
            if upto > done:
                states.append(step.at(times[done:upto]).T)
                done = upto
            reached, last = step.t, step.x
            if progress is not None:
                progress(reached / times[-1])
        if done < len(times):
            note = f"stopped at t = {reached:.6g}: the state leaves the range of floats"
    except KeyboardInterrupt:
        note = f"interrupted at t = {reached:.6g}"
    except ValueError as error:
        note = f"stopped at t = {reached:.6g}: {error}"
    kept = times[:done]
    if note and (not done or reached > kept[-1]):  # the last state reached, though no sample was asked for there
        kept = np.append(kept, reached)
        states.append(last[None])
    theta = np.concatenate(states).reshape(len(kept), *theta0.shape)
    return Trajectory(kept, theta, complete=not note, note=note)


def iterate(
    field: VectorField,
    theta0: ArrayLike,
    eta: float,
    n_steps: int,
    *,
    every: int = 1,
    progress: Progress | None = None,
) -> Trajectory:
    """The iteration `theta_{k+1} = theta_k + eta F(theta_k)` from theta0 (*shape or (members, *shape)).

    Keeps every `every`-th state and the last; `t` counts steps. Ctrl-C or a state that is not finite ends the run.
    Raises ValueError for a step size that is not positive and finite, or fewer than one step.

    >>> from vorticity import FunctionField
    >>> iterate(FunctionField(lambda x: -x, (1,)), [1.0], 0.5, 2).theta.ravel().tolist()
    [1.0, 0.5, 0.25]
    """
    theta = start_of(field, theta0, members=None)
    return stepped(theta, lambda at: np.asarray(at + eta * field(at)), eta, n_steps, every, progress)


def stepped(
    theta: Array,
    step: Callable[[Array], Array],
    eta: float,
    n_steps: int,
    every: int = 1,
    progress: Progress | None = None,
) -> Trajectory:
    """The iteration `theta -> step(theta)`: what `iterate` and the optimisers keep, and how they end; see `iterate`.

    Raises ValueError for a step size that is not positive and finite, or fewer than one step.

    >>> stepped(np.array([1.0]), lambda x: x / 2, 0.5, 3, every=2).t.tolist()
    [0, 2, 3]
    """
    if not (np.isfinite(eta) and eta > 0):
        raise ValueError(f"the step size is {eta}; must be positive and finite")
    if n_steps < 1 or every < 1:
        raise ValueError(f"{n_steps} steps, every {every}; both must be at least 1")
    kept, counts, note, done = [theta], [0], "", 0
    try:
        for k in range(1, n_steps + 1):
            with np.errstate(all="ignore"):
                new = step(theta)
            if not np.isfinite(new).all():
                note = f"stopped at step {k}: the state leaves the range of floats"
                break
            theta, done = new, k
            if k % every == 0 or k == n_steps:
                kept.append(theta)
                counts.append(k)
            if progress is not None and k % 256 == 0:
                progress(k / n_steps)
    except KeyboardInterrupt:
        note = f"interrupted at step {done}"
    except ValueError as error:
        note = f"stopped at step {done}: {error}"
    if counts[-1] != done:
        kept.append(theta)
        counts.append(done)
    return Trajectory(np.array(counts), np.stack(kept), "discrete", float(eta), not note, note)


def pass_on_interrupt(run: Trajectory) -> None:
    """Ctrl-C during one of many runs ends them all; a lone flow gives back what it has. Raises KeyboardInterrupt."""
    if run.note.startswith("interrupted"):
        raise KeyboardInterrupt


def start_of(field: VectorField, theta0: ArrayLike, *, members: bool | None) -> Array:
    """The start as a float array of the field's shape, with one leading axis where `members` asks for it."""
    theta = np.array(theta0, dtype=float)
    extra = theta.ndim - len(field.shape)
    wanted = {True: (1,), False: (0,), None: (0, 1)}[members]
    if extra not in wanted or theta.shape[extra:] != field.shape:
        lead = "(members, *" if members else "("
        raise ValueError(f"theta0 has shape {theta.shape}; must be {lead}{str(field.shape)[1:]}")
    if not np.isfinite(theta).all():
        place = np.argwhere(~np.isfinite(theta))[0]
        raise ValueError(f"theta0[{', '.join(map(str, place))}] is {theta[tuple(place)]}; must be finite")
    return theta


def _times(samples: int | ArrayLike, time: float) -> Array:
    if not (np.isfinite(time) and time > 0):
        raise ValueError(f"time is {time}; must be positive and finite")
    if isinstance(samples, int | np.integer):
        if samples < 2:
            raise ValueError(f"{samples} samples; must be at least 2")
        return np.linspace(0.0, time, int(samples))
    times = np.array(samples, dtype=float)
    if times.ndim != 1 or len(times) < 1 or (np.diff(times) <= 0).any() or times[0] < 0:
        raise ValueError("sample times must increase from 0 on")
    return times
