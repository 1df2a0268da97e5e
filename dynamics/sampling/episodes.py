"""Sampled trajectories of a policy on an MDP, many at once.

A trajectory is s_0, a_0, s_1, a_1, ... under q, until the episode ends. The discount enters in one of two ways:

* "killing": after every step the episode survives with probability g, besides the transition's own ending;
* "weights": nothing is killed, step t counts g^t, and the trajectory is cut at a horizon.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from mdp import MDP, Array, endless_states

DISCOUNTS = ("killing", "weights")
LONGEST = 1_000_000  # steps; a longer trajectory is refused instead of waited for


@dataclass(frozen=True, eq=False)
class Step:
    """Step t of the trajectories that reach it: `who` (k,) their numbers, `state` (k,) and `action` (k,)."""

    who: Array
    state: Array
    action: Array


@dataclass(frozen=True, eq=False)
class Walks:
    """Trajectories 0..n·members−1, step by step: `steps[t]` holds those that are still going at step t.

    Trajectory i belongs to policy `i // n`. `cut` counts the trajectories that the horizon cut short.
    """

    steps: tuple[Step, ...]
    n: int
    members: int
    cut: int

    @property
    def lengths(self) -> Array:
        """The number of steps of every trajectory, shape (members·n,)."""
        who = np.concatenate([step.who for step in self.steps])
        return np.bincount(who, minlength=self.n * self.members)


def trajectories(
    mdp: MDP,
    q: Array,
    n: int,
    rng: np.random.Generator,
    *,
    discount: str = "killing",
    horizon: int | None = None,
) -> Walks:
    """n independent trajectories of every policy in q, of shape (S, A) or (members, S, A).

    s_0 ~ initial, a_t ~ q(·|s_t), s_{t+1} ~ P(·|s_t, a_t), by inversion of the cumulative probabilities (so with a bias
    of the order of rounding). They end where the episode ends, with `discount="killing"` also with probability 1 − g
    after every step, and after `horizon` steps where one is given.
    Raises ValueError for an unknown discount, a q of another shape, fewer than one trajectory, a policy that never ends
    (discount 1), and weights without a horizon where the discount is below 1.
    Source: the paper, section 2; theory, section 1 (discount as killing and as weights).

    >>> from mdp import zoo
    >>> walks = trajectories(zoo.load("chain"), np.array([[0.0, 1.0], [1.0, 0.0]]), 3, np.random.default_rng(0))
    >>> walks.lengths.tolist(), walks.steps[1].state.tolist()
    ([2, 2, 2], [1, 1, 1])
    """
    q = np.asarray(q, dtype=float)
    tables = _checked(mdp, q, n, discount, horizon)
    members, size = len(tables), mdp.n_actions
    start, move = _choice(mdp.initial[None]), _choice(_transitions(mdp))
    act = _choice(tables.reshape(-1, size))
    survive = mdp.discount if discount == "killing" else 1.0
    who = np.arange(n * members)
    state = _draw(start, np.zeros(n * members, dtype=np.int64), rng)
    steps: list[Step] = []
    while len(who) and (horizon is None or len(steps) < horizon):
        if len(steps) >= LONGEST:
            raise ValueError(
                f"a trajectory has more than {LONGEST} steps; give a horizon, or a policy that ends sooner"
            )
        action = _draw(act, who // n * mdp.n_states + state, rng)
        steps.append(Step(who, state, action))
        state = _draw(move, state * size + action, rng)
        going = state >= 0
        if survive < 1:
            going &= rng.random(len(going)) < survive
        who, state = who[going], state[going]
    return Walks(tuple(steps), n, members, len(who))


def _checked(mdp: MDP, q: Array, n: int, discount: str, horizon: int | None) -> Array:
    """q as (members, S, A), after checking what `trajectories` is asked for."""
    if discount not in DISCOUNTS:
        raise ValueError(f"discount is {discount!r}; must be 'killing' or 'weights'")
    if q.ndim not in (2, 3) or q.shape[-2:] != mdp.R.shape:
        raise ValueError(f"q has shape {q.shape}; must be (S, A) or (members, S, A) with (S, A) = {mdp.R.shape}")
    if n < 1:
        raise ValueError(f"{n} trajectories; must be at least 1")
    if horizon is not None and horizon < 1:
        raise ValueError(f"horizon is {horizon}; must be at least 1")
    if horizon is None and discount == "weights" and mdp.discount < 1:
        raise ValueError(f"discount {mdp.discount} as weights needs a horizon: nothing else cuts a trajectory")
    tables = q.reshape(-1, *mdp.R.shape)
    if horizon is None and mdp.discount == 1:
        for table in tables[(tables == 0).any((-2, -1))]:
            endless = endless_states(mdp, table > 0)
            if len(endless):
                s = int(endless[0])
                raise ValueError(f"q at s={s} {mdp.states[s]!r} never ends the episode; with discount 1 give a horizon")
    return tables


@dataclass(frozen=True, eq=False)
class _Choice:
    """Rows of probabilities to draw from: `keys` are row + cumulative probability, increasing over all rows."""

    keys: Array
    first: Array  # (rows + 1,): row r owns keys[first[r] : first[r+1]]
    target: Array
    full: Array  # whether a row sums to 1, so that something is always drawn


def _choice(rows: Array | sp.csr_array) -> _Choice:
    if isinstance(rows, np.ndarray):
        n_rows, n_columns = rows.shape
        cumulative = rows.cumsum(-1)
        cumulative /= cumulative[:, -1:]  # to rounding 1 already
        cumulative += np.arange(n_rows)[:, None]
        first = np.arange(n_rows + 1) * n_columns
        return _Choice(cumulative.ravel(), first, np.tile(np.arange(n_columns), n_rows), np.ones(n_rows, dtype=bool))
    running = np.concatenate([[0.0], rows.data.cumsum()])
    number = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    within = running[1:] - running[rows.indptr[number]]
    sums = rows.sum(axis=1)
    return _Choice(number + within, rows.indptr, rows.indices, sums > 1 - 1e-12)


def _draw(choice: _Choice, rows: Array, rng: np.random.Generator) -> Array:
    """One target for each of the rows, −1 where the row's remaining probability is hit."""
    at = np.searchsorted(choice.keys, rows + rng.random(len(rows)), side="right")
    end = choice.first[rows + 1]
    at = np.where(choice.full[rows], np.minimum(at, end - 1), at)
    inside = at < end
    return (
        np.where(inside, choice.target[np.where(inside, at, 0)], -1) if len(choice.target) else np.full(len(rows), -1)
    )


def _transitions(mdp: MDP) -> sp.csr_array:
    """P as (S·A, S), row s·A + a."""
    table = mdp.P if mdp.is_sparse else mdp.P.reshape(-1, mdp.n_states)
    return sp.csr_array(table)
