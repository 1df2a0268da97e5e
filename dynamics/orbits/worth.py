"""What a flow is worth: where it ends, how soon it gets there, and how noisy one trajectory's update is on the way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dynamics.fields import Field
from dynamics.motion import Trajectory
from dynamics.orbits.outcomes import Outcome
from mdp import Array, Policy, endless_states, evaluation, kl, policy

POINTS = 400  # of a trajectory at which the student is measured


def where_it_ends(field: Field, found: Outcome) -> Policy:
    """The policies (n, S, A) whose mean worth is that of an outcome: a cycle's, else the one policy at its end.

    On the way to the boundary that is the policy in which the dying actions are dead, if that one ends.

    >>> from mdp import zoo
    >>> from vorticity import outcome
    >>> field = Field(zoo.load("bandit:2"), "reward")
    >>> where_it_ends(field, outcome(field, np.zeros((1, 2)))).p
    array([[[0., 1.]]])
    """
    if found.orbit is not None:
        return field.policy(found.orbit.theta[:-1])
    at = field.policy(found.at[None])
    if found.kind != "boundary":
        return at
    states, actions = ({name: k for k, name in enumerate(names)} for names in (field.mdp.states, field.mdp.actions))
    table = at.p.copy()
    for state, action, _ in found.evidence["extinct"]:
        table[0, states[state], actions[action]] = 0.0
    table /= table.sum(-1, keepdims=True)
    return policy(table) if ends(field, table) else at


def first_times(
    field: Field, run: Trajectory, returns: tuple[float | None, float | None], kls: tuple[float | None, float | None]
) -> tuple[float | None, float | None, float | None]:
    """When the return, the KL on the teacher's states and that on the student's have done 95 % of their ways.

    Their ways lead from the uniform student's return to the teacher's (`returns`), and from the uniform student's KLs
    (`kls`) to 0. None where that is not reached, not known, or where the teacher's return is no larger.
    """
    kept = _spread(len(run.t))
    t, student = run.t[kept], field.policy(run.theta[kept])
    if not ends(field, student.p):
        return None, None, None
    mdp = field.mdp
    d = evaluation.visits(mdp, student.p)
    reaches: float | None = None
    low, high = returns
    if low is not None and high is not None and high - low > 1e-9 * max(abs(low), abs(high)):
        earned = evaluation.visit_return(d, student.p, mdp.R)
        reaches = first_reach(t.tolist(), earned.tolist(), low + SHARE * (high - low))
    if mdp.teacher is None or not ends(field, mdp.teacher):
        return reaches, None, None
    teacher = policy(mdp.teacher)
    gap = np.maximum(kl(teacher, student), 0.0)  # rounding may leave it just below
    theirs = evaluation.visits(mdp, teacher.p)
    copies = [
        None
        if start is None
        else first_reach(t.tolist(), (-evaluation.visit_mean(q, gap)).tolist(), -max((1 - SHARE) * start, LEAST_KL))
        for q, start in zip((theirs, d), kls, strict=True)
    ]
    return reaches, copies[0], copies[1]


def halfway(field: Field, theta: Array, end: Policy) -> Array | None:
    """The first of the parameters theta (n, *shape) at which the policy is half as far from the first as the end is.

    `‖pi_theta − pi_0‖ ≥ ½ ‖pi_end − pi_0‖` over all states and actions; None if it never moves.

    >>> from mdp import zoo
    >>> field = Field(zoo.load("bandit:2"), "reward")
    >>> halfway(field, np.array([[[0.0, x]] for x in (0.0, 1.0, 2.0)]), policy([[[0.0, 1.0]]])).tolist()
    [[0.0, 2.0]]
    """
    kept = theta[_spread(len(theta))]
    p = field.policy(kept).p
    away = np.linalg.norm((p - p[0]).reshape(len(kept), -1), axis=1)
    whole = float(np.linalg.norm(end.p[-1] - p[0]))
    there = np.flatnonzero(away >= whole / 2)
    return np.asarray(kept[there[0]]) if whole > 1e-9 and len(there) else None


def _spread(n: int) -> Array:
    """At most `POINTS` indices from 0 to n − 1."""
    return np.unique(np.linspace(0, n - 1, POINTS).astype(int))


def mean_return(field: Field, student: Policy) -> float | None:
    """The mean of `J = rho·V` over the policies (..., S, A); None where one of them never ends.

    >>> from mdp import zoo
    >>> bandit = Field(zoo.load("bandit:2"), "reward")
    >>> mean_return(bandit, bandit.policy(np.zeros((1, 2))))
    0.5
    """
    return _mean(evaluation.expected_return(field.mdp, student.p)) if ends(field, student.p) else None


def _mean(values: Array) -> float:
    return float(np.mean(values))


def ends(field: Field, q: Array) -> bool:
    """Whether the policies q (..., S, A) end, so that their visits are finite."""
    tables = q.reshape(-1, *q.shape[-2:])
    return field.mdp.discount < 1 or not any(len(endless_states(field.mdp, table > 0)) for table in tables)


def divergences(field: Field, student: Policy) -> tuple[float | None, float | None]:
    """`Σ_s d(s) KL(pi(s)‖pi_theta(s)) / Σ_s d(s)` for d the visits of the teacher and of the student, as `side` says.

    The mean over the leading axes of `student`; None without a teacher, where visits or the KL are infinite.
    """
    if field.mdp.teacher is None:
        return None, None
    teacher = policy(field.mdp.teacher)
    gap = np.maximum(kl(teacher, student), 0.0)  # rounding may leave it just below
    found: list[float | None] = []
    for q in (teacher.p, student.p):
        if not ends(field, q):
            found.append(None)
            continue
        d = evaluation.visits(field.mdp, q)
        average = _mean(evaluation.visit_mean(d, gap))
        found.append(average if np.isfinite(average) else None)
    return found[0], found[1]


SHARE = 0.95  # of the teacher's return


LEAST_KL = 1e-15  # below this a KL is rounding; logarithms are taken of no less


def first_reach(x: Sequence[float], values: Sequence[float], target: float) -> float | None:
    """The x at which the values first reach the target, linear in log(1 + x) between measurements; None if never.

    >>> first_reach([0, 1, 3], [0.0, 1.0, 2.0], 1.0), first_reach([0, 1], [0.0, 1.0], 2.0)
    (1.0, None)
    """
    for k, value in enumerate(values):
        if value >= target:
            if k == 0:
                return float(x[0])
            share = (target - values[k - 1]) / (value - values[k - 1])
            low, high = np.log1p(x[k - 1]), np.log1p(x[k])
            return float(np.round(np.expm1(low + share * (high - low)), 9))
    return None
