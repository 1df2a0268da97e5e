"""Eq. (1): the field and its Jacobian against the oracle, exact numbers, charts, fields of one's own."""

from __future__ import annotations

import sys
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamics import rules
from dynamics.fields import Field, FunctionField, build, in_chart, update
from dynamics.fields.vector import asymmetry, numerical_jacobian
from dynamics.rules import TABLE, Rule, after, log, log_p, log_t, p, t, total
from mdp import MDP, Policy, random, strategies, student, zoo

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
from agreement import agreement, broken

CONTROLS = ("teacher", "student", "uniform", "mix:0.3")


def test_agrees_with_the_oracle_everywhere() -> None:
    assert broken(agreement(6)) == []


@pytest.mark.slow
def test_agrees_with_the_oracle_on_many() -> None:
    assert broken(agreement(40, first_seed=1000, workers=2)) == []


def test_a_broken_formula_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: with one sign turned in eq. (1) the oracle must object."""
    right = update.center
    monkeypatch.setattr(update, "center", lambda p, w: w + p * (w - right(p, w)) / np.maximum(p, 1e-9))
    assert any("error" in line for line in broken(agreement(2)))


@pytest.mark.parametrize("rule", TABLE)
@pytest.mark.parametrize("control", CONTROLS)
def test_own_loss_and_features_against_the_oracle(rule: str, control: str) -> None:
    """An MDP with a state loss of its own, a general Phi, and +R."""
    rng = np.random.default_rng(5)
    mdp = random.episodic(rng, 4, 3, discount="0.9")
    own, phi = np.round(rng.normal(size=(4, 3)), 2), np.round(rng.normal(size=(12, 5)), 2)
    mdp = mdp.replace(loss=own)
    field = Field(mdp, rule, control=control, reward=True, alpha=0.7, student=student.features(phi, 3))
    theta = rng.normal(size=5)
    case = oracle.Case(mdp.P, mdp.R, mdp.initial, mdp.discount, phi, mdp.teacher, rule, control, True, 0.7, own)
    assert oracle.relative(field(theta), oracle.pair_field(case, theta)) < 1e-12
    stepped = oracle.complex_step_jacobian(field, theta)
    assert oracle.relative(field.jacobian(theta), stepped) < 1e-12
    assert field.uses_own_loss == (rule in ("teacher", "on-policy", "n-distill", "value-gate"))


@pytest.mark.parametrize("rule", TABLE)
@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("reward", [False, True])
def test_same_formulas_on_fractions(rule: str, control: str, reward: bool) -> None:
    """Field and Jacobian in Fractions at a rational policy are those of the floats.

    Logarithms enter as free values: here the rationals nearest to them.
    """
    mdp = random.episodic(3, 3, 2, discount="9/10")
    field = Field(mdp, rule, control=control, reward=reward, alpha="2/3")
    table = np.array([[Fraction(1, 3), Fraction(2, 3)], [Fraction(1, 5), Fraction(4, 5)], [Fraction(1, 2)] * 2])
    logs = np.vectorize(lambda x: Fraction(float(np.log(float(x)))), otypes=[object])
    exact = build(field, mdp.exact, Policy(mdp.exact.teacher, logs(mdp.exact.teacher)), Fraction, logs)
    found = update.update(exact, Policy(table, logs(table)))
    assert all(isinstance(x, Fraction) for x in np.ravel(found))
    theta = np.log(table.astype(float))
    np.testing.assert_allclose(found.astype(float), field(theta), rtol=1e-11, atol=1e-12)
    exact_jacobian = update.jacobian(exact, Policy(table, logs(table))).astype(float)
    np.testing.assert_allclose(exact_jacobian, field.jacobian(theta), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("rule", TABLE)
@pytest.mark.parametrize("control", CONTROLS)
def test_potential_is_a_potential(rule: str, control: str) -> None:
    """Its gradient is the field; it exists exactly where theory says "gradient" (but for the gate)."""
    rng = np.random.default_rng(1)
    mdp = random.episodic(rng, 4, 3, discount="0.95", observations=3)
    for reward in (False, True):
        field = Field(mdp, rule, control=control, reward=reward, alpha="1/2")
        theta = rng.normal(size=field.shape)
        there = field.potential(theta) is not None
        assert there == (bool(rules.expected_gradient(field.rule, control)) and rule != "value-gate")
        if there:
            slope = oracle.complex_step_jacobian(
                lambda x, f=field: np.atleast_1d(f.potential(x.reshape(f.shape))), theta.ravel()
            )
            np.testing.assert_allclose(slope.reshape(field.shape), field(theta), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("rule", TABLE)
def test_batches_are_the_single_calls(rule: str) -> None:
    field = Field(zoo.load("aliased-cycle"), rule, reward=True, control="mix:1/4")
    theta = np.random.default_rng(0).normal(size=(2, 3, *field.shape))
    one_by_one = np.array([[field(x) for x in row] for row in theta])
    np.testing.assert_allclose(field(theta), one_by_one, rtol=1e-12, atol=1e-13)
    one_by_one = np.array([[field.jacobian(x) for x in row] for row in theta])
    np.testing.assert_allclose(field.jacobian(theta), one_by_one, rtol=1e-12, atol=1e-12)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_updates_leave_the_gauge_alone(data: st.DataObject) -> None:
    """A row's update sums to 0, and adding a number to a row of logits changes nothing: every rule, any MDP."""
    mdp = data.draw(strategies.mdps(states=(1, 4), actions=(1, 3)))
    field = Field(mdp, data.draw(st.sampled_from(sorted(TABLE))), reward=data.draw(st.booleans()))
    theta = data.draw(strategies.parameters(field.shape))
    value = field(theta)
    scale = 1 + np.abs(value).max()
    assert np.abs(value.sum(-1)).max() <= 1e-9 * scale
    np.testing.assert_allclose(field(theta + 3.0), value, rtol=1e-8, atol=1e-9 * scale)


@pytest.mark.parametrize("rule", TABLE)
def test_sparse_is_dense(rule: str) -> None:
    import scipy.sparse as sp

    dense = random.episodic(2, 5, 3, discount="0.9")
    sparse = MDP(sp.csr_array(dense.P.reshape(15, 5)), dense.R, dense.initial, dense.discount, teacher=dense.teacher)
    theta = np.random.default_rng(0).normal(size=(2, 5, 3))
    for reward in (False, True):
        one, two = (Field(m, rule, reward=reward) for m in (dense, sparse))
        np.testing.assert_allclose(two(theta), one(theta), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(two.jacobian(theta), one.jacobian(theta), rtol=1e-9, atol=1e-11)


def test_c1_vector_field() -> None:
    """fig2 in the sigmoid chart: th1' = p(1−p)(1 ∓ 2x), th2' = x(1−x)(2p−1) (theory C1)."""
    mdp = zoo.load("fig2")
    learner = student.sigmoid(mdp.observation)
    theta = np.random.default_rng(0).normal(size=(20, 2))
    pp, x = (1 / (1 + np.exp(-theta))).T
    for rule, sign in (("on-policy", -1), ("n-distill", 1)):
        expected = np.stack([pp * (1 - pp) * (1 + sign * 2 * x), x * (1 - x) * (2 * pp - 1)], axis=-1)
        np.testing.assert_allclose(Field(mdp, rule, reward=True, student=learner)(theta), expected, atol=1e-14)


@pytest.mark.parametrize(
    ("name", "rule", "rest"),
    [
        ("swirl", "reverse-kl", [[2.79304, 1.13600]]),
        ("swirl", "reverse-kl-corrected", [[3.315655, 1.909093]]),
        ("swirl", "on-policy", [[1.98071, 1.89261]]),
        ("corridor-cycle", "n-distill", [[1.9865, 4.4004, 3.4586]]),
        ("aliased-cycle", "n-distill", [[0.4621, 4.3438]]),
    ],
)
def test_stated_rest_points(name: str, rule: str, rest: list[list[float]]) -> None:
    """C2, C4, C5: Newton from theory's digits lands within them (differences: action 1 less action 0)."""
    field = in_chart(Field(zoo.load(name), rule, reward=True), "differences")
    start = np.array(rest).reshape(field.shape)
    x = start.copy()
    for _ in range(6):
        x = x - np.linalg.solve(field.jacobian(x), field(x).ravel()).reshape(field.shape)
    assert np.abs(field(x)).max() < 1e-10
    assert np.abs(x - start).max() < 1.2e-4


def test_teacher_as_rest_point() -> None:
    """P1's column: which rules rest at the teacher (theory, section 4)."""
    mdp = random.episodic(0, 4, 3, discount="0.9")
    resting = {rule for rule in TABLE if Field(mdp, rule).teacher_residual() < 1e-12}
    assert resting == {"teacher", "on-policy", "reverse-kl", "reverse-kl-corrected", "n-distill-kl", "value-gate"}


@pytest.mark.parametrize("chart", ["differences", "probabilities"])
def test_charts_move_the_same_motion(chart: str) -> None:
    field = Field(zoo.load("token-tree"), "reverse-kl", reward=True)
    seen = in_chart(field, chart)
    theta = np.random.default_rng(0).normal(size=(3, *field.shape))
    x = seen.from_parameters(theta)
    np.testing.assert_allclose(seen.from_parameters(seen.to_parameters(x)), x, atol=1e-14)
    pushed = (
        seen.from_parameters(theta + 1e-6 * field(theta)) - seen.from_parameters(theta - 1e-6 * field(theta))
    ) / 2e-6
    np.testing.assert_allclose(seen(x), pushed, atol=1e-8)
    np.testing.assert_allclose(seen.jacobian(x), numerical_jacobian(seen, x), atol=1e-10)


def test_any_callable_is_a_field() -> None:
    """Analytic: complex step, exact. Not analytic (abs, or real only): differences, still right."""
    cubic = FunctionField(lambda x: np.array([x[0] ** 3 - x[1], x[0] * x[1]]), (2,))
    at = np.array([1.5, -0.5])
    np.testing.assert_allclose(cubic.jacobian(at), [[6.75, -1.0], [-0.5, 1.5]], rtol=1e-15)
    modulus = FunctionField(lambda x: np.array([abs(x[0]) * x[1], x[1].real]), (2,))
    np.testing.assert_allclose(modulus.jacobian(at), [[-0.5, 1.5], [0.0, 1.0]], atol=1e-9)
    real_only = FunctionField(lambda x: [float(x[0]) ** 2, float(x[1])], (2,))
    np.testing.assert_allclose(real_only.jacobian(at), [[3.0, 0.0], [0.0, 1.0]], atol=1e-9)
    assert cubic(np.zeros((4, 2))).shape == (4, 2)
    with pytest.raises(ValueError, match="must be the same"):
        FunctionField(lambda x: x[:1], (2,))(at)
    assert float(cubic.divergence(at)) == pytest.approx(8.25)
    np.testing.assert_allclose(cubic.curl(at), [[0, -0.5], [0.5, 0]])


def test_a_rule_of_ones_own() -> None:
    """Jensen–Shannon distillation, and its correction, written outside the table, through the whole battery."""
    half = Fraction(1, 2)
    middle = half * (p + t)
    js = half * total(t * (log_t - log(middle))) + half * total(p * (log_p - log(middle)))
    plain = Rule("js", "Jensen–Shannon", "student", loss=js)
    corrected = Rule("js-corrected", "Jensen–Shannon, corrected", "student", loss=js, reward=-after(js))
    mdp = random.episodic(0, 4, 3, discount="0.9", observations=3)
    theta = np.random.default_rng(0).normal(size=(3, 3))
    for rule in (plain, corrected):
        for control in CONTROLS:
            field = Field(mdp, rule, control=control, reward=True, alpha="3/2")
            np.testing.assert_allclose(field.jacobian(theta), numerical_jacobian(field, theta), atol=1e-12)
    assert Field(mdp, plain).asymmetry(theta) > 1e-3
    assert Field(mdp, corrected, reward=True).asymmetry(theta) < 1e-12
    assert rules.structural_potential(corrected) is not None
    assert rules.structural_potential(plain) is None


def test_a_loss_that_is_no_sum_over_actions() -> None:
    """(Σ p t)² and log Σ p t: totals inside formulas, differentiated with their couplings."""
    overlap = total(p * t)
    for loss in (overlap**2, -log(overlap), total(p * overlap * log_p), overlap / total(p * p)):
        field = Field(random.episodic(0, 3, 3), Rule("mine", "mine", "student", loss=loss), reward=True)
        theta = np.random.default_rng(1).normal(size=field.shape)
        np.testing.assert_allclose(field.jacobian(theta), numerical_jacobian(field, theta), atol=1e-12)


def test_alpha_scales_only_distillation() -> None:
    mdp = random.episodic(0, 4, 3)
    theta = np.random.default_rng(0).normal(size=(4, 3))
    for name, rule in TABLE.items():
        at_zero, at_one, at_two = (Field(mdp, rule, reward=True, alpha=a)(theta) for a in (0, 1, 2))
        np.testing.assert_allclose(at_two - at_one, at_one - at_zero, atol=1e-13)
        pays = {"teacher-v": "teacher-v", "student-critic": "student-critic", "bootstrap": "bootstrap"}.get(
            name, "reward"
        )
        control = rule.control
        np.testing.assert_allclose(at_zero, Field(mdp, pays, control=control)(theta), atol=1e-13)


def test_mixtures_of_weight_zero_and_one() -> None:
    mdp = random.episodic(0, 4, 3)
    theta = np.random.default_rng(0).normal(size=(4, 3))
    for name in TABLE:
        for weight, control in (("0", "student"), ("1", "teacher")):
            mixed = Field(mdp, name, control=f"mix:{weight}", reward=True)(theta)
            np.testing.assert_array_equal(mixed, Field(mdp, name, control=control, reward=True)(theta))


def test_bad_input_names_place_value_and_law() -> None:
    mdp = random.episodic(0, 2, 2)
    sharp = mdp.replace(teacher=[[1, 0], ["1/2", "1/2"]])
    bad = [
        (lambda: Field(mdp, "n-distil"), "the nearest is 'n-distill'"),
        (lambda: Field(mdp, "er", control="mix:2"), r"must lie in \[0, 1\]"),
        (lambda: Field(mdp, "er", control="techer"), "the nearest is 'teacher'"),
        (lambda: Field(mdp, "er", alpha=float("nan")), "alpha"),
        (lambda: Field(mdp, "er", alpha=-1), "alpha"),
        (lambda: Field(mdp.replace(teacher=None), "er"), "needs a teacher"),
        (lambda: Field(sharp, "er"), r"teacher\[s=0 's0', a=1 'a1'\] is 0"),
        (lambda: Field(mdp, "er")(np.zeros((3, 2))), r"theta has shape \(3, 2\); must end in \(2, 2\)"),
        (lambda: in_chart(Field(mdp, "er"), "polar"), "chart is 'polar'"),
        (lambda: Field(mdp, "er", student=student.tabular(3, 2)), "the student is for"),
    ]
    for call, words in bad:
        with pytest.raises(ValueError, match=words) as caught:
            call()
        assert "\n" not in str(caught.value)
    assert np.isfinite(Field(sharp, "on-policy")(np.zeros((2, 2)))).all()
    assert np.isfinite(Field(sharp, "n-distill-kl")(np.zeros((2, 2)))).all()


def test_endless_teacher_at_discount_one() -> None:
    """A teacher that stays for ever is refused where it acts or its values are needed, and only there."""
    mdp = MDP([[[1, 0], [0, 0.5]], [[0, 0], [0, 0]]], [[0, 1], [1, 0]], [1, 0], teacher=[[1, 0], [1, 0]])
    assert Field(mdp, "on-policy")(np.zeros((2, 2))).shape == (2, 2)
    for rule, control in (("teacher", None), ("on-policy", "teacher"), ("bootstrap", None), ("value-gate", None)):
        with pytest.raises(ValueError, match="s=0 's0' never ends"):
            Field(mdp, rule, control=control)


def test_a_jacobian_that_is_no_number_is_not_symmetric() -> None:
    assert np.isnan(asymmetry(np.full((2, 2), np.nan)))
    broken = FunctionField(lambda x: x * np.nan, (2,))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert broken.is_symmetric([1.0, 2.0]) is None


def test_asymmetry_is_zero_where_the_jacobian_is_rounding() -> None:
    """teacher-v under the teacher's control has a constant field: J = 0 exactly, rounding in floats."""
    mdp = random.episodic(1, 4, 3, discount="0.9", observations=3)
    field = Field(mdp, "teacher-v", control="teacher")
    assert field.asymmetry(np.random.default_rng(0).normal(size=(5, 3, 3))).max() == 0
    assert asymmetry(np.zeros((3, 3))) == 0


def test_warning_where_teacher_with_reward_is_unbounded() -> None:
    mdp = zoo.load("swirl").replace(R=[[-1, 1], [-1, 1]])
    assert any("unbounded" in line for line in Field(mdp, "teacher", reward=True, alpha="1/100").warnings)
    paid = mdp.replace(R=[[1, 1], [1, 1]])
    assert not any("unbounded" in line for line in Field(paid, "teacher", reward=True).warnings)
    bandit = MDP([[[0], [0]]], [["-1/2", "-1/2"]], [1], teacher=[["1/2", "1/2"]])
    for loss in (rules.CROSS_ENTROPY, rules.KL):  # the same field: alpha t makes up for Q
        assert not Field(bandit, Rule("x", "", "teacher", loss=loss), reward=True).warnings


def test_large_and_sparse_fields_take_batches() -> None:
    for name in ("corridor:65", "corridor:130"):
        for control in ("teacher", "uniform", "student"):
            field = Field(zoo.load(name), "n-distill", control=control, reward=True)
            theta = np.random.default_rng(0).normal(size=(3, *field.shape))
            np.testing.assert_allclose(field(theta)[1], field(theta[1]), rtol=1e-9, atol=1e-12)
            assert field(theta[:0]).shape == (0, *field.shape)


def test_staying_almost_for_ever_keeps_its_digits() -> None:
    """One state, stay or end: d = 1/(1 − p) = 1 + e^x exactly, however small the chance to end."""
    mdp = MDP([[[1], [0]]], [[0, 0]], [1], teacher=[["1/2", "1/2"]])
    field = Field(mdp, "on-policy")
    for x in (1.0, 15.0, 30.0):
        d = 1 + np.exp(x)
        p = 1 / (1 + np.exp(-x))
        np.testing.assert_allclose(field([[x, 0.0]])[0, 0], d * (0.5 - p), rtol=1e-12)


def test_inputs_of_the_field() -> None:
    field = Field(zoo.load("swirl"), "reverse-kl", reward=True)
    theta = [[0.5, -1.0], [0.25, 0.0]]
    for dtype in (np.float16, np.float32, np.longdouble, object):
        np.testing.assert_array_equal(field(np.array(theta, dtype=dtype)), field(theta))
    np.testing.assert_array_equal(field(np.ones((2, 2), dtype=bool)), field(np.ones((2, 2))))
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match=r"theta\[1, 0\] is"):
            field([[0, 0], [bad, 0]])
    with pytest.raises(ValueError, match="must be numbers"):
        field(np.array([["a", "b"], ["c", "d"]]))
    for control in (3, ""):
        with pytest.raises(ValueError, match="control"):
            Field(zoo.load("swirl"), "er", control=control)  # type: ignore[arg-type]


def test_rules_at_the_edge() -> None:
    """A constant loss, c without an own loss, and division by t."""
    from dynamics.rules.formula import c, formula

    mdp = random.episodic(0, 3, 2)
    theta = np.random.default_rng(0).normal(size=(3, 2))
    constant = Rule("constant", "", "student", loss=formula(1), reward=formula(2))
    np.testing.assert_allclose(
        Field(mdp, constant).jacobian(theta), numerical_jacobian(Field(mdp, constant), theta), atol=1e-12
    )
    with pytest.raises(ValueError, match="own loss coefficients"):
        Field(mdp, Rule("own", "", "student", loss=total(c * p)))
    chi = Rule("chi", "", "student", loss=total((p - t) ** 2 / t))
    assert chi.needs_full_support
    np.testing.assert_allclose(Field(mdp, chi).jacobian(theta), numerical_jacobian(Field(mdp, chi), theta), atol=1e-11)
    with pytest.raises(ValueError, match="is 0; rule 'chi'"):
        Field(mdp.replace(teacher=[[1, 0]] * 3), chi)


def test_symmetry_is_left_open_where_floats_cannot_tell() -> None:
    swirl = zoo.load("swirl")
    theta = np.random.default_rng(0).normal(size=(4, 2, 2))
    assert Field(swirl, "n-distill", reward=True).is_symmetric(theta) is True
    assert Field(swirl, "on-policy", reward=True).is_symmetric(theta) is False
    for discount in ("0.99999", "0.9999999"):
        near = swirl.replace(discount=discount)
        assert Field(near, "eer", reward=True).is_symmetric(theta) is not False
        assert Field(near, "teacher-v").is_symmetric(theta) is not False
    shifted = swirl.replace(R=swirl.R + 1e8)
    assert Field(shifted, "reward").teacher_residual() is None
    assert Field(swirl, "on-policy", reward=True, alpha=1e-9).is_symmetric(theta) is False


def test_a_callable_that_bends_quickly_or_changes_its_argument() -> None:
    quick = FunctionField(lambda x: np.array([np.sin(1e4 * x[0]), x[1]]), (2,))
    assert quick.jacobian([1.0, 0.0])[0, 0] == pytest.approx(1e4 * np.cos(1e4), rel=1e-12)

    def careless(x: np.ndarray) -> np.ndarray:
        x *= 2
        return x

    start = np.array([1.0, 2.0])
    FunctionField(careless, (2,))(start)
    np.testing.assert_array_equal(start, [1.0, 2.0])
