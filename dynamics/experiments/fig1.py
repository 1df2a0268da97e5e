"""The decision tree's advice against measurement (the paper, Figure 1).

Claim: at every leaf of `dynamics.choice.tree.TREE` the rule that it prefers is, on more than half of the MDPs,
near-best of all candidates in what the leaf is about.

Each MDP answers the tree's question on the teacher's strength itself (`dynamics.choice.tree.answers_from`); all wishes
are tried on it, and values known as well as not. What the leaf is about: *inside* the teacher's states: KL(pi‖pi_theta)
averaged over the teacher's visits; *copy*: over the student's own visits; *improve*: the return. EER and N-distill do
not rest at the teacher, so copying is judged a second way too, *copy, by return*: min(J, J_teacher), which most
candidates do well. Measured on the exact flow from the uniform student at time 20 (speed matters) and at 100.
Near-best: within 5 % of the best candidate, of J* − J_uniform for the return and of the uniform student's KL for the
KLs. Shares have exact (Clopper–Pearson) 95 % intervals over MDPs. Candidates: the rules of `CANDIDATES`; teacher V
reward only where values are known.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dynamics.choice import NEAR, WISHES, Choice, answers_from, choose, known
from dynamics.experiments.summary import Row, Summary, groups, levels, share_interval, where
from dynamics.fields import Field
from dynamics.learners import measure
from dynamics.motion import flow
from mdp import MDP, evaluation, policy, random, solve, zoo

CANDIDATES: tuple[Choice, ...] = (
    ("teacher", False),
    ("on-policy", False),
    ("eer", False),
    ("n-distill", False),
    ("on-policy", True),
    ("eer", True),
    ("n-distill", True),
    ("teacher-v", False),
)
TIMES = (20.0, 100.0)
ASKED = {  # what is asked for: the answers that say so; copying is judged in two ways
    "inside": WISHES["inside"],
    "copy": WISHES["copy"],
    "copy, by return": WISHES["copy"],
    "improve": WISHES["improve"],
}
MEASURE = {"inside": "kl_teacher", "copy": "kl_student", "copy, by return": "copied", "improve": "return"}
NAMED = ("corridor:7", "corridor-adversarial:7", "chain", "token-tree:3")


def world(name: str, seed: int) -> MDP:
    """A zoo name, or "garnet" / "grid" with a strong (0.1-greedy) or weak (softmax, temperature 1) teacher.

    >>> world("garnet-strong", 0).teacher.max().round(3)
    np.float64(0.933)
    """
    kind, _, strength = name.partition("-")
    if kind not in ("garnet", "grid"):
        return zoo.load(name)
    mdp = random.garnet(seed, states=8, branching=3) if kind == "garnet" else random.grid_world(seed, size=5)
    return mdp.replace(teacher=solve.teacher(mdp, {"strong": "epsilon:0.1", "weak": "softmax:1"}[strength]))


def cases(full: bool) -> list[Row]:
    """A case per MDP: the named ones, and seeds of the random families."""
    families = [f"{kind}-{strength}" for kind in ("garnet", "grid") for strength in ("strong", "weak")]
    drawn = [(name, seed) for name in families for seed in range(100 if full else 3)]
    return [
        {"experiment": "fig1", "mdp": name, "seed": seed} for name, seed in [*((name, 0) for name in NAMED), *drawn]
    ]


def run(case: Row) -> list[Row]:
    """A row per candidate and time: return and KLs of the student there, and what the MDP's scales are.

    `complete` is False where the flow ended early; the row then holds its last state.

    >>> rows = run({"mdp": "chain", "seed": 0})
    >>> len(rows), rows[0]["rule"], abs(rows[1]["kl_teacher"]) < 1e-5
    (16, 'teacher', True)
    """
    mdp = world(case["mdp"], case["seed"])
    uniform = solve.uniform(mdp)
    best, worst = (float(evaluation.expected_return(mdp, q)) for q in (solve.optimal(mdp), uniform))
    strong = known(answers_from(mdp, outside=True, improve=True)).get("strong")
    teacher = policy(np.asarray(mdp.teacher))
    theirs, taught = evaluation.visits(mdp, teacher.p), float(evaluation.expected_return(mdp, teacher.p))
    start = measure(_field(mdp, CANDIDATES[0]), policy(uniform), evaluation.visits(mdp, uniform), teacher, theirs)
    scale = {"return_scale": best - worst, "copied_scale": best - worst}
    scale |= {"kl_teacher_scale": start[1], "kl_student_scale": start[2]}
    rows: list[Row] = []
    for candidate in CANDIDATES:
        field = _field(mdp, candidate)
        path = flow(field, np.zeros(field.shape), TIMES[-1], samples=np.array(TIMES), rtol=1e-6, atol=1e-8)
        for k, time in enumerate(TIMES):
            student = field.policy(path.theta[min(k, len(path.theta) - 1)])
            own = evaluation.chain(mdp, student.p).visits(mdp.initial)
            J, kl_teacher, kl_student = measure(field, student, own, teacher, theirs)
            facts = {"rule": candidate[0], "reward": candidate[1], "time": time, "strong": strong}
            found = {
                "return": J,
                "copied": min(J, taught),
                "kl_teacher": kl_teacher,
                "kl_student": kl_student,
                "complete": path.complete,
            }
            rows.append({**case, **facts, **found, **scale})
    return rows


def _field(mdp: MDP, candidate: Choice) -> Field:
    return Field(mdp, candidate[0], reward=candidate[1])


def summary(rows: list[Row]) -> Summary:
    """By time and leaf: how often the preferred rule, any advised one, and a rule at random is near-best."""
    table: list[Row] = []
    for time in levels(rows, "time"):
        for wish, values, strong in _leaves(rows):
            mine = where(rows, time=time)
            mine = mine if strong is None else where(mine, strong=strong)
            table.append({"time": time} | _leaf(mine, wish, values, strong))
    verdicts = [row["holds"] for row in table]
    right, worlds = sum(row["right"] for row in table), sum(row["worlds"] for row in table)
    wrong = [f"{row['leaf']} at {row['time']:g}" for row in table if row["holds"] is False]
    open_ = [f"{row['leaf']} at {row['time']:g}" for row in table if row["holds"] is None]
    finding = f"the preferred rule is near-best in {right} of {worlds} (MDP, leaf, time)"
    finding += f"; in less than half of the MDPs: {', '.join(wrong)}" if wrong else ""
    finding += f"; undecided: {', '.join(open_)}" if open_ else ""
    holds = False if False in verdicts else None if None in verdicts or not verdicts else True
    return Summary(table, finding, holds)


def _leaves(rows: list[Row]) -> list[tuple[str, bool, bool | None]]:
    """The leaves to ask about: wish, whether values are known, the teacher's strength (None: not asked)."""
    found: list[tuple[str, bool, bool | None]] = [(wish, True, None) for wish in ASKED if wish != "improve"]
    if any(row["strong"] for row in rows):
        found.append(("improve", True, True))
    if any(row["strong"] is False for row in rows):
        found += [("improve", True, False), ("improve", False, False)]
    return found


def _leaf(rows: list[Row], wish: str, values: bool, strong: bool | None) -> Row:
    answers = ASKED[wish] | {"values": values} | ({} if strong is None else {"strong": strong})
    advice = choose(answers).rules
    column = MEASURE[wish]
    right = advised = worlds = 0
    chance, winners = 0.0, []
    for world_rows in groups(rows, "mdp", "seed").values():
        here = [row for row in world_rows if values or row["rule"] != "teacher-v"]
        near, winner = _near_best(here, column)
        worlds += 1
        right += advice[0] in near
        advised += any(choice in near for choice in advice)
        chance += len(near) / len(here)
        winners.append(winner)
    low, high = share_interval(right, worlds)
    often = max(dict.fromkeys(winners), key=winners.count)
    strength = "" if strong is None else ", strong teacher" if strong else ", weak teacher"
    known_values = "" if strong is not False else ", V known" if values else ", V unknown"
    return {
        "leaf": f"{wish}{strength}{known_values}",
        "advice": _name(advice[0]),
        "worlds": worlds,
        "right": right,
        "share": right / worlds,
        "low": low,
        "high": high,
        "any_advised": advised / worlds,
        "at_random": chance / worlds,
        "most_often_best": _name(often),
        "holds": True if low > 0.5 else False if high < 0.5 else None,
    }


def _near_best(rows: Sequence[Row], column: str) -> tuple[set[Choice], Choice]:
    """The candidates within NEAR of the best on one MDP, and the best."""
    sign = -1.0 if column.startswith("kl") else 1.0
    score = {(row["rule"], row["reward"]): sign * row[column] for row in rows}
    winner = max(score, key=lambda choice: score[choice])
    slack = NEAR * abs(rows[0][f"{column}_scale"])
    return {choice for choice, value in score.items() if value >= score[winner] - slack}, winner


def _name(choice: Choice) -> str:
    return choice[0] + (" + R" if choice[1] else "")
