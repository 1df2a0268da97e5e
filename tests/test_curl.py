"""Verdicts: exact where they can be, with witnesses that anybody can recompute, and honest otherwise."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from dynamics.field import Field
from dynamics.rules import TABLE, expected_gradient
from mdp import random, student, zoo
from proofs.curl import decide, exact_curl

DECIDED_NO = ("on-policy", "student-critic", "bootstrap")


@pytest.mark.parametrize("rule", TABLE)
@pytest.mark.parametrize("control", ["teacher", "student", "uniform", "mix:1/3"])
def test_verdicts_fit_the_table(rule: str, control: str) -> None:
    mdp = random.episodic(4, 3, 2, discount="9/10", observations=2)
    for reward in (False, True):
        field = Field(mdp, rule, control=control, reward=reward, alpha="2/3")
        verdict = decide(field)
        expected = expected_gradient(field.rule, control)
        if expected and rule != "value-gate":
            assert verdict.verdict == "gradient" and verdict.potential and verdict.witness is None
        else:
            assert verdict.verdict in ("not-gradient", "undecided") and verdict.potential is None
        if rule in DECIDED_NO and control == "student":
            assert verdict.verdict == "not-gradient"
        if verdict.witness is not None:
            check_witness(field, verdict.witness)


def check_witness(field: Field, witness: dict) -> None:
    """The exact value against the float Jacobian at the witness's policy, and by finite differences of the field."""
    table = np.array([[Fraction(x) for x in row] for row in witness["policy"]], dtype=object)
    assert (table > 0).all() and (table.sum(1) == 1).all()
    theta = np.log(table.astype(float))
    i, j = tuple(witness["i"]), tuple(witness["j"])
    value = float(Fraction(witness["value"]))
    assert value != 0

    def slope(of: tuple, by: tuple) -> float:
        step = np.zeros(field.shape, dtype=complex)
        step[by] = 1e-30j
        return float(field(theta + step)[of].imag / 1e-30)

    assert slope(i, j) - slope(j, i) == pytest.approx(value, rel=1e-9)


def test_bandit_is_a_gradient_though_no_rule_says_so() -> None:
    """T1: in a one-step bandit on-policy distillation is a gradient: exact curl 0, and no false witness."""
    verdict = decide(Field(zoo.load("bandit"), "on-policy"))
    assert verdict.verdict == "undecided" and "exact curl is 0" in verdict.reason
    assert verdict.error_bound is None


@pytest.mark.parametrize(("n_actions", "gradient"), [(2, True), (3, False)])
def test_one_state_with_a_self_loop(n_actions: int, gradient: bool) -> None:
    """T1: one state that may stay: a gradient for two actions, not for three."""
    from mdp.model import MDP

    P = [[[f"{a + 1}/5"] for a in range(n_actions)]]
    teacher = [[Fraction(a + 1, n_actions * (n_actions + 1) // 2) for a in range(n_actions)]]
    field = Field(MDP(P, [[0] * n_actions], [1], teacher=teacher), "on-policy")
    table = np.array([[Fraction(a + 2, sum(range(2, n_actions + 2))) for a in range(n_actions)]], dtype=object)
    assert (exact_curl(field, table) == 0).all() == gradient
    assert (decide(field).verdict != "not-gradient") == gradient


def test_reasons_of_the_undecided() -> None:
    big = random.episodic(0, 30, 2)
    assert "too many" in decide(Field(big, "on-policy")).reason
    assert "logarithms" in decide(Field(zoo.load("swirl"), "reverse-kl")).reason
    field = Field(zoo.load("swirl"), "on-policy", student=student.features(np.eye(4), 2))
    assert "features" in decide(field).reason


def test_large_models_are_answered_at_once() -> None:
    """5,000 states: the structural verdict needs no Jacobian, and none is formed just to be measured."""
    verdict = decide(Field(random.garnet(0, 5000, 2, 3, discount="0.9"), "n-distill"))
    assert verdict.verdict == "gradient" and verdict.asymmetry is None


def test_no_gradient_is_not_said_to_cycle() -> None:
    reason = decide(Field(zoo.load("swirl"), "on-policy")).reason
    assert "does not mean that it cycles" in reason and "KL(pi(s)‖pi_theta(s)) decreases" in reason
    assert "decreases" not in decide(Field(zoo.load("swirl"), "on-policy", reward=True)).reason


def test_potential_text_holds_alpha() -> None:
    assert decide(Field(zoo.load("swirl"), "n-distill", reward=True, alpha="1/2")).potential == (
        "E_q Σ_t [1/2*(total(t*log_p)) + r](s_t, a_t), q = pi_theta"
    )
    assert "1/2*(" in (decide(Field(zoo.load("swirl"), "teacher", alpha="1/2")).potential or "")
    assert decide(Field(zoo.load("swirl"), "on-policy", reward=True, alpha=0)).verdict == "gradient"


@pytest.mark.parametrize("labels", [[0, 1, 1], [1, 0, 1], [0, 0, 1]])
def test_the_students_own_observations_are_asked(labels: list[int]) -> None:
    """A field with a student of its own: the witness is about that student, not about the MDP's observations."""
    field = Field(zoo.load("aliased-cycle"), "on-policy", reward=True, student=student.observed(labels, 2))
    verdict = decide(field)
    assert verdict.verdict == "not-gradient" and verdict.witness is not None
    check_witness(field, verdict.witness)


def test_a_gate_in_the_reward_is_no_gradient() -> None:
    from dynamics.formula import log_t, teacher_better
    from dynamics.rules import Rule

    gated = Rule("gated", "", "student", reward=teacher_better * log_t)
    assert decide(Field(zoo.load("swirl"), gated)).verdict != "gradient"


def test_deterministic_teachers_are_not_said_to_be_reached_in_logits() -> None:
    mdp = zoo.load("swirl").replace(teacher=[[0, 1], [1, 0]])
    assert "logits run off" in decide(Field(mdp, "on-policy")).reason


def test_sparse_models_get_witnesses_too() -> None:
    import scipy.sparse as sp

    dense = zoo.load("swirl")
    sparse = dense.replace(P=sp.csr_array(dense.P.reshape(4, 2)))
    one, two = (decide(Field(mdp, "on-policy")) for mdp in (dense, sparse))
    assert one.witness is not None and two.verdict == "not-gradient"
