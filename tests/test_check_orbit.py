"""Proved periodic orbits: a circle whose flow is known in closed form, and what is false about it refused.

One state that ends at once, three actions, uniform control: theta_a' = Q_a / 3 where the rewards add up to 0. With
c = (1, −1, 0), r = (1, 1, −2), X = Σ c log p and Y = Σ r log p, the reward 3/2 c f + 1/2 r g makes X' = f, Y' = g.
Here f = X − Y − X (X² + Y²), g = X + Y − Y (X² + Y²): in polar coordinates radius' = radius − radius³, angle' = 1. So
the unit circle is an orbit of period 2 π with the multiplier e^−4π, and radius(t)^−2 = 1 + (radius(0)^−2 − 1) e^−2t.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import flint
import mpmath
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from dynamics.fields import Field
from mdp import random, zoo
from proofs.checker.identities.numerical import flow_of
from proofs.checker.numbers.rational import Refused
from proofs.checker.orbits import cyclic, flow, shooting, taylor
from proofs.checker.reading.field import read_field
from proofs.checker.reading.rules import TABLE
from tests.test_check import field, holds, refused

SEGMENTS = 24


def plus(*terms: Any) -> Any:
    return terms[0] if len(terms) == 1 else ["+", terms[0], plus(*terms[1:])]


def times(*factors: Any) -> Any:
    return factors[0] if len(factors) == 1 else ["*", factors[0], times(*factors[1:])]


def number(x: str) -> dict[str, str]:
    return {"number": x}


X, Y = ["total", ["*", "c", "log_p"]], ["total", ["*", "r", "log_p"]]
SQUARE = plus(times(X, X), times(Y, Y))
F = plus(X, times(number("-1"), Y), times(number("-1"), X, SQUARE))
G = plus(X, Y, times(number("-1"), Y, SQUARE))
CIRCLE = {
    "mdp": {
        "P": [[["0"], ["0"], ["0"]]],
        "R": [["1", "1", "-2"]],
        "initial": ["1"],
        "discount": "1",
        "teacher": None,
        "loss": [["1", "-1", "0"]],
    },
    "observation": [0],
    "rule": "circle",
    "row": {
        "loss": number("0"),
        "reward": plus(times(number("3/2"), "c", F), times(number("1/2"), "r", G)),
        "horizon": "episode",
    },
    "control": "uniform",
    "alpha": "1",
    "reward": False,
}


def from_plane(x: float, y: float) -> tuple[float, float]:
    """The logit differences with X = x, Y = y: X = −x_0 and Y = x_0 − 2 x_1."""
    return -x, -(x + y) / 2


def exact(x: float) -> str:
    return str(Fraction(x))


def interval(x: float, width: float) -> list[str]:
    return [exact(x - width), exact(x + width)]


def circle(turns: int = 1, segments: int = SEGMENTS) -> dict[str, Any]:
    step = 2 * math.pi / segments
    angles = [step * (i % segments) for i in range(turns * segments)]
    return {
        "kind": "periodic-orbit",
        "field": CIRCLE,
        "points": [[exact(x) for x in from_plane(math.cos(a), math.sin(a))] for a in angles],
        "durations": [exact(step)] * len(angles),
        "section": 1,
        "radius": "1/4294967296",
        "period": interval(turns * 2 * math.pi, 1e-13 * turns),
        "product": interval(math.exp(-4 * math.pi * turns), 1e-15),
    }


ORBIT = circle()


# --- what is true -----------------------------------------------------------------------------------------------


def test_the_circle_is_proved() -> None:
    assert holds(ORBIT).error_bound == 0


def test_its_multiplier_too_and_the_larger_box() -> None:
    multiplier = [[ORBIT["product"], ["0", "0"]]]
    holds(ORBIT | {"multipliers": multiplier, "radius": "1/10000000", "section": 1})


def test_enclosures_are_as_narrow_as_doubles() -> None:
    """2 π to 2e-14 and exp(−4 π) to 1e-16: wider intervals would not be told from wrong ones."""
    holds(ORBIT | {"period": interval(2 * math.pi, 2e-14), "product": interval(math.exp(-4 * math.pi), 1e-16)})


# --- what is not ------------------------------------------------------------------------------------------------


def changed(key: str, i: int, x: Any) -> dict[str, Any]:
    """ORBIT with entry i of a list changed."""
    return ORBIT | {key: [x if k == i else y for k, y in enumerate(ORBIT[key])]}


def moved(i: int, by: str) -> dict[str, Any]:
    x, y = ORBIT["points"][i]
    return changed("points", i, [str(Fraction(x) + Fraction(by)), y])


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        (ORBIT | {"period": interval(2 * math.pi + 2e-12, 1e-12)}, ["period: from 6.28318530718", "6.28318530717959"]),
        (ORBIT | {"period": interval(2 * math.pi - 2e-12, 1e-12)}, ["period: from"]),
        (ORBIT | {"product": interval(math.exp(-4 * math.pi) * 1.001, 1e-9)}, ["product: from", "3.48734"]),
        (ORBIT | {"product": interval(math.exp(4 * math.pi), 1)}, ["product: from"]),
        (ORBIT | {"multipliers": [[["1/4", "1/2"], ["0", "0"]]]}, ["multipliers: they are", "3.487"]),
        (ORBIT | {"multipliers": [[ORBIT["product"], ["1/9", "1"]]]}, ["multipliers: they are"]),
        (moved(5, "1/1000000"), ["no orbit is proved in the boxes", "points[", "the radius is 2.33e-10"]),
        (moved(5, "1/2147483648"), ["no orbit is proved in the boxes"]),  # twice the radius
        (moved(0, "-1/1000000"), ["no orbit is proved in the boxes"]),
        (changed("durations", SEGMENTS - 1, exact(math.pi / SEGMENTS)), ["no orbit is proved in the boxes"]),
        (ORBIT | {"section": 0}, ["no orbit is proved"]),  # the orbit runs along this section at its first point
    ],
)
def test_false_numbers_are_refused(fact: dict[str, Any], said: list[str]) -> None:
    refused(fact, *said)


def test_two_turns_are_not_the_least_period() -> None:
    refused(circle(turns=2), "period: the orbit may be at its first point again in segment", "not the least")


def test_another_field_has_another_orbit() -> None:
    mdp = CIRCLE["mdp"]
    assert isinstance(mdp, dict)
    other = CIRCLE | {"mdp": mdp | {"R": [["1.0001", "1", "-2.0001"]]}}
    refused(ORBIT | {"field": other}, "no orbit is proved in the boxes")


def test_a_point_of_rest_is_no_orbit() -> None:
    still = ORBIT | {"points": [["0", "0"]] * SEGMENTS}
    refused(still, "no orbit is proved")
    near = [["1/1000000000000", "0"]] * SEGMENTS
    refused(still | {"points": near}, "no orbit is proved")


def test_a_family_of_orbits_has_none_that_is_the_only_one() -> None:
    """Without the cubic terms on a centre: X' = −Y, Y' = X."""
    reward = plus(times(number("-3/2"), "c", Y), times(number("1/2"), "r", X))
    centre = CIRCLE | {"row": {"loss": number("0"), "reward": reward, "horizon": "episode"}}
    refused(ORBIT | {"field": centre}, "no orbit is proved")


def test_steps_that_are_too_long_are_refused() -> None:
    refused(circle(segments=3), "segment 0 cannot be followed")
    refused(ORBIT | {"radius": "1/5"}, "segment 0 cannot be followed")


def test_the_order_of_time_asked_for_the_least_period() -> None:
    """Three thirds of the period: t_m = 2 t_2, T <= 2 t_m hold; with a first one of two thirds they do not."""
    step = Fraction(exact(2 * math.pi / 3))
    durations = [exact(float(2 * step)), exact(float(step / 2)), exact(2 * math.pi - float(2 * step) - float(step / 2))]
    said = shooting.flint.arb(6)
    fact = shooting.Shots([], [], None)  # type: ignore[arg-type]
    orbit = read(ORBIT | {"points": ORBIT["points"][:3], "durations": durations})
    with pytest.raises(Refused, match="2 t_2 <= t_m"):
        shooting._check_least(orbit, fact, said, [])


def read(fact: dict[str, Any]) -> Any:
    from proofs.checker.orbits.orbit import read_statement

    return read_statement(fact)


# --- malformed ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        (ORBIT | {"radius": "0"}, "radius: 0; must be positive"),
        (ORBIT | {"radius": "-1/8"}, "radius: -1/8; must be positive"),
        (ORBIT | {"radius": "1"}, "below the last duration"),
        (ORBIT | {"section": 2}, "section: 2; must be an integer from 0 to 1"),
        (ORBIT | {"section": -1}, "section: -1"),
        (ORBIT | {"section": True}, "section: True"),
        (changed("durations", 3, "-1/4"), "durations[3]: -1/4; must be positive"),
        (changed("durations", 3, "0"), "durations[3]: 0; must be positive"),
        (changed("durations", 3, 1.5), "durations[3]: 1.5 is no rational"),
        (ORBIT | {"durations": ORBIT["durations"][1:]}, f"durations: {SEGMENTS - 1} entries; must be {SEGMENTS}"),
        (ORBIT | {"points": ORBIT["points"][:2]}, "points: 2 of them; at least 3"),
        (ORBIT | {"points": [["0"]] * 4}, "points[0]: 1 entries; must be 2"),
        (ORBIT | {"points": [["0", "1001"]] * 4}, "points[0][1]: 1001; logit differences beyond"),
        (ORBIT | {"points": [["0", "1"]] * 1000}, "at most 1200 numbers"),
        (ORBIT | {"points": "0"}, "points: '0' is no list"),
        (ORBIT | {"period": ["7", "6"]}, "period: from 7 down to 6"),
        (ORBIT | {"period": ["6", "6"]}, "period: from 6 to 6; must be positive and increasing"),
        (ORBIT | {"product": ["0", "1"]}, "product: from 0 to 1; must be positive"),
        (ORBIT | {"product": ["1/2"]}, "product: 1 entries; must be 2"),
        (ORBIT | {"multipliers": []}, "multipliers: 0 entries; must be 1"),
        (ORBIT | {"multipliers": [["0", "1"]]}, "multipliers[0][0]: '0' is no list"),
        (ORBIT | {"orbit": "1"}, "the key 'orbit' is unknown"),
        ({key: x for key, x in ORBIT.items() if key != "radius"}, "the key 'radius' is missing"),
        (ORBIT | {"field": field(zoo.load("swirl"), "value-gate")}, "a gated rule"),
        (ORBIT | {"period": ["1" * 300_000, "7"]}, "the orbit: its numbers have"),
    ],
)
def test_malformed_facts_are_refused(fact: dict[str, Any], said: str) -> None:
    refused(fact, said)


# --- the parts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [rule for rule in TABLE if rule != "value-gate"])
@pytest.mark.parametrize("control", ["student", "teacher", "uniform", "mix:1/3"])
def test_the_field_is_eq_1_in_logit_differences(rule: str, control: str) -> None:
    """Against the other arithmetic and against finite differences of it, shared observations and three actions."""
    mdp = random.episodic(4, 4, 3, discount="9/10", observations=2)
    said = read_field(field(mdp, rule, control, True, "2/3"), "field")
    plain, generator = flow_of(said), np.random.default_rng(3)
    x = [float(v) for v in generator.normal(size=4)]

    def velocity(x: list[float]) -> list[float]:
        theta = plain([0.3, 0.3 + x[0], 0.3 + x[1], -1.0, -1.0 + x[2], -1.0 + x[3]])
        return [theta[1] - theta[0], theta[2] - theta[0], theta[4] - theta[3], theta[5] - theta[3]]

    with taylor.precision(100, flow.DEGREE + 1):
        equation = flow.Equation(said)
        balls = [taylor.Series(flint.arb_poly([v]), flow.DEGREE) for v in x]
        F, J = equation.with_slopes(balls)
        assert [float(f.poly[0]) for f in F] == pytest.approx(velocity(x), rel=1e-10, abs=1e-12)
        assert [float(f.poly[0]) for f in equation.velocity(balls)] == [float(f.poly[0]) for f in F]
        for j in range(4):
            up, down = ([v + sign * 1e-5 * (k == j) for k, v in enumerate(x)] for sign in (1, -1))
            slope = [(u - v) / 2e-5 for u, v in zip(velocity(up), velocity(down), strict=True)]
            assert [float(row[j].poly[0]) for row in J] == pytest.approx(slope, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(
    ("formula", "plain"),
    [
        (lambda f, g: f / g, lambda x, y: x / y),
        (lambda f, g: f.exp(), lambda x, y: mpmath.exp(x)),
        (lambda f, g: g.log(), lambda x, y: mpmath.log(y)),
        (lambda f, g: f * f * g - f, lambda x, y: x * x * y - x),
        (lambda f, g: (f * f - f / g).exp() + g.log(), lambda x, y: mpmath.exp(x * x - x / y) + mpmath.log(y)),
    ],
)
def test_series_hold_the_functions_they_stand_for(formula: Any, plain: Any) -> None:
    """Random polynomials, one with wide coefficients, at degrees too low for the result and high enough."""
    generator = np.random.default_rng(0)
    with taylor.precision(100, 21):
        for n, wide in ((3, 0.0), (3, 1e-6), (20, 1e-6)):
            for _ in range(20):
                a, b = (generator.normal(size=4) / [4, 8, 16, 16] for _ in range(2))
                b[0] = 2 + abs(b[0])
                f = taylor.Series(flint.arb_poly([flint.arb(float(c), wide) for c in a]), n)
                series = formula(f, taylor.Series(flint.arb_poly(list(b)), n))
                for s in (0.0, 0.25, 0.7, 1.0):
                    x = mpmath.polyval([float(c) + 0.9 * wide * (-1) ** k for k, c in enumerate(a)][::-1], s)
                    found, truth = series(flint.arb(s)), float(plain(x, mpmath.polyval(list(b[::-1]), s)))
                    assert found.overlaps(flint.arb(truth, 1e-14))
                    assert n < 20 or float(found.rad()) < 1e-4


def test_what_may_vanish_is_not_divided_by() -> None:
    with taylor.precision(100, 9):
        s = taylor.Expansions(8).variable(Fraction(-1, 2))
        with pytest.raises(ArithmeticError, match="may be 0"):
            s.reciprocal()
        with pytest.raises(Refused, match="not positive"):
            taylor.Expansions(8).log(s + taylor.Expansions(8).number(Fraction(1, 2)))


def test_precision_is_restored() -> None:
    before = flint.ctx.prec, flint.ctx.cap
    with pytest.raises(KeyError), taylor.precision(77, 5):
        assert (flint.ctx.prec, flint.ctx.cap) == (77, 5)
        raise KeyError
    assert (flint.ctx.prec, flint.ctx.cap) == before
    refused(moved(5, "1/1000000"))
    assert (flint.ctx.prec, flint.ctx.cap) == before


H = 0.2
START = np.array(from_plane(0.6, 0.3))


def closed(x: np.ndarray) -> np.ndarray:
    """The circle's flow over time H in logit differences."""
    x_, y_ = -x[0], x[0] - 2 * x[1]
    angle, size = math.atan2(y_, x_) + H, math.hypot(x_, y_)
    size = (1 + (size**-2 - 1) * math.exp(-2 * H)) ** -0.5
    return np.array(from_plane(size * math.cos(angle), size * math.sin(angle)))


def offsets(radius: float) -> list[np.ndarray]:
    corners = [radius * np.array([i, j]) for i in (-1, 1) for j in (-1, 1)]
    return [np.zeros(2), *corners, *np.random.default_rng(1).uniform(-radius, radius, size=(10, 2))]


def test_a_step_holds_the_flow_and_its_derivative() -> None:
    """Starts within a box off the circle: the closed form lies in the enclosures, and they are narrow."""
    with taylor.precision(100, flow.DEGREE + 1):
        equation, one = flow.Equation(read_field(CIRCLE, "field")), flint.arb(1)
        along = flow.path(equation, [flint.arb(float(x)) for x in START], flint.arb(H))
        assert float(along.defect) < 1e-15
        for radius in (1e-8, 1e-5):
            inside = flow.tube(equation, along, flint.arb(radius))
            assert radius < float(inside.width) < 3 * radius
            V = flow.derivative(inside, one)
            assert max(float(x.rad()) for x in V.entries()) < 1e4 * radius
            assert math.log(abs(float(V.det()))) == pytest.approx(float(flow.divergence(inside, one)), abs=1e3 * radius)
            for offset in offsets(radius):
                found = flow.end(along, inside, V, [flint.arb(float(x)) for x in offset], one)
                assert max(float(x.rad()) for x in found) < 1e4 * radius**2
                truth = closed(START + offset)
                assert all(x.overlaps(flint.arb(float(y), 1e-15)) for x, y in zip(found, truth, strict=True))
                e = 1e-5 * np.eye(2)
                slopes = [(closed(START + offset + e[j]) - closed(START + offset - e[j])) / 2e-5 for j in range(2)]
                assert all(V[i, j].overlaps(flint.arb(float(slopes[j][i]), 1e-9)) for i in range(2) for j in range(2))


def test_the_defect_of_a_bad_polynomial_counts() -> None:
    """1e-6 s² too much: the truth is still in the enclosures, and without the defect's part it would not be."""
    with taylor.precision(100, flow.DEGREE + 1):
        equation, one = flow.Equation(read_field(CIRCLE, "field")), flint.arb(1)
        good = flow.path(equation, [flint.arb(float(x)) for x in START], flint.arb(H))
        bad = flow.measured(
            equation, [y.poly + flint.arb_poly([0, 0, 1e-6]) for y in good.y], flint.arb(H), good.stretch
        )
        assert 2e-6 < float(bad.defect) < 3e-6
        inside = flow.tube(equation, bad, flint.arb(1e-8))
        found = flow.end(bad, inside, flow.derivative(inside, one), [flint.arb(0)] * 2, one)
        for x, y, truth in zip(found, bad.y, closed(START), strict=True):
            assert x.contains(flint.arb(float(truth))) and not y(one).overlaps(flint.arb(float(truth), 1e-9))
        speed = flow.velocity(bad, inside, one)
        exact_speed = flow.velocity(good, flow.tube(equation, good, flint.arb(1e-20)), one)
        assert all(x.contains(y) for x, y in zip(speed, exact_speed, strict=True))


def test_a_tube_that_is_left_is_widened() -> None:
    """The first tube tried rests on a guess, here that nothing is stretched."""
    with taylor.precision(100, flow.DEGREE + 1):
        equation = flow.Equation(read_field(CIRCLE, "field"))
        along = flow.path(equation, [flint.arb(float(x)) for x in START], flint.arb(H))
        lame = flow.measured(equation, [y.poly for y in along.y], flint.arb(H), flint.arb(0))
        inside = flow.tube(equation, lame, flint.arb(1e-8))
        assert inside.width > inside.growth * flint.arb(1e-8) and float(inside.growth) > 1.2


def test_the_operator_counts_how_wide_the_derivatives_are() -> None:
    """Exact derivatives contract a box to a point, wide ones do not; G moves the centre by the inverse's part of it."""
    box, still = [[flint.arb(0, 1)] * 2] * 3 + [[flint.arb(0, 1)]], [[flint.arb(0)] * 2] * 3 + [[flint.arb(0)]]

    def image(wide: float, G: list[list[Any]], over: list[list[Any]]) -> list[list[Any]]:
        turn = [[0.5, -0.7], [0.6, 0.4]]
        D = [flint.arb_mat([[flint.arb(x, wide) for x in row] for row in turn])] * 3
        return cyclic.operator(G, D, [flint.arb(1), flint.arb(2)], 0)(over)

    assert all(abs(x) < 1e-12 for row in image(0, still, box) for x in row)
    assert max(float(x.rad()) for row in image(0.1, still, box) for x in row) > 0.1
    moved = image(0, [*still[:3], [flint.arb(1)]], still)  # the section's equation alone: x_1[0] moves by −1
    assert float(moved[0][0]) == pytest.approx(-1)


def test_roots_of_a_quadratic() -> None:
    with taylor.precision(100, 9):
        (a, _), (b, _) = shooting._roots(flint.arb(2), flint.arb(3))  # z² − 4 z + 3
        assert (float(a), float(b)) == (3, 1)
        (a, _), (b, _) = shooting._roots(flint.arb(-2), flint.arb(3))
        assert (float(a), float(b)) == (-3, -1)
        (a, up), (b, down) = shooting._roots(flint.arb(1), flint.arb(2))  # 1 ± i
        assert (float(a), float(up), float(b), float(down)) == (1, 1, 1, -1)
        with pytest.raises(Refused, match="not told apart"):
            shooting._roots(flint.arb(1), flint.arb(1, 1e-9))


# --- a cycle of the zoo ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_cycle_in_three_dimensions() -> None:
    """`corridor-cycle`: points by scipy, multipliers by differences of its flow; some 60 segments."""
    seen = Field(zoo.load("corridor-cycle"), "on-policy", reward=True)
    unit = np.eye(3)

    def F(_: float, x: np.ndarray) -> np.ndarray:
        out = np.asarray(seen(np.stack([np.zeros(3), x], 1)))
        return out[:, 1] - out[:, 0]

    def after(x: np.ndarray, t: float) -> np.ndarray:
        return solve_ivp(F, (0, t), x, method="DOP853", rtol=1e-13, atol=1e-14).y[:, -1]

    x, T = solve_ivp(F, (0, 700), np.zeros(3), method="DOP853", rtol=1e-10, atol=1e-10).y[:, -1], 18.21567634
    k = int(np.argmax(abs(F(0, x))))
    for _ in range(3):  # Newton's iteration for phi_T(x) = x on the section x[k] = const
        D = np.stack([(after(x + 1e-5 * e, T) - after(x - 1e-5 * e, T)) / 2e-5 for e in unit], 1)
        matrix = np.block([[D - unit, F(0, x)[:, None]], [unit[k], 0]])
        step = np.linalg.solve(matrix, np.append(x - after(x, T), 0))
        x, T = x + step[:3], T + step[3]
    points, durations, t = [], [], 0.0
    while t < T:
        J = np.stack([(F(0, x + 1e-6 * e) - F(0, x - 1e-6 * e)) / 2e-6 for e in unit], 1)
        h = round(0.6 / abs(J).sum(1).max() * 2**20) / 2**20
        h = T - t if t + 1.5 * h >= T else h
        points.append([exact(float(v)) for v in x])
        durations.append(exact(float(h)))
        x, t = after(x, h), t + h
    _, large, small = sorted(np.linalg.eigvals(D).real, key=lambda z: abs(z - 1))
    fact = {
        "kind": "periodic-orbit",
        "field": field(zoo.load("corridor-cycle"), "on-policy", reward=True),
        "points": points,
        "durations": durations,
        "section": k,
        "radius": "1/4294967296",
        "period": interval(T, 1e-10),
        "product": interval(large * small, 1e-6),
        "multipliers": [[interval(large, 1e-4), ["0", "0"]], [interval(small, 1e-5), ["0", "0"]]],
    }
    holds(fact)
    refused(fact | {"product": interval(large * small + 1e-5, 1e-6)}, "product: from")
    refused(fact | {"multipliers": [[interval(large, 1e-4), ["0", "0"]]] * 2}, "multipliers: they are")
    wrong = field(zoo.load("corridor-cycle"), "on-policy", reward=True, alpha="1.001")
    refused(fact | {"field": wrong}, "no orbit is proved")
