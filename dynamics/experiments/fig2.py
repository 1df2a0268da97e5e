"""The paper's cycle and its corrections (the paper, Figure 2), from (−2, −2) with step 0.025.

Claim: on-policy distillation + R cycles (p = pi(R|s0) passes 1/2 at step 540, period 4380, largest p 0.93) and
N-distill + R runs to the boundary (p = 1/2 at 380, x = pi(R|shared) = 1/2 at 1280, own loss to −4). The numbers are
read off the paper's figure, and agree when they are within 3 %.

The student has one sigmoid parameter per observation. *Exact* expected updates have no chance in them, so they have no
interval; beside them the same rules run with *sampled* updates, one trajectory each, with Student-t intervals over
members. A crossing counts only after p was below 0.4, so that noise round 1/2 does not; a member *came back* when it
is below 0.4 again after it had passed 1/2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dynamics.experiments.summary import Row, Summary, interval, levels, where
from dynamics.fields import Field
from dynamics.learners import stochastic
from dynamics.motion import iterate
from mdp import Array, student, zoo

PAPER: dict[str, dict[str, float]] = {
    "on-policy": {"p_half": 540, "period": 4380, "p_max": 0.93},
    "n-distill": {"p_half": 380, "x_half": 1280, "loss": -4.0},
}
RULES = ("on-policy", "n-distill", "eer")
ETA, START, NEAR, ARMED = 0.025, -2.0, 0.03, 0.4
MARKS = 200  # points kept of a curve


def cases(full: bool) -> list[Row]:
    """Exact runs of every rule + R; sampled runs, a case per seed with 8 members each."""
    exact = [
        {
            "experiment": "fig2",
            "rule": rule,
            "expectation": "exact",
            "members": 1,
            "steps": 20_000 if full else 6_000,
            "seed": 0,
        }
        for rule in RULES
    ]
    sampled = [
        {
            "experiment": "fig2",
            "rule": rule,
            "expectation": "sampled",
            "members": 8,
            "steps": 20_000 if full else 6_000,
            "seed": seed,
        }
        for rule in RULES[:2]
        for seed in range(8 if full else 1)
    ]
    return exact + sampled


def run(case: Row) -> list[Row]:
    """A row per member: step of the first p = 1/2 and x = 1/2, period, largest p, last own loss, and the path.

    The crossings are linear between steps; `period` is the distance of the first two upward crossings of p = 1/2, None
    where there are fewer; `back` says whether p came below 0.4 again.

    >>> case = {"rule": "on-policy", "expectation": "exact", "members": 1, "steps": 700, "seed": 0}
    >>> round(run(case)[0]["p_half"])
    545
    """
    mdp = zoo.load("fig2")
    field = Field(mdp, case["rule"], reward=True, student=student.sigmoid(mdp.observation))
    rng = np.random.default_rng([case["seed"], 2])
    theta = np.full((case["members"], *field.shape), START)
    exact = case["expectation"] == "exact"
    run = iterate(field, theta, ETA, case["steps"]) if exact else stochastic(field, theta, ETA, case["steps"], rng)
    both = 1 / (1 + np.exp(-run.theta))
    return [{**case, "member": i, **_measured(both[:, i])} for i in range(case["members"])]


def _measured(path: Array) -> Row:
    p, x = path.T
    ups, across = _crossings(p), _crossings(x)
    every = max(len(p) // MARKS, 1)
    return {
        "p_half": ups[0] if ups else None,
        "x_half": across[0] if across else None,
        "period": ups[1] - ups[0] if len(ups) > 1 else None,
        "p_max": float(p.max()),
        "loss": float(-4 * x[-1] * p[-1]),
        "back": bool(ups) and bool((p[int(ups[0]) + 1 :] < ARMED).any()),
        "p": p[::every].round(5).tolist(),
        "x": x[::every].round(5).tolist(),
        "every": every,
    }


def _crossings(values: Array) -> list[float]:
    """The steps at which values pass 1/2 upwards, linear in between, after having been below ARMED."""
    found, armed = [], False
    for k in np.flatnonzero((values < ARMED) | (values >= 0.5)).tolist():
        if values[k] < ARMED:
            armed = True
        elif armed:
            low, high = values[k - 1], values[k]
            found.append(float(k - 1 + (0.5 - low) / (high - low)))
            armed = False
    return found


def summary(rows: list[Row]) -> Summary:
    """The paper's numbers beside the exact ones, and sampled means with intervals over members."""
    table: list[Row] = []
    agree: list[bool] = []
    for rule in levels(rows, "rule"):
        for expectation in levels(where(rows, rule=rule), "expectation"):
            mine = where(rows, rule=rule, expectation=expectation)
            line: Row = {"rule": f"{rule} + R", "expectation": expectation, "members": len(mine)}
            for key in ("p_half", "x_half", "period", "p_max", "loss"):
                said = PAPER.get(rule, {}).get(key)
                line |= _cell(mine, key) | {f"{key}_paper": said}
                if expectation == "exact" and said is not None:
                    agree.append(line[key] is not None and abs(line[key] - said) <= NEAR * abs(said))
            line["came_back"] = sum(row["back"] for row in mine)
            table.append(line)
    exact = {row["rule"]: row for row in where(table, expectation="exact")}
    turns = {name: bool(row["came_back"]) for name, row in exact.items()}
    wanted = len(agree) == sum(map(len, PAPER.values()))
    holds = None if not wanted else all(agree) and turns["on-policy + R"] and not turns["n-distill + R"]
    parts = [f"{sum(agree)} of {len(agree)} numbers of the figure agree within 3 %"]
    for rule in ("on-policy + R", "n-distill + R"):
        for row in where(table, rule=rule):
            verb = "came back" if row["expectation"] == "sampled" else "comes back"
            parts.append(f"{rule}, {row['expectation']}: {row['came_back']} of {row['members']} {verb}")
    return Summary(table, "; ".join(parts), holds)


def _cell(rows: list[Row], key: str) -> dict[str, Any]:
    """The mean over the members that have a value, with its interval where several have one."""
    values = [row[key] for row in rows if row[key] is not None]
    if len(rows) == 1 or len(values) < 2:
        return {key: values[0] if values else None, f"{key}_low": None, f"{key}_high": None}
    mean = interval(values)
    return {key: mean.mean, f"{key}_low": mean.low, f"{key}_high": mean.high}
