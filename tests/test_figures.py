"""Figures 1, 2, 3, 6, trade-off: rows plain and repeatable, numbers with known answers, verdicts of all kinds."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from dynamics.drawing import FIGURES
from dynamics.drawing.style import rendered
from dynamics.experiments import Row, Summary, aliasing, fig1, fig2, fig3, fig4, fig5, fig6, tradeoff, where
from dynamics.experiments.summary import share_interval
from dynamics.fields import Field
from dynamics.learners import learn
from dynamics.learners.curves import moments_of_measurement
from dynamics.orbits import first_reach
from mdp import evaluation, solve, zoo

TINY: dict[str, tuple[ModuleType, list[Row]]] = {
    "fig1": (fig1, [{"mdp": name, "seed": 0} for name in ("chain", "corridor-adversarial:7")]),
    "fig2": (
        fig2,
        [
            {"rule": rule, "expectation": kind, "members": members, "steps": 60, "seed": 0}
            for rule in ("on-policy", "n-distill")
            for kind, members in (("exact", 1), ("sampled", 3))
        ],
    ),
    "fig3": (
        fig3,
        [{"mdp": k, "size": 5, "teacher": "epsilon:0.1", "updates": 30, "horizon": 10} for k in (0, 1)],
    ),
    "fig6": (
        fig6,
        [
            {"teacher": t, "rule": rule, "expectation": kind, "members": 2, "eta": 5.0, "seed": 0}
            for kind in ("exact", "sampled")
            for t in ("good", "adversarial")
            for rule in ("teacher", "on-policy + R", "reward", "teacher-v")
        ],
    ),
    "aliasing": (
        aliasing,
        [{"mdp": k, "size": 3, "teacher": "softmax:0.3", "sight": sight} for k in (0, 1) for sight in (0, None)],
    ),
    "tradeoff": (
        tradeoff,
        [
            {"mdp": k, "size": 5, "teacher": "epsilon:0.1", "per": per, "W": W, "updates": 30, "horizon": 10}
            for k in (0, 1)
            for per in ("episode", "step")
            for W in ("0", "0.5", "1")
        ],
    ),
}


@pytest.fixture(scope="module")
def found() -> dict[str, list[Row]]:
    return {name: [row for case in cases for row in module.run(case)] for name, (module, cases) in TINY.items()}


@pytest.mark.parametrize("name", TINY)
def test_cases_are_distinct_and_rows_plain_and_repeatable(name: str, found: dict[str, list[Row]]) -> None:
    module, tiny = TINY[name]
    for full in (False, True):
        cases = module.cases(full)
        assert len({json.dumps(case, sort_keys=True) for case in cases}) == len(cases)
        assert {case["experiment"] for case in cases} == {name}
        assert set(tiny[0]) | {"experiment"} == set(cases[0])
    rows = module.run(tiny[-1])
    assert json.loads(json.dumps(rows)) == rows == found[name][-len(rows) :]


@pytest.mark.parametrize("name", TINY)
def test_a_figure_is_drawn_of_any_rows(name: str, found: dict[str, list[Row]]) -> None:
    summary = TINY[name][0].summary(found[name])
    assert isinstance(summary, Summary) and summary.finding
    figure = FIGURES[name](found[name], summary)
    assert isinstance(figure, Figure)
    assert all(ax.get_xlabel() and ax.has_data() for ax in figure.axes)
    assert rendered(figure, ".png").startswith(b"\x89PNG")


def test_figures_4_and_5_are_drawn() -> None:
    rows = [
        {"actions": n, "rule": rule, "step": 1.0, "update": 9, "member": i, "return": 0.5 + 0.01 * i}
        for n in (4, 40)
        for rule in ("er", "eer")
        for i in range(4)
    ]
    assert len(FIGURES["fig4"](rows, fig4.summary(rows)).axes) == 1
    rows = [
        {"mdp": k, "noise": 0.15, "rule": "n-distill", "method": m, "update": u, "score": 0.1 * u + 0.01 * k}
        for k in range(3)
        for m in ("monte-carlo", "td0")
        for u in range(4)
    ]
    assert len(FIGURES["fig5"](rows, fig5.summary(rows)).axes) == 1


# --- the learner ------------------------------------------------------------------------------------------------------


def test_the_learner_follows_the_field_and_measures_what_it_says() -> None:
    """Three steps by hand with `Field` and `evaluation`, for a control of each kind."""
    mdp = zoo.load("chain")
    for control in ("student", "teacher", "mix:1/2"):
        field = Field(mdp, "on-policy", control=control)
        curve = learn(field, eta=0.7, updates=3, horizon=3, target=None)
        theta, steps = np.zeros(field.shape), 0.0
        for _ in range(3):
            p = field.policy(theta).p
            w = {"student": 0.0, "teacher": 1.0, "mix:1/2": 0.5}[control]
            steps += float(evaluation.visits(mdp, w * mdp.teacher + (1 - w) * p).sum())
            theta = theta + 0.7 * field(theta)
        p = field.policy(theta).p
        gap = (mdp.teacher * np.log(mdp.teacher / p)).sum(-1)
        d, d_teacher = evaluation.visits(mdp, p), evaluation.visits(mdp, mdp.teacher)
        assert curve.update == (0, 1, 2, 3) and curve.steps[-1] == pytest.approx(steps)
        assert curve.returns[-1] == pytest.approx(float(evaluation.expected_return(mdp, p)))
        assert curve.kl_student[-1] == pytest.approx((gap * d).sum() / d.sum())
        assert curve.kl_teacher[-1] == pytest.approx((gap * d_teacher).sum() / d_teacher.sum())
    with pytest.raises(ValueError, match="per is 'day'; must be 'episode' or 'step'"):
        learn(field, eta=1.0, updates=1, horizon=1, target=None, per="day")


def test_the_average_step_is_the_episode_over_its_length() -> None:
    """One update each: eta · L on the average step is eta on the episode, L = 1 + 1/2 steps of the uniform chain."""
    field = Field(zoo.load("chain"), "on-policy")
    whole = learn(field, eta=1.0, updates=1, horizon=1, target=None)
    average = learn(field, eta=1.5, updates=1, horizon=1, target=None, per="step")
    assert average.returns == pytest.approx(whole.returns)
    assert average.steps[-1] == 1.5


def test_it_stops_at_the_target_but_not_before_the_horizon() -> None:
    field = Field(zoo.load("chain"), "on-policy")
    early = learn(field, eta=1.0, updates=500, horizon=20, target=-1.0)
    assert early.update[-1] == 20
    late = learn(field, eta=1.0, updates=500, horizon=2, target=0.49)
    assert late.returns[-1] >= 0.49 > late.returns[-2]
    assert learn(field, eta=1.0, updates=30, horizon=2, target=9.0).update[-1] == 30


def test_moments_and_crossings() -> None:
    marks = moments_of_measurement(1000)
    assert marks[0] == 0 and marks[-1] == 1000 and marks == sorted(set(marks))
    assert first_reach([0, 1, 2], [0.9, 0.1, 1.0], 0.5) == 0.0
    between = first_reach([1, 3], [0.0, 1.0], 0.5)
    assert between == pytest.approx(np.sqrt(2 * 4) - 1)


# --- Figure 2 ---------------------------------------------------------------------------------------------------------


def test_figure_2_has_the_papers_numbers() -> None:
    exact = [
        fig2.run({"rule": r, "expectation": "exact", "members": 1, "steps": 1400, "seed": 0})[0] for r in fig2.PAPER
    ]
    assert exact[0]["p_half"] == pytest.approx(544.8, abs=0.1) and exact[0]["period"] is None
    assert exact[1]["p_half"] == pytest.approx(379.0, abs=0.1)
    assert exact[1]["x_half"] == pytest.approx(1281.4, abs=0.1)


def test_crossings_are_counted_after_being_below() -> None:
    values = np.array([0.1, 0.3, 0.7, 0.45, 0.55, 0.2, 0.6])
    assert fig2._crossings(values) == pytest.approx([1.5, 5.75])


def path(rule: str, **facts: Any) -> Row:
    held = {"p_half": 540, "x_half": None, "period": 4380, "p_max": 0.93, "loss": -4.0, "back": True}
    return {"rule": rule, "expectation": "exact", "members": 1, **held, **facts}


def test_figure_2_is_judged() -> None:
    corrected = {"p_half": 380, "x_half": 1280, "period": None, "back": False}
    assert fig2.summary([path("on-policy"), path("n-distill", **corrected)]).holds is True
    assert fig2.summary([path("on-policy", period=5000), path("n-distill", **corrected)]).holds is False
    assert fig2.summary([path("on-policy"), path("n-distill", **(corrected | {"back": True}))]).holds is False
    assert fig2.summary([path("on-policy")]).holds is None


# --- Figure 3 and the trade-off ---------------------------------------------------------------------------------------


def pair(mdp: int, *, student: float, kl_student: float = 0.5, kl_teacher: float = 2.0) -> list[Row]:
    """A world in which the teacher-driven side takes 100 updates and has KLs 1."""
    same = {
        "mdp": mdp,
        "teacher": "softmax:0",
        "per": "episode",
        "teacher_return": 1.0,
        "updates": 900,
        "steps": [0.0, 9.0],
    }
    one = {"side": "student", "reached": student, "kl_student_at": kl_student, "kl_teacher_at": kl_teacher}
    other = {"side": "teacher", "reached": 100.0, "kl_student_at": 1.0, "kl_teacher_at": 1.0}
    curves = {"student": [1.0, 2.0, 1.5, 0.5], "teacher": [1.0] * 4}
    return [
        {**same, **side, "steps_reached": side["reached"], "update": [0, 1, 2, 3], "kl_teacher": curves[side["side"]]}
        for side in (one, other)
    ]


def test_figure_3_is_judged() -> None:
    near = [1 - 0.01 * k for k in range(3)]
    rows = [row for k, x in enumerate(near) for row in pair(k, student=33 * x, kl_student=0.5 * x, kl_teacher=2 * x)]
    assert fig3.summary(rows).holds is True
    assert "3.06 [2.99, 3.14] times faster" in fig3.summary(rows).finding
    assert fig3.summary(rows).table[0]["ahead_until"] == 2
    rows = [row for k, x in enumerate(near) for row in pair(k, student=33 * x, kl_student=0.5 * x, kl_teacher=0.5 * x)]
    assert fig3.summary(rows).holds is False
    rows = [row for k, x in enumerate((10.0, 100.0, 900.0)) for row in pair(k, student=x, kl_student=0.5, kl_teacher=2)]
    assert fig3.summary(rows).holds is None
    assert fig3.summary(pair(0, student=33)).holds is None  # one world has no interval


def test_a_side_that_never_arrives_counts_as_a_bound() -> None:
    rows = [row for k in range(2) for row in pair(k, student=90.0)]
    for row in rows:
        row["reached"] = None if row["side"] == "teacher" else row["reached"]
    line = fig3.summary(rows).table[0]
    assert line["bounds"] == 2 and line["speed"] == pytest.approx(0.1)
    for row in rows:
        row["reached"] = None
    assert fig3.summary(rows).table[0]["left_out"] == 2 and np.isnan(fig3.summary(rows).table[0]["speed"])


def test_grid_worlds_are_worth_something_and_so_are_their_teachers() -> None:
    for seed in range(3):
        mdp = fig3.world(seed, 6)
        assert evaluation.expected_return(mdp, solve.optimal(mdp)) >= 1
        for spec in fig3.TEACHERS:
            taught = fig3.teacher(mdp, spec, seed)
            assert taught.shape == mdp.R.shape and np.allclose(taught.sum(-1), 1)


def weighed(W: str, speed: float, kl: float) -> list[Row]:
    return [
        {
            "mdp": k,
            "teacher": "t",
            "per": "episode",
            "W": W,
            "reached": speed * (1 + 0.01 * k),
            "updates": 900,
            "kl_student_at": kl * (1 + 0.01 * k),
            "kl_teacher_at": kl,
            "teacher_return": 1.0,
        }
        for k in range(3)
    ]


def test_the_trade_off_is_judged() -> None:
    traded = tradeoff.summary([*weighed("0", 10, 0.5), *weighed("0.5", 20, 0.2), *weighed("1", 30, 0.3)])
    assert traded.holds is True and [row["frontier"] for row in traded.table] == [True, True, False]
    half = tradeoff.summary([*weighed("0", 10, 0.5), *weighed("0.5", 20, 0.2)[:2]])  # a run at work: one W is missing
    assert [row["worlds"] for row in half.table] == [2, 2]
    none = tradeoff.summary([*weighed("0", 10, 0.1), *weighed("1", 30, 0.3)])
    assert none.holds is False and [row["frontier"] for row in none.table] == [True, False]
    assert tradeoff.summary([*weighed("0", 10, 0.1), *weighed("1", 10, 0.3)]).holds is None


# --- Figures 1 and 6 --------------------------------------------------------------------------------------------------


def test_figure_1_at_known_answers(found: dict[str, list[Row]]) -> None:
    """On-policy and teacher distill come to the teacher (P1); teacher V reward to the optimum, EER away from both."""
    rows = where(found["fig1"], mdp="chain", time=100.0)
    by_rule = {(row["rule"], row["reward"]): row for row in rows}
    for rule in ("teacher", "on-policy"):
        assert by_rule[rule, False]["kl_teacher"] < 1e-6 and by_rule[rule, False]["kl_student"] < 1e-6
    assert by_rule["eer", False]["kl_teacher"] > 0.1
    assert by_rule["teacher-v", False]["return"] > 0.95
    assert where(found["fig1"], mdp="corridor-adversarial:7")[0]["strong"] is False


def test_the_tree_is_judged() -> None:
    """Exact intervals: 6 of 6 lies above a half at 95 % (0.541), 5 of 5 does not (0.478), 0 of 6 lies below."""
    scales = {"return_scale": 1.0, "copied_scale": 1.0, "kl_teacher_scale": 1.0, "kl_student_scale": 1.0}

    def rows(n: int, best: str) -> list[Row]:
        return [
            {"mdp": "m", "seed": k, "rule": rule, "reward": reward, "time": 1.0, "strong": None, **scales}
            | {"return": float(rule == best), "copied": float(rule == best)}
            | {"kl_teacher": float(rule != best), "kl_student": float(rule != best)}
            for k in range(n)
            for rule, reward in fig1.CANDIDATES
        ]

    for n, holds in ((6, True), (5, None)):
        lines = {row["leaf"]: row for row in fig1.summary(rows(n, "eer")).table}
        assert lines["copy"]["holds"] is holds and lines["copy"]["right"] == n
    lines = {row["leaf"]: row for row in fig1.summary(rows(6, "on-policy")).table}
    assert lines["copy"]["holds"] is False and lines["copy"]["most_often_best"].startswith("on-policy")
    low, high = share_interval(6, 6)
    assert low == pytest.approx(0.025 ** (1 / 6)) and high == 1


def corridor(rule: str, teacher: str, values: list[float], reached: float | None = None) -> list[Row]:
    same = {"expectation": "exact", "teacher": teacher, "rule": rule, "end": 5000.0}
    return [{**same, "member": i, "return": x, "late": x, "reached": reached} for i, x in enumerate(values)]


def test_figure_6_is_judged() -> None:
    near = [0.0, 0.01, -0.01]

    def rows(v: float, spread: float = 1.0, copying: float = 1.0) -> list[Row]:
        said = fig6.PAPER | {"on-policy + R + V": v}
        bad = [row for rule, x in said.items() for row in corridor(rule, "adversarial", [x + spread * d for d in near])]
        good = [row for rule in fig6.COPYING for row in corridor(rule, "good", [0.9] * 3, copying)]
        return good + corridor("teacher-v", "good", [0.9] * 3, 20.0) + bad

    assert fig6.summary(rows(0.07)).holds is True
    assert (
        fig6.summary(rows(-0.94)).holds is False and "not so for on-policy + R + V" in fig6.summary(rows(-0.94)).finding
    )
    assert fig6.summary(rows(0.07, spread=50)).holds is None
    assert fig6.summary(rows(0.07, copying=30.0)).holds is False


def test_the_corridor_at_known_answers(found: dict[str, list[Row]]) -> None:
    """Plain reward comes to 0.99^5; with exact expectations teacher V reward is the same flow (P4)."""
    late = where(found["fig6"], expectation="exact", teacher="adversarial", rule="reward")
    shaped = where(found["fig6"], expectation="exact", teacher="adversarial", rule="teacher-v")
    for one, other in zip(late, shaped, strict=True):
        assert one["late"] == pytest.approx(0.99**5, abs=0.01)
        np.testing.assert_allclose(one["curve"], other["curve"], atol=1e-4)
