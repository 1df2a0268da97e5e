"""Why a field is a gradient, or is none, in one sentence; and when on-policy distillation is a gradient after all.

Theorem (claim G1, proved in docs/claims.md). Let the student be tabular, q = pi_theta, the loss H(pi‖pi_theta) or
KL(pi‖pi_theta), alpha > 0, with or without +R. On the states that some policy reaches, F is a gradient field iff

1. the visits d(s) do not depend on the policy at any other state u, and
2. at every state s with more than two actions the chance of coming back to s is the same for every action (or, where
   the teacher is deterministic at s, for every action that it does not take).

Bandits satisfy both; a tree does as soon as no choice changes which states come next; at the teacher itself the curl
vanishes always.
"""

from __future__ import annotations

import numpy as np

from dynamics.fields import Field
from dynamics.rules import control_kind, is_zero, split
from mdp import Array
from proofs.exact.points import Setting, at_random_residues, is_rational


def visit_dependence(field: Field, seed: int = 0) -> Array:
    """Whether the visits of s depend on the policy at u, as booleans (s, u); True is proved, False all but certain.

    Asked at one random point modulo a random prime of 62 bits.

    >>> from mdp import zoo
    >>> visit_dependence(Field(zoo.load("chain"), "on-policy")).tolist()
    [[False, False], [True, False]]
    """

    def ask(at: Setting, point: Array) -> Array:
        return np.array([[any(x != 0 for x in row) for row in rows] for rows in at.visits_slopes(point)])

    return at_random_residues(field, np.random.default_rng(seed), ask)


def is_gradient_by_theorem(field: Field, seed: int = 0) -> bool:
    """The right side of the theorem, decided at a random point modulo a random prime.

    False is proved; True holds except with the probability that a non-zero slope vanishes there.

    >>> from mdp import zoo
    >>> [is_gradient_by_theorem(Field(zoo.load(name), "on-policy")) for name in ("bandit", "chain", "swirl")]
    [True, False, False]
    """
    return obstruction(field, seed) is None


def obstruction(field: Field, seed: int = 0) -> tuple[int, int] | None:
    """The first (s, u) that breaks the theorem's conditions: the visits of s depend on the policy at u."""
    depends = visit_dependence(field, seed)
    for s, u in np.argwhere(depends).tolist():
        if s != u:
            return s, u
    for s in np.flatnonzero(np.diag(depends)).tolist():
        if field.mdp.n_actions > 2 and not _one_way(field, s, seed):
            return s, s
    return None


def _one_way(field: Field, s: int, seed: int) -> bool:
    """Whether the teacher is deterministic at s and all its other actions lead back to s equally often."""
    teacher = field.mdp.teacher
    if teacher is None or (teacher[s] > 0).sum() != 1:
        return False
    others = np.flatnonzero(teacher[s] == 0).tolist()

    def ask(at: Setting, point: Array) -> bool:
        slopes, p = at.visits_slopes(point)[s, s], at.student(point).p[s]
        rates = [slopes[a] / p[a] for a in others]
        return all(rate == rates[0] for rate in rates)

    return at_random_residues(field, np.random.default_rng(seed), ask)


def why_not(field: Field, i: int, j: int, seed: int = 0) -> str:
    """One sentence: what depends on what, without the update accounting for it, between parameters i and j."""
    if not is_rational(field):
        return "at the witness's parameters two mixed derivatives differ"
    states, rule = field.mdp.states, field.effective_rule
    first, second = _states_of(field, i), _states_of(field, j)
    if control_kind(rule, field.control) != "fixed" and not is_zero(rule.loss):
        depends = visit_dependence(field, seed)
        for here, there in ((first, second), (second, first)):
            for s in here:
                for u in there:
                    if depends[s, u]:
                        own = "its own policy, in other directions than its loss"
                        where = own if s == u else f"the policy at {states[u]}"
                        return f"visits of {states[s]} depend on {where}, and the update's loss there leaves that out"
    terms = split(rule)
    places = " and ".join(dict.fromkeys(str(states[s]) for s in (*first[:1], *second[:1])))
    if terms.v_student_now and control_kind(rule, field.control) == "student":
        return f"the student's own value in the reward depends on the policy, and is not differentiated ({places})"
    if rule.horizon == "step":
        return f"visits depend on the student's policy, and a one-step return does not see it ({places})"
    if terms.depends_on_student:
        return f"the reward depends on the student's policy in a way the update leaves out ({places})"
    return f"who acts depends on the student only in part, and the update differentiates as if in full ({places})"


def why_gradient(field: Field, seed: int = 0) -> str:
    """One sentence for a field whose curl vanishes although its rule's is not known to."""
    if field.student.observation is None:
        return "the curl vanishes identically on this MDP"
    depends = visit_dependence(field, seed)
    states = field.mdp.states
    if not depends.any():
        return "visits of no state depend on the student's policy, so the loss is all there is to differentiate"
    others = depends & ~np.eye(len(depends), dtype=bool)
    if not others.any():
        names = ", ".join(str(states[s]) for s in np.flatnonzero(np.diag(depends))[:3])
        return f"visits depend on a state's own policy only ({names}), in the direction of its loss"
    return "what visits of one state owe to the policy at another cancels on this MDP"


def visits_are_constant(field: Field, seed: int = 0) -> bool:
    """Whether no visit count depends on the student (see `visit_dependence`)."""
    return not visit_dependence(field, seed).any()


def _states_of(field: Field, k: int) -> list[int]:
    """The states that use parameter k."""
    observation = field.student.observation
    if observation is None:
        return list(range(field.mdp.n_states))
    return np.flatnonzero(observation == k // field.shape[1]).tolist()
