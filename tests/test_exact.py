"""The exact arithmetics against independent ones: sympy, floats, complex steps; and bounds against what they bound."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import flint
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamics.fields import Field
from dynamics.rules import TABLE, Rule, after, log, log_p, p, t, total
from mdp import random, student, zoo
from mdp.strategies import mdps
from proofs.exact import (
    ExactField,
    Ratio,
    Ring,
    balls,
    exact_field,
    generic,
    identity_test,
    objects,
    precision,
    rationals,
    readable_point,
    setting,
    zero_matrix,
)
from proofs.exact.arithmetic import residues
from proofs.exact.explain import is_gradient_by_theorem
from proofs.exact.fields import fields
from proofs.exact.points import degree_bound, gate_is_steady, point_test, random_prime, witness

RATIONAL_ROWS = [name for name in TABLE if name != "value-gate"]


# --- the ring, against sympy ------------------------------------------------------------------------------------------

RING = Ring(["x", "y"])
X, Y = sympy.symbols("x y")


def expressions() -> st.SearchStrategy[tuple[Ratio, Any]]:
    """The same random rational function in the ring and in sympy."""
    leaves = st.sampled_from([(RING.gens["x"], X), (RING.gens["y"], Y)]) | st.integers(-3, 3).map(
        lambda n: (RING.number(n), sympy.Integer(n))
    )

    def grow(inner: Any) -> Any:
        def join(op: str, one: Any, two: Any) -> tuple[Ratio, Any]:
            (a, b), (c, d) = one, two
            if op == "/":
                return (a / c, b / d) if c != 0 else (a, b)
            return {"+": (a + c, b + d), "-": (a - c, b - d), "*": (a * c, b * d)}[op]

        return st.builds(join, st.sampled_from("+-*/"), inner, inner)

    return st.recursive(leaves, grow, max_leaves=6)


def as_sympy(x: Ratio) -> Any:
    return sympy.sympify(str(x).replace("^", "**"))


@settings(max_examples=60, deadline=None)
@given(expressions())
def test_ring_is_sympys_field(pair: tuple[Ratio, Any]) -> None:
    ours, theirs = pair
    assert sympy.cancel(as_sympy(ours) - theirs) == 0
    assert (ours == 0) == (sympy.cancel(theirs) == 0)
    derivation = {0: RING.gens["y"], 1: RING.number(2)}  # D x = y, D y = 2
    moved = sympy.diff(theirs, X) * Y + sympy.diff(theirs, Y) * 2
    assert sympy.cancel(as_sympy(ours.derivative(derivation)) - moved) == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(expressions(), min_size=4, max_size=4))
def test_inverse(entries: list[tuple[Ratio, Any]]) -> None:
    matrix = objects([a for a, _ in entries], (2, 2))
    if matrix[0, 0] * matrix[1, 1] == matrix[0, 1] * matrix[1, 0]:
        with pytest.raises(ZeroDivisionError):
            RING.inverse(matrix)
        return
    product = matrix @ RING.inverse(matrix)
    assert all(product[i, j] == int(i == j) for i in range(2) for j in range(2))


# --- the exact field, against floats ----------------------------------------------------------------------------------


def numeric(exact: ExactField, x: Ratio, theta: np.ndarray) -> complex:
    """A rational function of the generators at float (or complex) parameters."""
    policy = exact.learner.policy(theta)
    values: dict[str, Any] = {}
    observation = exact.learner.observation
    assert observation is not None
    for s, o in enumerate(observation):
        for a in range(policy.p.shape[1]):
            values |= {f"p{o}_{a}": policy.p[s, a], f"L{o}_{a}": policy.log_p[s, a]}
    spare = {str(g): v for g, v in _spare_values(exact, values).items()}

    def at(polynomial: Any) -> complex:
        names = exact.ring.names
        return sum(
            complex(float(c.p) / float(c.q))
            * np.prod([(values | spare)[n] ** int(k) for n, k in zip(names, powers, strict=True) if k])
            for powers, c in polynomial.terms()
        )

    below = np.prod([at(exact.ring.factors[k]) ** e for k, e in x.powers.items()]) if x.powers else 1
    return complex(at(x.top) / below)


def _spare_values(exact: ExactField, values: dict[str, Any]) -> dict[str, Any]:
    """Logarithms of the teacher, in the order in which they were met: constants only."""
    found, seen = {}, [Fraction(1)]
    for y in exact.problem.teacher.p.ravel():
        fraction = Fraction(int(y.top.leading_coefficient().p), int(y.top.leading_coefficient().q))
        if fraction not in seen:
            seen.append(fraction)
            found[f"w{len(seen) - 2}"] = float(np.log(float(fraction)))
    return found


@pytest.mark.parametrize("rule", RATIONAL_ROWS)
@pytest.mark.parametrize("control", ["student", "teacher", "mix:1/3"])
def test_exact_field_is_the_field(rule: str, control: str) -> None:
    """F and its derivation against the floats' field and closed-form Jacobian, aliased and with +R."""
    mdp = random.episodic(5, 3, 2, discount="9/10", observations=2)
    field = Field(mdp, rule, control=control, reward=True, alpha="2/3")
    exact = exact_field(field)
    theta = np.array([[0.3, -0.5], [0.1, 0.7]])
    values = [numeric(exact, x, theta).real for x in exact.values]
    np.testing.assert_allclose(values, field(theta).ravel(), rtol=1e-10, atol=1e-11)
    slopes = [[numeric(exact, x.derivative(d), theta).real for d in exact.derivations] for x in exact.values]
    np.testing.assert_allclose(slopes, field.jacobian(theta), rtol=1e-9, atol=1e-10)


def test_features_and_aliasing_are_one_field() -> None:
    """Aliasing written as general features: the same curl, through other generators."""
    mdp = zoo.load("aliased-cycle")
    phi = np.zeros((6, 4))
    for s, o in enumerate(mdp.observation):
        phi[2 * s, 2 * o] = phi[2 * s + 1, 2 * o + 1] = 1
    for rule, gradient in (("on-policy", False), ("n-distill", True)):
        exact = exact_field(Field(mdp, rule, student=student.features(phi, 2)))
        assert (exact.first_curl() is None) == gradient


def test_logarithms_of_other_expressions_are_generators_of_their_own() -> None:
    middle = (p + t) / 2
    skewed = total(p * (log_p - log(middle)))
    plain, corrected = Rule("skew", "", "student", loss=skewed), Rule("sc", "", "student", skewed, -after(skewed))
    for rule, gradient in ((plain, False), (corrected, True)):
        field = Field(zoo.load("swirl"), rule)
        assert (exact_field(field).first_curl() is None) == gradient == identity_test(field).zero
    exact = exact_field(Field(zoo.load("swirl"), corrected))
    assert exact.climbs(exact.potential())


def test_a_wrong_potential_is_refused() -> None:
    """Negative control: the potential of another rule, of another alpha, or with its sign turned."""
    one, two = fields(Field(zoo.load("swirl"), "n-distill"), Field(zoo.load("swirl"), "reverse-kl-corrected"))
    assert one.climbs(one.potential()) and two.climbs(two.potential())
    assert not one.climbs(two.potential()) and not one.climbs(-one.potential())
    assert not one.climbs(one.potential() * 2) and not one.equals(two) and one.equals(one)


def test_generic_fields_specialise() -> None:
    """What holds of all MDPs holds of each: the generic curl of on-policy at one MDP's numbers is that MDP's curl."""
    (exact,) = generic(2, 2, {"rule": "on-policy"})
    assert exact.first_curl() == (1, 3)
    gated = {"rule": "value-gate"}
    with pytest.raises(ValueError, match="value gate"):
        generic(2, 2, gated)


# --- points -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", TABLE)
def test_every_arithmetic_has_the_same_curl(rule: str) -> None:
    """Rationals, residues and balls against floats, at one rational policy."""
    field = Field(random.episodic(2, 3, 2, discount="9/10", observations=2), rule, reward=True)
    point = readable_point(np.random.default_rng(3), field)
    floats = field.curl(np.log(point.astype(float)))
    with precision():
        found = setting(field, balls()).curl(point) if rule != "value-gate" else None
    if found is not None:
        np.testing.assert_allclose([[float(x) for x in row] for row in found], floats, rtol=1e-9, atol=1e-11)
    exact = setting(field, rationals()).curl(point)
    prime = random_prime(np.random.default_rng(0))
    if rule in ("on-policy", "bootstrap", "student-critic"):  # no logarithms: a value, and its residue
        np.testing.assert_allclose(
            [[float(x.p) / float(x.q) for x in row] for row in exact], floats, rtol=1e-9, atol=1e-11
        )
        mod = setting(field, residues(prime, np.random.default_rng(1))).curl(point)
        for x, y in zip(exact.ravel(), mod.ravel(), strict=True):
            assert int(x.p) % prime == int(y * (int(x.q) % prime))


def test_precision_is_put_back() -> None:
    before = flint.ctx.prec
    with pytest.raises(RuntimeError), precision(512):
        assert flint.ctx.prec == 512
        raise RuntimeError
    assert flint.ctx.prec == before


@settings(max_examples=40, deadline=None)
@given(
    mdps(states=(1, 4), actions=(1, 3)), st.sampled_from(RATIONAL_ROWS), st.sampled_from([None, "teacher", "mix:1/2"])
)
def test_routes_agree_on_any_mdp(mdp: Any, rule: str, control: str | None) -> None:
    """One zero, three arithmetics; a witness only where they all say the curl is not zero."""
    try:
        field = Field(mdp, rule, control=control)
    except ValueError:
        return
    answers = {identity_test(field).zero, point_test(field).zero}
    if field.size <= 6:
        answers.add(exact_field(field).first_curl() is None)
    assert len(answers) == 1
    assert witness(field) is None or answers == {False}


@settings(max_examples=40, deadline=None)
@given(mdps(states=(1, 4), actions=(1, 3), observed=False))
def test_when_on_policy_is_a_gradient(mdp: Any) -> None:
    """Claim G1 as a property: the condition on visits decides the curl."""
    field = Field(mdp, "on-policy")
    assert is_gradient_by_theorem(field) == identity_test(field).zero


def test_error_bounds_are_below_what_is_promised() -> None:
    for states in (3, 20, 60):
        test = identity_test(Field(random.garnet(0, states, 2, 3, discount="9/10"), "n-distill-kl"))
        assert test.zero and test.error_bound < 2**-60


def test_the_degree_bound_bounds_degrees() -> None:
    """Against the numerators that the rational-function field really has."""
    for rule in RATIONAL_ROWS:
        field = Field(random.episodic(0, 2, 2), rule, reward=True, control="mix:1/2")
        exact = exact_field(field)
        for i, j in ((1, 3), (0, 2)):
            curl = exact.curl(i, j)
            assert curl.top == 0 or curl.top.total_degree() <= degree_bound(field)


def test_a_gate_that_moves_is_no_place_for_a_witness() -> None:
    """At the teacher every value is a tie that other policies break; where nothing has an advantage it is steady."""
    mdp = random.episodic(0, 2, 2)
    field = Field(mdp, "value-gate")
    assert not gate_is_steady(field, mdp.exact.teacher)
    still = Field(mdp.replace(R=[[0, 0], [0, 0]]), "value-gate")
    assert gate_is_steady(still, mdp.exact.teacher)


def test_zero_matrix_can_fail() -> None:
    assert zero_matrix(np.array([[flint.fmpq(0)]])) and not zero_matrix(np.array([[flint.fmpq(1, 9)]]))
