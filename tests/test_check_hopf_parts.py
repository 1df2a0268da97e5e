"""What the checker of Hopf points is made of, held to formulas derived by hand and to the project's field.

Normal forms in the plane and on a centre manifold, counts of eigenvalues, power series, Routh's array, families.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from dynamics.fields import Field, families
from dynamics.rules import TABLE
from mdp import MDP, random, zoo
from proofs.certificates import field_json
from proofs.checker.hopf import point as hopf
from proofs.checker.hopf.equations import System, derivative, only_solution, value
from proofs.checker.hopf.family import KINDS, Family, motion, read_family
from proofs.checker.numbers.arithmetic import Vanishing
from proofs.checker.numbers.enclosure import Enclosures, ends
from proofs.checker.numbers.linear import characteristic, positive_roots, solve_complex
from proofs.checker.numbers.rational import Refused
from proofs.checker.numbers.series import PowerSeries, Series, Work
from proofs.checker.reading import rules

Law = Callable[[Series, Series, Series], tuple[Series, Series]]


# --- known answers ----------------------------------------------------------------------------------------------


def planar(law: Law) -> System:
    return System(lambda numbers, x, mu: list(law(x[0], x[1], mu)), 2, 0, Enclosures(256), Work(10**7))


def solved(system: System, centre: Sequence[int]) -> hopf.Crossing:
    """The crossing at the solution near a centre that is one, or close to one."""
    box = only_solution(system, [Fraction(x) for x in centre], Fraction(1, 4096))
    return hopf.crossing(system, [system.numbers.between(low, high) for low, high in box])


def at_origin(law: Law, omega: int) -> hopf.Crossing:
    """The crossing at 0 of x' = −ω y + ..., y' = ω x + ..., where q = (1, −i)."""
    return solved(planar(law), (0, 0, 0, omega, 1, 0, 0, -1))


def close(x: Any, answer: Fraction | float, width: Fraction = Fraction(1, 10**30)) -> bool:
    low, high = ends(x)
    answer = Fraction(answer)
    return low - Fraction(1, 10**40) <= answer <= high + Fraction(1, 10**40) and high - low < width


@pytest.mark.parametrize("seed", range(4))
def test_l1_is_that_of_the_plane(seed: int) -> None:
    """r' = a r³ with 16 a = f_xxx + f_xyy + g_xxy + g_yyy + (f_xy (f_xx + f_yy) − g_xy (g_xx + g_yy) − f_xx g_xx +
    f_yy g_yy) / ω for x' = −ω y + f, y' = ω x + g (Guckenheimer and Holmes, eq. (3.4.11)); l1 = 2 a / ω for |q| = 1."""
    rng = np.random.default_rng(seed)
    omega = int(rng.integers(1, 4))
    f, g = ([int(c) for c in rng.integers(-5, 6, 7)] for _ in range(2))  # of x², xy, y², x³, x²y, xy², y³

    def poly(c: list[int], x: Series, y: Series) -> Series:
        terms = [x * x, x * y, y * y, x * x * x, x * x * y, x * y * y, y * y * y]
        number = x.space.number
        total = number(Fraction(0))
        for k, term in zip(c, terms, strict=True):
            total = total + number(Fraction(k)) * term
        return total

    def law(x: Series, y: Series, mu: Series) -> tuple[Series, Series]:
        w = x.space.number(Fraction(omega))
        return mu * x - w * y + poly(f, x, y), w * x + mu * y + poly(g, x, y)

    found = at_origin(law, omega)
    fxx, fxy, fyy, gxx, gxy, gyy = 2 * f[0], f[1], 2 * f[2], 2 * g[0], g[1], 2 * g[2]
    cubic = 6 * f[3] + 2 * f[5] + 2 * g[4] + 6 * g[6]
    square = fxy * (fxx + fyy) - gxy * (gxx + gyy) - fxx * gxx + fyy * gyy
    a = (cubic + Fraction(square, omega)) / 16
    assert close(found.l1, 2 * a / omega) and close(found.speed, 1) and found.unstable == 0


@pytest.mark.parametrize("c", [-3, 2])
def test_l1_on_a_centre_manifold(c: int) -> None:
    """x' = −y + w x, y' = x + w y, w' = c w + k r²: on the manifold w = −(k / c) r², so that r' = −(k / c) r³."""
    k = Fraction(5)

    def law(numbers: PowerSeries, x: Sequence[Series], mu: Series) -> list[Series]:
        u, v, w = x
        rate = numbers.number(Fraction(c)) * w + numbers.number(k) * (u * u + v * v)
        return [mu * u - v + w * u, u + mu * v + w * v, rate]

    system = System(law, 3, 0, Enclosures(256), Work(10**7))
    found = solved(system, (0, 0, 0, 0, 1, 1, 0, 0, 0, -1, 0))
    # Off the manifold w runs to it at the rate c and the orbit turns at ±i: q has no part in w, and w answers B(q, q)
    # = 0 and B(q, q̄) = 2 k |z|² only, which is exact here.
    assert close(found.l1, -2 * k / c) and found.unstable == (1 if c > 0 else 0)


def test_the_brusselator() -> None:
    """A = 1: the Hopf point is at B = 2, x = (1, 2), ω = 1, with d Re λ/dB = 1/2."""

    def law(x: Series, y: Series, B: Series) -> tuple[Series, Series]:
        one = x.space.number(Fraction(1))
        return one - (B + one) * x + x * x * y, B * x - x * x * y

    # J = [[1, 1], [−2, −1]] (x = 1, y = 2, B = 2): (J − i) q = 0 with q = (1, −1 + i)
    found = solved(planar(law), (1, 2, 2, 1, 1, -1, 0, 1))
    assert close(found.speed, Fraction(1, 2)) and ends(found.l1)[1] < 0


def beside(block: Callable[[PowerSeries, Sequence[Series]], list[Series]], n: int) -> tuple[System, list[int]]:
    """x' = mu x − y, y' = x + mu y beside a system of its own in n more dimensions with a rest point at 0."""

    def law(numbers: PowerSeries, x: Sequence[Series], mu: Series) -> list[Series]:
        return [mu * x[0] - x[1], x[0] + mu * x[1], *block(numbers, x[2:])]

    nothing = [0] * n
    centre = [0, 0, *nothing, 0, 1, 1, 0, *nothing, 0, -1, *nothing]
    return System(law, n + 2, 0, Enclosures(256), Work(10**7)), centre


@pytest.mark.parametrize(
    "rates", [("1/2", "-1/3"), ("-1/2", "-1/3"), ("2", "3"), ("-1", "1/2", "1/3"), ("1", "-3", "-4")]
)
def test_the_others_are_counted(rates: Sequence[str]) -> None:
    def block(numbers: PowerSeries, x: Sequence[Series]) -> list[Series]:
        return [numbers.number(Fraction(rate)) * y for rate, y in zip(rates, x, strict=True)]

    assert solved(*beside(block, len(rates))).unstable == sum(Fraction(rate) > 0 for rate in rates)


def test_others_on_the_axis_are_refused() -> None:
    def second(numbers: PowerSeries, x: Sequence[Series]) -> list[Series]:
        two = numbers.number(Fraction(2))
        return [-(two * x[1]), two * x[0]]

    with pytest.raises(Refused, match="besides ±iω"):
        solved(*beside(second, 2))
    # A rest point with an eigenvalue 0 is not alone: the equations are singular there already.
    with pytest.raises(Refused, match="singular"):
        solved(*beside(lambda numbers, x: [x[0] * x[0]], 1))


def test_dg_is_the_derivative_of_g() -> None:
    """DG against central differences of G, at a point that is no solution."""
    family = read_family(field_json(Field(zoo.load("swirl"), "reverse-kl", reward=True)), {"kind": "discount"})
    system = System(motion(family), 2, 1, Enclosures(256), Work(10**7))
    n = 3 * 2 + 2
    at = [Fraction(k % 5 + 1, 7) for k in range(n)]  # the discount is 3/7
    number, h = system.numbers.number, Fraction(1, 2**40)
    found = derivative(system, [number(x) for x in at])
    for j in range(n):
        up, down = ([number(x + s * h if i == j else x) for i, x in enumerate(at)] for s in (1, -1))
        for i, (y, z) in enumerate(zip(value(system, up), value(system, down), strict=True)):
            slope = (sum(ends(y)) - sum(ends(z))) / (4 * h)
            assert abs(slope - sum(ends(found[i][j])) / 2) < Fraction(1, 10**15)


# --- the parts --------------------------------------------------------------------------------------------------


def family_of(kind: str, mdp: MDP, rule: str, control: str) -> tuple[Any, dict[str, Any]]:
    """The project's family of fields, and where in the field its parameter stands."""
    options: dict[str, Any] = {"reward": True, "control": control}
    if kind == "teacher":
        return families.teacher_family(mdp, rule, 1, **options), {"action": 1}
    if kind == "reward":
        return families.reward_family(mdp, rule, 2, 0, **options), {"state": 2, "action": 0}
    if kind == "mixture":
        return families.mixture_family(mdp, rule, reward=True), {}
    return getattr(families, f"{kind}_family")(mdp, rule, **options), {}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", [rule for rule in rules.TABLE if rule != "value-gate"])
def test_the_family_is_the_projects(kind: str, rule: str) -> None:
    """F of the checker, with mu put in, and the project's field, on a random MDP with shared observations."""
    mdp = random.garnet(7, 4, 3, 2, "9/10", observations=3)
    control = "mix:1/3" if kind == "mixture" else TABLE[rule].control
    made, place = family_of(kind, mdp, rule, control)
    family = read_family(field_json(Field(mdp, rule, control=control, reward=True)), {"kind": kind, **place})
    rng = np.random.default_rng(1)
    theta = rng.normal(size=(3, 3))
    numbers = PowerSeries(Enclosures(100), 1, 0, Work(10**6))
    x = [numbers.number(Fraction(y)) for y in (theta[:, 1:] - theta[:, :1]).ravel()]
    for mu in (0.25, 0.625):
        F = np.asarray(made(mu)(theta)).reshape(3, 3)
        found = motion(family)(numbers, x, numbers.number(Fraction(mu)))
        middle = [float(sum(ends(numbers.derivative(y)))) / 2 for y in found]
        assert np.allclose(middle, (F[:, 1:] - F[:, :1]).ravel(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "low", "high", "allowed"),
    [
        *((kind, "-1", "2", False) for kind in ("alpha", "discount", "teacher", "mixture")),
        *((kind, "0", "1/2", False) for kind in ("alpha", "discount", "teacher", "mixture")),
        *((kind, "1/2", "1", False) for kind in ("discount", "teacher", "mixture")),
        *((kind, "1/3", "1/2", True) for kind in KINDS),
        *((kind, "-5", "5", True) for kind in ("sharpness", "reward")),
        ("alpha", "1/2", "5", True),
    ],
)
def test_the_ranges_are_open(kind: str, low: str, high: str, allowed: bool) -> None:
    field = read_family(field_json(Field(zoo.load("swirl"), "on-policy")), {"kind": "alpha"}).field
    assert Family(field, kind, None, None).allows(Fraction(low), Fraction(high)) == allowed


def test_series_are_taylors() -> None:
    """log, exp and quotients of two variables: third derivatives that are known, and hold over boxes."""
    numbers = PowerSeries(Enclosures(128), 2, 3, Work(10**6))
    x, y = (numbers.variable(j, numbers.base.number(Fraction(j + 2))) for j in range(2))
    z = numbers.log(numbers.exp(x * y) / x)  # xy − log x at (2, 3)
    assert close(numbers.derivative(z, 0, 0, 0), Fraction(-1, 4)) and close(numbers.derivative(z, 0, 1), 1)
    assert close(numbers.derivative(z, 0), 3 - Fraction(1, 2)) and close(numbers.derivative(z, 1, 1, 0), 0)
    wide = numbers.variable(0, numbers.base.between(Fraction(1), Fraction(2)))
    low, high = ends(numbers.derivative(numbers.exp(numbers.log(wide)) / (wide * wide), 0, 0, 0))
    assert low <= -6 and high >= Fraction(-6, 16)  # (1/x)''' on [1, 2]
    with pytest.raises(Vanishing):
        x / (wide - numbers.number(Fraction(3, 2)))
    with pytest.raises(Refused):
        numbers.log(wide - numbers.number(Fraction(3, 2)))


def test_series_solve() -> None:
    numbers = PowerSeries(Enclosures(128), 3, 3, Work(10**6))
    u = [numbers.variable(j, numbers.base.number(Fraction(j + 1, 3))) for j in range(3)]
    one = numbers.number(Fraction(1))
    M = [[one + u[0] * u[1], u[2], one], [u[1], one / u[0], u[0]], [numbers.number(Fraction(0)), u[2], u[1] * u[1]]]
    B = [[u[0], one], [u[1] * u[2], u[0]], [one, numbers.number(Fraction(0))]]
    X = numbers.solve(M, B)
    for i in range(3):
        for c in range(2):
            rest = M[i][0] * X[0][c] + M[i][1] * X[1][c] + M[i][2] * X[2][c] - B[i][c]
            assert len(rest.terms) == 20
            assert all(low <= 0 <= high and high - low < 1e-25 for low, high in map(ends, rest.terms.values()))


@pytest.mark.parametrize(
    ("roots", "count"), [([1], 1), ([-1], 0), ([2, -3], 1), ([-1, -2, -3], 0), ([5, 4, -1, -2, 3], 3)]
)
def test_routh_counts(roots: list[int], count: int) -> None:
    numbers = Enclosures(64)
    c = [float(x) for x in np.poly(roots)]
    assert positive_roots(numbers, [numbers.number(Fraction(x)) for x in c]) == count


@pytest.mark.parametrize("c", [[1, 0], [1, 0, 4], [1, 1, 4, 4], [1, -1, 0]])
def test_roots_on_the_axis_are_refused(c: list[int]) -> None:
    with pytest.raises(Refused, match="on the imaginary axis"):
        positive_roots(Enclosures(64), [Enclosures(64).number(Fraction(x)) for x in c])


def test_characteristic_and_complex_systems() -> None:
    numbers = Enclosures(100)
    J = np.random.default_rng(3).integers(-4, 5, (5, 5))
    entries = [[numbers.number(Fraction(int(x))) for x in row] for row in J]
    for found, known in zip(characteristic(numbers, entries), np.poly(J.astype(float)), strict=True):
        assert abs(float(sum(ends(found))) / 2 - known) < 1e-8
    N = [[numbers.number(Fraction(int(x))) for x in row] for row in J.T]
    v = [numbers.number(Fraction(k)) for k in range(5)]
    x, y = solve_complex(numbers, entries, N, v, v)
    known = np.linalg.solve(J + 1j * J.T, np.arange(5) * (1 + 1j))
    assert np.allclose([float(sum(ends(z))) / 2 for z in x], known.real)
    assert np.allclose([float(sum(ends(z))) / 2 for z in y], known.imag)
    zero = [[numbers.number(Fraction(0))] * 5 for _ in range(5)]
    with pytest.raises(Vanishing):
        solve_complex(numbers, zero, zero, v, v)
