"""Optimal policies by Howard's policy iteration, and the teachers made from them.

With discount 1 the policies compared are those that *end* (with probability one, from every state). Among them an
optimal one exists unless some endless loop pays a positive average reward; that is an error, and names the loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from mdp.evaluation import backup, chain
from mdp.model import MDP, endless_states
from mdp.numbers import rational
from mdp.policies import Array, softmax
from mdp.reading import nearest


def optimal(mdp: MDP) -> Array:
    """The deterministic policy of greatest value at every state, `argmax_a Q*(s, a)`, as an (S, A) table of 0 and 1.

    Exact policy iteration (Howard): evaluate, change every action that is strictly worse than the best one, repeat
    until none is. Ties (differences below 1e-13 S, relative to the largest value) go to the lowest action index; with
    discount 1, to the lowest with which the policy still ends. With discount 1 "optimal" means among the policies that
    end: a loop that pays nothing for ever is not preferred to paying for the exit.

    Raises ValueError, naming a state of the loop, when the discount is 1 and an endless loop pays a positive average
    reward: there is no optimum.
    Source: Howard, *Dynamic Programming and Markov Processes*, 1960; for discount 1 Bertsekas and Tsitsiklis,
    "An analysis of stochastic shortest path problems", 1991.

    >>> optimal(MDP(P=[[[0, 1], [0, 0]], [[0, 0], [0, 0]]], R=[[0, 1], [1, 2]], initial=[1, 0]))
    array([[1., 0.],
           [0., 1.]])
    """
    return _table(_solve(mdp, 1)[0], mdp.n_actions)


def adversarial(mdp: MDP) -> Array:
    """The deterministic policy of least value at every state: `optimal` for the reward −R, an (S, A) table.

    The adversarial teacher of the paper's Figure 6. Ties, discount 1 and errors as in `optimal`, with the sign of
    the reward changed (an endless loop must not pay a *negative* average reward).

    >>> adversarial(MDP(P=[[[0], [0]]], R=[[1, -1]], initial=[1]))
    array([[0., 1.]])
    """
    return _table(_solve(mdp, -1)[0], mdp.n_actions)


def optimal_values(mdp: MDP) -> Array:
    """Optimal state values `V*(s) = max_a Q*(s, a)`, shape (S,). Errors as in `optimal`.

    >>> optimal_values(MDP(P=[[[1], [0]]], R=[["1/2", 0]], initial=[1], discount="1/2"))
    array([1.])
    """
    return np.asarray(optimal_action_values(mdp).max(axis=1))


def optimal_action_values(mdp: MDP) -> Array:
    """Optimal action values `Q*(s, a) = R(s, a) + g Σ_s' P(s, a, s') V*(s')`, shape (S, A). Errors as in `optimal`.

    >>> optimal_action_values(MDP(P=[[[1], [0]]], R=[["1/2", 0]], initial=[1], discount="1/2"))
    array([[1., 0.]])
    """
    return _solve(mdp, 1)[1]


def uniform(mdp: MDP) -> Array:
    """The policy that takes every action with probability 1/A, shape (S, A).

    >>> uniform(MDP(P=[[[0], [0]]], R=[[1, -1]], initial=[1]))
    array([[0.5, 0.5]])
    """
    return np.full((mdp.n_states, mdp.n_actions), 1 / mdp.n_actions)


def softmax_teacher(mdp: MDP, temperature: float) -> Array:
    """The softmax of the optimal action values, `pi(a|s) ∝ exp(Q*(s, a) / T)`, shape (S, A).

    T = 0 is the limit: uniform over the optimal actions (those tied up to rounding). Below a temperature of about
    1/700 of the gap between two actions the worse one's probability is 0 in floating point: no full support.
    Raises ValueError when T is negative or not finite, and as `optimal` does.
    Source: the paper, experiments (temperatures 0, 0.01 and 0.1).

    >>> softmax_teacher(MDP(P=[[[0], [0], [0]]], R=[[1, 1, 0]], initial=[1]), 0)
    array([[0.5, 0.5, 0. ]])
    """
    if not (math.isfinite(temperature) and temperature >= 0):
        raise ValueError(f"temperature {temperature}; must be finite and at least 0")
    _, action_values, ties = _solve(mdp, 1)
    if temperature == 0:
        return np.asarray(ties / ties.sum(axis=1, keepdims=True))
    with np.errstate(over="ignore"):
        logits = (action_values - action_values.max(axis=1, keepdims=True)) / temperature
    return softmax(logits).p


def epsilon_greedy(mdp: MDP, epsilon: float) -> Array:
    """`(1 − ε) optimal(mdp) + ε uniform(mdp)`, shape (S, A).

    Raises ValueError when ε is outside [0, 1], and as `optimal` does. Source: the paper, experiments (ε = 0.1).

    >>> epsilon_greedy(MDP(P=[[[0], [0]]], R=[[1, -1]], initial=[1]), 0.5)
    array([[0.75, 0.25]])
    """
    if not 0 <= epsilon <= 1:
        raise ValueError(f"epsilon {epsilon}; must be from 0 to 1")
    return (1 - epsilon) * optimal(mdp) + epsilon * uniform(mdp)


_PLAIN: dict[str, Callable[[MDP], Array]] = {"uniform": uniform, "optimal": optimal, "adversarial": adversarial}
_SCALED: dict[str, Callable[[MDP, float], Array]] = {"softmax": softmax_teacher, "epsilon": epsilon_greedy}


def teacher(mdp: MDP, spec: str) -> Array:
    """The teacher a text names, shape (S, A): `uniform`, `optimal`, `adversarial`, `softmax:T` or `epsilon:E`.

    The number is a decimal or a fraction. Raises ValueError when the name is unknown (it suggests the nearest one),
    when a number is missing, superfluous or out of range, and as `optimal` does.

    >>> teacher(MDP(P=[[[0], [0]]], R=[[1, -1]], initial=[1]), "epsilon:1/2")
    array([[0.75, 0.25]])
    """
    name, colon, number = spec.partition(":")
    if name in _PLAIN:
        if colon:
            raise ValueError(f"teacher {spec!r}: {name} takes no number; write {name!r}")
        return _PLAIN[name](mdp)
    if name in _SCALED:
        if not number:
            raise ValueError(f"teacher {spec!r}: {name} needs a number, as in '{name}:0.1'")
        return _SCALED[name](mdp, float(rational(number, f"teacher {spec!r}")))
    known = ", ".join([*_PLAIN, *(f"{name}:NUMBER" for name in _SCALED)])
    raise ValueError(f"teacher: {nearest(name, [*_PLAIN, *_SCALED])} (known: {known})")


# Differences of action values within this much of the largest one, times the number of states, count as ties.
_ROUNDING = 512 * float(np.finfo(float).eps)


def _solve(mdp: MDP, sign: int) -> tuple[Array, Array, Array]:
    """Policy iteration for the reward sign·R: an optimal choice (S,), Q* of sign·R (S, A), the optimal actions (S, A).

    Ends: every change raises the value, so no policy returns; should rounding defeat that, the first that returns is
    taken.
    """
    reward = sign * mdp.R
    choice = _ending_choice(mdp, np.ones(reward.shape, dtype=bool))
    seen: set[bytes] = set()
    while True:
        picked = np.take_along_axis(reward, choice[:, None], axis=1)[:, 0]
        values = chain(mdp, _table(choice, mdp.n_actions)).values(picked)
        action_values = reward + backup(mdp, values)
        rounding = _ROUNDING * mdp.n_states * np.abs(action_values).max()
        best = action_values.max(axis=1)
        changed = np.where(best > values + rounding, action_values.argmax(axis=1), choice)
        changed = _still_ending(mdp, choice, changed, sign)
        if np.array_equal(changed, choice) or changed.tobytes() in seen:
            ties = (action_values >= best[:, None] - rounding) | _support(choice, mdp.n_actions)
            return _ending_choice(mdp, ties), action_values, ties
        seen.add(changed.tobytes())
        choice = changed


def _table(choice: Array, n_actions: int) -> Array:
    """The deterministic policy of a choice (S,), as an (S, A) table of 0 and 1."""
    return np.asarray(np.eye(n_actions)[choice])


def _support(choice: Array, n_actions: int) -> Array:
    return np.asarray(np.eye(n_actions, dtype=bool)[choice])


def _ending_choice(mdp: MDP, allowed: Array) -> Array:
    """The lowest allowed action per state, (S,), changed only where the policy would otherwise never end.

    Some policy with allowed actions must end. States that never end are led, layer by layer, into those that do (by
    the lowest allowed action that may do so).
    """
    choice = np.asarray(allowed.argmax(axis=1))
    endless = endless_states(mdp, _support(choice, mdp.n_actions))
    while endless.size:
        ends = np.ones(mdp.n_states)
        ends[endless] = 0
        leads_out = (allowed & ((mdp.ending > 0) | (backup(mdp, ends) > 0)))[endless]
        changing = leads_out.any(axis=1)
        choice[endless[changing]] = leads_out[changing].argmax(axis=1)
        endless = endless_states(mdp, _support(choice, mdp.n_actions))
    return choice


def _still_ending(mdp: MDP, choice: Array, changed: Array, sign: int) -> Array:
    """The changed policy, where it ends; raises ValueError when it holds an endless loop that pays (see `_loop`).

    `choice` ends, and `changed` differs from it only where that is strictly better. A recurrent class C of it without
    exit then pays: with mu its stationary distribution, V <= r + P V on C gives 0 <= mu r; were mu r = 0, equality
    would hold on C, so nothing was changed there, and `choice` would not have ended either. A loop that pays nothing
    is therefore made of ties that rounding took for gains, and those changes are taken back.
    """
    endless = endless_states(mdp, _support(changed, mdp.n_actions))
    while endless.size:
        loop, pay = _loop(mdp, changed, endless)
        if sign * pay > _ROUNDING * mdp.n_states * np.abs(mdp.R).max():
            law = "at most 0 for a greatest return" if sign > 0 else "at least 0 for a least return"
            place = f"state s={loop[0]} {mdp.states[loop[0]]!r}"
            raise ValueError(
                f"{place} is on an endless loop that pays {pay:.6g} a step on average;"
                f" with discount 1 that must be {law} to exist"
            )
        changed = changed.copy()
        changed[endless] = choice[endless]
        endless = endless_states(mdp, _support(changed, mdp.n_actions))
    return changed


def _loop(mdp: MDP, choice: Array, endless: Array) -> tuple[Array, float]:
    """A recurrent class among the endless states of a deterministic policy, and its pay a step: mu r with mu P = mu."""
    rows = endless * mdp.n_actions + choice[endless]
    moves = sp.csr_array(mdp.P.reshape(-1, mdp.n_states))[rows][:, endless]
    component = connected_components(moves, connection="strong")[1]
    origin, target = moves.nonzero()
    transient = set(component[origin[component[origin] != component[target]]].tolist())
    recurrent = next(k for k in component.tolist() if k not in transient)
    members = np.flatnonzero(component == recurrent)
    loop, step = endless[members], moves[members][:, members].toarray()
    system = np.vstack([(np.eye(len(loop)) - step).T, np.ones(len(loop))])  # mu (I − P) = 0, Σ mu = 1
    stationary = np.linalg.lstsq(system, np.append(np.zeros(len(loop)), 1.0), rcond=None)[0]
    return loop, float(stationary @ mdp.R[loop, choice[loop]])
