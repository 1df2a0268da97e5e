"""The table of rules and its formulas: laws over every row, and rows that break a law."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import oracle
import pytest

from dynamics import rules
from dynamics.rules import (
    CROSS_ENTROPY,
    REWARD,
    TABLE,
    Rule,
    Values,
    after,
    expected_gradient,
    log,
    log_p,
    log_t,
    p,
    r,
    t,
    total,
    v,
)
from dynamics.rules import formula as fm
from dynamics.rules.formula import c, identical, latex, v_student
from dynamics.rules.rule import KL, REVERSE_KL
from mdp import policies as pol


@pytest.mark.parametrize("name", TABLE)
def test_every_row(name: str) -> None:
    rule = TABLE[name]
    assert rule.id == name and rule.title and rule.source
    assert (rule + REWARD) + REWARD == rule + REWARD and (rule + REWARD).has_reward
    if rule.has_reward:
        assert rule + REWARD == rule
    assert (2 * rule).alpha == 2 and ("1/3" * (2 * rule)).alpha == Fraction(2, 3)
    assert rule.control == oracle.listed_control(name)
    assert latex(rule.loss) and "$" in rule._repr_latex_()
    assert rule.needs_full_support == (name in ("er", "eer", "eer-no-reward", "reverse-kl", "reverse-kl-corrected"))
    assert rule.needs_teacher_values == (name in ("teacher-v", "student-critic", "bootstrap", "value-gate"))


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("control", oracle.CONTROLS)
def test_expected_verdicts_are_the_oracles(name: str, control: str) -> None:
    """Declared in the table, derived anew in the oracle, and read off the formulas: three times the same."""
    declared = expected_gradient(TABLE[name], control)
    derived = oracle.expected_gradient(name, control)
    assert declared == derived or (derived is None and name == "value-gate")
    if name != "value-gate":
        assert (rules.structural_potential(TABLE[name], control) is not None) == declared
        assert (rules.structural_potential(TABLE[name] + REWARD, control) is not None) == declared


def test_structure_sees_mutants() -> None:
    """Negative control: the correction with a sign, a term or an argument wrong is not called a gradient."""
    mutants = [
        Rule("sign", "", "student", loss=CROSS_ENTROPY, reward=after(CROSS_ENTROPY)),
        Rule("dropped", "", "student", loss=CROSS_ENTROPY),
        Rule("half", "", "student", loss=CROSS_ENTROPY, reward=-Fraction(1, 2) * after(CROSS_ENTROPY)),
        Rule("swapped", "", "student", loss=CROSS_ENTROPY, reward=after(total(p * log_t))),
        Rule("other", "", "student", loss=REVERSE_KL, reward=-after(KL)),
        Rule("one step", "", "student", loss=CROSS_ENTROPY, reward=-after(CROSS_ENTROPY), horizon="step"),
    ]
    for mutant in mutants:
        assert rules.structural_potential(mutant) is None, mutant.id


def test_reverse_kl_as_a_reward_is_a_gradient() -> None:
    """log t − log p as a reward: its own derivative is a score, of mean zero."""
    rule = Rule("kl-reward", "", "student", reward=log_t - log_p)
    assert rules.structural_potential(rule) is not None
    assert rules.structural_potential(Rule("squared", "", "student", reward=log_p * log_p)) is None


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Rule("x", "", "both"), "control is 'both'"),
        (lambda: Rule("x", "", "student", horizon="day"), "horizon is 'day'"),
        (lambda: Rule("x", "", "student", loss=log_p), "must be a state formula"),
        (lambda: Rule("x", "", "student", loss=after(CROSS_ENTROPY)), "must be a state formula"),
        (lambda: Rule("x", "", "student", loss=total(p * r)), "belong to the reward"),
        (lambda: Rule("x", "", "student", reward=r * r), "is not one of"),
        (lambda: Rule("x", "", "student", reward=after(r)), "of the next step is not one of"),
        (lambda: Rule("x", "", "student", reward=after(v_student)), "is not one of"),
        (lambda: Rule("x", "", "student", reward=after(after(v))), "more than one step ahead"),
        (lambda: TABLE["er"] + p, "only REWARD can be added"),
        (lambda: float("nan") * TABLE["er"], "alpha"),
        (lambda: p * 0.5, "numbers must be int or Fraction"),
        (lambda: p / 0, "divides by zero"),
        (lambda: p**-1, "whole number"),
        (lambda: rules.get("onpolicy"), "the nearest is 'on-policy'"),
        (lambda: rules.control_kind(TABLE["er"], "mix:x"), "mix:W"),
    ],
)
def test_rows_that_break_a_law(build: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build()  # type: ignore[operator]


def test_own_loss_takes_the_place_of_the_cross_entropy_only() -> None:
    changes = [name for name, rule in TABLE.items() if rule.with_own_loss() != rule]
    assert changes == ["teacher", "on-policy", "n-distill", "value-gate"]
    changed = TABLE["n-distill"].with_own_loss()
    assert identical(changed.loss, total(c * p)) and changed.reward_text == "-after(total(c*p))"


FORMULAS = {
    "cross-entropy": CROSS_ENTROPY,
    "kl": KL,
    "reverse kl": REVERSE_KL,
    "brier": total((p - t) ** 2),
    "js": total(p * (log_p - log((p + t) / 2))) / 3,
    "renyi": -log(total(p * p / t)),
    "nested": total(p * log_p * total(p * t)),
    "quotient": total(p * t) / total(p * p),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_derivatives_of_formulas(name: str) -> None:
    """dx/dL and d²x/dL² of state formulas against complex step, along L = log p with p = exp L unconstrained."""
    x = FORMULAS[name]
    rng = np.random.default_rng(0)
    teacher = pol.policy(rng.dirichlet(np.ones(4), size=1))
    at = np.log(rng.dirichlet(np.ones(4)))

    def value(which: fm.Formula, logs: np.ndarray) -> np.ndarray:
        found = fm.evaluate(which, Values(teacher, pol.Policy(np.exp(logs)[None], logs[None])))
        return found[0] if found.ndim else found

    first = value(x.gradient, at)
    stepped = oracle.complex_step_jacobian(lambda z: value(x, z), at)[0]
    np.testing.assert_allclose(first * np.ones(4), stepped, rtol=1e-12, atol=1e-14)
    own, couplings = x.gradient.bend
    second = np.diag(value(own, at) * np.ones(4))
    for u, w in couplings:
        second = second + np.outer(value(u, at) * np.ones(4), value(w, at) * np.ones(4))
    stepped = oracle.complex_step_jacobian(lambda z: value(x.gradient, z) * np.ones(4), at)
    np.testing.assert_allclose(second, stepped, rtol=1e-11, atol=1e-13)


def test_identity_of_formulas() -> None:
    assert identical((p + t) ** 2, p * p + 2 * p * t + t * t)
    assert identical(total(p), fm.ONE) and identical(total(p * total(t * log_p)), total(t * log_p))
    assert identical(p / t * t / p, p * t * (1 / t) / p)
    assert not identical(p, t)
    assert identical(total(log_p + log_t), total(log_p) + total(log_t))


def test_printing() -> None:
    assert str(KL) == "total(t*(log_t - log_p))"
    assert str(r + after(v) - v_student) == "r + after(v) - v_student"
    assert str(-CROSS_ENTROPY) == "total(t*log_p)"
    assert latex(KL) == r"\sum_a \pi\,\left(\log\pi - \log\pi_\theta\right)"
    assert str(p / (p + t)) == "p/(p + t)"
    assert str(p - (t - p)) == "p - (t - p)"
    assert str(p / (p * t)) == "p/(p*t)"
