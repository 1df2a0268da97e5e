"""Vector fields in balls, and one validated step, beside solutions that are known exactly."""

from __future__ import annotations

import math
from fractions import Fraction

import flint
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamics.fields import Field, reduced
from dynamics.rules import TABLE
from mdp import MDP, zoo
from proofs.enclosures import RationalSystem, local, rational_system, velocity
from proofs.enclosures import steps as taylor
from proofs.enclosures.recentred import polynomial
from proofs.exact import precision

SQUARE = polynomial([{(2,): 1}])  # x' = x²: x(t) = x / (1 − x t), ∂x(t)/∂x = 1 / (1 − x t)², ∫ 2x dt = −2 log(1 − x t)
RULES = [rule for rule in TABLE if rule != "value-gate"]


def three_actions() -> MDP:
    """Two states of three actions, and a third that shares the first one's parameters."""
    weights = np.arange(1, 28).reshape(3, 3, 3) * 7 % 11
    P = [[[f"{w}/{row.sum() + 1}" for w in row] for row in state] for state in weights]
    return MDP(
        P=P,
        R=[["1", "-2", "0.5"], ["0.3", "1", "2"], ["-1", "0", "1"]],
        initial=["1/2", "1/4", "1/4"],
        discount="0.9",
        observation=[0, 1, 0],
        teacher=[["1/2", "1/3", "1/6"], ["1/5", "2/5", "2/5"], ["1/4", "1/4", "1/2"]],
    )


def point(field: Field, seed: int = 0) -> list[float]:
    return np.random.default_rng(seed).normal(size=reduced(field).size).tolist()


def check_against_floats(field: Field) -> None:
    """The ball field at a point holds the float field's value, re-centred there or elsewhere."""
    seen, x = reduced(field), point(field)
    at = np.array(x).reshape(seen.shape)
    expected, slopes = seen(at).ravel(), seen.jacobian(at).ravel()
    scale = 1 + np.abs(expected).max() + np.abs(slopes).max()
    with precision(128):
        system = rational_system(field)
        assert system.size == len(x)
        assert np.allclose(velocity(system, x), expected, rtol=0, atol=1e-9 * scale)
        for centre in (x, [y + 0.3 for y in x]):
            there = local(system, centre)
            balls = [flint.arb(y) for y in x]
            for found, known in ((there.velocity(balls), expected), (there.slopes(balls), slopes)):
                assert all(float(y.rad()) < 1e-20 for y in found)
                assert np.allclose([float(y) for y in found], known, rtol=0, atol=1e-9 * scale)


@pytest.mark.parametrize("rule", RULES)
def test_a_system_is_the_field(rule: str) -> None:
    check_against_floats(Field(zoo.load("swirl"), rule, reward=True))


@pytest.mark.parametrize("control", ["teacher", "uniform", "mix:1/3"])
def test_a_system_is_the_field_under_other_controls(control: str) -> None:
    check_against_floats(Field(zoo.load("aliased-cycle"), "n-distill", control=control, reward=True, alpha="1/2"))


@pytest.mark.parametrize("rule", ["on-policy", pytest.param("reverse-kl", marks=pytest.mark.slow)])
def test_a_system_is_the_field_with_three_actions_and_aliasing(rule: str) -> None:
    check_against_floats(Field(three_actions(), rule, reward=True))


def test_an_own_loss_is_taken() -> None:
    check_against_floats(Field(zoo.load("fig2"), "on-policy", reward=True))


def test_what_is_not_supported_is_refused() -> None:
    with pytest.raises(ValueError, match="value gate"):
        rational_system(Field(zoo.load("swirl"), "value-gate"))
    with pytest.raises(ValueError, match="one action only"):
        rational_system(Field(MDP([[[0]]], [[1]], [1], teacher=[[1]]), "on-policy"))
    with pytest.raises(ValueError, match="2 whole numbers"):
        polynomial([{(1,): 1}, {(0, 1): 1}])


def test_boxes_stay_near_what_the_field_does_to_them() -> None:
    """The reason for re-centring: eq. (1) in plain intervals widens this box 10^5 times."""
    field = Field(zoo.load("swirl"), "reverse-kl", reward=True)
    x, radius = [2.684, 1.607], 0.01
    with precision(128):
        box = [flint.arb(y, radius) for y in x]
        widened = [float(y.rad()) / radius for y in local(rational_system(field), x).velocity(box)]
    stretch = np.abs(reduced(field).jacobian(np.array(x).reshape(2, 1))).sum(-1)
    assert (stretch <= np.array(widened) * 1.1).all() and max(widened) < 10 * stretch.max()


@given(x=st.fractions(Fraction(1, 10), 2, max_denominator=50), h=st.fractions(Fraction(1, 100), Fraction(1, 8)))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_a_step_holds_the_exact_solution(x: Fraction, h: Fraction) -> None:
    radius = Fraction(1, 1024)
    with precision(80):
        start, duration = ball(x), ball(h)
        made = taylor.step(SQUARE, [start], [start + flint.arb(0, float(radius))], duration, 14)
        assert made is not None
        assert made.end[0].contains(rational(x / (1 - x * h))) and float(made.end[0].rad()) < 1e-6
        for y in (x - radius, x, x + radius):
            left = 1 - y * h
            assert made.image[0].contains(rational(y / left))
            assert made.derivative[0, 0].contains(rational(1 / left**2))
            with precision(300):
                assert made.divergence.contains(-2 * ball(left).log())
            for k, piece in enumerate(made.tube):
                assert piece[0].contains(rational(y / (1 - y * h * (2 * k + 1) / (2 * taylor.PIECES))))


def rational(x: Fraction) -> flint.fmpq:
    return flint.fmpq(x.numerator, x.denominator)


def ball(x: Fraction) -> flint.arb:
    return flint.arb(rational(x))


def test_remainders_count() -> None:
    """From a point and with a low order the remainder is all the uncertainty there is: 2e-6 to 1e-3 here."""
    with precision(80):
        one, h = [flint.arb(1)], Fraction(1, 8)
        made = taylor.step(SQUARE, one, one, ball(h), 4)
        assert made is not None
        assert made.end[0].contains(rational(1 / (1 - h))) and made.image[0].contains(rational(1 / (1 - h)))
        assert made.derivative[0, 0].contains(rational(1 / (1 - h) ** 2))
        assert made.divergence.contains(-2 * ball(1 - h).log())
        assert all(1e-6 < float(y.rad()) < 1e-2 for y in (made.end[0], made.derivative[0, 0], made.divergence))


def test_no_step_goes_through_infinity() -> None:
    with precision(80):
        one = [flint.arb(1)]
        assert taylor.step(SQUARE, one, one, flint.arb(1.5), 14) is None
        assert taylor.step(SQUARE, one, one, flint.arb(1) / 8, 14) is not None


def test_a_rotation_over_an_uncertain_time() -> None:
    """`end` is at the middle of the time, everything else over all of it."""
    turn = polynomial([{(0, 1): -1}, {(1, 0): 1}])
    with precision(80):
        x = [flint.arb(1), flint.arb(0)]
        made = taylor.step(turn, x, x, flint.arb(0.25, 0.01), 16)
        assert made is not None
        assert float(made.end[0].rad()) < 1e-9 and made.end[0].contains(flint.arb(0.25).cos())
        for t in (0.24, 0.25, 0.26):
            assert made.image[0].contains(flint.arb(t).cos()) and made.image[1].contains(flint.arb(t).sin())
            assert made.derivative[0, 1].contains(-flint.arb(t).sin())
        assert made.divergence.contains(0) and float(made.divergence.rad()) < 1e-12


def test_a_series_that_was_cut_is_noticed() -> None:
    """The length of series is global to the process: what another setting cuts must not pass for 0."""

    def field(x: list[flint.arb_series]) -> list[flint.arb_series]:
        with taylor.truncated(1):
            return [x[0] * x[0]]

    exact = local(SQUARE, [1.0])
    with precision(80), pytest.raises(ValueError, match="cut"):
        taylor.expand(type(exact)(field, exact.slopes), [flint.arb(1)], 4)


def test_the_library_s_settings_are_restored() -> None:
    before = flint.ctx.prec, flint.ctx.cap
    with precision(80):
        taylor.step(SQUARE, [flint.arb(1)], [flint.arb(1)], flint.arb(1) / 8, 10)
    assert (flint.ctx.prec, flint.ctx.cap) == before


def test_coefficients_of_an_exponential() -> None:
    growth: RationalSystem = polynomial([{(1,): "1/3"}])
    with precision(80):
        found = taylor.expand(local(growth, [1.0]), [flint.arb(1)], 8)
        assert all(x[0].contains(ball(Fraction(1, 3**k * math.factorial(k)))) for k, x in enumerate(found))
