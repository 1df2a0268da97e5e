"""Q-learning, for teachers that were learned and not solved for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from mdp.model import MDP
from mdp.policies import Array
from mdp.random import Seed, generator


def q_learning(
    mdp: MDP, rng: Seed, *, episodes: int = 2000, rate: float = 0.1, epsilon: float = 0.1, longest: int = 1000
) -> Array:
    """Action values (S, A) learned from sampled episodes, from Q = 0 on.

    `Q(s, a) += rate (R(s, a) + g max_b Q(s', b) − Q(s, a))` along episodes that act greedily, and at random with
    probability epsilon; ties of the greedy action are broken at random; max_b Q is 0 where the episode has ended. An
    episode is cut after `longest` steps. Rewards are the model's expected ones.
    Raises ValueError for a rate outside (0, 1], an epsilon outside [0, 1], or fewer than one episode.
    Source: Watkins and Dayan, "Q-learning", Machine Learning 8, 1992.

    >>> m = MDP(P=[[[0], [0]]], R=[[1, 3]], initial=[1])
    >>> q_learning(m, 0, episodes=400, epsilon=1).round(2)
    array([[1., 3.]])
    """
    rng = generator(rng)
    if not 0 < rate <= 1 or not 0 <= epsilon <= 1:
        raise ValueError(f"rate {rate}, epsilon {epsilon}; must be in (0, 1] and [0, 1]")
    if episodes < 1:
        raise ValueError(f"{episodes} episodes; must be at least 1")
    targets, cumulated = _successors(mdp)
    reward, g, n_actions = mdp.R.tolist(), mdp.discount, mdp.n_actions
    Q = [[0.0] * n_actions for _ in range(mdp.n_states)]
    starts = rng.choice(mdp.n_states, size=episodes, p=mdp.initial / mdp.initial.sum()).tolist()
    for start in starts:
        s = start
        chances: Iterator[list[float]] = iter(())  # uniform numbers are drawn many at a time
        for _ in range(longest):
            draw = next(chances, None)
            if draw is None:
                chances = iter(rng.random((64, 3)).tolist())
                draw = next(chances)
            explore, choice, move = draw
            best = max(Q[s])
            among = range(n_actions) if explore < epsilon else [a for a in range(n_actions) if Q[s][a] == best]
            a = among[int(choice * len(among))]
            follow = _pick(cumulated[s * n_actions + a], move)
            after = targets[s * n_actions + a][follow] if follow is not None else None
            gain = reward[s][a] + (0.0 if after is None else g * max(Q[after]))
            Q[s][a] += rate * (gain - Q[s][a])
            if after is None:
                break
            s = after
    return np.array(Q)


def _successors(mdp: MDP) -> tuple[list[list[int]], list[list[float]]]:
    """For each (s, a), row s A + a: the states that may follow, and their cumulated probabilities."""
    P = sp.csr_array(mdp.P.reshape(-1, mdp.n_states))
    parts = [slice(P.indptr[k], P.indptr[k + 1]) for k in range(P.shape[0])]
    return [P.indices[k].tolist() for k in parts], [np.cumsum(P.data[k]).tolist() for k in parts]


def _pick(cumulated: list[float], move: float) -> int | None:
    """The first place whose cumulated probability exceeds a uniform number, or None: the episode ends."""
    for k, upto in enumerate(cumulated):
        if move < upto:
            return k
    return None


def greedy(values: Array, epsilon: float) -> Array:
    """The epsilon-greedy policy of action values (S, A): ties go to the lowest action.

    `(1 − ε) 1[a = argmax_b Q(s, b)] + ε / A`. Raises ValueError when ε is outside [0, 1].

    >>> greedy(np.array([[0.0, 1.0]]), 0.5)
    array([[0.25, 0.75]])
    """
    if not 0 <= epsilon <= 1:
        raise ValueError(f"epsilon {epsilon}; must be from 0 to 1")
    n_actions = np.shape(values)[-1]
    return np.asarray((1 - epsilon) * np.eye(n_actions)[np.argmax(values, axis=-1)] + epsilon / n_actions)
