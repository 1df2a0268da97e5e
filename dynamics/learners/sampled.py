"""The sampled iteration theta_{k+1} = theta_k + eta · (mean of a few trajectories' estimates of F), and what it did.

Noise has no limit of its own: near a rest point the iteration rattles, near a cycle it wanders round. So the verdict is
the exact iteration's, and what is measured here is how far the noise leads from it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dynamics.fields import Field, reduced, to_reduced
from dynamics.learners.discrete import discrete_outcome
from dynamics.motion import Progress, Trajectory, iterate, start_of, stepped
from dynamics.orbits import Outcome, mean_return
from dynamics.sampling import estimates, noise
from mdp import Array

MOST_KEPT = 100_000  # states of a path
NOTE = "sampled updates have no limit of their own; `exact` says what the iteration of the exact field does"


def stochastic(
    field: Field,
    theta0: ArrayLike,
    eta: float,
    n_steps: int,
    rng: np.random.Generator,
    *,
    batch: int = 1,
    discount: str = "killing",
    horizon: int | None = None,
    every: int = 1,
    progress: Progress | None = None,
) -> Trajectory:
    """`theta_{k+1} = theta_k + eta Σ_i Fhat_i(theta_k) / batch` from theta0 (*shape or (members, *shape)).

    Fhat_i are `batch` single-trajectory estimates (`dynamics.sampling.estimator.estimates`, which explains `discount`
    and `horizon`), drawn anew for every step and member. Keeps every `every`-th state and the last; ends early as
    `dynamics.motion.flows.iterate` does. Raises ValueError for a batch below 1, and as `iterate` and `estimates`.

    >>> from mdp import zoo
    >>> field = Field(zoo.load("bandit:2"), "reward")
    >>> run = stochastic(field, np.zeros((1, 2)), 0.5, 200, np.random.default_rng(0), batch=4)
    >>> field.policy(run.theta[-1]).p.round(2).tolist()
    [[0.01, 0.99]]
    """
    if batch < 1:
        raise ValueError(f"the batch is {batch} trajectories; must be at least 1")
    theta = start_of(field, theta0, members=None)
    trajectory_axis = theta.ndim - len(field.shape)

    def step(at: Array) -> Array:
        drawn = estimates(field, at, batch, rng, discount=discount, horizon=horizon)
        return np.asarray(at + eta * drawn.mean(trajectory_axis))

    return stepped(theta, step, eta, n_steps, every, progress)


def stochastic_outcome(
    field: Field, theta0: ArrayLike, eta: float, n_steps: int, rng: np.random.Generator, *, batch: int = 1, **run: Any
) -> Outcome:
    """What a sampled iteration from theta0 (*shape) did, beside the exact one; `run` goes to `stochastic`.

    Kind "diverged" where it left the range of floats, else "undecided". Evidence: `exact` (kind and period of
    `dynamics.learners.discrete.discrete_outcome` with the same step), `distance` from the exact iteration,
    `return_start` and `return_end` (None where the student never ends), and the `noise_to_signal` of one update at
    either end.

    >>> from mdp import zoo
    >>> field = Field(zoo.load("bandit:2"), "reward")
    >>> found = stochastic_outcome(field, np.zeros((1, 2)), 0.5, 100, np.random.default_rng(0))
    >>> found.kind, found.evidence["exact"]["kind"], found.evidence["noise_to_signal_start"]
    ('undecided', 'boundary', 1.0)
    """
    path = stochastic(field, theta0, eta, n_steps, rng, batch=batch, every=1 + n_steps // MOST_KEPT, **run)
    beside = discrete_outcome(field, theta0, eta, n_steps)
    taken, last = int(path.t[-1]), path.theta[-1]
    start, end = (mean_return(field, field.policy(at)) for at in path.theta[[0, -1]])
    evidence: dict[str, Any] = {
        "note": path.note or NOTE,
        "steps": taken,
        "batch": batch,
        "exact": {"kind": beside.kind, "period": beside.period},
        "distance": distance(field, last, theta0, eta, taken),
        "return_start": start,
        "return_end": end,
        "noise_to_signal_start": noise_to_signal(field, path.theta[0], batch),
        "noise_to_signal_end": noise_to_signal(field, last, batch),
    }
    kind = "diverged" if "leaves the range of floats" in path.note else "undecided"
    return Outcome(kind, None, None, np.ptp(path.theta, axis=0), last, evidence, path)


def distance(field: Field, theta: ArrayLike, theta0: ArrayLike, eta: float, steps: int) -> float | None:
    """How far theta is from where the exact iteration from theta0 is after as many steps, in log-odds (Euclidean).

    None where that ends earlier.

    >>> from mdp import zoo
    >>> distance(Field(zoo.load("bandit:2"), "reward"), [[0.0, 1.0]], np.zeros((1, 2)), 1.0, 1)
    0.5
    """
    seen, exact = reduced(field), np.asarray(theta0, dtype=float)
    if steps > 0:
        run = iterate(field, exact, eta, steps, every=steps)
        if run.t[-1] != steps:
            return None
        exact = run.theta[-1]
    return float(np.linalg.norm(to_reduced(seen, theta) - to_reduced(seen, exact)))


def noise_to_signal(field: Field, theta: ArrayLike, batch: int = 1) -> float | None:
    """`√(E‖Fhat − F‖² / batch) / ‖F‖` of an update of `batch` trajectories at theta (*shape); None as in `noise`.

    >>> from mdp import zoo
    >>> noise_to_signal(Field(zoo.load("bandit:2"), "reward"), np.zeros((1, 2)), batch=4)
    0.5
    """
    found = noise(field, theta)
    return None if found is None else float(np.sqrt(found / batch))
