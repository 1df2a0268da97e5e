"""The teacher acts in a share W of the steps: speed against fidelity (the paper's E2; W teacher + (1 − W) student).

Claim: speed and fidelity trade off: no single W is best both in updates to 95 % of the teacher's return and in KL to
the teacher on the states that the student visits.

On-policy distillation (cross-entropy at visited states) on the grid worlds of `dynamics.experiments.fig3` with exact
expected updates, as there: of an episode (`per` = "episode", eq. (1), what the claim is judged on), and the mean over
its steps (`per` = "step"). KL on the student's and on the teacher's states after `horizon` updates. A W
is on the *frontier* when no other W has both a lower mean of log(updates) and a lower mean of log(KL) on the student's
states; whether that is more than chance is judged by paired intervals: a W is best in a measure when the 95 % interval
of its log ratio to every other W lies below 0.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from dynamics.experiments.fig3 import STEPS, teacher, world
from dynamics.experiments.summary import Row, Summary, groups, interval, levels, where
from dynamics.fields import Field
from dynamics.learners import PER, learn
from dynamics.orbits import LEAST_KL, SHARE, first_reach
from mdp import evaluation

WEIGHTS = ("0", "0.25", "0.5", "0.75", "0.9", "1")
MEASURES = ("speed", "kl_student", "kl_teacher")


def cases(full: bool) -> list[Row]:
    """A case per world, teacher, normalisation and W."""
    return [
        {
            "experiment": "tradeoff",
            "mdp": seed,
            "size": 20,
            "teacher": spec,
            "per": per,
            "W": W,
            "updates": 1000 if full else 300,
            "horizon": 60,
        }
        for seed in range(200 if full else 4)
        for spec in (("epsilon:0.1", "softmax:0.1") if full else ("epsilon:0.1",))
        for per in PER
        for W in WEIGHTS
    ]


def run(case: Row) -> list[Row]:
    """One row: updates to 95 % of the teacher's return (None: not reached), KLs after `horizon` updates, the curve.

    >>> some = {"mdp": 1, "size": 5, "teacher": "epsilon:0.1", "per": "step", "updates": 40, "horizon": 10}
    >>> run({**some, "W": "0.5"})[0]["kl_student_at"] > 0
    True
    """
    mdp = world(case["mdp"], case["size"])
    mdp = mdp.replace(teacher=teacher(mdp, case["teacher"], case["mdp"]))
    best = float(evaluation.expected_return(mdp, np.asarray(mdp.teacher)))
    target = SHARE * best if best > 0 else None
    control = {"0": "student", "1": "teacher"}.get(case["W"], f"mix:{case['W']}")
    field = Field(mdp, "on-policy", control=control)
    per = case["per"]
    given = {"updates": case["updates"], "horizon": case["horizon"], "target": target}
    curve = learn(field, eta=STEPS[per], per=per, **given)
    at = curve.update.index(case["horizon"])
    found = {name: list(values) for name, values in dataclasses.asdict(curve).items()}
    reached = None if target is None else first_reach(curve.update, curve.returns, target)
    ends = {"kl_teacher_at": curve.kl_teacher[at], "kl_student_at": curve.kl_student[at]}
    return [{**case, "teacher_return": best, "reached": reached, **ends, **found}]


def summary(rows: list[Row]) -> Summary:
    """Geometric means with intervals by normalisation and W, the frontiers, and which W is best in each measure."""
    rows = [row for row in rows if row["teacher_return"] > 0]
    table: list[Row] = []
    parts, verdicts = [], {}
    for per in levels(rows, "per"):
        mine = _complete(where(rows, per=per))
        logs = {W: {key: _logs(where(mine, W=W), key) for key in MEASURES} for W in levels(mine, "W")}
        lines = [_line(W, logs, where(mine, W=W), per) for W in logs]
        best = {key: _best(logs, key) for key in MEASURES}
        verdicts[per] = None if None in (best["speed"], best["kl_student"]) else best["speed"] != best["kl_student"]
        said = {key: "undecided" if W is None else f"W = {W}" for key, W in best.items()}
        front = ", ".join(row["W"] for row in lines if row["frontier"])
        parts.append(
            f"updates of an {'episode' if per == 'episode' else 'average step'}: frontier of speed and fidelity on the "
            f"student's states: W = {front}; fastest: {said['speed']}; most faithful on the student's states: "
            f"{said['kl_student']}, on the teacher's: {said['kl_teacher']}"
        )
        table += lines
    return Summary(table, "; ".join(parts), verdicts.get("episode"))


def _complete(rows: list[Row]) -> list[Row]:
    """The rows of the worlds on which every W was run: the comparisons are paired."""
    worlds = groups(rows, "mdp").values()
    most = max(map(len, worlds))
    return [row for here in worlds if len(here) == most for row in here]


def _line(W: str, logs: dict[str, dict[str, np.ndarray]], rows: list[Row], per: str) -> Row:
    line: Row = {"per": per, "W": W, "worlds": len(logs[W]["speed"])}
    for key, values in logs[W].items():
        mean = interval(values)
        line |= {key: float(np.exp(mean.mean)), f"{key}_low": float(np.exp(mean.low))}
        line[f"{key}_high"] = float(np.exp(mean.high))
    bounds = sum(row["reached"] is None for row in rows)
    return line | {"frontier": _on_frontier(W, logs), "bounds": bounds}


def _logs(rows: list[Row], key: str) -> np.ndarray:
    """The logarithm of a measure for each world, averaged over its teachers; smaller is better."""
    found = []
    for here in groups(rows, "mdp").values():
        if key == "speed":
            values = [row["updates"] if row["reached"] is None else max(row["reached"], 1.0) for row in here]
        else:
            values = [max(row[f"{key}_at"], LEAST_KL) for row in here]
        found.append(np.mean(np.log(values)))
    return np.array(found)


def _on_frontier(W: str, logs: dict[str, dict[str, np.ndarray]]) -> bool:
    mine = [logs[W][key].mean() for key in MEASURES[:2]]
    others = [[found[key].mean() for key in MEASURES[:2]] for other, found in logs.items() if other != W]
    return not any(all(a <= b for a, b in zip(one, mine, strict=True)) for one in others)


def _best(logs: dict[str, dict[str, np.ndarray]], key: str) -> str | None:
    """The W that beats every other one beyond the paired 95 % interval, or None."""
    for W, found in logs.items():
        gaps = [interval(found[key] - other[key]).high for name, other in logs.items() if name != W]
        if gaps and max(gaps) < 0:
            return W
    return None
