"""The hunt for teachers whose copies swirl: two observations, two actions, no reward.

python benchmarks/copying.py [STATES] [--rounds N] [--seed K] [--climb]

At a given policy the update is linear in the teacher's table, and so is its Jacobian; the Jacobian's row of one
observation depends on that observation's teacher rows only. So no teacher is drawn: under the condition that the policy
rests, the rows (J_o0, J_o1) farthest in some direction are those of a fractional knapsack, whose items are the states
of the observation, visits the weights. Every pair of such rows is tried, and `growth`, trace / (2 √det), says whether
the rest point repels (above 0; a cycle needs that, see `proofs.claims.aliasing`). Draws deterministic graphs, starts
and policies; `--climb` draws them again beside the best of each round. Prints, for on-policy distillation (teachers
within [least, 1 − least]) and reverse KL (log-odds within ±4): candidates, how many repel, and the largest growth.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from mdp import Array

ANGLES = np.linspace(0, 2 * np.pi, 24, endpoint=False)
SIZE, KEPT, CHILDREN = 4000, 60, 40
RANGES = {"on-policy": (0.02, 0.98), "reverse-kl": (-4.0, 4.0)}


@dataclass(frozen=True, eq=False)
class Candidates:
    """N graphs `target` (N, S, 2) (S: the end), starts (N, S), discounts and policies `x` (N, 2), log-odds of action 1.

    `seen` (S,): the observation, 0 or 1, of each state.
    """

    seen: Array
    discount: float
    target: Array
    initial: Array
    x: Array


def drawn(rng: np.random.Generator, states: int, n: int) -> Candidates:
    """n candidates of one structure of observations and one discount."""
    first = int(rng.integers(2, states - 1)) if states > 4 else 2
    seen = np.repeat([0, 1], [first, states - first])
    start = rng.gamma(0.3, size=(n, states)) * (rng.random((n, states)) < 0.5) + 1e-9
    discount = [0.99, 0.95, 0.9, 1 - 1e-6][rng.integers(4)]
    graphs = rng.integers(0, states + 1, size=(n, states, 2))
    return Candidates(seen, discount, graphs, start / start.sum(-1, keepdims=True), 1.5 * rng.standard_normal((n, 2)))


def moved(rng: np.random.Generator, old: Candidates, best: Array, size: float) -> Candidates:
    """The best ones, and children beside them."""
    k = np.repeat(best, CHILDREN)
    n, states = len(k), len(old.seen)
    graphs, start = old.target[k].copy(), old.initial[k]
    for _ in range(2):
        some = np.flatnonzero(rng.random(n) < 0.4)
        places = rng.integers(0, states, len(some)), rng.integers(0, 2, len(some))
        graphs[some, *places] = rng.integers(0, states + 1, len(some))
    start = start * np.exp(2 * size * rng.standard_normal(start.shape) * (rng.random((n, 1)) < 0.5)) + 1e-12
    x = old.x[k] + size * rng.standard_normal((n, 2)) * (rng.random((n, 1)) < 0.7)
    parts = ((old.target, graphs), (old.initial, start / start.sum(-1, keepdims=True)), (old.x, x))
    return Candidates(old.seen, old.discount, *(np.concatenate([one[best], other]) for one, other in parts))


def knapsack(gain: Array, weight: Array, lo: float, hi: float, total: Array) -> Array:
    """The items (N, m) within [lo, hi] with Σ weight · item = total that make Σ gain · item largest."""
    order = np.argsort(-gain / weight, -1)
    sizes = np.take_along_axis(weight, order, -1)
    before = np.cumsum(sizes, -1) - sizes
    left = (total - lo * weight.sum(-1)) / (hi - lo)
    filled = np.clip((left[:, None] - before) / sizes, 0, 1)
    items = np.empty_like(weight)
    np.put_along_axis(items, order, lo + (hi - lo) * filled, -1)
    return items


def growth(these: Candidates, rule: str, least: float | None = None) -> Array:
    """The largest trace / (2 √det) over extreme teachers under which x rests, (N,); −9 where none has det > 0."""
    lo, hi = RANGES[rule] if least is None else (least, 1 - least)
    seen, x = these.seen, these.x
    states = len(seen)
    P = these.discount * np.eye(states + 1)[these.target][..., :states]
    p = 1 / (1 + np.exp(-x))
    each = p[:, seen]
    A = np.eye(states) - ((1 - each)[..., None] * P[:, :, 0] + each[..., None] * P[:, :, 1])
    good = (np.abs(np.linalg.det(A)) > 1e-6) & (np.abs(x) < 4).all(-1)
    inverse = np.linalg.inv(np.where(good[:, None, None], A, np.eye(states)))
    d = np.einsum("ns,nst->nt", these.initial, inverse)
    good &= (d > 1e-7).all(-1) & (d.max(-1) < 1e4)
    d = np.where(good[:, None], d, 1.0)
    slope = p * (1 - p)
    turn = P[:, :, 1] - P[:, :, 0]
    push = [np.einsum("nt,ntu,nuv->nv", d * (seen == k), turn, inverse) * slope[:, k, None] for k in (0, 1)]  # ∂d/∂x_k
    rest = x if rule == "reverse-kl" else p
    rows = []
    for k in (0, 1):
        mine = seen == k
        weight = d[:, mine]
        found = []
        for angle in ANGLES:
            gain = np.cos(angle) * push[0][:, mine] + np.sin(angle) * push[1][:, mine]
            error = knapsack(gain, weight, lo, hi, weight.sum(-1) * rest[:, k]) - rest[:, k, None]
            row = np.stack([(one[:, mine] * error).sum(-1) for one in push], -1)
            row[:, k] -= weight.sum(-1) * (1.0 if rule == "reverse-kl" else slope[:, k])
            row *= slope[:, k, None] if rule == "reverse-kl" else 1.0
            row[np.abs((weight * error).sum(-1)) > 1e-8 * weight.sum(-1)] = np.nan  # rest lies outside [lo, hi]
            found.append(row)
        rows.append(np.stack(found, 1))
    one, two = rows[0][:, :, None], rows[1][:, None]
    trace = one[..., 0] + two[..., 1]
    det = one[..., 0] * two[..., 1] - one[..., 1] * two[..., 0]
    share = np.where((det > 0) & good[:, None, None], trace / (2 * np.sqrt(np.abs(det) + 1e-300)), -9)
    return np.asarray(np.where(np.isfinite(share), share, -9).reshape(len(x), -1).max(-1))


def main() -> None:
    """Hunt, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("states", nargs="?", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--least", type=float, help="the least chance of the teacher, for on-policy")
    parser.add_argument("--climb", action="store_true")
    given = parser.parse_args()
    if given.states < 4:
        parser.error(f"states is {given.states}; must be at least 4: two for each observation")
    for rule in ("on-policy",) if given.least is not None else RANGES:
        rng = np.random.default_rng([given.seed, given.states])
        count, repel, largest = 0, 0, -9.0
        for _ in range(given.rounds):
            these = drawn(rng, given.states, SIZE)
            for step in range(25 if given.climb else 1):
                with np.errstate(all="ignore"):
                    share = growth(these, rule, given.least)
                count, repel, largest = count + len(share), repel + int((share > 0.05).sum()), max(largest, share.max())
                if given.climb:
                    best = np.argsort(-np.minimum(share, 0.3), kind="stable")[:KEPT]
                    these = moved(rng, these, best, 0.6 * 0.9**step)
        way = "climbed" if given.climb else "drawn"
        print(f"{rule}: {given.states} states, {count} candidates {way}, {repel} repel, largest growth {largest:.3f}")


if __name__ == "__main__":
    main()
