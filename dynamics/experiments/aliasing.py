"""Copying on grid worlds with a window of sight: which convergence claims survive when states look alike.

Claim: with full sight the KL to the teacher on the teacher's states never rises under on-policy distillation (P1);
with a window of sight it does in some worlds, and the student ends short of the best of its class, while
teacher-driven distillation never lets it rise and ends at that best student at every sight (docs/aliasing.md, O1).

Worlds of `mdp.random.grid_world`, drawn again when the best return is below 1; teachers that see everything: 0.1-greedy
and softmax of Q* at temperature 0.3. The window shows the cells within 0, 1 or 2 rows and columns, or everything. Exact
flows dtheta/dt = F from the uniform student to time 3000, with and without reward; `kind` is "rest" (the policy moves
by less than 1e-6 a unit of time), "boundary" (a probability is below 1e-4 and falls still) or "moving". `rise`
is the largest rise of the KL above the least before it; the best of the class (the visit-weighted mean of the teacher's
rows) is known in closed form. Returns are compared with those of the same rule on the same world with full sight.
Intervals are Student's t over worlds, the teachers of one world averaged.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from dynamics.experiments.summary import Row, Summary, interval, levels, where
from dynamics.fields import Field
from dynamics.rules import label
from mdp import MDP, Array, evaluation, kl, policy, random, solve

SIGHTS = (0, 1, 2, None)  # None: everything
TEACHERS = ("epsilon:0.1", "softmax:0.3")
RULES = ("teacher", "on-policy", "n-distill", "n-distill-kl", "reverse-kl", "reverse-kl-corrected")
REWARDED = ("on-policy", "n-distill", "reverse-kl")
LEAST, TIME, POINTS = 1.0, 3000.0, 160
STILL, EXTINCT, ROUNDING = 1e-6, 1e-4, 1e-6  # ROUNDING: rises below this share of the first KL are the integrator's


def world(seed: int, size: int, sight: int | None) -> MDP:
    """The seed's grid world under that sight, with P dense: one seed is one grid at every sight.

    >>> [world(0, 5, sight).n_observations for sight in (0, 1, None)]
    [2, 19, 22]
    """
    for k in range(1000):
        mdp = random.grid_world(np.random.default_rng([seed, k]), size=size, sight=sight)
        if evaluation.expected_return(mdp, solve.optimal(mdp)) >= LEAST:
            return mdp.replace(P=mdp.P.toarray().reshape(mdp.n_states, mdp.n_actions, mdp.n_states))
    raise ValueError(f"size is {size}; no grid of that size in 1000 draws has a return of at least {LEAST:g}")


def cases(full: bool) -> list[Row]:
    """A case per world, teacher and sight: 300 worlds of 9 x 9, or 8 of 6 x 6."""
    return [
        {"experiment": "aliasing", "mdp": seed, "size": 9 if full else 6, "teacher": teacher, "sight": sight}
        for seed in range(300 if full else 8)
        for teacher in TEACHERS
        for sight in SIGHTS
    ]


def run(case: Row) -> list[Row]:
    """A row for each rule, without and with reward: how its flow ends, and what happened to the KL on the way.

    `kl_teacher`, `kl_student`: nats a step on the teacher's and the student's states, at the end; `gap`: `kl_teacher`
    less that of the best student of the class.

    >>> rows = run({"mdp": 0, "size": 3, "teacher": "softmax:0.3", "sight": 0})
    >>> len(rows), rows[0]["rule"], abs(rows[0]["gap"]) < 1e-6
    (9, 'teacher', True)
    """
    mdp = world(case["mdp"], case["size"], case["sight"])
    mdp = mdp.replace(teacher=solve.teacher(mdp, case["teacher"]))
    fields = [Field(mdp, rule) for rule in RULES] + [Field(mdp, rule, reward=True) for rule in REWARDED]
    return [{**case, "observations": mdp.n_observations, **_followed(field)} for field in fields]


def best_of_class(mdp: MDP) -> Array:
    """The student (S, A) with the least KL on the teacher's states: each observation's visit-weighted mean row."""
    teacher, seen = np.asarray(mdp.teacher), mdp.observation
    weights = evaluation.visits(mdp, teacher)[:, None] + 1e-300
    total = np.zeros((mdp.n_observations, mdp.n_actions))
    np.add.at(total, seen, weights * teacher)
    return np.asarray((total / total.sum(-1, keepdims=True))[seen])


def _followed(field: Field) -> Row:
    """The flow from theta = 0: its end, and the KL along it."""
    shape = field.shape
    time = np.append(0.0, np.geomspace(1e-2, TIME, POINTS))
    done = solve_ivp(
        lambda _, x: field(x.reshape(shape)).ravel(),
        (0, TIME),
        np.zeros(field.student.size),
        method="LSODA",
        jac=lambda _, x: field.jacobian(x.reshape(shape)),
        t_eval=time,
        rtol=1e-8,
        atol=1e-10,
    )
    theta = done.y.T.reshape(-1, *shape)
    mdp, teacher = field.mdp, np.asarray(field.mdp.teacher)
    known = evaluation.visits(mdp, teacher)
    p = field.policy(theta)
    gaps = kl(policy(teacher), p)  # (times, S)
    on_teacher = evaluation.visit_mean(known, gaps)
    best = float(evaluation.visit_mean(known, kl(policy(teacher), policy(best_of_class(mdp)))))
    own = evaluation.visits(mdp, p.p[-1])
    speed = np.abs(p.p[-1] * (F := field.student.logits(field(theta[-1]))) - p.p[-1] * (p.p[-1] * F).sum(-1)[:, None])
    dying = bool(((p.p[-1] < EXTINCT) & (F < 0)).any())
    kind = "moving" if not done.success or len(time) != len(theta) else "rest" if speed.max() < STILL else "moving"
    return {
        "rule": label(field.rule),
        "kind": "boundary" if dying and kind == "rest" else kind,
        "rise": float((on_teacher - np.minimum.accumulate(on_teacher)).max()),
        "start": float(on_teacher[0]),
        "kl_teacher": float(on_teacher[-1]),
        "kl_student": float(evaluation.visit_mean(own, gaps[-1])),
        "gap": float(on_teacher[-1] - best),
        "return": float(evaluation.expected_return(mdp, p.p[-1])),
    }


def rose(row: Row) -> bool:
    """Whether the KL on the teacher's states rose beyond what the integrator's tolerance explains."""
    return bool(row["rise"] > ROUNDING * row["start"])


def summary(rows: list[Row]) -> Summary:
    """A line for each sight and rule, and whether the claims that survive do, and the one that falls falls."""
    whole = {(row["mdp"], row["teacher"], row["rule"]): row["return"] for row in where(rows, sight=None)}
    table = [
        _line(sight, rule, where(rows, sight=sight, rule=rule), whole)
        for sight in levels(rows, "sight")
        for rule in levels(rows, "rule")
    ]
    aliased = [row for row in rows if row["sight"] is not None]
    sighted, fell = where(rows, sight=None, rule="on-policy"), where(aliased, rule="on-policy")
    driven = where(rows, rule="teacher")
    if not (sighted and fell and driven):
        return Summary(table, "some of the rules or sights that the claim is about are missing", None)
    p1 = not any(rose(row) for row in sighted)
    convex = not any(rose(row) for row in driven)
    rises = [rose(row) for row in fell]
    parts = [
        f"full sight, on-policy: KL rose in {sum(map(rose, sighted))} of {len(sighted)} runs",
        f"teacher-driven: in {sum(map(rose, driven))} of {len(driven)}, at every sight, and it ended within "
        f"{max(row['gap'] for row in driven):.1g} nats of the best of its class",
        f"a window of sight, on-policy: in {sum(rises)} of {len(rises)}, by up to "
        f"{max(row['rise'] / row['start'] for row in fell):.0%} of the KL at the start",
        f"not at rest by time {TIME:g}: {sum(row['kind'] == 'moving' for row in rows)} of {len(rows)} flows",
    ]
    near = all(row["gap"] < 1e-2 for row in driven)
    return Summary(table, "; ".join(parts), bool(p1 and convex and near and any(rises)))


def _line(sight: int | None, rule: str, rows: list[Row], whole: dict[Any, float]) -> Row:
    """One line of the table: means over worlds with their intervals."""
    kinds = [row["kind"] for row in rows]
    line: Row = {
        "sight": "all" if sight is None else sight,
        "rule": rule,
        "rest/boundary/moving": "/".join(str(kinds.count(kind)) for kind in ("rest", "boundary", "moving")),
        "kl_rose": f"{sum(map(rose, rows))}/{len(rows)}",
    }
    lost = [
        {**row, "lost": whole.get((row["mdp"], row["teacher"], row["rule"]), np.nan) - row["return"]} for row in rows
    ]
    for key in ("kl_teacher", "kl_student", "gap", "lost"):
        found = interval([np.mean([row[key] for row in where(lost, mdp=mdp)]) for mdp in levels(lost, "mdp")])
        line |= {key: found.mean, f"{key}_low": found.low, f"{key}_high": found.high}
    return line
