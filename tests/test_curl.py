"""Verdicts: exact where they can be, with witnesses that anybody can recompute, and honest otherwise."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from dynamics.fields import Field
from dynamics.rules import TABLE, Rule, expected_gradient, p, t, total
from mdp import random, student, zoo
from proofs.exact import decide, decide_all, exact_field, identity_test
from proofs.exact.curl import exact_curl, routes
from proofs.exact.points import ZeroTest, point_test


@pytest.mark.parametrize("rule", TABLE)
@pytest.mark.parametrize("control", ["teacher", "student", "uniform", "mix:1/3"])
def test_verdicts_fit_the_table(rule: str, control: str) -> None:
    mdp = random.episodic(4, 3, 2, discount="9/10", observations=2)
    for reward in (False, True):
        field = Field(mdp, rule, control=control, reward=reward, alpha="2/3")
        verdict = decide(field)
        expected = expected_gradient(field.rule, control)
        if expected:
            assert verdict.verdict == "gradient" and verdict.potential and verdict.witness is None
            assert ("side of the value gate" in verdict.holds_for) == (rule == "value-gate")
        else:
            assert verdict.verdict == "not-gradient" and verdict.potential is None
        assert set(routes(field).values()) <= {verdict.verdict}
        if verdict.witness is not None:
            check_witness(field, verdict.witness)


def check_witness(field: Field, witness: dict) -> None:
    """The exact value against the float Jacobian at the witness's policy, and by finite differences of the field."""
    table = np.array([[Fraction(x) for x in row] for row in witness["policy"]], dtype=object)
    assert (table > 0).all() and (table.sum(1) == 1).all()
    theta = np.log(table.astype(float))
    i, j = tuple(witness["i"]), tuple(witness["j"])
    value = float(Fraction(witness["value"]))
    if witness["ball"] is not None:
        (m, e), (r, f) = witness["ball"]["mid"], witness["ball"]["rad"]
        assert abs(m) * Fraction(2) ** e > r * Fraction(2) ** f  # 0 is excluded
        assert float(m * Fraction(2) ** e) == pytest.approx(value, rel=1e-15)
    assert value != 0

    def slope(of: tuple, by: tuple) -> float:
        step = np.zeros(field.shape, dtype=complex)
        step[by] = 1e-30j
        return float(field(theta + step)[of].imag / 1e-30)

    assert slope(i, j) - slope(j, i) == pytest.approx(value, rel=1e-9)


def test_bandit_is_a_gradient_though_no_rule_says_so() -> None:
    """T1: in a one-step bandit on-policy distillation is a gradient, the loss a potential; no false witness."""
    verdict = decide(Field(zoo.load("bandit"), "on-policy"))
    assert verdict.verdict == "gradient" and "visits of no state depend" in verdict.reason
    assert verdict.error_bound == 0 and verdict.potential and "visits of any policy" in verdict.potential


@pytest.mark.parametrize(("n_actions", "gradient"), [(2, True), (3, False)])
def test_one_state_with_a_self_loop(n_actions: int, gradient: bool) -> None:
    """T1: one state that may stay: a gradient for two actions, not for three."""
    from mdp import MDP

    P = [[[f"{a + 1}/5"] for a in range(n_actions)]]
    teacher = [[Fraction(a + 1, n_actions * (n_actions + 1) // 2) for a in range(n_actions)]]
    field = Field(MDP(P, [[0] * n_actions], [1], teacher=teacher), "on-policy")
    table = np.array([[Fraction(a + 2, sum(range(2, n_actions + 2))) for a in range(n_actions)]], dtype=object)
    assert (exact_curl(field, table) == 0).all() == gradient
    assert decide(field).verdict == ("gradient" if gradient else "not-gradient")


def test_what_cannot_be_decided_says_why() -> None:
    big = Field(random.garnet(0, 1300, 2, 3, discount="0.9"), "on-policy")
    assert decide(big).verdict == "undecided" and "too many" in decide(big).reason
    shut = Field(zoo.load("bandit"), "value-gate")
    assert decide(shut).verdict == "undecided" and "gate" in decide(shut).reason


def test_larger_models_are_decided_modulo_primes() -> None:
    """Beyond rational functions: a zero curl with a stated error, a non-zero one with a ball that excludes zero."""
    mdp = random.garnet(0, 100, 2, 3, discount="0.9")
    witness = decide(Field(mdp, "on-policy")).witness
    assert witness is not None and witness["ball"] is not None
    constant = np.array(mdp.exact.P)
    constant[:, 1, :] = constant[:, 0, :]
    verdict = decide(Field(mdp.replace(P=constant), "on-policy"))
    assert verdict.verdict == "gradient" and verdict.error_bound is not None and 0 < verdict.error_bound < 2**-60
    assert "probability of error" in verdict.holds_for


def test_general_features() -> None:
    """Any rational Phi: aliasing written as features gives the same verdicts, and witnesses in exp theta."""
    rows = np.array([[1, 0], [0, 1], [0.5, 1], [0, 0]])
    for rule, expected in (("reverse-kl", "not-gradient"), ("reverse-kl-corrected", "gradient")):
        field = Field(zoo.load("swirl"), rule, student=student.features(rows, 2))
        verdict = decide(field)
        assert verdict.verdict == expected and set(routes(field).values()) == {expected}
        if verdict.witness is not None:
            theta = np.log([float(Fraction(x)) for x in verdict.witness["exp_theta"]])
            curl = field.curl(theta)[0, 1]
            assert float(verdict.witness["value"]) == pytest.approx(curl, rel=1e-9)


def test_features_of_many_digits() -> None:
    """No power of exp(theta / m) is a number then: witnesses in balls, and never a "gradient" with a large error."""
    phi = np.random.default_rng(0).normal(size=(4, 2))
    field = Field(zoo.load("swirl"), "on-policy", student=student.features(phi, 2))
    verdict = decide(field)
    assert verdict.verdict == "not-gradient" and verdict.witness is not None and verdict.witness["ball"] is not None
    curl = field.curl(np.log([float(Fraction(x)) for x in verdict.witness["exp_theta"]]))[0, 1]
    assert float(verdict.witness["value"]) == pytest.approx(curl, rel=1e-9)
    gradient = Field(zoo.load("swirl"), "n-distill", student=field.student)
    assert decide(gradient).verdict == "gradient" and decide(gradient).method == "theorem"
    bandit = Field(zoo.load("bandit"), "on-policy", student=student.features(phi[:3], 3))
    assert decide(bandit).verdict == "undecided"
    for test in (identity_test, point_test, exact_field):
        with pytest.raises(ValueError, match="Phi holds numbers of many digits"):
            test(field)


def test_an_error_that_is_not_small_decides_nothing() -> None:
    assert ZeroTest(False, 0.0, 1).decided and ZeroTest(True, 2.0**-61, 2).decided
    assert not ZeroTest(True, 2.0**-59, 8).decided


def test_what_a_gate_leaves_open() -> None:
    """Where the gate is shut the field is another, so a witness says nothing of almost every theta."""
    found = decide(Field(zoo.load("swirl"), "value-gate", reward=True))
    assert found.verdict == "not-gradient" and "gate is open" in found.holds_for and "almost" not in found.holds_for


def test_formulas_that_are_defined_nowhere() -> None:
    rule = Rule("nowhere", "", "student", loss=1 / total(p - t))
    with pytest.raises(ValueError, match="rule 'nowhere': its formulas divide by 0 at every policy"):
        decide(Field(zoo.load("swirl"), rule))
    with pytest.raises(ValueError, match="rule 'nowhere'"):
        decide_all(rule, 2, 2)


@pytest.mark.parametrize("rule", [name for name in TABLE if name != "value-gate"])
@pytest.mark.parametrize("size", [(2, 2), (1, 3)])
def test_every_mdp_of_a_size(rule: str, size: tuple[int, int]) -> None:
    verdict = decide_all(TABLE[rule], *size)
    always = expected_gradient(TABLE[rule]) is True
    if size == (2, 2):
        assert verdict.verdict == ("gradient" if always else "not-gradient")
    assert ("almost every" in verdict.holds_for) == (verdict.verdict == "not-gradient")


def test_sizes_that_are_too_large_for_all_mdps() -> None:
    with pytest.raises(ValueError, match="must be one of"):
        decide_all(TABLE["er"], 5, 5)


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
    from dynamics.rules import Rule, log_t, teacher_better

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


def test_a_field_of_nothing_is_the_gradient_of_nothing() -> None:
    """alpha 0 and no reward: neither loss nor reward is left, and the potential is a bare 0."""
    verdict = decide(Field(zoo.load("chain"), "on-policy", alpha=0))
    assert verdict.verdict == "gradient" and verdict.asymmetry == 0
