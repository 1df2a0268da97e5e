"""The teacher's V as a baseline: teacher V reward against plain reward. Same mean, different variance (theory P4).

Claim: with q = pi_theta the rows `teacher-v` and `reward` have one field, for any teacher, to rounding.

What changes is the variance of the sampled update, which is computed exactly, discount as killing and as weights,
beside the student's own exact V as a baseline. The teacher's V is the better baseline the nearer the student's own V is
to it; a bad teacher's can be worse than none.
"""

from __future__ import annotations

import numpy as np

from dynamics.experiments.summary import Row, Summary
from dynamics.fields import Field
from dynamics.learners import exact_critic, shaped
from dynamics.sampling import moments, moments_of, terms
from mdp import solve, zoo

WORLDS = ("corridor:7", "corridor-adversarial:7", "swirl", "corridor-cycle", "aliased-cycle", "token-tree:3", "chain")
ROUNDING = 1e-9


def cases(full: bool) -> list[Row]:
    """A case per MDP, teacher (its own, optimal, adversarial) and student (uniform; random with a seed)."""
    return [
        {"experiment": "baselines", "mdp": name, "teacher": teacher, "student": seed}
        for name in WORLDS
        for teacher in ("own", "optimal", "adversarial")
        for seed in range(4 if full else 2)
    ]


def run(case: Row) -> list[Row]:
    """One row: the largest difference of the two fields and the variances. Student 0 is uniform, others are random.

    The optimal and adversarial teachers are 0.1-greedy, so that they end.

    >>> row = run({"experiment": "baselines", "mdp": "chain", "teacher": "own", "student": 0})[0]
    >>> row["gap"] < 1e-12, round(row["reward"], 3), round(row["teacher_v"], 3)
    (True, 0.188, 0.141)
    """
    mdp = zoo.load(case["mdp"])
    if case["teacher"] != "own":
        best = solve.optimal(mdp) if case["teacher"] == "optimal" else solve.adversarial(mdp)
        mdp = mdp.replace(teacher=0.9 * best + 0.1 * solve.uniform(mdp))
    plain, taught = (Field(mdp, rule) for rule in ("reward", "teacher-v"))
    draw = np.random.default_rng(case["student"]).normal(size=plain.shape)
    theta = draw if case["student"] else 0 * draw
    own = shaped(terms(plain, theta), exact_critic(plain, theta), "td1")
    row = {**case, "gap": float(np.abs(plain(theta) - taught(theta)).max()), "size": float(np.abs(plain(theta)).max())}
    for name, discount in (("", "killing"), ("_weights", "weights")):
        row[f"reward{name}"] = moments(plain, theta, discount=discount).total
        row[f"teacher_v{name}"] = moments(taught, theta, discount=discount).total
        row[f"own_v{name}"] = moments_of(plain, own, discount=discount).total
    row["scale"] = float(np.abs(taught.problem.teacher_values).max() + np.abs(mdp.R).max())
    return [row]


def summary(rows: list[Row]) -> Summary:
    """Variances by MDP and teacher, averaged over students, and their ratio."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["mdp"], row["teacher"]), []).append(row)
    table = [
        {"mdp": mdp, "teacher": teacher}
        | {key: float(np.mean([row[key] for row in some])) for key in ("reward", "teacher_v", "own_v")}
        | {"ratio": float(np.mean([row["teacher_v"] / row["reward"] for row in some]))}
        for (mdp, teacher), some in groups.items()
    ]
    same = all(row["gap"] <= ROUNDING * max(row["size"], row["scale"]) for row in rows)
    fewer = sum(row["teacher_v"] < row["reward"] for row in rows)
    worst = max(rows, key=lambda row: row["gap"] / max(row["size"], row["scale"]))
    finding = (
        f"the fields differ by at most {worst['gap']:.1e} (rounding) in {len(rows)} cases; the teacher's V lowers the "
        f"variance in {fewer} of them and raises it in {len(rows) - fewer}"
    )
    return Summary(table, finding if same else f"the fields differ by {worst['gap']:.3g}", same)
