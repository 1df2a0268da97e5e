"""The step size above which a rest point oscillates, against closed forms and a second set of formulas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from dynamics.fields import Field, FunctionField
from dynamics.fields.families import alpha_family
from dynamics.learners.iteration import iterated
from dynamics.learners.periodic_points import periodic_points
from dynamics.learners.step_size import StepLimit, confirm, limit_at, step_limit
from mdp import zoo


def focus(rate: complex, c: complex) -> FunctionField:
    """z' = rate z + c z |z|² in the plane."""

    def velocity(x: np.ndarray) -> np.ndarray:
        square = x @ x
        a, b = rate.real + c.real * square, rate.imag + c.imag * square
        return np.array([a * x[0] - b * x[1], b * x[0] + a * x[1]])

    return FunctionField(velocity, (2,))


def step_of(map_: Callable[[np.ndarray], np.ndarray], n: int) -> FunctionField:
    """The field whose iteration with step 1 is a map."""
    return FunctionField(lambda x: map_(x) - x, (n,))


SQUARE = FunctionField(lambda x: x - x**3, (1,))
TURNS, FLIPS = [[0.0, 1.82599], [0.0, -0.08288]], [[0.0, 1.07199], [0.0, -0.66908]]  # near rest points of swirl


# --- eta*, kind, coefficient ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [-0.2 + 1j, -0.2 + 0.3j, -1 + 0.5j, -3 + 0.1j])
@pytest.mark.parametrize("c", [-1.0, 1.0, -0.5 + 2j])
def test_a_focus_in_closed_form(rate: complex, c: complex) -> None:
    """eta* = −2 Re / |rate|²; with |z|² = 2 |w|² the map is w -> mu w (1 + 2 eta c |w|² / mu)."""
    limit = step_limit(focus(rate, c), [0.01, 0.0])
    eta = -2 * rate.real / abs(rate) ** 2
    d = 2 * eta * complex(c) / (1 + eta * rate)
    assert limit.eta == pytest.approx(eta, rel=1e-9) and limit.kind == "Neimark–Sacker"
    assert limit.angle == pytest.approx(np.angle(1 + eta * rate), rel=1e-9)
    assert limit.coefficient == pytest.approx(d.real, rel=1e-6)
    assert limit.criticality == ("supercritical" if d.real < 0 else "subcritical")


@pytest.mark.parametrize("seed", range(4))
def test_neimark_sacker_by_the_planar_formula(seed: int) -> None:
    """Random quadratic and cubic terms behind a rotation, against the g_jk of the complex coordinate.

    Kuznetsov, third edition, section 4.7, for z -> e z + Σ g_jk z^j z̄^k / (j! k!), e = e^{i t}, with z = x + iy:
    a = Re(g21 / e)/2 − Re((1 − 2 e) g20 g11 / (e² (1 − e)))/2 − |g11|²/2 − |g02|²/4. |q| = 1 makes |z|² = 2|w|².
    """
    rng = np.random.default_rng(seed)
    t = rng.uniform(0.3, 1.4)
    g20, g11, g02, g21, g30, g12, g03 = rng.normal(size=7) + 1j * rng.normal(size=7)

    def turn(x: np.ndarray) -> np.ndarray:
        z, c = x[0] + 1j * x[1], x[0] - 1j * x[1]
        w = np.exp(1j * t) * z + g20 * z**2 / 2 + g11 * z * c + g02 * c**2 / 2
        w = w + g21 * z**2 * c / 2 + g30 * z**3 / 6 + g12 * z * c**2 / 2 + g03 * c**3 / 6
        return np.array([w.real, w.imag])

    e = np.exp(1j * t)
    a = (g21 / e).real / 2 - ((1 - 2 * e) * g20 * g11 / (e**2 * (1 - e))).real / 2
    a -= abs(g11) ** 2 / 2 + abs(g02) ** 2 / 4
    limit = limit_at(step_of(turn, 2), [0.0, 0.0])
    assert limit.eta == pytest.approx(1, abs=1e-9)
    assert limit.coefficient == pytest.approx(2 * a, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_a_flip_on_the_line(seed: int) -> None:
    """x -> −x + a x² + b x³: c = a² + b."""
    a, b = np.random.default_rng(seed).normal(size=2)
    limit = limit_at(step_of(lambda x: -x + a * x**2 + b * x**3, 1), [0.0])
    assert limit.eta == pytest.approx(1) and limit.kind == "flip" and limit.angle == pytest.approx(np.pi)
    assert limit.coefficient == pytest.approx(a**2 + b, rel=1e-6)


def test_delayed_logistic() -> None:
    """x -> 2 x (1 − y), y -> x turns by 60 degrees at (1/2, 1/2), and its circle is born attracting.

    Kuznetsov, third edition, chapter 4, has the map as an example; his q is longer than 1.
    """
    limit = step_limit(step_of(lambda x: np.array([2 * x[0] * (1 - x[1]), x[0]]), 2), [0.5, 0.45])
    assert limit.eta == pytest.approx(1) and limit.angle == pytest.approx(np.pi / 3)
    assert limit.coefficient == pytest.approx(-1, rel=1e-6) and limit.criticality == "supercritical"


def test_the_corrected_rule_of_swirl() -> None:
    """The rest point of theory C4; a gradient's eigenvalues are real, so that its limit is a flip at 2/|lambda|."""
    field = Field(zoo.load("swirl"), "reverse-kl-corrected", reward=True)
    limit = step_limit(field, [[0.0, 3.31565469], [0.0, 1.90909348]])
    np.testing.assert_allclose(limit.theta[:, 1] - limit.theta[:, 0], (3.31565469, 1.90909348), atol=1e-7)
    J = np.zeros((2, 2))
    for k, step in enumerate(1e-5 * np.eye(2)):  # an own Jacobian in log-odds, by differences
        ahead, behind = (field(limit.theta + sign * np.stack([0 * step, step], 1)) @ [-1.0, 1.0] for sign in (1, -1))
        J[:, k] = (ahead - behind) / 2e-5
    assert limit.eta == pytest.approx(2 / np.abs(np.linalg.eigvals(J)).max(), rel=1e-7)
    assert limit.eta == pytest.approx(0.31682996, abs=1e-8)
    assert (limit.kind, limit.criticality) == ("flip", "supercritical")
    seen = confirm(field, limit)
    assert seen.agrees and seen.below.kind == "rest" and seen.above.evidence["form"] == "period 2"
    assert seen.predicted is not None
    np.testing.assert_allclose(seen.amplitude, seen.predicted, rtol=0.02, atol=1e-3)


# --- both sides -------------------------------------------------------------------------------------------------------


def test_period_doubling_in_closed_form() -> None:
    """x -> x + eta (x − x³) flips at 1; its two points have xy = 1/eta, (x − y)² = 1 − 1/eta."""
    limit = step_limit(SQUARE, [0.9])
    assert limit.eta == pytest.approx(1) and limit.coefficient == pytest.approx(8, rel=1e-6)
    for eta in (1.001, 1.1, 1.3):
        pair = periodic_points(SQUARE, [1 - 0.4 * np.sqrt(eta - 1)], eta, 2)
        assert pair is not None and pair.period == 2
        x, y = pair.points.ravel()
        assert (x * y, (x - y) ** 2) == pytest.approx((1 / eta, 1 - 1 / eta))
        assert pair.multipliers[0].real == pytest.approx(9 - 2 * (1 + eta) ** 2)
        assert pair.stable == (eta < np.sqrt(5) - 1)
    size = limit.amplitude(1.001)
    assert size is not None and size[0] == pytest.approx(np.sqrt(1 - 1 / 1.001), rel=1e-3)
    assert limit.amplitude(0.999) is None


@pytest.mark.parametrize(("rate", "share"), [(-0.2 + 1j, 0.05), (-0.2 + 0.3j, 0.05), (-0.3 + 0.2j, 0.02)])
def test_circles_of_euler_steps(rate: complex, share: float) -> None:
    """The circle of z -> z (1 + eta rate − eta r²) has |…| = 1, and turns by the angle of that."""
    limit = step_limit(focus(rate, -1.0), [0.0, 0.0])
    seen = confirm(focus(rate, -1.0), limit, share=share)
    eta = (1 + share) * limit.eta
    if np.cos(limit.angle) > 0:
        mu = 1 + eta * rate
        r2 = (mu.real - np.sqrt(1 - mu.imag**2)) / eta
        assert seen.agrees and seen.above.evidence["form"] == "invariant circle"
        np.testing.assert_allclose(seen.amplitude, 2 * np.sqrt(r2), rtol=1e-3)
        assert seen.above.evidence["mean_radius"] == pytest.approx(np.sqrt(r2), rel=1e-5)
        assert seen.above.period == pytest.approx(2 * np.pi / np.angle(mu - eta * r2), rel=1e-4)
        np.testing.assert_allclose(seen.predicted, seen.amplitude, rtol=2.5 * share)
    else:  # turning by more than a right angle, the same damping cubic term pushes outward
        assert limit.criticality == "subcritical" and seen.agrees and seen.predicted is None


def test_a_subcritical_circle_bounds_the_basin() -> None:
    """z' = rate z + z |z|²: below eta* rest from inside the circle predicted, none from outside."""
    field = focus(-0.2 + 1j, 1.0)
    limit = step_limit(field, [0.0, 0.0])
    eta = 0.99 * limit.eta
    size = limit.amplitude(eta)
    assert limit.criticality == "subcritical" and size is not None and limit.amplitude(1.01 * limit.eta) is None
    radius = float(size[0]) / 2
    assert iterated(field, [0.9 * radius, 0.0], eta, 3000).kind == "rest"
    assert iterated(field, [1.1 * radius, 0.0], eta, 20_000).kind == "diverged"
    assert confirm(field, limit).agrees


def test_circles_and_subcritical_flips_of_the_zoo() -> None:
    """Reverse KL + R on swirl rests at alpha 1.05, by a focus, and at 1.2, where the flip is subcritical."""
    family = alpha_family(zoo.load("swirl"), "reverse-kl", reward=True)
    turns = step_limit(family(1.05), TURNS)
    assert (turns.kind, turns.criticality) == ("Neimark–Sacker", "supercritical")
    seen = confirm(family(1.05), turns)
    assert seen.agrees and seen.above.evidence["form"] == "invariant circle"
    np.testing.assert_allclose(seen.amplitude, seen.predicted, rtol=0.05)
    flips = step_limit(family(1.2), FLIPS)
    assert (flips.kind, flips.criticality) == ("flip", "subcritical")


# --- where there is none, and detectors that fail ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "at", "words"),
    [
        (Field(zoo.load("swirl"), "reverse-kl", reward=True), [[0, 2.79304], [0, 1.136]], "positive real part"),
        (Field(zoo.load("fig2"), "on-policy", reward=True), np.zeros((2, 2)), "spirals outward"),
        (FunctionField(lambda x: np.array([1.0, -1.0]) * x, (2,)), [0.0, 0.0], "positive real part"),
    ],
)
def test_no_step_rests(field: Field, at: object, words: str) -> None:
    limit = step_limit(field, at)
    assert limit.eta is None and limit.kind is None and limit.angle is None and words in limit.reason
    assert limit.amplitude(0.1) is None and limit.to_json()["eta"] is None
    with pytest.raises(ValueError, match="no step limit to confirm"):
        confirm(field, limit)


@pytest.mark.parametrize("k", [3, 4])
def test_strong_resonances_are_not_decided(k: int) -> None:
    mu = np.exp(2j * np.pi / k)
    limit = limit_at(focus(complex(mu - 1), -1.0), [0.0, 0.0])
    assert limit.eta == pytest.approx(1) and limit.criticality is None and "resonance" in limit.reason
    assert limit.amplitude(1.1) is None


def test_degenerate_ties_and_zero() -> None:
    linear = limit_at(FunctionField(lambda x: -x, (1,)), [0.0])
    assert linear.eta == 2 and linear.criticality == "degenerate" and linear.amplitude(2.1) is None
    tied = limit_at(FunctionField(lambda x: -x - x**3, (2,)), [0.0, 0.0])
    assert tied.eta == 2 and tied.criticality is None and "at once" in tied.reason
    assert "0" in limit_at(FunctionField(lambda x: -(x**3), (1,)), [0.0]).reason
    assert limit_at(SQUARE, [1.0], normal_form=False).criticality is None


@pytest.mark.parametrize("factor", [0.7, 1.5])
def test_confirm_refutes_a_wrong_limit(factor: float) -> None:
    for field, at in ((SQUARE, [1.0]), (focus(-0.2 + 1j, -1.0), [0.0, 0.0])):
        limit = limit_at(field, at)
        assert limit.eta is not None
        wrong = replace(limit, eta=factor * limit.eta, criticality=None)
        assert confirm(field, wrong).agrees is False


def test_bad_input() -> None:
    limit = limit_at(SQUARE, [1.0])
    assert isinstance(limit, StepLimit)
    for call, words in (
        (lambda: step_limit(FunctionField(lambda x: 1 + x**2, (1,)), [0.3]), "no rest point"),
        (lambda: confirm(SQUARE, limit, share=1.0), "share is 1"),
        (lambda: periodic_points(SQUARE, [1.0], 1.0, 17), "1 to 16"),
        (lambda: periodic_points(SQUARE, [1.0], 0.0, 2), "step size is 0"),
        (lambda: periodic_points(SQUARE, [1.0, 2.0], 1.0, 2), "theta has shape"),
    ):
        with pytest.raises(ValueError, match=words) as caught:
            call()
        assert "\n" not in str(caught.value)
