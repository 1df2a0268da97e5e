"""Teacher- against student-driven distillation on random grid worlds (the paper, Figures 3 and 7).

Claim: student-driven distillation reaches 95 % of the teacher's return in fewer updates than teacher-driven (about a
third), and has the lower KL to the teacher on the student's own states; teacher-driven has the lower KL on the
teacher's states.

Own choices, since the paper's are not known here: the cells of `mdp.random.grid_world` (20 x 20, about 35 walls, slip
0.1), worlds drawn again when the best return is below 1; teachers 0.1-greedy, softmax of Q* at temperatures 0, 0.01
and 0.1, and 0.1-greedy of values learned by Q-learning. Both sides descend the cross-entropy with *exact* expected
updates from a uniform student: step 1 on the sum over an episode, as in eq. (1) (`per` = "episode"), and step 16 on
the mean over its steps (`per` = "step"), in which an untrained student's long episodes weigh no more than short ones.
The KLs are compared after `horizon` updates; `ahead_until` says how long teacher-driven was
ahead on the teacher's states. Ratios are student-driven over teacher-driven on the same world: geometric
means with Student-t intervals on their logarithms over worlds. A side that never gets there within the updates given
counts with those, so that such a ratio is a bound, and how many there are is said.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from dynamics.experiments.summary import Row, Summary, groups, interval, levels, where
from dynamics.fields import Field
from dynamics.learners import PER, learn
from dynamics.orbits import LEAST_KL, SHARE, first_reach
from mdp import MDP, Array, evaluation, learning, random, solve

TEACHERS = ("epsilon:0.1", "softmax:0", "softmax:0.01", "softmax:0.1", "q-learned")
SIDES = {"teacher": "teacher", "student": "on-policy"}  # who acts: the rule
STEPS = {"episode": 1.0, "step": 16.0}
LEAST = 1.0  # the best return of a world that is not drawn again
FACTOR = 3.0  # how many times faster the paper finds student-driven distillation


def world(seed: int, size: int = 20) -> MDP:
    """The seed's grid world, without a teacher.

    >>> world(0).n_states
    330
    """
    rng = np.random.default_rng(seed)
    while True:
        mdp = random.grid_world(rng, size=size)
        if evaluation.expected_return(mdp, solve.optimal(mdp)) >= LEAST:
            return mdp


def teacher(mdp: MDP, spec: str, seed: int) -> Array:
    """A teacher (S, A) as `mdp.solve.teacher` names it, or "q-learned": 0.1-greedy of 2000 episodes of Q-learning."""
    if spec == "q-learned":
        return learning.greedy(learning.q_learning(mdp, seed), 0.1)
    return solve.teacher(mdp, spec)


def cases(full: bool) -> list[Row]:
    """A case per world and teacher: 1000 worlds, or 4."""
    return [
        {
            "experiment": "fig3",
            "mdp": seed,
            "size": 20,
            "teacher": spec,
            "updates": 1000 if full else 400,
            "horizon": 100,
        }
        for seed in range(1000 if full else 6)
        for spec in TEACHERS
    ]


def run(case: Row) -> list[Row]:
    """A row for each side and normalisation, with its learning curve.

    `reached`: updates to 95 % of the teacher's return, None where it is not positive or was not reached;
    `steps_reached`: the expected steps in the world by then. `kl_teacher_at`, `kl_student_at`: after `horizon` updates.

    >>> rows = run({"mdp": 1, "size": 5, "teacher": "epsilon:0.1", "updates": 40, "horizon": 10})
    >>> [(row["side"], row["per"]) for row in rows]
    [('teacher', 'episode'), ('student', 'episode'), ('teacher', 'step'), ('student', 'step')]
    """
    mdp = world(case["mdp"], case["size"])
    mdp = mdp.replace(teacher=teacher(mdp, case["teacher"], case["mdp"]))
    best = float(evaluation.expected_return(mdp, np.asarray(mdp.teacher)))
    target = SHARE * best if best > 0 else None
    given = {"updates": case["updates"], "horizon": case["horizon"], "target": target}
    rows: list[Row] = []
    for per in PER:
        for side, rule in SIDES.items():
            curve = learn(Field(mdp, rule), eta=STEPS[per], per=per, **given)
            at = curve.update.index(case["horizon"])
            found = {name: list(values) for name, values in dataclasses.asdict(curve).items()}
            reached = None if target is None else first_reach(curve.update, curve.returns, target)
            steps = None if target is None else first_reach(curve.steps, curve.returns, target)
            facts = {"side": side, "per": per, "teacher_return": best, "reached": reached, "steps_reached": steps}
            ends = {"kl_teacher_at": curve.kl_teacher[at], "kl_student_at": curve.kl_student[at]}
            rows.append({**case, **facts, **ends, **found})
    return rows


def summary(rows: list[Row]) -> Summary:
    """Ratios student-driven : teacher-driven by normalisation and teacher, and pooled; verdicts on eq. (1)'s sum."""
    table = []
    for per in levels(rows, "per"):
        mine = where(rows, per=per)
        for spec in [*levels(mine, "teacher"), "all"]:
            table.append(_compared(mine if spec == "all" else where(mine, teacher=spec), per, spec))
    told = [row for row in where(table, per="episode") if row["teacher"] != "all"]
    pooled = where(table, per="episode", teacher="all")[0]
    faster = _all([_below(row["speed_low"], row["speed_high"]) for row in told])
    own = _all([_below(row["kl_student_low"], row["kl_student_high"]) for row in told])
    theirs = _all([_not(_below(row["kl_teacher_low"], row["kl_teacher_high"])) for row in told])
    word = {True: "holds", False: "does not hold", None: "undecided"}
    times = [1 / pooled[key] if pooled[key] else np.inf for key in ("speed", "speed_high", "speed_low")]
    parts = [
        f"student-driven is {times[0]:.2f} [{times[1]:.2f}, {times[2]:.2f}] times faster "
        f"(the paper: about {FACTOR:g}): {word[faster]}",
        f"lower KL on the student's states, ratio {_text(pooled, 'kl_student')}: {word[own]}",
        f"teacher-driven lower on the teacher's states, ratio {_text(pooled, 'kl_teacher')}: {word[theirs]} "
        f"(it is ahead there up to update {pooled['ahead_until']})",
    ]
    return Summary(table, "; ".join(parts), _all([faster, own, theirs]))


def _compared(rows: list[Row], per: str, spec: str) -> Row:
    """One line of the table: paired ratios with intervals. Pooled over teachers a world counts once."""
    logs: dict[str, list[float]] = {"speed": [], "steps": [], "kl_teacher": [], "kl_student": []}
    censored, left_out = 0, 0
    for here in groups(rows, "mdp").values():
        found: dict[str, list[float]] = {key: [] for key in logs}
        for both in groups(here, "teacher").values():
            pair = {row["side"]: row for row in both}
            one, other = pair["student"], pair["teacher"]
            for key in ("kl_teacher", "kl_student"):
                gaps = [max(row[f"{key}_at"], LEAST_KL) for row in (one, other)]
                found[key].append(float(np.log(gaps[0] / gaps[1])))
            missing = [row["reached"] is None for row in (one, other)]
            if all(missing) or one["teacher_return"] <= 0:
                left_out += 1
                continue
            censored += any(missing)
            for key, column, most in (("speed", "reached", "updates"), ("steps", "steps_reached", "steps")):
                a, b = (_reached(row, column, most) for row in (one, other))
                found[key].append(float(np.log(a / b)))
        for key, values in found.items():
            if values:
                logs[key].append(float(np.mean(values)))
    line: Row = {"per": per, "teacher": spec, "worlds": len(levels(rows, "mdp"))}
    for key, values in logs.items():
        mean = interval(values) if values else None
        for name in ("mean", "low", "high"):
            column = key if name == "mean" else f"{key}_{name}"
            line[column] = float("nan") if mean is None else float(np.exp(getattr(mean, name)))
    return line | {"ahead_until": _ahead_until(rows), "bounds": censored, "left_out": left_out}


def _ahead_until(rows: list[Row]) -> int:
    """Up to which update the teacher-driven side is ahead on the teacher's states, beyond the 95 % interval; 0: never.

    Measured at the updates that all curves share, from the first on without a gap.
    """
    pairs: dict[tuple[int, str], dict[str, Row]] = {}
    logs: dict[int, list[Any]] = {}
    shared = min((row["update"] for row in rows), key=len)
    for row in rows:
        pair = pairs.setdefault((row["mdp"], row["teacher"]), {}) | {row["side"]: row}
        pairs[row["mdp"], row["teacher"]] = pair
        if len(pair) == 2:
            one, other = (
                np.maximum(pair[side]["kl_teacher"][: len(shared)], LEAST_KL) for side in ("student", "teacher")
            )
            logs.setdefault(row["mdp"], []).append(np.log(one / other))
    gaps = np.array([np.mean(values, axis=0) for values in logs.values()])
    last = 0
    for k, column in list(zip(shared, gaps.T, strict=True))[1:]:
        if not interval(column).low > 0:
            break
        last = k
    return last


def _reached(row: Row, column: str, most: str) -> float:
    """When it got there, at least 1; all that was given where it never did."""
    if row[column] is not None:
        return max(float(row[column]), 1.0)
    last = row[most]
    return float(last[-1] if isinstance(last, list) else last)


def _below(low: float, high: float) -> bool | None:
    """Whether a ratio is below 1: None where the interval holds 1 or is not there."""
    return True if high < 1 else False if low > 1 else None


def _not(verdict: bool | None) -> bool | None:
    return None if verdict is None else not verdict


def _all(verdicts: list[Any]) -> bool | None:
    return False if False in verdicts else None if None in verdicts or not verdicts else True


def _text(row: Row, key: str) -> str:
    return f"{row[key]:.2f} [{row[key + '_low']:.2f}, {row[key + '_high']:.2f}]"
