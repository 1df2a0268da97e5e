"""Periodic orbits that are proved, beside what is known of them, and those that must be refused."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import flint
import numpy as np
import pytest

from dynamics.fields import Field, FunctionField
from dynamics.motion import flow
from dynamics.orbits import Orbit, shoot
from mdp import zoo
from proofs.certificates import Refusal
from proofs.cycles import OrbitProof, floquet
from proofs.cycles.krawczyk import RADIUS, fact, layout, least_period, prove_orbit
from proofs.enclosures import RationalSystem, Step
from proofs.enclosures.recentred import polynomial
from proofs.exact import precision

VAN_DER_POL = polynomial([{(0, 1): 1}, {(0, 1): 1, (2, 1): -1, (1, 0): -1}], "van der pol")
BACKWARDS = polynomial([{(0, 1): -1}, {(0, 1): -1, (2, 1): 1, (1, 0): 1}], "van der pol, backwards")
BRUSSELATOR = polynomial([{(0, 0): 1, (2, 1): 1, (1, 0): -4}, {(1, 0): 3, (2, 1): -1}], "brusselator")
ROESSLER = polynomial(
    [
        {(0, 1, 0): -1, (0, 0, 1): -1},
        {(1, 0, 0): 1, (0, 1, 0): "0.2"},
        {(0, 0, 0): "0.2", (1, 0, 1): 1, (0, 0, 1): "-5.7"},
    ],
    "roessler",
)
CENTRE = polynomial([{(0, 1): 1}, {(1, 0): -1}], "centre")
SPIRAL = polynomial([{(0, 1): 1, (1, 0): "-1/1000"}, {(1, 0): -1, (0, 1): "-1/1000"}], "spiral")
ON_VAN_DER_POL = [2.0086198608, 0.0]


PLANAR = [{(1, 0): 1, (0, 1): -1, (3, 0): -1, (1, 2): -1}, {(1, 0): 1, (0, 1): 1, (2, 1): -1, (0, 3): -1}]


def circle(third: int | None = None) -> RationalSystem:
    """r' = r − r³, angle' = 1: the unit circle, period 2π, multiplier e^{−4π}; z' = third · z adds e^{2π third}."""
    planar = [
        {(1, 0): 1, (0, 1): -1, (3, 0): -1, (1, 2): -1},
        {(1, 0): 1, (0, 1): 1, (2, 1): -1, (0, 3): -1},
    ]
    if third is None:
        return polynomial(planar, "circle")
    return polynomial(
        [*({(*e, 0): c for e, c in row.items()} for row in planar), {(0, 0, 1): third}], "circle in space"
    )


def orbit(period: float, *points: list[float]) -> Orbit:
    return Orbit(period, np.array(points), np.zeros(1), 1.0, 0.0)


def proved(system: RationalSystem | Field, found: Orbit) -> OrbitProof:
    result = prove_orbit(system, found)
    assert isinstance(result, OrbitProof), result
    return result


def refused(system: RationalSystem | Field, found: Orbit) -> str:
    result = prove_orbit(system, found)
    assert isinstance(result, Refusal), result
    return result.reason


def inside(value: float | Fraction, ends: tuple[Fraction, Fraction]) -> bool:
    return ends[0] <= Fraction(value) <= ends[1]


def pi_times(factor: int) -> Fraction:
    """A rational within 1e-40 of factor · π."""
    digits = "3.14159265358979323846264338327950288419716939937510"
    return factor * Fraction(digits)


# --- what is known exactly --------------------------------------------------------------------------------------------


def test_the_circle() -> None:
    proof = proved(circle(), orbit(6.2832, [1.0, 0.0]))
    assert inside(pi_times(2), proof.period) and proof.width < 1e-11
    assert inside(math.exp(-4 * math.pi), proof.product) and proof.product[1] - proof.product[0] < 1e-11
    assert proof.multipliers == ((proof.product, (0, 0)),) and proof.stable is True
    assert np.abs(np.linalg.norm(proof.points, axis=1) - 1).max() <= 2 * proof.radii.max() + 1e-15
    assert proof.radii.max() < proof.unique and proof.contraction < 1


@pytest.mark.parametrize(("third", "stable"), [(-1, True), (1, False)])
def test_the_circle_in_space(third: int, stable: bool) -> None:
    proof = proved(circle(third), orbit(6.2831853, [1.0, 0.0, 0.0]))
    assert inside(pi_times(2), proof.period) and proof.stable is stable
    assert proof.multipliers is not None
    known = sorted([-4 * math.pi, 2 * math.pi * third], reverse=True)
    for (real, imaginary), exponent in zip(proof.multipliers, known, strict=True):
        assert inside(math.exp(exponent), real) and imaginary == (0, 0)
        assert float(real[1] - real[0]) < 1e-4 * math.exp(exponent)


def test_complex_multipliers() -> None:
    """In four dimensions, the circle with z' = −z/10 + w/4, w' = −w/10 − z/4 beside it, only their product is told."""
    rows = [{(*e, 0, 0): c for e, c in row.items()} for row in PLANAR]
    rows += [{(0, 0, 1, 0): "-1/10", (0, 0, 0, 1): "1/4"}, {(0, 0, 0, 1): "-1/10", (0, 0, 1, 0): "-1/4"}]
    proof = proved(polynomial(rows), orbit(6.2831853, [1.0, 0.0, 0.0, 0.0]))
    assert proof.multipliers is None and proof.stable is None
    assert inside(math.exp(-4 * math.pi - 0.4 * math.pi), proof.product)
    turned = floquet.multipliers(flint.arb_mat([[1, 0, 0], [0, 0, -2], [0, 2, 0]]), flint.arb(4))
    assert turned is not None and [complex(x) for x in turned] == [2j, -2j]


def test_double_multipliers_are_not_told_apart() -> None:
    assert floquet.multipliers(flint.arb_mat([[1, 0, 0], [0, 2, 0], [0, 0, 2]]), flint.arb(4)) is None


def test_products_do_not_wrap() -> None:
    """200 turns by 1 radian of entries known to 1e-12: multiplied out the box grows like 1.4^n, in frames like n."""
    c, s, tiny = flint.arb(1).cos(), flint.arb(1).sin(), flint.arb(0, 1e-12)
    turn = flint.arb_mat([[c + tiny, -s + tiny], [s + tiny, c + tiny]])
    plain = turn
    for _ in range(199):
        plain = turn * plain
    framed = floquet.product([turn] * 200)
    assert framed[0, 0].contains(flint.arb(200).cos())
    assert float(framed[0, 0].rad()) < 1e-8 < float(plain[0, 0].rad())


# --- known orbits -----------------------------------------------------------------------------------------------------


def test_van_der_pol() -> None:
    """Period and multiplier from Newton shooting, which shares nothing with this but the equation."""
    field = FunctionField(lambda x: np.array([x[1], (1 - x[0] ** 2) * x[1] - x[0]]), (2,))
    known = shoot(field, ON_VAN_DER_POL, 6.66, points=201)
    assert known is not None
    proof = proved(VAN_DER_POL, known)
    assert proof.width < 1e-11 and abs(float(proof.period[0]) - known.period) < 1e-10
    assert abs(float(proof.period[0]) - 6.66328686) < 1e-8
    assert proof.product[1] - proof.product[0] < 1e-10 and abs(float(proof.product[0]) - known.multipliers[0]) < 1e-9
    assert proof.stable is True


def test_backwards_it_repels_with_the_inverse_multiplier() -> None:
    forwards, backwards = (proved(system, orbit(6.66328686, ON_VAN_DER_POL)) for system in (VAN_DER_POL, BACKWARDS))
    assert backwards.stable is False
    assert forwards.product[0] * backwards.product[0] <= 1 <= forwards.product[1] * backwards.product[1]
    assert max(forwards.period[0], backwards.period[0]) <= min(forwards.period[1], backwards.period[1])


def test_the_brusselator() -> None:
    field = FunctionField(lambda x: np.array([1 + x[0] ** 2 * x[1] - 4 * x[0], 3 * x[0] - x[0] ** 2 * x[1]]), (2,))
    known = shoot(field, flow(field, [1.0, 1.0], 40.0, rtol=1e-7, atol=1e-9).theta[-1], 7.157, points=201)
    assert known is not None
    proof = proved(BRUSSELATOR, known)
    assert abs(float(proof.period[0]) - known.period) < 1e-9 and proof.width < 1e-10 and proof.stable is True


def test_an_orbit_that_is_left_at_once() -> None:
    """Rössler's with time reversed has a multiplier near 8e13: flowing along it is hopeless, its points are not."""
    reverse = polynomial(
        [
            {(0, 1, 0): 1, (0, 0, 1): 1},
            {(1, 0, 0): -1, (0, 1, 0): "-0.2"},
            {(0, 0, 0): "-0.2", (1, 0, 1): -1, (0, 0, 1): "5.7"},
        ]
    )
    field = FunctionField(lambda x: np.array([-x[1] - x[2], x[0] + 0.2 * x[1], 0.2 + x[2] * (x[0] - 5.7)]), (3,))
    known = shoot(field, [0.0, -8.384, 0.0296], 5.881, points=1001)
    assert known is not None
    backwards = Orbit(known.period, known.theta[::-1], known.multipliers, known.trivial, known.residual)
    proof = proved(reverse, backwards)
    assert abs(float(proof.period[0]) - known.period) < 1e-9 and proof.stable is False
    assert float(proof.product[0]) == pytest.approx(1 / 3.08213e-14, rel=1e-4)


def test_roessler_s_unstable_orbit() -> None:
    proof = proved(ROESSLER, orbit(5.881088, [0.0, -8.384, 0.0296]))
    assert abs(float(proof.period[0]) - 5.88108845) < 1e-8 and proof.width < 1e-11
    assert proof.stable is False and proof.multipliers is not None
    assert abs(float(proof.multipliers[0][0][0]) + 2.40395353) < 1e-6
    assert abs(float(proof.multipliers[1][0][0])) < 1e-12


# --- what must be refused ---------------------------------------------------------------------------------------------


def test_a_family_of_closed_orbits_is_refused() -> None:
    assert "no isolated orbit" in refused(CENTRE, orbit(2 * math.pi, [1.0, 0.0]))


def test_a_damped_spiral_is_refused() -> None:
    assert "no orbit of period 6.28318531 is near" in refused(SPIRAL, orbit(2 * math.pi, [1.0, 0.0]))


@pytest.mark.parametrize("period", [6.0, 6.68, 3.3316])
def test_a_wrong_period_is_refused(period: float) -> None:
    assert "is near" in refused(VAN_DER_POL, orbit(period, ON_VAN_DER_POL))


@pytest.mark.parametrize("times", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_a_multiple_of_the_period_is_refused(times: int) -> None:
    assert "least is not proved" in refused(VAN_DER_POL, orbit(times * 6.663286859, ON_VAN_DER_POL))


@pytest.mark.parametrize(
    ("durations", "back", "proved_least"),
    [
        ([0.1, 0.8, 0.4], False, True),
        ([0.1, 0.8, 0.4], True, False),  # back at the first point in the second step
        ([0.1, 0.3, 1.0], False, False),  # half a period may fit into the last step
        ([0.5, 0.3, 0.4], False, False),  # every multiple of a short period may miss the second step
    ],
)
def test_when_a_period_is_the_least(durations: list[float], back: bool, proved_least: bool) -> None:
    elsewhere, here = [[flint.arb(3)]], [[flint.arb(0, 1)]]
    empty = flint.arb_mat(1, 1)
    steps = [Step([], [], empty, flint.arb(0), tube) for tube in (here, here if back else elsewhere, here)]
    reason = least_period(np.zeros((3, 1)), np.array(durations), steps, [flint.arb(0)] * 4)
    assert (reason is None) is proved_least


def test_the_last_step_knows_that_the_period_is_uncertain() -> None:
    with precision(128):
        laid = layout(circle(), np.array([[1.0, 0.0]]), 2 * math.pi, 20, 1e-14)
        assert not isinstance(laid, Refusal)
        _, durations, steps = laid
        assert abs(durations.sum() - 2 * math.pi) < 1e-14
        # The flow keeps the width of the box along the orbit, RADIUS and a little; the time adds as much again.
        assert steps[-1].image[1].contains(1.8 * RADIUS) and not steps[-1].image[1].contains(3 * RADIUS)


def test_rest_points_are_refused() -> None:
    assert "rest point" in refused(VAN_DER_POL, orbit(6.66, [0.0, 0.0]))
    assert "is near" in refused(VAN_DER_POL, orbit(6.66, [1e-6, 0.0]))


def test_an_orbit_that_runs_to_infinity_is_refused() -> None:
    assert "no validated step" in refused(polynomial([{(2, 0): 1}, {(0, 1): -1}]), orbit(2.0, [1.0, 1.0]))


def test_another_equation_has_another_period() -> None:
    """The enclosure is narrow enough to tell mu = 1 from mu = 1 + 1e-9."""
    near = polynomial([{(0, 1): 1}, {(0, 1): "1.000000001", (2, 1): "-1.000000001", (1, 0): -1}])
    first, second = (proved(system, orbit(6.66328686, ON_VAN_DER_POL)) for system in (VAN_DER_POL, near))
    assert first.period[1] < second.period[0]


def test_krawczyk_s_test_itself_can_fail() -> None:
    """With coarse remainders no box is mapped into itself."""
    result = prove_orbit(VAN_DER_POL, orbit(6.66328685932, ON_VAN_DER_POL), remainder=1e-8)
    assert isinstance(result, Refusal) and "Krawczyk's test fails" in result.reason


@pytest.mark.parametrize(
    ("system", "start", "guess", "exact"),
    [
        (circle(), [1.0, 0.0], 6.2831853, pi_times(2)),
        # The value known to 28 digits from perturbation series and other high-order integrations.
        (VAN_DER_POL, ON_VAN_DER_POL, 6.66328686, Fraction("6.6632868593231301896996820305")),
    ],
)
def test_finer_steps_give_more_digits(
    system: RationalSystem, start: list[float], guess: float, exact: Fraction
) -> None:
    result = prove_orbit(system, orbit(guess, start), remainder=1e-20, order=26, bits=160)
    assert isinstance(result, OrbitProof) and inside(exact, result.period)
    assert result.period[1] - result.period[0] < Fraction(1, 10**16)


def test_a_gated_rule_is_refused() -> None:
    field = Field(zoo.load("swirl"), "value-gate", reward=True)
    assert "value gate" in refused(field, Orbit(1.0, np.zeros((1, 2, 2)), np.zeros(1), 1.0, 0.0))


# --- the zoo ----------------------------------------------------------------------------------------------------------

ZOO = {  # rule, the period of the theory, and the multipliers of Newton shooting
    "swirl": ("reverse-kl", 6.48894425, [0.02672032]),
    "aliased-cycle": ("on-policy", 10.5755107, [0.12537865]),
    "corridor-cycle": ("on-policy", 18.21568, [0.78570, 0.0044236]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_the_cycles_of_the_zoo(name: str) -> None:
    rule, period, multipliers = ZOO[name]
    field = Field(zoo.load(name), rule, reward=True)
    known = shoot(field, flow(field, np.zeros(field.shape), 300.0).theta[-1], period, points=401)
    assert known is not None
    proof = proved(field, known)
    assert proof.width < 1e-9 and abs(float(proof.period[0]) - period) < 5e-6
    assert abs(float(proof.period[0]) - known.period) < 1e-9
    assert proof.stable is True and proof.multipliers is not None
    for (real, _), expected in zip(proof.multipliers, multipliers, strict=True):
        assert abs(float(real[0]) - expected) < 1e-5
    written = json.loads(json.dumps(fact(field, proof, multipliers=True)))
    low, high = (Fraction(x) for x in written["period"])
    assert low < proof.period[0] < proof.period[1] < high < low + Fraction(1, 10**8)
    assert all(len(pair) == 2 for pair in written["multipliers"]) and "multipliers" not in fact(field, proof)
    assert len(written["points"]) == len(written["durations"]) == len(proof.points)
    total = sum(map(Fraction, written["durations"]))
    assert abs(total - proof.period[0]) < Fraction(written["radius"])


@pytest.mark.slow
def test_the_true_centre_of_the_paper_is_refused() -> None:
    field = Field(zoo.load("fig2"), "on-policy", reward=True)
    known = shoot(field, [[0.0, -1.3194], [0.0, -0.4016]], 31.59, points=201)
    assert known is not None
    assert "no isolated orbit" in refused(field, known)
