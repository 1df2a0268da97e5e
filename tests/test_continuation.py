"""Continuation: folds, Hopf points and curves of orbits where they are known, and none where there are none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from dynamics.bifurcations import HopfPoint
from dynamics.bifurcations.continuation import pair_test, parameter_slope, rest_branch
from dynamics.bifurcations.cycle_branches import cycle_branch
from dynamics.bifurcations.hopf import hopf_point, hopf_points, normal_form, orbit_near
from dynamics.fields import Family, Field, FunctionField, reduced, to_reduced
from dynamics.fields.families import (
    alpha_family,
    discount_family,
    mixture_family,
    reward_family,
    sharpness_family,
    teacher_family,
)
from dynamics.orbits import outcome, rest_point, shoot
from mdp import Array, zoo


def plane(function: Callable[[float, float, float], list[float]], size: int = 2) -> Family:
    """The family of `x' = function(x, y, ..., parameter)`."""
    return lambda a: FunctionField(lambda x: np.array(function(*x, a)), (size,))


def rotor(a: float, b: float = 0.0, e: float = 0.0) -> Family:
    """x' = mu x − y + a x r² + e x r⁴, y' = x + mu y + a y r² + e y r⁴, with the frequency 1 + b r²."""

    def motion(x: float, y: float, mu: float) -> list[float]:
        r2 = x * x + y * y
        grow, turn = mu + a * r2 + e * r2 * r2, 1 + b * r2
        return [grow * x - turn * y, turn * x + grow * y]

    return plane(motion)


def only_hopf(family: Family, theta: list[float], start: float, stop: float) -> HopfPoint:
    (point,) = hopf_points(family, rest_branch(family, theta, start, stop))
    return point


# --- curves of rest points --------------------------------------------------------------------------------------------


def test_a_fold_is_passed_and_located() -> None:
    """x' = a + x − x³: an S with folds at x = ∓1/√3, a = ±2/(3√3)."""
    curve = rest_branch(plane(lambda x, a: [a + x - x**3], 1), [-1.3], -1.0, 1.0)
    assert curve.end == "stop"
    np.testing.assert_allclose(curve.parameter[list(curve.folds)], [2 / 27**0.5, -2 / 27**0.5], atol=1e-14)
    np.testing.assert_allclose(curve.theta[list(curve.folds), 0], [-(3**-0.5), 3**-0.5], atol=1e-9)
    np.testing.assert_allclose(curve.parameter + curve.theta[:, 0] - curve.theta[:, 0] ** 3, 0, atol=1e-12)
    first, second = curve.folds
    assert (
        curve.stable[:first].all() and not curve.stable[first + 1 : second].any() and curve.stable[second + 1 :].all()
    )
    assert curve.hopf == ()


def test_folds_of_a_planar_field_are_no_hopf_points() -> None:
    curve = rest_branch(plane(lambda x, y, a: [a + x * x, -y + x]), [-1.0, -1.0], -1.0, 0.5)
    assert curve.end == "start" and len(curve.folds) == 1 and curve.hopf == ()


@pytest.mark.parametrize("start", [-1.0, -0.83])
def test_a_transcritical_crossing_is_followed_straight_on(start: float) -> None:
    """x' = a x − x², y' = −y: the real eigenvalue a crosses 0 on x = 0, where two curves meet."""
    curve = rest_branch(plane(lambda x, y, a: [a * x - x * x, -y]), [0.0, 0.0], start, 1.0)
    assert curve.end == "stop" and curve.hopf == () and curve.folds == ()
    np.testing.assert_allclose(curve.theta, 0, atol=1e-12)


def test_a_neutral_saddle_is_no_hopf_point() -> None:
    """Eigenvalues 1 + a and −1: their sum changes sign at a = 0, and nothing crosses."""
    curve = rest_branch(plane(lambda x, y, a: [(1 + a) * x, -y]), [0.0, 0.0], -0.5, 0.7)
    assert curve.hopf == () and curve.folds == ()


def test_a_landing_on_the_hopf_point_is_seen() -> None:
    """A step that ends on the point itself, where the test function is exactly 0."""
    step = 0.02
    curve = rest_branch(rotor(-1), [0.0, 0.0], -step, 1.0 - step, largest=step)
    assert 0.0 in curve.parameter.round(15)
    assert [abs(round(float(curve.parameter[k]), 12)) for k in curve.hopf] == [0.0]


@pytest.mark.parametrize("apart", [0.3, 1e-3, -2e-5])
def test_two_pairs_that_cross_within_a_step_are_both_seen(apart: float) -> None:
    """Two rotors side by side, of frequencies 1 and 2: the sign of a product would hide two crossings."""

    def pairs(x: float, y: float, u: float, v: float, a: float) -> list[float]:
        late = a - apart
        return [a * x - y - x**3, x + a * y, late * u - 2 * v - u**3, 2 * u + late * v]

    family = plane(pairs, 4)
    points = hopf_points(family, rest_branch(family, [0.0] * 4, -0.47, 1.0))
    found = [(point.parameter, point.omega) for point in points]
    np.testing.assert_allclose(found, sorted([(0.0, 1.0), (apart, 2.0)]), atol=1e-10)
    assert all(point.kind == "supercritical" for point in points)


def test_centres_all_along_are_no_hopf_points() -> None:
    """x' = −a y, y' = a x is a centre for every a, and fig2 for every alpha: nothing crosses."""
    assert rest_branch(plane(lambda x, y, a: [-a * y, a * x]), [0.0, 0.0], 1.0, 2.0).hopf == ()
    family = alpha_family(zoo.load("fig2"), "on-policy", reward=True)
    curve = rest_branch(family, np.zeros((2, 2)), 1.0, 1.5)
    assert curve.hopf == () and len(curve.parameter) > 5


def test_a_gradient_has_no_hopf_points() -> None:
    family = alpha_family(zoo.load("swirl"), "reverse-kl-corrected", reward=True)
    theta = np.array([[0.0, 3.315655], [0.0, 1.909093]])
    curve = rest_branch(family, theta, 1.0, 1.2)
    assert curve.end == "stop" and curve.hopf == () and abs(curve.eigenvalues.imag).max() == 0


def test_what_the_branch_says_is_so() -> None:
    """Every point is a rest point of its own field, with the eigenvalues of the closed-form Jacobian."""
    family = alpha_family(zoo.load("aliased-cycle"), "on-policy", reward=True)
    curve = rest_branch(family, np.zeros((2, 2)), 1.0, 1.2)
    for k in set(range(0, len(curve.parameter), 5)) - set(curve.hopf):
        field = family(curve.parameter[k])
        found = rest_point(field, curve.theta[k])
        assert found is not None
        np.testing.assert_allclose(curve.theta[k], found.theta, atol=1e-9)
        np.testing.assert_allclose(curve.eigenvalues[k], found.eigenvalues, atol=1e-9)
        assert curve.stable[k] == (found.eigenvalues.real < 0).all()


def test_errors_of_a_branch() -> None:
    family = plane(lambda x, a: [a + x * x], 1)
    with pytest.raises(ValueError, match=r"no rest point is found near theta at the parameter 1\.0"):
        rest_branch(family, [0.3], 1.0, 2.0)
    with pytest.raises(ValueError, match=r"from 1\.0 to nan; must be two different finite numbers"):
        rest_branch(family, [0.3], 1.0, float("nan"))
    with pytest.raises(ValueError, match=r"largest is 0; the longest step along a curve must be positive"):
        rest_branch(family, [0.0], 0.0, 1.0, largest=0)


def test_most_and_boundary() -> None:
    assert rest_branch(rotor(-1), [0.0, 0.0], -1.0, 1.0, most=3).end == "most"
    family = alpha_family(zoo.load("swirl"), "reverse-kl", reward=True)
    curve = rest_branch(family, [[0.0, 2.79304], [0.0, 1.136]], 1.0, 0.0)
    assert curve.end == "boundary" and np.ptp(curve.theta[-1], axis=-1).max() > 15


def test_slopes_in_the_parameter_stay_within_the_interval() -> None:
    for mu in (0.0, 0.4, 1.0):
        asked: list[float] = []

        def cubic(m: float, asked: list[float] = asked) -> Array:
            asked.append(m)
            return np.array([m**4, np.exp(m)])

        np.testing.assert_allclose(parameter_slope(cubic, mu), [4 * mu**3, np.exp(mu)], rtol=1e-9, atol=1e-10)
        assert min(asked) >= 0 and max(asked) <= 1


def test_the_pair_test_is_the_bialternate_determinant() -> None:
    """Its sign is that of the product of all sums of two eigenvalues, formed from the matrix itself."""
    rng = np.random.default_rng(0)
    for n in (2, 3, 4, 5):
        for _ in range(20):
            J = rng.normal(size=(n, n))
            pairs = [(i, j) for i in range(n) for j in range(i)]
            twice = np.zeros((len(pairs), len(pairs)))
            for row, (p, q) in enumerate(pairs):
                for column, (r, s) in enumerate(pairs):  # 2J ⊙ I
                    twice[row, column] = (
                        J[p, r] * (q == s) - J[p, s] * (q == r) + J[q, s] * (p == r) - J[q, r] * (p == s)
                    )
            assert np.sign(np.linalg.det(twice)) == np.sign(pair_test(np.linalg.eigvals(J)))


# --- Hopf points ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("a", "kind"), [(-1.0, "supercritical"), (2.5, "subcritical"), (0.0, "degenerate")])
@pytest.mark.parametrize("b", [0.0, 0.7])
def test_normal_forms(a: float, b: float, kind: str) -> None:
    """z' = (mu + i) z + (a + b i) z |z|² in x + i y: with <q, q> = 1, x = √2 Re z, and l1 = 2 a."""
    point = only_hopf(rotor(a, b), [0.0, 0.0], -0.3, 1.0)
    assert point.kind == kind and abs(point.parameter) < 1e-12
    np.testing.assert_allclose([point.l1, point.omega, point.speed], [2 * a, 1, 1], atol=1e-7)
    assert point.side == int(np.sign(-a))


def test_bautin_and_the_linear_centre_are_degenerate() -> None:
    assert only_hopf(rotor(0.0, e=-1.0), [0.0, 0.0], -0.3, 1.0).kind == "degenerate"
    linear = only_hopf(plane(lambda x, y, mu: [mu * x - 2 * y, 3 * x + mu * y]), [0.0, 0.0], -0.3, 1.0)
    assert linear.kind == "degenerate" and linear.side == 0
    with pytest.raises(ValueError, match="degenerate"):
        orbit_near(rotor(0.0), linear, 0.1)


def test_a_shear_and_a_turn_change_no_sign() -> None:
    """l1 of the rotor in coordinates u = L x, shifted: its sign is a fact, and |z|² l1 for one orbit is too."""
    L = np.array([[1.0, 0.6], [0.0, 2.0]])
    inverse = np.linalg.inv(L)

    def family(mu: float) -> FunctionField:
        inner = rotor(-1.5)(mu)
        return FunctionField(lambda u: L @ inner(inverse @ (u - [1.0, 2.0])), (2,))

    point = only_hopf(family, [1.0, 2.0], -0.2, 0.5)
    radius = np.sqrt(-point.speed / (point.omega * point.l1))
    # the orbit is |x|² = mu / 1.5, so that u_i swings by |row i of L| √(mu / 1.5) about its middle
    np.testing.assert_allclose(2 * radius * np.abs(point.q), np.linalg.norm(L, axis=1) / 1.5**0.5, rtol=1e-7)


@pytest.mark.parametrize("A", [0.7, 1.0, 2.0])
def test_brusselator(A: float) -> None:
    """Hopf at B = 1 + A², ω = A, speed 1/2 (the trace is B − 1 − A²), always supercritical."""
    family = plane(lambda x, y, B: [A - (B + 1) * x + x * x * y, B * x - x * x * y])
    point = only_hopf(family, [A, 1.0 / A], 1.0, 2 + A * A)
    assert abs(point.parameter - 1 - A * A) < 1e-10
    assert point.kind == "supercritical" and point.side == 1
    np.testing.assert_allclose([point.omega, point.speed], [A, 0.5], rtol=1e-9)


def test_van_der_pol_by_its_amplitude() -> None:
    """x'' = mu (...) small: x' = y, y' = −x + mu y − x² y: the orbit is x ≈ 2 √mu cos t."""
    point = only_hopf(plane(lambda x, y, mu: [y, -x + mu * y - x * x * y]), [0.0, 0.0], -0.5, 0.5)
    radius = np.sqrt(-point.speed / (point.omega * point.l1))
    assert point.kind == "supercritical"
    assert abs(2 * radius * abs(point.q[0]) - 2.0) < 1e-7


def test_planar_formula() -> None:
    """Guckenheimer and Holmes, eq. (3.4.11), for x' = −ω y + f, y' = ω x + g; there r' = a r³, here l1 = 2 a / ω."""
    rng = np.random.default_rng(3)
    for _ in range(10):
        omega = rng.uniform(0.5, 3)
        f2, g2 = rng.normal(size=(2, 3))  # xx, xy, yy
        f3, g3 = rng.normal(size=(2, 4))  # xxx, xxy, xyy, yyy

        def motion(x: Array, w=omega, f2=f2, g2=g2, f3=f3, g3=g3) -> Array:  # type: ignore[no-untyped-def]
            u, v = x
            squares, cubes = np.array([u * u, u * v, v * v]), np.array([u**3, u * u * v, u * v * v, v**3])
            return np.array([-w * v + f2 @ squares + f3 @ cubes, w * u + g2 @ squares + g3 @ cubes])

        fxx, fxy, fyy = 2 * f2[0], f2[1], 2 * f2[2]
        gxx, gxy, gyy = 2 * g2[0], g2[1], 2 * g2[2]
        a = (6 * f3[0] + 2 * f3[2] + 2 * g3[1] + 6 * g3[3]) / 16 + (
            fxy * (fxx + fyy) - gxy * (gxx + gyy) - fxx * gxx + fyy * gyy
        ) / (16 * omega)
        found = normal_form(FunctionField(motion, (2,)), [0.0, 0.0])
        np.testing.assert_allclose(found.l1, 2 * a / omega, rtol=1e-7)
        assert found.error < 1e-6


def test_rosenzweig_macarthur() -> None:
    """x' = x (1 − x / K) − x y / (1 + x), y' = y (x / (1 + x) − d): Hopf where the hump is over the rest point."""
    d = 0.4
    family = plane(lambda x, y, K: [x * (1 - x / K) - x * y / (1 + x), y * (x / (1 + x) - d)])
    rest = d / (1 - d)
    point = only_hopf(family, [rest, (1 + rest) * (1 - rest / 2)], 2.0, 3.0)
    assert abs(point.parameter - (1 + 2 * rest)) < 1e-10
    assert point.kind == "supercritical" and point.side == 1


def test_fitzhugh_nagumo_is_subcritical_where_slow() -> None:
    """v' = v − v³/3 − w + current, w' = e (v + a − b w): the trace 1 − v² − e b is 0 at both Hopf points."""
    a, b, e = 0.7, 0.8, 0.08
    family = plane(lambda v, w, current: [v - v**3 / 3 - w + current, e * (v + a - b * w)])
    curve = rest_branch(family, [-1.2, -0.62], 0.0, 2.0)
    points = hopf_points(family, curve)
    np.testing.assert_allclose([p.theta[0] for p in points], [-np.sqrt(1 - e * b), np.sqrt(1 - e * b)], atol=1e-10)
    assert [p.kind for p in points] == ["subcritical", "subcritical"]
    assert [p.side for p in points] == [-1, 1]


def test_lorenz_in_three_dimensions() -> None:
    """Hopf at r = σ (σ + b + 3) / (σ − b − 1) = 24.7368..., subcritical (Marsden and McCracken)."""
    s, b = 10.0, 8 / 3
    family = plane(lambda x, y, z, r: [s * (y - x), r * x - y - x * z, x * y - b * z], 3)
    point = only_hopf(family, [7.5, 7.5, 22.0], 22.0, 27.0)
    critical = s * (s + b + 3) / (s - b - 1)
    assert abs(point.parameter - critical) < 1e-9 and point.kind == "subcritical" and point.side == -1
    np.testing.assert_allclose(point.omega, np.sqrt(b * (s + critical)), rtol=1e-10)


def test_normal_form_asks_for_a_pair() -> None:
    with pytest.raises(ValueError, match=r"the eigenvalues are 1, -1; a Hopf point has"):
        normal_form(FunctionField(lambda x: np.array([x[0], -x[1]]), (2,)), [0.0, 0.0])
    with pytest.raises(ValueError, match=r"the parameter is 3; must lie in the interval \[0, 1\]"):
        hopf_point(rotor(1.0), [0.0, 0.0], 3, (0, 1))


def test_closed_forms_and_differences_agree() -> None:
    """The complex step of an MDP's Jacobian and differences of the same field as a mere callable give one l1."""
    field = Field(zoo.load("aliased-cycle"), "on-policy", reward=True, alpha=1.0871100354699448)
    seen = reduced(field)
    x = to_reduced(
        seen, only_hopf(alpha_family(field.mdp, "on-policy", reward=True), [[0, -0.6], [0, 0.3]], 1, 1.2).theta
    )
    plain = FunctionField(lambda y: seen(y.reshape(seen.shape)).ravel(), (2,))
    theta = np.stack([np.zeros(2), x], axis=1)
    np.testing.assert_allclose(normal_form(plain, x).l1, normal_form(field, theta).l1, rtol=1e-6)


# --- curves of orbits -------------------------------------------------------------------------------------------------


def test_circles() -> None:
    """r' = mu r − r³: the circle of radius √mu, period 2π, multiplier e^{−4π mu}."""
    start = shoot(rotor(-1)(0.05), [0.2, 0.1], 6.0)
    assert start is not None
    curve = cycle_branch(rotor(-1), start, 0.05, 0.3)
    assert curve.end == "stop" and curve.parameter[-1] == 0.3 and curve.folds == () and curve.stable.all()
    np.testing.assert_allclose(curve.period, 2 * np.pi, rtol=1e-8)
    np.testing.assert_allclose(curve.amplitude, 2 * np.sqrt(curve.parameter)[:, None] * [1, 1], rtol=1e-6)
    np.testing.assert_allclose(curve.multipliers[:, 0], np.exp(-4 * np.pi * curve.parameter), rtol=1e-6)


@pytest.mark.slow
def test_a_fold_of_orbits_is_followed_round() -> None:
    """r' = r (mu + r² − r⁴): two circles meet at mu = −1/4, r² = 1/2; the unstable one ends at mu = 0."""
    family = rotor(1.0, e=-1.0)
    start = shoot(family(0.1), [1.0, 0.0], 6.0)
    assert start is not None
    curve = cycle_branch(family, start, 0.1, -1.0)
    (fold,) = curve.folds
    assert curve.end == "hopf" and curve.stable[:fold].all() and not curve.stable[fold + 1 :].any()
    assert abs(curve.parameter[fold] + 0.25) < 1e-8
    assert abs(curve.multipliers[fold, 0] - 1) < 1e-4
    np.testing.assert_allclose(curve.amplitude[fold], 2**0.5, rtol=1e-4)
    assert curve.hopf_parameter is not None and abs(curve.hopf_parameter) < 1e-5


@pytest.mark.slow
def test_van_der_pol_period() -> None:
    family = plane(lambda x, y, mu: [y, mu * (1 - x * x) * y - x])
    start = shoot(family(0.5), [2.0, 0.0], 6.4)
    assert start is not None
    curve = cycle_branch(family, start, 0.5, 1.0)
    assert curve.end == "stop"
    peak = lambda t, x: x[1]  # noqa: E731
    peak.direction = -1  # type: ignore[attr-defined]
    run = solve_ivp(lambda t, x: family(1.0)(x), (0, 100), [2.0, 0.0], "Radau", events=peak, rtol=1e-9, atol=1e-11)
    assert abs(curve.period[-1] - np.diff(run.t_events[0])[-1]) < 1e-6
    assert abs(curve.period[-1] - 6.6632868593) < 1e-7


@pytest.mark.slow
def test_a_homoclinic_orbit_ends_the_curve() -> None:
    """Sandstede's example: a homoclinic orbit x² (1 − x) = y² exactly at a = 0 (Kuznetsov, example 6.1)."""
    family = plane(lambda x, y, a: [-x + 2 * y + x * x, (2 - a) * x - y - 3 * x * x + 1.5 * x * y])
    curve = rest_branch(family, [2 / 3, 1 / 9], 0.0, 0.5)
    (point,) = hopf_points(family, curve)
    assert point.kind == "supercritical"
    offset = 0.02 * point.side
    born = orbit_near(family, point, offset)
    assert born is not None
    orbits = cycle_branch(family, born, point.parameter + offset, -0.1, longest=3.5)
    assert orbits.end == "long period" and orbits.stable.all()
    assert 0 < orbits.parameter[-1] < 1e-3


def test_errors_of_orbits() -> None:
    start = shoot(rotor(-1)(0.25), [0.5, 0.0], 6.0)
    assert start is not None
    with pytest.raises(ValueError, match=r"no periodic orbit is found near the one given at the parameter -1\.0"):
        cycle_branch(rotor(-1), start, -1.0, 1.0)
    point = only_hopf(rotor(-1), [0.0, 0.0], -0.3, 1.0)
    with pytest.raises(ValueError, match=r"offset is -0\.1; orbits of this supercritical Hopf point need .* sign \+1"):
        orbit_near(rotor(-1), point, -0.1)
    assert cycle_branch(rotor(-1), start, 0.25, 1.0, most=2).end == "most"


# --- MDPs -------------------------------------------------------------------------------------------------------------

SWIRL, ALIASED = [2.79304, 1.136], [-0.66, 0.32]
# the zoo's name, a rest point in log-odds, from, to; then parameter, omega, l1 and side of each Hopf point
HOPF = [
    ("corridor-cycle", [-0.3946, 1.6074, 3.235], 0.99, 0.97, [
        (0.9863155629, 0.1241095619, -0.0971182, -1),
        (0.9782756742, 0.6443354842, -0.0348429, 1),
    ]),
    ("swirl", SWIRL, 1.0, 1.05, [(1.0084383847, 1.3301094054, 0.2583637, 1)]),
    ("swirl", SWIRL, 1.0, 0.95, [(0.9918072427, 0.7968179701, 0.4659038, -1)]),
    ("aliased-cycle", ALIASED, 1.0, 1.2, [(1.0871100355, 0.4211261341, -0.0506571, -1)]),
    ("aliased-cycle", ALIASED, 1.0, 0.9, [(0.9425733176, 2.0623475180, -0.1393659, 1)]),
]  # fmt: skip


def zoo_family(name: str) -> Family:
    mdp = zoo.load(name)
    if name == "corridor-cycle":
        return teacher_family(mdp, "on-policy", "right", reward=True)
    return alpha_family(mdp, "reverse-kl" if name == "swirl" else "on-policy", reward=True)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "x", "start", "stop", "expected"), HOPF)
def test_where_the_zoo_starts_to_cycle(
    name: str, x: list[float], start: float, stop: float, expected: list[tuple[float, float, float, int]]
) -> None:
    """The Hopf points, and the orbits born there: their size is what the normal form says, hence l1 and speed."""
    family = zoo_family(name)
    points = hopf_points(family, rest_branch(family, np.stack([np.zeros(len(x)), x], axis=1), start, stop))
    np.testing.assert_allclose([(p.parameter, p.omega, p.l1, p.side) for p in points], expected, rtol=1e-6)
    for point in points:
        at = [rest_point(family(point.parameter + d), point.theta) for d in (-1e-8, 1e-8)]
        growth = [max(found.eigenvalues.real) for found in at if found is not None]
        assert growth[0] * growth[1] < 0  # within 1e-8 by Newton's iteration alone, without the curve
        np.testing.assert_allclose(point.speed, (growth[1] - growth[0]) / 2e-8, rtol=1e-4)
        offset = point.side * 1e-5
        orbit = orbit_near(family, point, offset)
        assert orbit is not None and orbit.stable == (point.kind == "supercritical")
        radius = np.sqrt(-point.speed * offset / (point.omega * point.l1))
        swing = (orbit.amplitude[:, 1] + orbit.amplitude[:, 0]) / (4 * radius * np.abs(point.q))
        np.testing.assert_allclose(swing, 1, atol=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("stop", "fold", "hopf"), [(1.05, 1.00852163, 1.00843838), (0.95, 0.99141546, 0.99180724)])
def test_swirl_ends_at_folds_of_cycles(stop: float, fold: float, hopf: float) -> None:
    """Both Hopf points are subcritical: beyond each the cycle lives on beside a stable rest point, up to a fold."""
    family = zoo_family("swirl")
    orbit = outcome(family(1.0), np.zeros((2, 2))).orbit
    assert orbit is not None
    curve = cycle_branch(family, orbit, 1.0, stop)
    (k,) = curve.folds
    assert curve.end == "hopf" and curve.stable[:k].all() and not curve.stable[k + 1 :].any()
    assert abs(curve.parameter[k] - fold) < 2e-8 and abs(curve.hopf_parameter - hopf) < 2e-8
    between = (fold + hopf) / 2
    kinds = {
        outcome(family(between), theta, limit=40_000).kind
        for theta in (curve.orbits[0].theta[0], small(family, between))
    }
    assert kinds == {"cycle", "rest"}


def small(family: Family, parameter: float) -> Array:
    """A start next to the rest point."""
    found = rest_point(family(parameter), [[0.0, 2.5], [0.0, 1.0]])
    assert found is not None
    return found.theta + np.array([[0.0, 1e-3], [0.0, 0.0]])


# --- families ---------------------------------------------------------------------------------------------------------


def test_families_are_the_fields_they_say() -> None:
    mdp, theta = zoo.load("swirl"), np.array([[0.3, -0.2], [0.1, 0.7]])
    twice = sharpness_family(mdp, "reverse-kl", reward=True)(2.0)
    np.testing.assert_allclose(
        np.log(twice.mdp.teacher), np.log(mdp.teacher**2 / (mdp.teacher**2).sum(1, keepdims=True))
    )
    np.testing.assert_array_equal(
        mixture_family(mdp, "on-policy")(0.25)(theta), Field(mdp, "on-policy", control="mix:0.25")(theta)
    )
    np.testing.assert_array_equal(
        discount_family(mdp, "on-policy")(0.5)(theta), Field(mdp.replace(discount="1/2"), "on-policy")(theta)
    )
    changed = reward_family(mdp, "on-policy", 1, "a0")(0.1)
    assert changed.mdp.exact.R[1, 0] * 10 == 1 and changed.rule.has_reward
    three = zoo.load("bandit").replace(teacher=[["0.2", "0.3", "0.5"]])
    moved = teacher_family(three, "on-policy", 2)(0.75).mdp.exact.teacher[0]
    assert [x * 20 for x in moved] == [2, 3, 15]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda m: teacher_family(m, "on-policy", "up"), r"action is 'up'; must be one of stop, go"),
        (lambda m: teacher_family(m, "on-policy", 2), r"action is 2; must be 0 to 1"),
        (lambda m: teacher_family(m, "on-policy", 0)(1.5), r"the teacher's probability is 1\.5; must lie in \[0, 1\]"),
        (
            lambda m: teacher_family(m.replace(teacher=[[1, 0], [0, 1]]), "on-policy", 0),
            r"teacher\[0, 0\] is 1; must leave",
        ),
        (
            lambda m: sharpness_family(m.replace(teacher=[[1, 0], [0, 1]]), "on-policy"),
            r"teacher\[0, 1\] is 0; must be",
        ),
        (lambda m: teacher_family(m.replace(teacher=None), "reward", 0), "the MDP has no teacher"),
        (lambda m: reward_family(m, "reward", "s9", 0), r"state is 's9'; must be one of s0, s1"),
        (lambda m: alpha_family(m, "on-policy")(-1.0), r"alpha is -1; must be at least 0"),
    ],
)
def test_errors_of_families(make: Callable[..., object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(zoo.load("chain"))
