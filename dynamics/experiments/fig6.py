"""The corridor with a good and an adversarial teacher (the paper, Figure 6), every rule with the task's reward.

Claims. Good teacher: every rule that copies actions reaches 95 % of the teacher's return sooner than teacher V reward.
Adversarial teacher: plain reward and teacher V reward reach about 0.95, on-policy + R stays at about −0.95,
on-policy + R + V reaches about 0.07, bootstrapping about −0.5 (read off the paper's figure; a return agrees when the
95 % interval comes within 0.1 of it).

Zoo `corridor` and `corridor-adversarial`, 11 cells. *exact*: the flow dtheta/dt = F from random starts, log-odds
N(0, 2), the same for all rules. *sampled*: one trajectory an update, step `eta`, from the same starts. Both are
compared at time 50 (time of F, eta times the number of updates; the paper's learning rate and number of updates are
not known here, and where a rule is still on its way its return depends on them), the exact flow at 5000 as well.
alpha 1, and for on-policy + R + V 0.1 too. Teacher distill is run without reward: with it, it is no gradient of the
return. Intervals are Student's t over starts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dynamics.experiments.summary import Row, Summary, interval, levels, where
from dynamics.fields import Field
from dynamics.learners import stochastic
from dynamics.motion import ensemble
from dynamics.orbits import SHARE, first_reach
from dynamics.rules import CROSS_ENTROPY, TABLE, Rule, after, r, v
from mdp import evaluation, zoo

ON_POLICY_V = Rule(
    "on-policy-v",
    "on-policy distill with teacher V reward (on-policy + R + V)",
    "student",
    loss=CROSS_ENTROPY,
    reward=r + after(v) - v,
    source="the paper, Figure 6",
)
RULES: dict[str, tuple[Rule, str]] = {  # name: the rule, its weight alpha
    "teacher": (TABLE["teacher"], "1"),
    "on-policy + R": (TABLE["on-policy"], "1"),
    "on-policy + R + V": (ON_POLICY_V, "1"),
    "on-policy + R + V, alpha 0.1": (ON_POLICY_V, "0.1"),
    "n-distill + R": (TABLE["n-distill"], "1"),
    "er + R": (TABLE["er"], "1"),
    "eer + R": (TABLE["eer"], "1"),
    "reward": (TABLE["reward"], "1"),
    "teacher-v": (TABLE["teacher-v"], "1"),
    "bootstrap": (TABLE["bootstrap"], "1"),
}
COPYING = ("teacher", "on-policy + R", "on-policy + R + V", "n-distill + R", "er + R", "eer + R")
PAPER = {"reward": 0.95, "teacher-v": 0.95, "on-policy + R": -0.95, "on-policy + R + V": 0.07, "bootstrap": -0.5}
NEAR, TIME, LATE = 0.1, 50.0, 5000.0
WORLDS = {"good": "corridor", "adversarial": "corridor-adversarial"}


def cases(full: bool) -> list[Row]:
    """A case per teacher, rule and kind of expectation; more starts and a smaller sampled step when full."""
    exact = {"expectation": "exact", "members": 50 if full else 20, "eta": None, "seed": 6}
    sampled = {"expectation": "sampled", "members": 50 if full else 10, "eta": 0.05 if full else 0.5, "seed": 6}
    return [
        {"experiment": "fig6", "teacher": teacher, "rule": rule, **kind}
        for kind in (exact, sampled)
        for teacher in WORLDS
        for rule in RULES
    ]


def run(case: Row) -> list[Row]:
    """A row per start: return at time 50 and at the end, time to 95 % of the teacher's return, and the curve.

    >>> some = {"teacher": "good", "rule": "reward", "expectation": "exact", "members": 2, "eta": None, "seed": 0}
    >>> [row["late"] > 0.9 for row in run(some)]
    [True, True]
    """
    mdp = zoo.load(WORLDS[case["teacher"]])
    rule, alpha = RULES[case["rule"]]
    field = Field(mdp, rule, alpha=alpha, reward=rule.id != "teacher")
    theta = np.random.default_rng(case["seed"]).normal(size=(case["members"], *field.shape))
    if case["expectation"] == "exact":
        times = np.unique(np.append(np.geomspace(0.2, LATE, 45), TIME))
        path = ensemble(field, theta, LATE, samples=np.append(0.0, times), rtol=1e-6, atol=1e-8)
        thetas, t = path.theta, path.t
    else:
        rng = np.random.default_rng([case["seed"], 6])
        updates = round(TIME / case["eta"])
        marks = sorted({0, updates, *np.geomspace(1, updates, 24).round().astype(int).tolist()})
        thetas = stochastic(field, theta, case["eta"], updates, rng).theta[marks]
        t = case["eta"] * np.array(marks)
    returns = evaluation.expected_return(mdp, field.policy(thetas).p)
    target = SHARE * float(evaluation.expected_return(mdp, np.asarray(mdp.teacher)))
    at = int(np.abs(t - TIME).argmin())
    rows: list[Row] = []
    for i, curve in enumerate(returns.T.round(9).tolist()):
        reached = first_reach(t.tolist(), curve, target) if target > 0 else None
        facts = {"return": curve[at], "late": curve[-1], "reached": reached, "end": float(t[-1])}
        rows.append({**case, "member": i, **facts, "time": t.round(6).tolist(), "curve": curve})
    return rows


def summary(rows: list[Row]) -> Summary:
    """Returns at time 50 and late, times to 95 % of the teacher's return, and each claim of the paper."""
    table: list[Row] = []
    for expectation in levels(rows, "expectation"):
        for teacher in levels(where(rows, expectation=expectation), "teacher"):
            for rule in levels(where(rows, expectation=expectation, teacher=teacher), "rule"):
                mine = where(rows, expectation=expectation, teacher=teacher, rule=rule)
                table.append({"expectation": expectation, "teacher": teacher, "rule": rule} | _line(mine))
    parts, verdicts = [], []
    for expectation in levels(rows, "expectation"):
        copied = _copying(where(rows, expectation=expectation, teacher="good"))
        lines = {row["rule"]: row for row in where(table, expectation=expectation, teacher="adversarial")}
        told = {rule: _near(lines[rule], said) for rule, said in PAPER.items() if rule in lines}
        verdicts += [*copied.values(), *told.values()]
        parts.append(f"{expectation}: copying a good teacher is faster than teacher V reward{_but(copied)}")
        shown = [f"{rule} {_ends(lines[rule])} (paper {said:g})" for rule, said in PAPER.items() if rule in told]
        parts.append(f"adversarial teacher: {', '.join(shown)}{_but(told)}")
    holds = False if False in verdicts else None if None in verdicts or not verdicts else True
    return Summary(table, "; ".join(parts), holds)


def _ends(line: Row) -> str:
    """The return at TIME and, where it goes on, late."""
    return f"{line['return']:.2f}" + (f", late {line['late']:.2f}" if "late" in line else "")


def _but(verdicts: dict[str, bool | None]) -> str:
    wrong = ", ".join(rule for rule, verdict in verdicts.items() if verdict is False)
    open_ = ", ".join(rule for rule, verdict in verdicts.items() if verdict is None)
    said = [f"not so for {wrong}"] * bool(wrong) + [f"undecided for {open_}"] * bool(open_)
    return f" ({'; '.join(said)})" if said else " (all as said)"


def _line(rows: list[Row]) -> Row:
    at, late = interval([row["return"] for row in rows]), interval([row["late"] for row in rows])
    line: Row = {"return": at.mean, "low": at.low, "high": at.high}
    if rows[0]["end"] > TIME:
        line |= {"late": late.mean, "late_low": late.low, "late_high": late.high}
    reached = [row["reached"] for row in rows if row["reached"] is not None]
    return line | {"reached": float(np.median(reached)) if reached else None, "of": f"{len(reached)}/{len(rows)}"}


def _copying(rows: list[Row]) -> dict[str, bool | None]:
    """For each copying rule: is log(time) less than teacher V reward's from the same starts? Paired 95 % interval."""
    base = _log_times(where(rows, rule="teacher-v"))
    found: dict[str, bool | None] = {}
    for rule in COPYING:
        mine = where(rows, rule=rule)
        if not mine or not len(base):
            continue
        gap = interval(_log_times(mine) - base)
        found[rule] = True if gap.high < 0 else False if gap.low > 0 else None
    return found


def _log_times(rows: list[Row]) -> Any:
    """log of the time to the target, the whole run where it was not reached."""
    return np.log([row["end"] if row["reached"] is None else max(row["reached"], 1e-3) for row in rows])


def _near(line: Row, said: float) -> bool | None:
    """Whether the interval comes within NEAR of the paper's number; None where it is wider than the numbers' range."""
    if line["high"] - line["low"] > 1:
        return None
    return bool(line["low"] <= said + NEAR and line["high"] >= said - NEAR)
