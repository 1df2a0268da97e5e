"""Periodic orbits by simple and multiple shooting, where period and multipliers are known from elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.special import ellipk

from dynamics.drawing.portraits import portrait
from dynamics.fields import Field, FunctionField
from dynamics.motion import flow
from dynamics.orbits import Orbit, first_return, outcome, shoot
from dynamics.orbits.shooting import Segments, cut, product_eigenvalues, transport
from dynamics.portraits import arrays as shapes
from dynamics.portraits.compose import geometry
from dynamics.portraits.survey import find
from mdp import zoo

VAN_DER_POL = FunctionField(lambda x: np.array([x[1], (1 - x[0] ** 2) * x[1] - x[0]]), (2,), analytic=True)
ROESSLER = FunctionField(
    lambda x: np.array([-x[1] - x[2], x[0] + 0.2 * x[1], 0.2 + x[2] * (x[0] - 5.7)]), (3,), analytic=True
)
CENTRE = FunctionField(lambda x: np.array([x[1], -x[0]]), (2,), analytic=True)
PENDULUM = FunctionField(lambda x: np.array([x[1], -np.sin(x[0])]), (2,), analytic=True)
TILT = np.array([[1.0, 0.3, -0.2], [0.1, 0.9, 0.4], [-0.3, 0.2, 1.1]])
ANGLES = np.linspace(0, 2 * np.pi, 41)


def saddle_cycle(k: float, c: float) -> tuple[FunctionField, np.ndarray]:
    """A circle of period 2π with multipliers exp(4πk) and exp(−2πc), in skew coordinates; and points on it."""

    def untilted(y: np.ndarray) -> np.ndarray:
        u, v, w = y
        out = u * u + v * v - 1
        return np.array([-v + k * u * out, u + k * v * out, -c * w + out * u])

    back = np.linalg.inv(TILT)
    field = FunctionField(lambda x: TILT @ untilted(back @ x), (3,), analytic=True)
    return field, np.stack([np.cos(ANGLES), np.sin(ANGLES), 0 * ANGLES], -1) @ TILT.T


def found(orbit: Orbit | None) -> Orbit:
    assert orbit is not None
    return orbit


def liouville(field: FunctionField, orbit: Orbit) -> float:
    """The product of all multipliers, exp(∮ tr J dt); the trapezoidal rule is spectrally accurate on a closed orbit."""
    times = np.linspace(0, orbit.period, len(orbit.theta))
    return float(np.exp(trapezoid([np.trace(field.jacobian(x)) for x in orbit.theta], times)))


# --- known orbits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("segments", [None, 1, 3])
def test_van_der_pol(segments: int | None) -> None:
    """mu = 1: period 6.66328685932313 (Taylor series of 22 digits agree); the multiplier by Liouville's formula."""
    orbit = found(shoot(VAN_DER_POL, [2.0, 0.1], 6.5, segments=segments, points=401))
    assert abs(orbit.period - 6.66328685932313) < 1e-11
    assert orbit.multipliers[0].real == pytest.approx(8.59695e-4, abs=1e-8)
    assert orbit.multipliers[0].real == pytest.approx(liouville(VAN_DER_POL, orbit), rel=1e-9)
    assert abs(orbit.trivial - 1) < 1e-10 and orbit.residual < 1e-11 and orbit.stable
    assert orbit.segments == (segments or 6) and np.array_equal(orbit.theta[0], orbit.theta[-1])


def test_points_are_on_the_orbit_and_equally_spaced() -> None:
    orbit = found(shoot(VAN_DER_POL, [2.0, 0.1], 6.5, segments=7, points=41))
    path = flow(VAN_DER_POL, orbit.theta[0], orbit.period, samples=41, rtol=1e-12, atol=1e-13).theta
    np.testing.assert_allclose(orbit.theta, path, atol=1e-9)


@pytest.mark.parametrize("segments", [1, 6])
def test_roessler_period_one(segments: int) -> None:
    """Unstable. An example of the CAPD library (Kapela, Mrozek, Wilczak and Zgliczyński 2021) encloses the period in
    [5.8810884555538525, 5.8810884555539493] and prints the derivative of the return map, of trace −2.40395353185."""
    orbit = found(shoot(ROESSLER, [0.0, -8.4, 0.03], 5.9, segments=segments, points=201))
    assert abs(orbit.period - 5.88108845555390) < 2e-12
    assert abs(orbit.multipliers[0] + 2.40395353185) < 2e-11
    assert abs(orbit.trivial - 1) < 1e-11 and not orbit.stable
    assert np.abs(orbit.theta[:, 1] + 8.38094174283).min() < 1e-2


def test_the_multiplier_that_one_segment_cannot_see() -> None:
    """Roessler's third multiplier, 1.3e-14 by Liouville's formula, drowns in the errors of a matrix of size 2."""
    orbit = found(shoot(ROESSLER, [0.0, -8.4, 0.03], 5.9, segments=8, rtol=1e-13, points=1001))
    least = liouville(ROESSLER, orbit) / orbit.multipliers[0].real
    assert orbit.multipliers[1].real == pytest.approx(least, rel=0.05)
    single = found(shoot(ROESSLER, [0.0, -8.4, 0.03], 5.9, segments=1, points=11))
    assert abs(single.multipliers[1].real / least - 1) > 0.05


@pytest.mark.parametrize("k", [0.25, 1.0, 3.0])
def test_saddle_cycles(k: float) -> None:
    """Multipliers e^3, e^13 and e^38 beside e^-3, from a guess of the whole orbit that is 2% too large."""
    field, circle = saddle_cycle(k, 0.5)
    orbit = found(shoot(field, 1.02 * circle, 6.2, points=101))
    assert orbit.period == pytest.approx(2 * np.pi, rel=1e-10)
    np.testing.assert_allclose(orbit.multipliers, np.exp([4 * np.pi * k, -np.pi]), rtol=1e-8)
    assert not orbit.stable and abs(orbit.trivial - 1) < 1e-9


def test_one_segment_does_not_reach_a_strongly_unstable_orbit() -> None:
    field, circle = saddle_cycle(3.0, 0.5)
    assert shoot(field, 1.02 * circle, 6.2, segments=1, points=101) is None


def test_complex_multipliers() -> None:
    """A circle beside a focus of its own: exp(2π(−0.1 ± 0.7i)) and exp(−4π)."""
    focus = np.array([[-0.1, -0.7], [0.7, -0.1]])

    def function(x: np.ndarray) -> np.ndarray:
        ring = np.array([-x[1], x[0]]) + x[:2] * (1 - x[0] ** 2 - x[1] ** 2)
        return np.concatenate([ring, focus @ x[2:] + (x[0] ** 2 + x[1] ** 2 - 1) * x[:2]])

    for segments in (1, 4):
        field = FunctionField(function, (4,), analytic=True)
        orbit = found(shoot(field, [1.05, 0.0, 0.1, 0.0], 6.3, segments=segments, points=101))
        turn = np.exp(2 * np.pi * (-0.1 + 0.7j))
        at = np.sort_complex(orbit.multipliers.astype(complex))
        np.testing.assert_allclose(at, np.sort_complex([turn, turn.conj(), np.exp(-4 * np.pi)]), atol=1e-9)
        assert orbit.stable


# --- minimal period ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_an_orbit_run_through_several_times_is_reported_once(times: int) -> None:
    orbit = found(shoot(VAN_DER_POL, [2.0, 0.0], times * 6.66, points=101))
    assert abs(orbit.period - 6.66328685932313) < 1e-10
    assert orbit.multipliers[0].real == pytest.approx(8.59695e-4, abs=1e-8)


def test_minimal_period_of_an_unstable_orbit() -> None:
    orbit = found(shoot(ROESSLER, [0.0, -8.38094, 0.02959], 2 * 5.8811, points=101))
    assert abs(orbit.period - 5.88108845555390) < 1e-10
    assert abs(orbit.multipliers[0] + 2.40395353185) < 1e-9  # not its square


def test_a_period_two_orbit_is_not_halved() -> None:
    """Roessler's next orbit: ChaosBook has the period 11.7586260717 and the multiplier −3.512006980."""
    orbit = found(shoot(ROESSLER, [0.0, 6.915, 0.0757], 11.76, points=201))
    assert abs(orbit.period - 11.7586260717) < 1e-9
    assert abs(orbit.multipliers[0] + 3.512006980) < 1e-7


def test_an_orbit_that_almost_closes_half_way_is_not_halved() -> None:
    """Two circles, one of a thousandth at half the speed: the orbit closes after two turns of the large one."""

    def ring(x: np.ndarray, speed: float, size: float) -> np.ndarray:
        return speed * np.array([-x[1], x[0]]) + x * (1 - (x @ x) / size**2)

    field = FunctionField(lambda x: np.concatenate([ring(x[:2], 1, 1), ring(x[2:], 0.5, 1e-3)]), (4,), analytic=True)
    orbit = found(shoot(field, [1.0, 0.0, 1e-3, 0.0], 12.5, points=101))
    assert orbit.period == pytest.approx(4 * np.pi, rel=1e-9)
    assert np.abs(orbit.multipliers[0] - 1) < 1e-8  # the other phase is free


# --- families ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("segments", [None, 1, 6])
def test_the_member_of_a_family_is_the_one_through_the_start(segments: int | None) -> None:
    """A pendulum let go at 1 rad has the period 4 K(sin² ½)."""
    orbit = found(shoot(PENDULUM, [1.0, 0.0], 6.69, segments=segments, points=101))
    np.testing.assert_allclose(orbit.theta[0], [1.0, 0.0], atol=1e-8)
    assert orbit.period == pytest.approx(4 * ellipk(np.sin(0.5) ** 2), rel=1e-8)
    assert abs(orbit.multipliers[0] - 1) < 1e-8


def test_a_linear_centre_is_a_family() -> None:
    done = outcome(CENTRE, [1.0, 0.0])
    assert (done.kind, done.isolated) == ("cycle", False)
    assert done.orbit is not None and abs(done.orbit.period - 2 * np.pi) < 1e-10
    assert abs(done.orbit.multipliers[0] - 1) < 1e-10


def test_no_orbit() -> None:
    assert shoot(FunctionField(lambda x: -x, (2,)), [1.0, 0.5], 3.0) is None
    assert shoot(FunctionField(lambda x: 1 + 0 * x, (1,)), [1.0], 3.0) is None
    assert shoot(FunctionField(lambda x: 0 * x, (2,)), [1.0, 0.5], 3.0) is None
    assert shoot(FunctionField(lambda x: x * (x @ x), (2,)), [3.0, 0.5], 3.0) is None


# --- the pieces -------------------------------------------------------------------------------------------------------


def test_eigenvalues_of_a_product_keep_the_small_ones() -> None:
    """B_i = X_{i+1} D_i X_i^{-1}: the eigenvalues are those of D_m ... D_1, from 1e12 to 1e-12, and a pair e^{±i}."""
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(6, 5, 5)) + 3 * np.eye(5)
    turn = np.eye(5)
    turn[1:3, 1:3] = [[np.cos(1 / 6), -np.sin(1 / 6)], [np.sin(1 / 6), np.cos(1 / 6)]]
    parts = turn @ np.diag([100.0, 1.0, 1.0, 0.1, 0.01])
    matrices = np.array([frames[(i + 1) % 6] @ parts @ np.linalg.inv(frames[i]) for i in range(6)])
    exact = np.array([1e12, np.exp(1j), np.exp(-1j), 1e-6, 1e-12])
    values = product_eigenvalues(matrices)
    values = values[np.lexsort((-values.imag, -np.abs(values).round(9)))]
    np.testing.assert_allclose(np.sort_complex(values), np.sort_complex(exact), rtol=1e-9)
    formed = np.linalg.eigvals(np.linalg.multi_dot(matrices[::-1]))
    assert np.abs(formed).min() > 1e-9  # what forming the product leaves of 1e-12


def test_cut_segments_are_on_the_flow_and_their_derivatives_multiply() -> None:
    whole = Segments(np.array([[2.0, 0.1]]), np.ones(1), 6.0)
    parts = cut(VAN_DER_POL, whole, 4, 1e-12)
    assert parts is not None
    one, four = transport(VAN_DER_POL, whole, 1e-12), transport(VAN_DER_POL, parts, 1e-12)
    assert one is not None and four is not None
    np.testing.assert_allclose(four.ends[:-1], parts.x[1:], atol=1e-9)
    np.testing.assert_allclose(np.linalg.multi_dot(four.matrices[::-1]), one.matrices[0], atol=1e-9)


def test_first_return() -> None:
    assert first_return(VAN_DER_POL, np.array([2.00861986, 0.0])) == pytest.approx(6.6632869, abs=1e-4)
    assert first_return(lambda x: -x, np.array([1.0, 0.5]), most=50) is None
    assert first_return(lambda x: np.ones(2), np.array([1.0, 0.5])) is None


def test_segments_agree_on_an_mdp() -> None:
    field = Field(zoo.load("swirl"), "reverse-kl", reward=True)
    theta = flow(field, np.zeros(field.shape), 100.0, rtol=1e-6, atol=1e-8, samples=2).theta[-1]
    many = found(shoot(field, theta, 6.5, points=101))
    few = found(shoot(field, many.theta, many.period, segments=3, points=101))
    assert many.segments > few.segments and abs(many.period - few.period) < 1e-10
    assert abs(many.period - 6.48894425) < 5e-9 and many.stable
    np.testing.assert_allclose(many.multipliers, few.multipliers, rtol=1e-7)
    np.testing.assert_allclose(many.theta.mean(-1), np.broadcast_to(theta.mean(-1), many.theta.shape[:-1]), atol=1e-12)


@pytest.mark.parametrize(
    ("theta", "period", "segments", "message"),
    [
        ([1.0], 6.0, None, r"theta has shape \(1,\); must be \(2,\), or that of at least 2 points"),
        ([[1.0, 0.0]], 6.0, None, r"theta has shape \(1, 2\); must be"),
        ([1.0, 0.0], -6.0, None, r"the period is -6\.0; must be positive and finite"),
        ([1.0, 0.0], np.nan, None, r"the period is nan"),
        ([1.0, 0.0], 6.0, 0, r"0 segments; must be at least 1"),
    ],
)
def test_bad_input(theta: list[float], period: float, segments: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shoot(CENTRE, theta, period, segments=segments)


# --- what portraits find ----------------------------------------------------------------------------------------------


def rings(x: np.ndarray) -> np.ndarray:
    """r' = −r (1 − r²)(4 − r²)/4, angle' = 1: a stable focus inside a repelling circle inside an attracting one."""
    r2 = (x**2).sum(-1, keepdims=True)
    return np.stack([-x[..., 1], x[..., 0]], -1) - x * (1 - r2) * (4 - r2) / 4


def test_portraits_find_unstable_cycles_in_the_plane() -> None:
    field = FunctionField(rings, (2,), vectorised=True)
    seen = find(field, theta0=[1.5, 0.0]).cycles
    radii = {round(float(np.linalg.norm(orbit.theta[0])), 6): orbit.stable for orbit in seen}
    assert radii == {1.0: False, 2.0: True}
    assert all(orbit.period == pytest.approx(2 * np.pi, rel=1e-9) for orbit in seen)


def test_unstable_cycles_are_dashed_and_named_and_saved(tmp_path: Path) -> None:
    field = FunctionField(rings, (2,), vectorised=True)
    drawn = geometry(field, layers=["cycle", "rest"], theta0=[1.5, 0.0], time=1.0)
    assert sorted(zip(drawn.stable, [round(float(np.ptp(path[:, 0])) / 2) for path in drawn.cycles], strict=True)) == [
        (False, 1),
        (True, 2),
    ]
    for suffix in ("npz", "json"):
        drawn.save(tmp_path / f"rings.{suffix}")
        assert shapes.load(tmp_path / f"rings.{suffix}").stable == drawn.stable
    assert shapes.only(drawn, ["rest"]).stable == ()
    lines = [line for line in portrait(field, geometry=drawn).ax.lines if "cycle" in str(line.get_label())]
    told = {str(line.get_label()): line.get_linestyle() == "-" for line in lines}
    assert told == {"unstable cycle, period 6.2832 (numerical)": False, "cycle, period 6.2832 (numerical)": True}


def test_portraits_do_not_draw_a_member_of_a_family() -> None:
    assert find(CENTRE, theta0=[1.0, 0.0]).cycles == ()
