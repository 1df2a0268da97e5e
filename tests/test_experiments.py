"""The experiments: rows are plain and repeatable, models as stated, and summaries can say yes, no and don't know."""

from __future__ import annotations

import json
from types import ModuleType

import numpy as np
import pytest

from dynamics.experiments import baselines, critics, fig4, fig5, interval, levels, optimisers, where
from dynamics.fields import Field, FunctionField, in_chart
from dynamics.learners import normalised
from dynamics.orbits import rest_point
from mdp import evaluation, solve, zoo

MODULES = (baselines, critics, fig4, fig5, optimisers)
SMALL = {
    "fig4": {"updates": 10, "members": 2, "actions": 8},
    "fig5": {"updates": 10, "members": 1},
    "critics": {"mdp": "chain", "rule": "on-policy", "starts": 2},
    "baselines": {"mdp": "chain"},
    "optimisers": {"mdp": "chain", "rule": "on-policy", "eta": 0.5, "time": 50.0},
}


@pytest.mark.parametrize("module", MODULES)
def test_cases_and_rows_are_plain_and_repeatable(module: ModuleType) -> None:
    for full in (False, True):
        cases = module.cases(full)
        assert len({json.dumps(case, sort_keys=True) for case in cases}) == len(cases)
        assert {case["experiment"] for case in cases} == {module.__name__.split(".")[-1]}
    case = module.cases(False)[0] | SMALL[module.__name__.split(".")[-1]]
    rows = module.run(case)
    assert json.loads(json.dumps(rows)) == rows == module.run(case)
    assert all(row[key] == value for row in rows for key, value in case.items())


def test_intervals_and_rows() -> None:
    """Student's t by hand: n = 4, t = 3.18245, sd = 2·√(2/3)... of (1, 3, 3, 5), sd² = 8/3."""
    found = interval([1, 3, 3, 5])
    assert found.mean == 3 and found.high - 3 == pytest.approx(3.182446 * np.sqrt(8 / 3) / 2, rel=1e-6)
    assert found.low == pytest.approx(6 - found.high)
    assert interval([2.0]).low == -np.inf
    with pytest.raises(ValueError, match=r"values have shape \(0,\)"):
        interval([])
    assert levels([{"a": 2}, {"a": 1}, {"a": 2}], "a") == [2, 1] and where([{"a": 2}], a=1) == []


# --- Figure 4 ---------------------------------------------------------------------------------------------------------


def test_the_chain_is_the_stated_one() -> None:
    mdp = fig4.world(40)
    assert evaluation.expected_return(mdp, solve.uniform(mdp)) == pytest.approx(0.25)
    assert evaluation.expected_return(mdp, mdp.teacher) == pytest.approx(0.9)
    assert evaluation.visits(mdp, mdp.teacher).tolist() == pytest.approx([1, 1, 1])
    theta = np.random.default_rng(0).normal(size=(3, 40))
    np.testing.assert_allclose(Field(mdp, "er")(theta), Field(mdp, "eer")(theta), rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="6 actions; must be a positive multiple of 4"):
        fig4.world(6)


def returns(actions: int, rule: str, values: list[float], step: float = 1.0) -> list[dict]:
    return [
        {"actions": actions, "rule": rule, "step": step, "update": 9, "member": i, "return": x}
        for i, x in enumerate(values)
    ]


def test_figure_4_is_judged() -> None:
    good, bad = [0.9, 0.91, 0.92, 0.9, 0.92, 0.91], [0.3, 0.31, 0.32, 0.3, 0.32, 0.31]
    yes = returns(4, "er", good) + returns(4, "eer", good) + returns(400, "er", bad) + returns(400, "eer", good)
    assert fig4.summary(yes).holds is True
    no = returns(4, "er", good) + returns(4, "eer", good) + returns(400, "er", good) + returns(400, "eer", good)
    assert fig4.summary(no).holds is False
    wide = [0.2, 0.3, 0.9, 0.9, 0.5, 0.7]
    unknown = returns(4, "er", wide) + returns(4, "eer", good) + returns(400, "er", bad) + returns(400, "eer", good)
    assert fig4.summary(unknown).holds is None
    assert fig4.summary(returns(4, "er", good)).holds is None


def test_the_step_is_chosen_by_the_other_half() -> None:
    """Members 0, 2, .. choose: here they prefer step 2, though the reported ones did better with step 1."""
    rows = returns(4, "er", [0.1, 0.9, 0.1, 0.9], 1.0) + returns(4, "er", [0.8, 0.5, 0.8, 0.5], 2.0)
    found = fig4.summary(rows).table[0]
    assert found["step"] == 2.0 and found["return"] == pytest.approx(0.5)


def test_variance_of_er_grows_with_the_actions_beside_the_mean() -> None:
    small, large = fig4.variances(4), fig4.variances(40)
    assert large["er"] / large["field"] > 20 * small["er"] / small["field"]
    assert small["eer"] < small["er"] and large["eer"] < large["er"]


@pytest.mark.slow
def test_er_learns_with_4_actions_and_not_with_400() -> None:
    rows = []
    for actions, steps in ((4, (0.0625,)), (400, (0.0625, 1.0))):
        for rule in fig4.RULES:
            for step in steps:
                case = {"actions": actions, "rule": rule, "step": step, "updates": 200, "members": 16, "seed": 4}
                rows += fig4.run(case)
    found = fig4.summary(rows)
    assert found.holds is True, found.finding


# --- Figure 5, critics, baselines -------------------------------------------------------------------------------------


def scores(method: str, values: list[float], noise: float = 0.15) -> list[dict]:
    base = {"noise": noise, "rule": "n-distill", "method": method, "update": 1}
    return [base | {"mdp": i, "score": x} for i, x in enumerate(values)]


def test_figure_5_is_judged_by_paired_gains() -> None:
    low, high = [0.1, 0.5, 0.9], [0.2, 0.61, 1.0]
    found = fig5.summary(scores("monte-carlo", low) + scores("td0", high))
    assert found.holds is True and found.table[1]["gain"] == pytest.approx(0.31 / 3)
    assert found.table[0]["high"] - found.table[0]["low"] > 1  # apart, the two could not be told from one another
    assert fig5.summary(scores("monte-carlo", high) + scores("td0", low)).holds is False
    assert fig5.summary(scores("monte-carlo", low) + scores("td0", [0.9, 0.5, 0.1])).holds is None


def test_noisy_teachers_are_as_stated() -> None:
    mdp = fig5.world(3, 0.25)
    assert mdp.teacher.min() == pytest.approx(0.0625) and mdp.teacher.max() == pytest.approx(0.8125)
    gain = evaluation.expected_return(mdp, solve.optimal(mdp)) - evaluation.expected_return(mdp, solve.uniform(mdp))
    assert gain >= 1


def test_critics_find_the_corridor_s_hopf_point_and_no_other() -> None:
    rows = critics.run({"mdp": "corridor-cycle", "rule": "on-policy", "starts": 3, "seed": 0})
    rows += critics.run({"mdp": "chain", "rule": "on-policy", "starts": 2, "seed": 0})
    found = critics.summary(rows)
    assert found.holds is True
    assert [len(row["changes_at"]) for row in found.table] == [1, 0]
    assert found.table[0]["changes_at"][0] == pytest.approx(364.783, rel=1e-4) and found.table[0]["hopf"] == [True]
    assert critics.summary([row | {"exact": 1.0} for row in rows]).holds is False


def test_baselines_are_judged() -> None:
    rows = [row for case in baselines.cases(False) if case["mdp"] == "chain" for row in baselines.run(case)]
    assert baselines.summary(rows).holds is True
    assert baselines.summary([rows[0] | {"gap": 1e-3}]).holds is False
    for row in rows:  # the student's own values are no worse a baseline than none here, nor weights than killing
        assert row["own_v"] < row["reward"]
        assert row["reward_weights"] <= row["reward"] * (1 + 1e-9)


# --- optimisers -------------------------------------------------------------------------------------------------------


def spreads(*values: tuple[float, float, float], **keys: str) -> list[dict]:
    return [keys | {"step": step, "before": before, "last": last} for step, before, last in values]


def test_verdicts_over_steps() -> None:
    assert optimisers.verdict(spreads((0.02, 2.1, 2.1), (0.01, 2.05, 2.05))) == "cycle"
    assert optimisers.verdict(spreads((0.02, 0.9, 0.9), (0.01, 0.45, 0.45))) == "step artefact"
    assert optimisers.verdict(spreads((0.02, 1.0, 0.0), (0.01, 1.0, 0.02))) == "rest"
    assert optimisers.verdict(spreads((0.02, 1.0, 1.5), (0.01, 1.0, 1.0))) == "undecided"
    assert optimisers.verdict(spreads((0.02, 1.0, 1.0))) == "undecided"
    assert optimisers.step_kind({"step": 0.1, "before": 0.0, "last": 0.0, "complete": False}) == "unclear"


def outcomes(plain: str, **others: str) -> list[dict]:
    made = {
        "cycle": [(0.02, 2.0, 2.0), (0.01, 2.0, 2.0)],
        "rest": [(0.02, 1.0, 0.0), (0.01, 1.0, 0.0)],
        "undecided": [(0.02, 1.0, 2.0)],
    }
    names = {"plain": plain, "momentum 0.9": plain, "clipping 0.1": plain, "Adam": "rest"} | others
    rows = []
    for name, kind in names.items():
        rows += spreads(*made[kind], mdp="x", rule="y", optimiser=name)
    return [*rows, {"mdp": "x", "rule": "y", "optimiser": optimisers.NORMALISED[0], "kind": "rest"}]


def test_optimisers_are_judged() -> None:
    assert optimisers.summary(outcomes("cycle")).holds is True
    assert optimisers.summary(outcomes("cycle", Adam="cycle")).holds is False
    assert optimisers.summary(outcomes("cycle", **{"momentum 0.9": "rest"})).holds is False
    assert optimisers.summary(outcomes("cycle", **{"clipping 0.1": "undecided"})).holds is None


@pytest.mark.slow
@pytest.mark.parametrize("name", optimisers.NORMALISED)
def test_advantage_normalisation_makes_the_planar_cycle_rest(name: str) -> None:
    case = {"mdp": "aliased-cycle", "rule": "on-policy", "optimiser": name, "seed": 0}
    row = optimisers.run(case)[0]
    assert row["kind"] == "rest" and (row["alpha"] == 1) == (name == optimisers.NORMALISED[0])


def test_advantage_normalisation_turns_the_source_into_a_sink_elsewhere() -> None:
    field = Field(zoo.load("aliased-cycle"), "on-policy", reward=True)
    chart = in_chart(normalised(field), "differences")
    seen = FunctionField(chart.__call__, chart.shape, vectorised=True, analytic=True)
    plain, other = rest_point(field, np.array([[0, -0.65], [0, 0.09]])), rest_point(seen, np.array([[-0.64], [0.5]]))
    assert plain is not None and plain.type == "unstable focus"
    assert other is not None and other.type == "stable node"
    assert abs(other.theta[1, 0] - (plain.theta[1, 1] - plain.theta[1, 0])) > 0.3
