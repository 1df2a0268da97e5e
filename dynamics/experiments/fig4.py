"""ER against EER as the number of actions grows: |A| = 4, 40, 400, 4000 (the paper, Figure 4).

Claim: ER and EER have one expected field; sampled, with the best step each, ER works at |A| = 4 and fails from 400
on, while EER works at all four.

Own model, since the paper's is not known here: a chain of three states in which every action leads on, so that nothing
but the estimator changes with |A|. A quarter of the actions is good, R = 1/3 each time, and the teacher plays a good
one with probability 0.9, all of them (and all others) alike. The student starts uniform, with a return of 0.25; ER's
loss is least at a good action, with a return of 1. One trajectory an update, a fixed number of updates. The step is
chosen from a grid by half of the members, the other half is reported. A rule *works* when the 95 % interval of its
final return lies above 0.625, half of the way from 0.25 to 1, and *fails* when it lies below.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from dynamics.experiments.summary import Row, Summary, interval, levels, where
from dynamics.fields import Field
from dynamics.sampling import estimates, moments
from mdp import MDP

ACTIONS = (4, 40, 400, 4000)
RULES = ("er", "eer")
STEPS = tuple(4.0**k for k in range(-4, 5))
HALF_WAY = 0.625
STATES = 3


def world(actions: int) -> MDP:
    """The chain with `actions` actions, a multiple of 4; the first quarter is good.

    >>> world(4).teacher[0].round(4).tolist()
    [0.9, 0.0333, 0.0333, 0.0333]
    """
    if actions < 4 or actions % 4:
        raise ValueError(f"{actions} actions; must be a positive multiple of 4")
    good = actions // 4
    rows = [[s, a, s + 1, 1] for s in range(STATES - 1) for a in range(actions)]
    taught = [Fraction(9, 10) / good] * good + [Fraction(1, 10) / (actions - good)] * (actions - good)
    return MDP(
        P={"sparse": rows},
        R=[[Fraction(int(a < good), STATES) for a in range(actions)]] * STATES,
        initial=[1] + [0] * (STATES - 1),
        teacher=[taught] * STATES,
        name=f"chain-of-{actions}",
    )


def cases(full: bool) -> list[Row]:
    """A case per |A|, rule and step; `full` takes more updates and members, and |A| = 4000 as well."""
    return [
        {
            "experiment": "fig4",
            "actions": actions,
            "rule": rule,
            "step": step,
            "updates": 300 if full else 200,
            "members": 24 if full else 16,
            "seed": 4,
        }
        for actions in (ACTIONS if full else ACTIONS[:3])
        for rule in RULES
        for step in STEPS[:: 1 if full else 2]
    ]


def run(case: Row) -> list[Row]:
    """The learning curves of a case: a row per member at eleven times, with its exact return.

    >>> small = {"actions": 4, "rule": "er", "step": 0.25, "updates": 10, "members": 2, "seed": 0}
    >>> rows = run(small)
    >>> len(rows), rows[0]["return"]
    (22, 0.25)
    """
    field = Field(world(case["actions"]), case["rule"])
    rng = np.random.default_rng(case["seed"])
    theta = np.zeros((case["members"], *field.shape))
    rows: list[Row] = []
    for k in range(case["updates"] + 1):
        if k % max(case["updates"] // 10, 1) == 0:
            good = field.policy(theta).p[..., : case["actions"] // 4].sum(-1).mean(-1)
            rows += [{**case, "update": k, "member": i, "return": float(x)} for i, x in enumerate(good)]
        theta = theta + case["step"] * estimates(field, theta, 1, rng)[:, 0]
        theta = theta - theta.mean(-1, keepdims=True)  # a row's mean means nothing
    return rows


def variances(actions: int) -> dict[str, float]:
    """Exact at the uniform student: ‖F‖² of either rule and the variance of one trajectory, of both.

    >>> found = variances(4)
    >>> {key: round(value, 3) for key, value in found.items()}
    {'field': 1.528, 'er': 77.38, 'eer': 29.491}
    """
    found: dict[str, float] = {}
    for rule in RULES:
        field = Field(world(actions), rule)
        exact = moments(field, np.zeros(field.shape))
        found = {"field": float((exact.mean**2).sum()), **found, rule: exact.total}
    return found


def summary(rows: list[Row]) -> Summary:
    """Final returns by |A| and rule with the step that did best among the other half of the members."""
    table = []
    for actions in levels(rows, "actions"):
        for rule in levels(where(rows, actions=actions), "rule"):
            mine = where(rows, actions=actions, rule=rule)
            last = where(mine, update=max(row["update"] for row in mine))
            step = max(levels(last, "step"), key=lambda x: np.mean([r["return"] for r in _half(last, x, 0)]))
            final = interval([row["return"] for row in _half(last, step, 1)])
            works = True if final.low > HALF_WAY else False if final.high < HALF_WAY else None
            table.append(
                {
                    "actions": actions,
                    "rule": rule,
                    "step": step,
                    "return": final.mean,
                    "low": final.low,
                    "high": final.high,
                    "works": works,
                }
            )
    wanted: list[Any] = [
        row["works"] if row["rule"] == "eer" or row["actions"] <= 4 else _not(row["works"])
        for row in table
        if row["rule"] == "eer" or row["actions"] <= 4 or row["actions"] >= 400
    ]
    said = {True: "works", False: "fails", None: "is undecided"}
    parts = [f"{row['rule'].upper()} {said[row['works']]} at |A| = {row['actions']}" for row in table]
    holds = False if False in wanted else None if None in wanted or len(wanted) < 4 else True
    return Summary(table, "; ".join(parts), holds)


def _half(rows: list[Row], step: float, parity: int) -> list[Row]:
    return [row for row in rows if row["step"] == step and row["member"] % 2 == parity]


def _not(x: bool | None) -> bool | None:
    return None if x is None else not x
