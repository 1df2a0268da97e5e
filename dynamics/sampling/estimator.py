"""The sampled update: one trajectory's estimate of eq. (1), for every row of the table, over many trajectories at once.

    Fhat = Σ_t w^t [ ∇ log pi_theta(a_t|s_t) · Rhat_t − alpha ∇ l(s_t) ],      Rhat_t = Σ_{i ≥ t} w^{i−t} rhat_i

with w = 1 where the discount kills and w = g where it weighs. rhat_i is the row's own formula at (s_i, a_i), plus w
times its formulas of the next step at (s_{i+1}, a_{i+1}) where there is one. A formula of one action is taken at the
action that was sampled; a `total(...)` is summed over all actions, and ∇ l is exact at a visited state. That is all
the difference between ER (reward log pi at the sampled action) and EER (a loss summed over actions).
E[Fhat] is the exact field.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dynamics.fields import Field
from dynamics.fields import update as eq1
from dynamics.rules import Values, is_zero
from dynamics.sampling.episodes import DISCOUNTS, Walks, trajectories
from mdp import Array

ENTRIES = 4_000_000  # of the largest array that `mean_and_error` holds at once


@dataclass(frozen=True, eq=False)
class Terms:
    """What a row pays at one student policy (or a batch), as tables (..., S, A).

    `q` the control, `p` the student, `now` the reward of (s_i, a_i), `arrival` what the step before (s, a) gets for
    arriving there, `slope` = alpha ∂l(s)/∂logit(s, ·) (None where there is no loss); `one_step`: Rhat_t = rhat_t.
    """

    q: Array
    p: Array
    now: Array
    arrival: Array
    slope: Array | None
    one_step: bool


def terms(field: Field, theta: ArrayLike) -> Terms:
    """The row's formulas at theta (..., *shape), read off the row: eq. (1) before any expectation.

    >>> from mdp import zoo
    >>> terms(Field(zoo.load("bandit:2"), "reward"), np.zeros((1, 2))).now
    array([[0., 1.]])
    """
    problem, student = field.problem, field.policy(theta)
    split, alpha = problem.terms, problem.alpha
    gate = own_value = None
    if problem.gated or split.v_student_now:
        at = eq1.evaluate(problem, student, visits_suffice=False)
        gate = at.values.teacher_better
        own_value = None if at.critic is None else at.critic[1].sum(-1, keepdims=True)
    values = Values(problem.teacher, student, problem.own_loss, gate, problem.log, problem.number)
    zero = 0 * student.p
    now = problem.fixed_now + alpha * split.now.function(values) + zero
    if own_value is not None and split.v_student_now:
        now = now + float(split.v_student_now) * own_value
    arrival = problem.fixed_next[:, None] + zero
    arrival = arrival + alpha * (split.state.function(values) + split.action.function(values))
    slope = None
    if not is_zero(problem.loss):
        slope = alpha * eq1.center(student.p, problem.loss.gradient.function(values) + zero)
    q = eq1.control_policy(problem, student.p) + zero
    return Terms(q, student.p, now, arrival, slope, problem.one_step)


@dataclass(frozen=True, eq=False)
class Sums:
    """What trajectories add up to, (members, n, ...): `by_action` (.., S, A), `by_state` (.., S), `visits` (.., S).

    `by_action` = Σ_t w^t Rhat_t at (s_t, a_t), `by_state` the same at s_t, `visits` = Σ_t w^t at s_t.
    """

    by_action: Array
    by_state: Array
    visits: Array


def sums(found: Terms, walks: Walks, weight: float) -> Sums:
    """The sums along every trajectory, in one pass backwards; `weight` is w: 1 for killing, g for weights."""
    table = found.p.shape[-2:]
    count = walks.n * walks.members
    now, arrival = (x.reshape(-1, *table) for x in (found.now, found.arrival))
    by_action = np.zeros((count, *table))
    by_state, visits = np.zeros((count, table[0])), np.zeros((count, table[0]))
    later = np.zeros(count)  # w · (what arriving at the next step pays + Rhat there), 0 where the episode has ended
    for t in range(len(walks.steps) - 1, -1, -1):
        who, s, a = walks.steps[t].who, walks.steps[t].state, walks.steps[t].action
        m = who // walks.n
        to_go = now[m, s, a] + later[who]
        later[who] = weight * (arrival[m, s, a] + (0.0 if found.one_step else to_go))
        by_action[who, s, a] += weight**t * to_go
        by_state[who, s] += weight**t * to_go
        visits[who, s] += weight**t
    lead = (walks.members, walks.n)
    return Sums(by_action.reshape(*lead, *table), by_state.reshape(*lead, -1), visits.reshape(*lead, -1))


def along(found: Terms, walks: Walks, weight: float) -> Array:
    """Every trajectory's update of the logits, (members, n, S, A): the formula at the head of this module.

    `by_action − pi_theta · by_state − slope · visits`, since the score at (s, a) is 1[b = a] − pi_theta(b|s).
    """
    return update_of(found, sums(found, walks, weight))


def update_of(found: Terms, some: Sums) -> Array:
    """The update of the logits that the sums of `sums` make."""
    table = found.p.shape[-2:]
    result = some.by_action - found.p.reshape(-1, 1, *table) * some.by_state[..., None]
    if found.slope is not None:
        result -= found.slope.reshape(-1, 1, *table) * some.visits[..., None]
    return np.asarray(result)


def estimates(
    field: Field,
    theta: ArrayLike,
    n: int,
    rng: np.random.Generator,
    *,
    discount: str = "killing",
    horizon: int | None = None,
) -> Array:
    """n independent single-trajectory estimates of F(theta): (n, *shape); of a batch of thetas (members, n, *shape).

    `discount="killing"` ends the trajectory with probability 1 − g after every step and is unbiased.
    `discount="weights"` multiplies step t by g^t and cuts at `horizon` steps (default: where `bias_bound` falls below
    1e-6), which biases each entry by at most `bias_bound(field, theta, horizon)`.
    Raises ValueError as `dynamics.sampling.episodes.trajectories`, and for a theta of another shape or with more than
    one leading axis. Source: the paper, eq. (1).

    >>> from mdp import zoo
    >>> field = Field(zoo.load("bandit:2"), "reward")
    >>> estimates(field, np.zeros((1, 2)), 2, np.random.default_rng(3)).shape
    (2, 1, 2)
    """
    theta = np.asarray(theta, dtype=float)
    lead = theta.ndim - len(field.shape)
    if lead not in (0, 1) or theta.shape[lead:] != field.shape:
        raise ValueError(f"theta has shape {theta.shape}; must be {field.shape}, with at most one axis before it")
    found = terms(field, theta)
    horizon = _horizon(field, theta, discount, horizon)
    walks = trajectories(field.mdp, found.q, n, rng, discount=discount, horizon=horizon)
    weight = field.mdp.discount if discount == "weights" else 1.0
    pulled = field.student.pull_back(along(found, walks, weight))
    return pulled.reshape(*theta.shape[:lead], n, *field.shape)


def bias_bound(field: Field, theta: ArrayLike, horizon: int) -> float:
    """How far cutting at T = `horizon` steps moves the mean of an entry, discount as weights; a bound, 0 with g = 1.

    With |rhat| ≤ r, alpha |∂l| ≤ l and |score| ≤ 1: the steps after T leave out at most `g^T (r/(1−g) + l)/(1−g)`, the
    steps before it miss Σ_{i ≥ T} of rewards, at most `T g^T r/(1−g)` (with one-step rewards: `g^T r`); all of it times
    the largest Σ_a |Phi[(s, a), k]|. r counts what arriving pays. Conservative: episodes that end sooner are not
    credited. With g = 1 the answer is 0, and it holds only where no trajectory was cut.

    >>> from mdp import zoo
    >>> swirl = Field(zoo.load("swirl"), "reverse-kl", reward=True)
    >>> bias_bound(swirl, np.zeros((2, 2)), 1200) < 1e-9 < bias_bound(swirl, np.zeros((2, 2)), 100)
    True
    """
    g = field.mdp.discount
    if g == 1:
        return 0.0
    found = terms(field, theta)
    slope = 0.0 if found.slope is None else float(np.abs(found.slope).max())
    pay = float(np.abs(found.now).max() + g * np.abs(found.arrival).max())
    far = 1.0 if found.one_step else 1 / (1 - g)
    missed = (1.0 if found.one_step else horizon) * pay * far + (pay * far + slope) / (1 - g)
    return float(g**horizon * missed * _largest_row(field))


def _largest_row(field: Field) -> float:
    """max over s and k of Σ_a |Phi[(s, a), k]|; 1 for tabular and observed students."""
    phi = field.student.phi
    if phi is None or field.student.observation is not None:
        return 1.0
    n_states, n_actions = field.student.table
    dense = phi if isinstance(phi, np.ndarray) else phi.toarray()
    return float(np.abs(dense).reshape(n_states, n_actions, -1).sum(1).max())


def _horizon(field: Field, theta: Array, discount: str, horizon: int | None) -> int | None:
    """The horizon asked for, or for weights the first (of a growing series) whose bias is bounded by 1e-6."""
    if horizon is not None or discount != "weights" or field.mdp.discount == 1:
        return horizon
    found = 8
    while bias_bound(field, theta, found) > 1e-6:
        found = found + max(found // 8, 1)
    return found


@dataclass(frozen=True, eq=False)
class Estimate:
    """The mean of n single-trajectory estimates: `mean`, `standard_error`, `variance` of one trajectory (*shape).

    `bias_bound` bounds what cutting trajectories does to the mean; 0 with killing.
    """

    mean: Array
    standard_error: Array
    variance: Array
    n: int
    bias_bound: float


def mean_and_error(
    field: Field,
    theta: ArrayLike,
    n: int,
    rng: np.random.Generator,
    *,
    discount: str = "killing",
    horizon: int | None = None,
) -> Estimate:
    """Mean, standard error and variance of n single-trajectory estimates at one theta (*shape), in flat memory.

    `standard_error = sqrt(variance / n)` with the sample variance (n − 1). Chunks are merged by the update formula of
    Chan, Golub and LeVeque (1979). Raises ValueError as `estimates`, and for n below 2.

    >>> from mdp import zoo
    >>> found = mean_and_error(Field(zoo.load("bandit:2"), "reward"), np.zeros((1, 2)), 1000, np.random.default_rng(0))
    >>> bool((abs(found.mean - [[-0.25, 0.25]]) < 4 * found.standard_error).all())
    True
    """
    if n < 2:
        raise ValueError(f"{n} trajectories; a standard error needs at least 2")
    theta = np.asarray(theta, dtype=float)
    if theta.shape != field.shape:
        raise ValueError(f"theta has shape {theta.shape}; must be {field.shape}")
    if discount not in DISCOUNTS:
        raise ValueError(f"discount is {discount!r}; must be 'killing' or 'weights'")
    horizon = _horizon(field, theta, discount, horizon)
    done, mean, squares = 0, np.zeros(field.shape), np.zeros(field.shape)
    for size in _chunks(n, max(field.mdp.R.size, field.size)):
        some = estimates(field, theta, size, rng, discount=discount, horizon=horizon)
        here = some.mean(0)
        gap = here - mean
        squares += ((some - here) ** 2).sum(0) + gap**2 * done * size / (done + size)
        mean = mean + gap * size / (done + size)
        done += size
    variance = squares / (n - 1)
    bias = bias_bound(field, theta, horizon) if horizon is not None and discount == "weights" else 0.0
    return Estimate(mean, np.sqrt(variance / n), variance, n, bias)


def _chunks(n: int, entries: int) -> Iterator[int]:
    """n in parts of at most ENTRIES / entries."""
    most = max(1, ENTRIES // entries)
    for start in range(0, n, most):
        yield min(most, n - start)


def deviations(found: Estimate, exact: Array, variance: Array | None = None) -> Array:
    """`z = (|mean − exact| − bias bound) / standard error` per entry, at least 0; 0 where both are 0 to rounding.

    `variance` (*shape) is the exact variance of one trajectory where it is known (`dynamics.sampling.exact.moments`): a
    sample variance is too small when the rare trajectories were not seen. An entry of variance 0 must be exact: z is
    then infinite unless the difference is rounding, 1e-9 of the largest entry.

    >>> deviations(Estimate(np.array([1.0]), np.array([0.5]), np.array([1.0]), 4, 0.0), np.array([0.0])).tolist()
    [2.0]
    """
    error = found.standard_error if variance is None else np.sqrt(np.asarray(variance) / found.n)
    scale = max(float(np.abs(exact).max(initial=0.0)), float(np.abs(found.mean).max(initial=0.0)))
    gap = np.maximum(np.abs(found.mean - exact) - found.bias_bound, 0.0)
    rounding = 1e-9 * scale + 1e-12
    sure = error > rounding
    z = np.divide(gap, error, out=np.zeros_like(gap), where=sure)
    return np.where(~sure & (gap > rounding), np.inf, z)
