"""Hopf points proved: known normal forms, fields of MDPs, and what must be refused."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import flint
import numpy as np
import pytest

from dynamics.bifurcations.hopf import hopf_point as numerical_point
from dynamics.bifurcations.hopf import normal_form, orbit_near
from dynamics.fields import Field, families, in_chart
from mdp import MDP, zoo
from proofs.cycles.hopf import HopfProof, Refusal, alone, brusselator, certify, prove_hopf
from proofs.cycles.hopf_fact import ends, hopf_fact
from proofs.cycles.normal_form import others
from proofs.enclosures import Parametric, derivatives, taylor
from proofs.enclosures.parametric import KINDS, of_field
from proofs.exact import precision


def holds(ball: Any, value: float | Fraction, within: float = 0.0) -> bool:
    """Whether a narrow ball holds the value, to `within` where that is only a float."""
    assert ball.rad() < 1e-15 * (1 + abs(ball))
    return abs(float(ball) - float(value)) <= within if within else (ball - _ball(value)).contains(0)


def _ball(value: float | Fraction) -> Any:
    exact = Fraction(value)
    return flint.arb(flint.fmpq(exact.numerator, exact.denominator))


def proof(at: Parametric, parameter: float, x: Any) -> HopfProof:
    found = prove_hopf(at, parameter, x)
    assert isinstance(found, HopfProof), found
    return found


def refused(at: Parametric, parameter: float, x: Any) -> str:
    found = prove_hopf(at, parameter, x)
    assert isinstance(found, Refusal)
    return found.reason


# --- systems with known answers ---------------------------------------------------------------------------------------


def rotor(a: int, power: int = 1, extra: Any = None) -> Parametric:
    """z' = (mu + i) z + a z |z|^(2 power) in the plane, and any further coordinates."""

    def velocity(x: Any, mu: Any) -> list[Any]:
        pull = a * (x[0] * x[0] + x[1] * x[1])
        for _ in range(power - 1):
            pull = pull * (x[0] * x[0] + x[1] * x[1])
        planar = [mu * x[0] - x[1] + pull * x[0], x[0] + mu * x[1] + pull * x[1]]
        return planar + ([] if extra is None else extra(x, mu))

    return Parametric("rotor", 2 if extra is None else 2 + len(extra([0] * 4, 0)), velocity)


@pytest.mark.parametrize("a", [-3, 2])
def test_the_normal_form(a: int) -> None:
    found = proof(rotor(a), 0.01, [0.01, 0.0])
    assert holds(found.parameter, 0) and holds(found.omega, 1) and holds(found.speed, 1) and holds(found.l1, 2 * a)
    assert (found.side, found.stable) == ((1, True) if a < 0 else (-1, False))


@pytest.mark.parametrize("A", [1, 2, 3])
def test_the_brusselator(A: int) -> None:
    def velocity(x: Any, B: Any) -> list[Any]:
        cubic = x[0] * x[0] * x[1]
        return [A - (B + 1) * x[0] + cubic, B * x[0] - cubic]

    found = proof(Parametric("Brusselator", 2, velocity), A * A + 1.01, [A, (1 + A * A) / A])
    assert holds(found.parameter, 1 + A * A) and holds(found.omega, A) and holds(found.speed, Fraction(1, 2))
    # Known from the literature: −(2 + A²) / 2A(1 + A²), for a q with ⟨q, q⟩ = (1 + 2A²) / (1 + A²)
    assert holds(found.l1, Fraction(-(2 + A**2), 2 * A * (1 + 2 * A**2)))
    assert found.side == 1 and found.stable


def test_lorenz_is_subcritical() -> None:
    def velocity(x: Any, r: Any) -> list[Any]:
        return [10 * (x[1] - x[0]), x[0] * (r - x[2]) - x[1], x[0] * x[1] - x[2] * 8 / 3]

    found = proof(Parametric("Lorenz", 3, velocity), 24.74, [7.956, 7.956, 23.74])
    assert holds(found.parameter, Fraction(470, 19))  # σ (σ + β + 3) / (σ − β − 1)
    assert holds(found.omega * found.omega, Fraction(1760, 19))  # 2 σ β (σ + 1) / (σ − β − 1)
    assert (found.kind, found.side, found.stable, found.unstable) == ("subcritical", -1, False, 0)


@pytest.mark.parametrize("alpha", [Fraction(1, 4), Fraction(15, 16)])
def test_langford_needs_the_centre_manifold(alpha: Fraction) -> None:
    """x' = (z − β) x − δ y, …, z' = λ + α z − z³/3 − r² (1 + ρ z): on it z − β ≈ r² (1 + ρ β) / (α − β²), so that
    l1 = 2 (1 + ρ β) / (δ (α − β²)); β = 7/10, δ = 7/2, ρ = 1/4."""

    def velocity(x: Any, mu: Any) -> list[Any]:
        r, k = x[0] * x[0] + x[1] * x[1], x[2] - _ball(Fraction(7, 10))
        last = mu + _ball(alpha) * x[2] - x[2] * x[2] * x[2] / 3 - r * (1 + x[2] / 4)
        return [k * x[0] - x[1] * 7 / 2, x[0] * 7 / 2 + k * x[1], last]

    beta = Fraction(7, 10)
    with precision(256):
        found = proof(Parametric("Langford", 3, velocity), float(beta**3 / 3 - alpha * beta), [0.0, 0.0, 0.7])
    gap = alpha - beta**2
    assert holds(found.parameter, float(beta**3 / 3 - alpha * beta), 1e-15) and holds(found.omega, 3.5)
    assert holds(found.l1, float(2 * (1 + beta / 4) / (Fraction(7, 2) * gap)), 1e-12)
    assert holds(found.speed, float(-1 / gap), 1e-12)
    assert found.unstable == (gap > 0) and found.stable == (gap < 0)


@pytest.mark.parametrize("seed", range(6))
def test_planar_l1_against_guckenheimer_and_holmes(seed: int) -> None:
    """Their eq. (3.4.11), in coordinates x = T u where the linear part turns: r' = a r³, ω l1 = 4a / |T (1, −i)|²."""
    rng = np.random.default_rng(seed)
    omega, T = 1.0 + rng.random(), np.eye(2) + 0.4 * rng.normal(size=(2, 2))
    quadratic, cubic = rng.normal(size=(2, 3)), rng.normal(size=(2, 4))  # of u², uv, v²; u³, u²v, uv², v³
    back = np.linalg.inv(T)

    def velocity(x: Any, mu: Any) -> list[Any]:
        u, v = (_number(back[i, 0]) * x[0] + _number(back[i, 1]) * x[1] for i in range(2))
        monomials = [u * u, u * v, v * v, u * u * u, u * u * v, u * v * v, v * v * v]
        turn = [mu * u - _number(omega) * v, _number(omega) * u + mu * v]
        moved = [
            turn[i] + sum(_number(c) * m for c, m in zip([*quadratic[i], *cubic[i]], monomials, strict=True))
            for i in range(2)
        ]
        return [_number(T[i, 0]) * moved[0] + _number(T[i, 1]) * moved[1] for i in range(2)]

    (f, g), (k, m) = quadratic, cubic
    fxx, fxy, fyy, gxx, gxy, gyy = 2 * f[0], f[1], 2 * f[2], 2 * g[0], g[1], 2 * g[2]
    a = (6 * k[0] + 2 * k[2] + 2 * m[1] + 6 * m[3]) / 16
    a += (fxy * (fxx + fyy) - gxy * (gxx + gyy) - fxx * gxx + fyy * gyy) / (16 * omega)
    found = proof(Parametric("planar", 2, velocity), 0.001, [0.001, 0.0])
    assert float(found.l1) == pytest.approx(4 * a / omega / (np.abs(T @ [1, -1j]) ** 2).sum(), rel=1e-9)
    assert found.stable == (a < 0)


def _number(x: float) -> Any:
    return flint.arb(float(x))


# --- what must be refused ---------------------------------------------------------------------------------------------


def test_refused_where_l1_is_zero() -> None:
    assert "l1" in refused(rotor(-1, power=2), 0.01, [0.01, 0.0])  # Bautin
    assert "l1" in refused(rotor(0), 0.01, [0.01, 0.0])  # a linear system: all cycles at mu = 0


def test_refused_without_crossing() -> None:
    centre = Parametric("centre for every mu", 2, lambda x, mu: [-x[1] * (1 + mu * mu), x[0]])
    assert "singular" in refused(centre, 0.01, [0.01, 0.0])
    square = Parametric("touches", 2, lambda x, mu: rotor(-1).velocity(x, mu * mu))
    assert "converge" in refused(square, 0.01, [0.01, 0.0])
    with precision(256):
        assert alone(rotor(-1), np.array([0, 0, 0, 1, 0, 1, 1, 0.0]), 1e-3, 1) is not None
        with pytest.raises(ZeroDivisionError):  # given the exact solution, too
            alone(square, np.array([0, 0, 0, 1, 0, 1, 1, 0.0]), 1e-3, 1)


def test_refused_at_a_fold() -> None:
    fold = Parametric("fold", 2, lambda x, mu: [mu - x[0] * x[0], -x[1]])
    assert "no complex pair" in refused(fold, 0.0, [0.0, 0.0])
    centre = np.array([0, 0, 0, 0, 1, 0, 0, 0.0])  # solves the equations, with ω = 0 and q = (1, 0)
    with precision(256):
        box = alone(fold, centre, 1e-3, 0)
        assert box is not None
        found = certify(fold, centre, 1e-3, 0, box)
    assert isinstance(found, Refusal) and "ω" in found.reason


def test_refused_with_more_on_the_axis() -> None:
    double = rotor(-1, extra=lambda x, mu: [2 * mu * x[2] - 3 * x[3], 3 * x[2] + 2 * mu * x[3]])
    assert "another eigenvalue" in refused(double, 0.01, [0.01, 0.0, 0.0, 0.0])

    def zero(x: Any, mu: Any) -> list[Any]:  # a fold of z at which the pair crosses
        r = x[0] * x[0] + x[1] * x[1]
        return [x[2] * x[0] - x[1] - x[0] * r, x[0] + x[2] * x[1] - x[1] * r, mu - x[2] * x[2]]

    assert "another eigenvalue" in refused(Parametric("zero-Hopf", 3, zero), 1e-4, [0.001, 0.0, 0.01])


def test_refused_far_away_and_outside() -> None:
    assert "away from the guess" in refused(Parametric("Brusselator", 2, brusselator), 3.0, [1.0, 2.0])
    assert "must lie between" in refused(Parametric("rotor", 2, rotor(-1).velocity, low=Fraction(0)), 0.01, [0.0, 0.0])


def test_bad_guesses_are_errors() -> None:
    for parameter, x in ((0.0, [1.0]), (float("nan"), [0.0, 0.0])):
        with pytest.raises(ValueError, match="2 coordinates and the parameter"):
            prove_hopf(rotor(-1), parameter, x)


@pytest.mark.parametrize("seed", range(40))
def test_others_counts_as_numpy_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, omega = 2 + seed % 5, 1.5
    block = np.zeros((n, n))
    block[:2, :2] = [[0, -omega], [omega, 0]]
    block[2:, 2:] = rng.integers(-9, 9, size=(n - 2, n - 2)) + 0.5 * np.eye(n - 2)
    unstable = int((np.linalg.eigvals(block[2:, 2:]).real > 0).sum())
    mixed = np.tril(rng.integers(-3, 4, size=(n, n)), -1) + np.eye(n)  # its inverse is whole
    J = np.round(mixed @ block @ np.round(np.linalg.inv(mixed)), 1)
    with precision(256):
        assert others(flint.arb_mat(J.tolist()), flint.arb(omega)) == unstable


# --- fields of MDPs ---------------------------------------------------------------------------------------------------

PLACES: dict[str, dict[str, int]] = {"teacher": {"action": 1}, "reward": {"state": 0, "action": 1}}


def family_of(kind: str, name: str, rule: str) -> families.Family:
    mdp, made = zoo.load(name), getattr(families, f"{kind}_family")
    return made(mdp, rule, *PLACES.get(kind, {}).values(), reward=True)  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", ["on-policy", "teacher-v"])
def test_series_agree_with_families(kind: str, rule: str) -> None:
    """Values and first derivatives against closed forms in floats, second and third against differences of those."""
    rng = np.random.default_rng(0)
    at = of_field(Field(zoo.load("corridor-cycle"), rule, reward=True), kind, **PLACES.get(kind, {}))
    family, mu = family_of(kind, "corridor-cycle", rule), 0.7
    x, u = rng.normal(size=(2, at.size))
    with precision(128):
        balls = [[flint.arb(float(y)) for y in z] for z in (x, u)]
        fixed = np.array([[float(c) for c in row] for row in taylor(at, balls[0], flint.arb(mu), balls[1], 0)])
        moved = np.array([[float(c) for c in row] for row in taylor(at, balls[0], flint.arb(mu), balls[1], 1)])

    def seen(h: float) -> Any:
        return in_chart(family(mu + h), "differences")

    def along(h: float) -> Any:
        return (seen(0.0).jacobian((x + h * u).reshape(seen(0.0).shape))) @ u

    h = 1e-3
    scale = np.abs(fixed).max() + 1
    np.testing.assert_allclose(fixed[:, 0], seen(0.0)(x.reshape(seen(0.0).shape)).ravel(), atol=1e-9 * scale)
    np.testing.assert_allclose(fixed[:, 1], along(0.0), atol=1e-9 * scale)
    np.testing.assert_allclose(fixed[:, 2], (along(h) - along(-h)) / (4 * h), atol=1e-4 * scale)
    np.testing.assert_allclose(fixed[:, 3], (along(h) - 2 * along(0.0) + along(-h)) / (6 * h**2), atol=1e-4 * scale)
    ahead, behind = (seen(k)((x + k * u).reshape(seen(0.0).shape)).ravel() for k in (h, -h))
    np.testing.assert_allclose(moved[:, 1], (ahead - behind) / (2 * h), atol=1e-3 * scale)


POINTS = {  # rule, kind, guess of the parameter and of x, side, attracting
    ("corridor-cycle", 0): ("on-policy", "teacher", 0.98632, [-0.4186, 0.8359, 0.915], -1, True),
    ("corridor-cycle", 1): ("on-policy", "teacher", 0.97828, [-0.4355, 0.7219, -0.5487], 1, True),
    ("swirl", 0): ("reverse-kl", "alpha", 0.99181, [3.098, 1.551], -1, False),
    ("swirl", 1): ("reverse-kl", "alpha", 1.00844, [2.379, 0.561], 1, False),
    ("aliased-cycle", 0): ("on-policy", "alpha", 0.94257, [-0.728, -1.446], 1, True),
    ("aliased-cycle", 1): ("on-policy", "alpha", 1.08711, [-0.614, 1.172], -1, True),
}


def proved(place: tuple[str, int]) -> HopfProof:
    rule, kind, parameter, x, _, _ = POINTS[place]
    at = of_field(Field(zoo.load(place[0]), rule, reward=True), kind, **PLACES.get(kind, {}))
    return proof(at, parameter, x)


@pytest.mark.parametrize("place", POINTS)
def test_hopf_points_of_the_zoo(place: tuple[str, int]) -> None:
    """Proved, and as the numerical normal form says, which takes its derivatives by another way."""
    found = proved(place)
    rule, kind, _, _, side, attracts = POINTS[place]
    assert (found.side, found.stable) == (side, attracts)
    field = family_of(kind, place[0], rule)(float(found.parameter))
    theta = in_chart(field, "differences").to_parameters(np.array([float(y) for y in found.x]).reshape(-1, 1))
    form = normal_form(field, theta)
    assert float(found.l1) == pytest.approx(form.l1, rel=1e-5) and float(found.omega) == pytest.approx(form.omega)
    assert found.l1.rad() < 1e-20 and found.speed.rad() < 1e-20


@pytest.mark.slow
def test_an_orbit_is_on_the_proved_side() -> None:
    found = proved(("swirl", 0))
    family, mu = family_of("alpha", "swirl", "reverse-kl"), float(found.parameter)
    theta = np.array([[0.0, float(y)] for y in found.x])
    point = numerical_point(family, theta, mu, (mu - 0.01, mu + 0.01))
    orbit = orbit_near(family, point, found.side * 1e-5)
    assert orbit is not None and orbit.period == pytest.approx(2 * np.pi / float(found.omega), rel=0.01)


def test_wrong_guesses_and_other_rules_are_refused() -> None:
    swirl = zoo.load("swirl")
    assert refused(of_field(Field(swirl, "reverse-kl", reward=True), "alpha"), 1.3, [0.0, 0.0])
    corrected = of_field(Field(swirl, "reverse-kl-corrected", reward=True), "alpha")  # a gradient: J is symmetric
    assert "no complex pair" in refused(corrected, 0.9918, [3.098, 1.551])


def test_the_centre_of_the_paper_is_refused() -> None:
    """`fig2`, on-policy + R: closed orbits on either side of nothing, for every alpha."""
    assert "singular" in refused(
        of_field(Field(zoo.load("fig2"), "on-policy", reward=True), "alpha"), 1.0, [1e-3, 1e-3]
    )


def test_three_actions_two_observations() -> None:
    """Values and slopes of a random model against the field's closed forms in floats."""
    rng = np.random.default_rng(3)
    P, teacher = rng.dirichlet([1] * 4, size=(3, 3))[..., :3], rng.dirichlet([2] * 3, size=3)
    mdp = MDP(P, rng.normal(size=(3, 3)), [0.2, 0.3, 0.5], 0.9, observation=[0, 1, 0], teacher=teacher)
    field = Field(mdp, "eer", reward=True, alpha="0.7")
    at, seen, x = of_field(field, "alpha"), in_chart(field, "differences"), rng.normal(size=4)
    with precision(128):
        found = derivatives(at, [flint.arb(float(y)) for y in x], flint.arb(7) / 10)
    np.testing.assert_allclose([float(y) for y in found.value], seen(x.reshape(2, 2)).ravel(), rtol=1e-9)
    slopes = np.array([[float(y) for y in row[:4]] for row in found.first])
    np.testing.assert_allclose(slopes, seen.jacobian(x.reshape(2, 2)), rtol=1e-9, atol=1e-12)


def test_other_parameters_move_the_same_point() -> None:
    """With the discount as mu, alpha fixed a little off the first point of `swirl`."""
    at = of_field(Field(zoo.load("swirl"), "reverse-kl", reward=True, alpha="0.992"), "discount")
    found = proof(at, 0.97, [3.1, 1.55])
    assert abs(float(found.parameter) - 0.97) < 1e-3 and found.kind == "subcritical"


def test_facts_hold_what_was_proved() -> None:
    found = proved(("corridor-cycle", 0))
    fact = hopf_fact(found)
    assert fact["parameter"] == {"kind": "teacher", "action": 1} and fact["field"]["rule"] == "on-policy"
    assert (fact["side"], fact["unstable"], len(fact["centre"]["q"])) == (-1, 0, 3)
    for name, ball in (("value", found.parameter), ("omega", found.omega), ("l1", found.l1), ("speed", found.speed)):
        low, high = (Fraction(y) for y in fact[name])
        assert _ball(low) < ball < _ball(high) and (high - low) <= abs(low) * Fraction(1, 10**10)
    radius, centre = Fraction(fact["radius"]), Fraction(fact["centre"]["value"])
    assert centre - radius < Fraction(fact["value"][0]) < Fraction(fact["value"][1]) < centre + radius
    with pytest.raises(ValueError, match="no field of an MDP"):
        hopf_fact(proof(rotor(-1), 0.0, [0.0, 0.0]))


@pytest.mark.parametrize("value", [0, 1, -7, 1234567, Fraction(1, 1024), Fraction(-12345, 8192)])
def test_ends_enclose(value: int | Fraction) -> None:
    with precision(64):
        low, high = (Fraction(y) for y in ends(_ball(Fraction(value)), 3))
    assert low <= value <= high and high - low <= abs(Fraction(value)) / 100


@pytest.mark.parametrize(
    ("kind", "places", "message"),
    [
        ("beta", {}, "must be one of alpha"),
        ("teacher", {}, "needs action"),
        ("reward", {"state": 0, "action": 5}, "must be 0 to 1"),
        ("alpha", {"state": 0}, "no place"),
    ],
)
def test_bad_families(kind: str, places: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        of_field(Field(zoo.load("swirl"), "on-policy"), kind, **places)


def test_gates_are_not_smooth() -> None:
    with pytest.raises(ValueError, match="smooth"):
        of_field(Field(zoo.load("swirl"), "value-gate"), "alpha")
