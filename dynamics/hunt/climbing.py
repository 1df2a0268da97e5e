"""From a rough candidate to a mild one: random hill climbing over MDPs whose rest points stay in closed form.

Every candidate is drawn again with its numbers moved a little (rows of P, start and teacher in logarithms, the
student's policy in log-odds), its rewards are solved for again, and the best are kept. The flow is not asked on the
way, only the eigenvalues.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from dynamics.fields import Fields, Worlds
from dynamics.hunt.candidates import Draw, Hunt, entropy, growth, resting, wandering
from mdp import Array

GOALS = ("cycle", "mild", "teacher", "rewards", "discount")
ENOUGH, MUCH = 0.05, 0.25  # growth: enough for a cycle of some size; beyond much, orbits tend to run off


def value(goal: str, candidates: Draw, share: Array) -> Array:
    """What is made large, (N,): `growth` up to 0.05, and then the goal, less 10 times what growth has above 0.25.

    "cycle": no more than that; "teacher": the teacher's mean entropy over log A; "rewards": −log10 of the largest
    reward; "discount": log10 (1 − g); "mild": the sum of the three, the last two halved.
    Raises ValueError for another goal.
    """
    worlds = candidates.fields.worlds
    soft = entropy(worlds.teacher) / np.log(worlds.teacher.shape[-1])
    small = -np.log10(np.abs(worlds.R).max((-1, -2)) + 1e-9)
    short = np.log10(1 - worlds.discount)
    goals = {"cycle": 0 * soft, "teacher": soft, "rewards": small, "discount": short}
    goals["mild"] = soft + small / 2 + short / 2
    if goal not in goals:
        raise ValueError(f"goal is {goal!r}; must be one of {', '.join(GOALS)}")
    return np.where(share < ENOUGH, share - 20.0, goals[goal] - 10 * np.maximum(share - MUCH, 0))


def climb(
    hunt: Hunt,
    start: Draw,
    goal: str,
    rng: np.random.Generator,
    *,
    rounds: int = 40,
    keep: int = 24,
    children: int = 24,
    look: int = 5,
) -> tuple[Draw, Array]:
    """The `keep` best candidates after some rounds, best first, and whether each of them wanders.

    Every `look` rounds the flow of the parents is looked at (`wandering`): those that wander go on alone, and where
    none does any more, those go on that did at the last look.

    >>> from dynamics.hunt.candidates import draw
    >>> from dynamics.rules import get
    >>> hunt = Hunt(get("reverse-kl"), 2, 2)
    >>> best, wander = climb(hunt, draw(hunt, 0, 100), "cycle", np.random.default_rng(0), rounds=12, keep=6, look=99)
    >>> bool(growth(best)[0] > 0.05)
    True
    """
    best = resting(hunt, start)
    known: Draw | None = None
    for step in range(rounds):
        if not len(best):
            break
        parents = _best(best, goal, keep)
        if step % look == 0:
            seen = _seen(parents)
            known = parents.take(np.flatnonzero(seen)) if seen.any() else known
            parents = known or parents
        sizes = 0.5 * 0.93 ** (step % 30) * np.exp(rng.uniform(-3, 0.5, size=len(parents) * children))
        moved = mutated(hunt, parents.take(np.repeat(np.arange(len(parents)), children)), goal, rng, sizes)
        best = joined(parents, resting(hunt, moved))
    parents = _best(best, goal, keep)
    seen = _seen(parents)
    if not seen.any() and known is not None:
        parents, seen = known, np.ones(len(known), dtype=bool)
    order = np.argsort(~seen, kind="stable")
    return parents.take(order), seen[order]


def _best(candidates: Draw, goal: str, keep: int) -> Draw:
    order = np.argsort(-value(goal, candidates, growth(candidates)), kind="stable")
    return candidates.take(order[:keep])


def _seen(parents: Draw) -> Array:
    """Whether each wanders; none that does not repel."""
    seen = growth(parents) > 1e-6
    if seen.any():
        with np.errstate(all="ignore"):
            seen[seen] = wandering(parents.take(np.flatnonzero(seen)))
    return seen


def mutated(hunt: Hunt, parents: Draw, goal: str, rng: np.random.Generator, sizes: Array) -> Draw:
    """The candidates with every number moved by a normal step of its own size (N,)."""
    w = parents.fields.worlds

    def moved(rows: Array) -> Array:
        logs = np.log(np.maximum(rows, 1e-12))
        steps = sizes.reshape(-1, *[1] * (rows.ndim - 1)) * rng.standard_normal(rows.shape)
        weights = np.exp((logs + steps) - (logs + steps).max(-1, keepdims=True))
        return np.asarray(weights / weights.sum(-1, keepdims=True))

    P = w.P
    if hunt.family != "graph":
        ends = np.maximum(1 - w.P.sum(-1, keepdims=True), 0)
        P = moved(np.concatenate([w.P, ends], -1))[..., :-1]
    discount = w.discount
    if goal in ("mild", "discount"):
        horizon = np.log(1 / (1 - discount)) + sizes * rng.standard_normal(len(discount))
        discount = 1 - np.exp(-horizon.clip(0.05, 7))
    R = w.R + sizes[:, None, None] * (0.1 + np.abs(w.R)) * rng.standard_normal(w.R.shape)
    R[..., -1] = 0
    teacher = np.maximum(moved(w.teacher), 1e-9)
    worlds = Worlds(P, R, moved(w.initial), discount, teacher / teacher.sum(-1, keepdims=True))
    x = parents.x + sizes[:, None] * rng.standard_normal(parents.x.shape)
    return Draw(Fields(hunt.template, worlds), x)


def joined(one: Draw, other: Draw) -> Draw:
    """Both sets of candidates, the first ones first."""
    a, b = one.fields.worlds, other.fields.worlds
    names = [part.name for part in dataclasses.fields(Worlds)]
    worlds = Worlds(*(np.concatenate([getattr(a, name), getattr(b, name)]) for name in names))
    return Draw(Fields(one.fields.template, worlds), np.concatenate([one.x, other.x]))
