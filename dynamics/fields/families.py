"""Families of fields in one parameter: a callable `parameter -> VectorField`, what continuation follows.

Fields are built from exact numbers: a float stands for the shortest decimal that prints it, which reads back as the
same float, so that nothing is lost and a family is as smooth as floats allow.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from dynamics.fields.field import Field
from dynamics.fields.vector import VectorField
from dynamics.rules import Rule
from mdp import MDP, Array, rational

Family = Callable[[float], VectorField]


def alpha_family(mdp: MDP, rule: Rule | str, **options: Any) -> Family:
    """`alpha -> Field(mdp, rule, alpha=alpha, **options)`.

    >>> from mdp import zoo
    >>> float(alpha_family(zoo.load("swirl"), "reverse-kl", reward=True)(0.5).alpha)
    0.5
    """
    return lambda alpha: Field(mdp, rule, alpha=alpha, **options)


def teacher_family(mdp: MDP, rule: Rule | str, action: int | str, **options: Any) -> Family:
    """The teacher's probability of one action (its number or name), the same in all states.

    `pi(b|s) -> (1 − p) pi(b|s) / (1 − pi(action|s))` for the other actions: they keep their proportions.
    Raises ValueError without a teacher, for an unknown action, or where the teacher leaves the others nothing.

    >>> from mdp import zoo
    >>> family = teacher_family(zoo.load("corridor-cycle"), "on-policy", "right", reward=True)
    >>> family(0.986).mdp.teacher[0]
    array([0.014, 0.986])
    """
    a = _index(mdp.actions, action, "action")
    teacher = _exact_teacher(mdp)
    for s, row in enumerate(teacher):
        if row[a] == 1:
            raise ValueError(f"teacher[{s}, {a}] is 1; must leave the other actions a probability to share")

    def family(p: float) -> Field:
        share = rational(p, "the teacher's probability")
        if not 0 <= share <= 1:
            raise ValueError(f"the teacher's probability is {p}; must lie in [0, 1]")
        rows = [[share if b == a else (1 - share) * x / (1 - row[a]) for b, x in enumerate(row)] for row in teacher]
        return Field(mdp.replace(teacher=rows), rule, **options)

    return family


def sharpness_family(mdp: MDP, rule: Rule | str, **options: Any) -> Family:
    """The teacher's log-odds times k: `pi(a|s)^k / Σ_b pi(b|s)^k`; 1 is the teacher itself, 0 the uniform policy.

    Raises ValueError for a teacher without full support.

    >>> from mdp import zoo
    >>> sharpness_family(zoo.load("chain"), "on-policy")(2.0).mdp.teacher[0].round(6)
    array([0.2, 0.8])
    """
    teacher = np.array(_exact_teacher(mdp), dtype=float)
    if not (teacher > 0).all():
        s, a = np.argwhere(teacher <= 0)[0]
        raise ValueError(f"teacher[{s}, {a}] is 0; must be positive to have log-odds")

    return lambda k: Field(mdp, rule, teacher=to_power(teacher, k), **options)


def to_power(teacher: Array, k: float) -> Array:
    """The policy `∝ pi(a|s)^k`, (S, A), over the actions that the teacher takes: zeros stay zeros.

    >>> to_power(np.array([[0.2, 0.8]]), 2.0).round(4).tolist()
    [[0.0588, 0.9412]]
    """
    logits = np.where(teacher > 0, k * np.log(np.where(teacher > 0, teacher, 1.0)), -np.inf)
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(weights / weights.sum(-1, keepdims=True))


def discount_family(mdp: MDP, rule: Rule | str, **options: Any) -> Family:
    """`g -> Field(mdp with discount g, rule, **options)`.

    >>> from mdp import zoo
    >>> discount_family(zoo.load("swirl"), "reverse-kl")(0.9).mdp.discount
    0.9
    """
    return lambda g: Field(mdp.replace(discount=g), rule, **options)


def reward_family(mdp: MDP, rule: Rule | str, state: int | str, action: int | str, **options: Any) -> Family:
    """The reward R[state, action] as the parameter; both by number or name. The field has +R unless `reward=False`.

    >>> from mdp import zoo
    >>> reward_family(zoo.load("chain"), "on-policy", "s1", "go")(2.5).mdp.R.tolist()
    [[0.0, 0.0], [0.0, 2.5]]
    """
    s, a = _index(mdp.states, state, "state"), _index(mdp.actions, action, "action")
    rewards = mdp.exact.R.copy()
    options = {"reward": True} | options

    def family(r: float) -> Field:
        changed = rewards.copy()
        changed[s, a] = rational(r, f"R[{s}, {a}]")
        return Field(mdp.replace(R=changed), rule, **options)

    return family


def mixture_family(mdp: MDP, rule: Rule | str, **options: Any) -> Family:
    """`W -> Field(mdp, rule, control="mix:W", **options)`: the teacher controls a share W of the steps.

    >>> from mdp import zoo
    >>> mixture_family(zoo.load("chain"), "on-policy")(0.25).control
    'mix:0.25'
    """
    return lambda W: Field(mdp, rule, control=f"mix:{float(W)!r}", **options)


def _index(names: tuple[str, ...], wanted: int | str, kind: str) -> int:
    if isinstance(wanted, str):
        if wanted not in names:
            raise ValueError(f"{kind} is {wanted!r}; must be one of {', '.join(names)}")
        return names.index(wanted)
    if not 0 <= wanted < len(names):
        raise ValueError(f"{kind} is {wanted}; must be 0 to {len(names) - 1}")
    return int(wanted)


def _exact_teacher(mdp: MDP) -> list[list[Fraction]]:
    teacher = mdp.exact.teacher
    if teacher is None:
        raise ValueError("the MDP has no teacher; this family changes the teacher")
    return [list(row) for row in teacher]
