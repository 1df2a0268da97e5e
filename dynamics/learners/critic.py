"""Students with a critic of their own: actor and critic, exact, learning together, and sampled.

The critic is a table V (S,) of the row's own reward under q. A potential V changes what a step pays,

    delta_i = rhat_i + V(s_{i+1}) − V(s_i)        (the TD error),

and the three estimators of the reward to come are sums of it:

* "monte-carlo": Rhat_t = Σ_{i ≥ t} rhat_i, no critic;
* "td1": Rhat_t = Σ_{i ≥ t} delta_i = Σ rhat_i − V(s_t), the same with the critic as a baseline;
* "td0": Rhat_t = delta_t, one step and the critic for the rest.

The same sum is the critic's own update, Σ_t Rhat_t at s_t: regression on returns with "td1", TD(0) with "td0". With
q = pi_theta a baseline leaves the mean alone, so "monte-carlo" and "td1" move theta alike whatever V is, while "td0"
is eq. (1) only where V is right. Own model, since the paper does not spell its critic out: tabular, one rate.
Source: the paper, section 5 and Figure 5; Konda and Tsitsiklis, On actor-critic algorithms, 2003.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from dynamics.fields import ChartField, Field, FunctionField, gauge_of, reduced, to_parameters, to_reduced
from dynamics.fields import update as eq1
from dynamics.sampling import Terms, sums, terms, trajectories, update_of
from mdp import Array, chain

METHODS = ("monte-carlo", "td1", "td0")


def shaped(found: Terms, critic: Array, method: str) -> Terms:
    """The tables with TD errors in place of rewards: now − V(s), arrival + V(s); one step for "td0".

    `critic` (..., S). "monte-carlo" leaves the tables as they are. Raises ValueError for an unknown method, and for a
    row whose own horizon is one step, which holds a critic already.
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; must be one of {', '.join(METHODS)}")
    if found.one_step:
        raise ValueError("the row looks one step ahead already; a critic replaces the rewards of a whole episode")
    if method == "monte-carlo":
        return found
    v = np.asarray(critic)[..., None]
    return dataclasses.replace(found, now=found.now - v, arrival=found.arrival + v, one_step=method == "td0")


def expected(field: Field, found: Terms) -> tuple[Array, Array]:
    """The mean of one trajectory's updates: of the logits (..., S, A), of the critic (..., S) d Σ_a q Q."""
    control = chain(field.mdp, found.q)
    d = control.visits(field.mdp.initial)
    ahead = eq1.dot(found.q, found.arrival)
    _, Q = eq1.action_values(field.mdp, control, found.q, found.now, ahead, one_step=found.one_step)
    local = eq1.local_update(found.p, found.q, Q, found.slope)
    return eq1.weighted(d, local), d * eq1.dot(found.q, Q)


def exact_critic(field: Field, theta: ArrayLike) -> Array:
    """The critic's fixed point at theta: V(s) = E_q [Σ_{i ≥ t} rhat_i | s_t = s], shape (S,).

    >>> from mdp import zoo
    >>> exact_critic(Field(zoo.load("chain"), "reward"), np.zeros((2, 2))).tolist()
    [0.25, 0.5]
    """
    found = terms(field, theta)
    control = chain(field.mdp, found.q)
    arriving = control.values(eq1.dot(found.q, found.arrival + found.now))
    return np.asarray(arriving - eq1.dot(found.q, found.arrival))


def joint(field: Field, method: str, rate: float) -> FunctionField:
    """Actor and critic as one field on (x, V), flat (n + S,), x in the chart of differences where the field has one.

        theta' = E[actor's update],    V'(s) = rate · d_q(s) · E[Rhat_t | s_t = s]

    with Rhat_t by `method`. With q = pi_theta its rest points are those of the field itself, with V = V_theta at
    visited states, for every positive rate; the rate changes their stability and the orbits. Raises ValueError for an
    unknown method, a rate that is not positive, and a row whose horizon is one step.

    >>> from mdp import zoo
    >>> field = Field(zoo.load("swirl"), "reverse-kl", reward=True)
    >>> joint(field, "td0", 10.0).shape
    (4,)
    """
    if not (np.isfinite(rate) and rate > 0):
        raise ValueError(f"rate is {rate}; must be positive and finite")
    seen = reduced(field)
    shaped(terms(field, np.zeros(field.shape)), np.zeros(field.mdp.n_states), method)
    n = seen.size

    def function(state: Array) -> Array:
        x, critic = state[..., :n], state[..., n:]
        theta = to_parameters(seen, x) if isinstance(seen, ChartField) else x.reshape(*x.shape[:-1], *seen.shape)
        found = shaped(terms(field, theta), critic, method)
        actor, lesson = expected(field, found)
        if method == "monte-carlo":  # the critic is not used; it follows the returns
            lesson = expected(field, shaped(terms(field, theta), critic, "td1"))[1]
        moved = field.student.pull_back(actor)
        if isinstance(seen, ChartField):
            moved = moved[..., 1:] - moved[..., :1]
        return np.concatenate([moved.reshape(x.shape), rate * lesson], axis=-1)

    return FunctionField(function, (n + field.mdp.n_states,), vectorised=True, analytic=True)


def joint_point(field: Field, theta: ArrayLike) -> Array:
    """theta (*shape) and its exact critic as a point of `joint`."""
    return np.concatenate([to_reduced(reduced(field), theta), exact_critic(field, theta)])


def actor_of(field: Field, point: Array) -> Array:
    """The parameters (*shape) of a point of `joint`."""
    seen = reduced(field)
    return to_parameters(seen, point[..., : seen.size], gauge_of(seen, np.zeros(field.shape)))


def learn_with_critic(
    field: Field,
    theta: Array,
    critic: Array,
    method: str,
    *,
    step: float,
    rate: float,
    updates: int,
    batch: int,
    rng: np.random.Generator,
    every: int = 1,
) -> tuple[Array, Array]:
    """Sampled actor and critic: parameters (k, members, *shape) and critics (k, members, S) kept every `every` updates.

    theta (members, *shape), critic (members, S). Each update draws `batch` trajectories (discount as killing) for every
    member, moves theta by step · the mean of their updates and V by rate · the mean of theirs. The start is kept too.
    """
    kept = [(theta, critic)]
    for k in range(1, updates + 1):
        found = shaped(terms(field, theta), critic, method)
        some = sums(found, trajectories(field.mdp, found.q, batch, rng), 1.0)
        theta = theta + step * field.student.pull_back(update_of(found, some)).mean(1)
        if method != "monte-carlo":
            critic = critic + rate * some.by_state.mean(1)
        if k % every == 0:
            kept.append((theta, critic))
    thetas, critics = zip(*kept, strict=True)
    return np.stack(thetas), np.stack(critics)
