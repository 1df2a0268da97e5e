"""Rest points: known ones are found and named rightly, and nothing that merely vanishes is taken for one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dynamics.fields import Field, FunctionField
from dynamics.orbits import rest_point, rest_points, rest_points_in_plane
from dynamics.orbits.equilibria import classify
from mdp import Array, random, student, zoo

WIDE = (-12.0, 12.0)


def plane(function: Callable[[Array], Array]) -> FunctionField:
    return FunctionField(function, (2,))


def linear(matrix: list[list[float]], at: tuple[float, float] = (0.3, -0.7)) -> FunctionField:
    return plane(lambda x: np.array(matrix) @ (x - np.array(at)))


def log_odds(theta: Array) -> Array:
    return np.asarray(theta[:, 1] - theta[:, 0])


# --- analytic systems -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("matrix", "kind", "values"),
    [
        ([[0, 2], [-2, 0]], "centre (linear)", [2j, -2j]),
        ([[1, 0], [0, -3]], "saddle", [1, -3]),
        ([[-1, 0], [0, -3]], "stable node", [-1, -3]),
        ([[2, 0], [0, 1]], "unstable node", [2, 1]),
        ([[-0.1, 1], [-1, -0.1]], "stable focus", [-0.1 + 1j, -0.1 - 1j]),
        ([[0.1, 1], [-1, 0.1]], "unstable focus", [0.1 + 1j, 0.1 - 1j]),
        ([[1e-9, 0], [0, -1e-9]], "saddle", [1e-9, -1e-9]),
    ],
)
def test_linear_systems(matrix: list[list[float]], kind: str, values: list[complex]) -> None:
    (point,) = rest_points_in_plane(linear(matrix), (-2, 2), (-2, 2))
    assert point.type == kind
    np.testing.assert_allclose(point.theta, [0.3, -0.7], atol=1e-12)
    np.testing.assert_allclose(point.eigenvalues, values, rtol=1e-9)
    assert point.residual < 1e-12


def test_van_der_pol() -> None:
    field = plane(lambda x: np.array([x[1], 0.5 * (1 - x[0] ** 2) * x[1] - x[0]]))
    (point,) = rest_points_in_plane(field, (-4, 4), (-5, 5))
    assert point.type == "unstable focus"
    np.testing.assert_allclose(point.eigenvalues, [0.25 + 1j * np.sqrt(1 - 1 / 16), 0.25 - 1j * np.sqrt(1 - 1 / 16)])


def test_all_of_many() -> None:
    """x' = sin x, y' = sin y: 25 rest points in a window, nodes and saddles by parity."""
    found = rest_points_in_plane(plane(np.sin), (-7, 7), (-7, 7))
    assert len(found) == 25
    for point in found:
        signs = np.cos(point.theta)
        kinds = {2: "unstable node", 0: "saddle", -2: "stable node"}
        assert point.type == kinds[round(signs.sum())]
    places = [tuple(point.theta.round(6)) for point in found]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.array([1 + x[0] ** 2, x[1]]),
        lambda x: np.exp(-np.abs(x)) + 0 * x,
        lambda x: np.array([1 / np.cosh(x[0]), 1 / np.cosh(x[1])]),
        lambda x: np.array([np.ones(2)[0], 0.0]) + 0 * x,
    ],
)
def test_a_field_with_none(function: Callable[[Array], Array]) -> None:
    field = plane(function)
    assert rest_points_in_plane(field, WIDE, WIDE) == ()
    assert rest_point(field, [8.0, 9.0]) is None


def test_a_double_zero_is_called_degenerate() -> None:
    found = rest_point(plane(lambda x: np.array([x[0] ** 2, -x[1]])), [0.3, 0.2])
    assert found is not None
    assert found.type == "degenerate"
    assert abs(found.theta[0]) < 1e-6


def test_a_line_of_rest_points_is_none() -> None:
    assert rest_point(plane(lambda x: np.array([x[0], x[0]])), [0.3, 0.2]) is None


def test_a_guess_far_away_and_one_dimension() -> None:
    cubic = FunctionField(lambda x: x - x**3, (1,))
    assert [point.type for point in rest_points(cubic, [[-9.0], [0.01], [7.0], [7.1]])] == [
        "stable",
        "unstable",
        "stable",
    ]


def test_a_function_of_two_rows_is_not_taken_for_logits() -> None:
    """Only an MDP's field has the gauge freedom: here shifting a row does change the field."""
    field = FunctionField(lambda x: np.array([[1.0, 2.0], [3.0, 4.0]]) - x, (2, 2))
    found = rest_point(field, np.zeros((2, 2)))
    assert found is not None
    assert found.type == "stable"
    np.testing.assert_allclose(found.theta, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0.0, -1.0], "degenerate"),
        ([1e-12 + 1j, 1e-12 - 1j, -1.0], "centre (linear)"),
        ([1.0, 1.0, -1.0], "saddle, 2 unstable"),
        ([0.1 + 1j, 0.1 - 1j, -1.0], "saddle-focus, 2 unstable"),
        ([-0.1 + 1j, -0.1 - 1j, 1.0], "saddle-focus, 1 unstable"),
        ([1.0, 2.0, 3.0], "unstable"),
    ],
)
def test_types(values: list[complex], kind: str) -> None:
    assert classify(values) == kind


# --- the zoo's, from the theory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "rule", "kind", "place", "digits"),
    [
        ("swirl", "reverse-kl", "unstable focus", (2.79304, 1.13600), 5e-6),
        ("swirl", "reverse-kl-corrected", "stable node", (3.315655, 1.909093), 5e-7),
        ("swirl", "on-policy", "stable node", (1.98071, 1.89261), 5e-6),
        ("aliased-cycle", "n-distill", "stable node", (0.4621, 4.3438), 5e-5),
        ("fig2", "on-policy", "centre (linear)", (0.0, 0.0), 1e-12),
    ],
)
def test_known_planar_points(name: str, rule: str, kind: str, place: tuple[float, float], digits: float) -> None:
    """C1, C4 and C5: the only finite rest point, within the digits given."""
    field = Field(zoo.load(name), rule, reward=True)
    (point,) = rest_points_in_plane(field, WIDE, WIDE)
    assert point.type == kind
    np.testing.assert_allclose(log_odds(point.theta), place, atol=digits)
    np.testing.assert_allclose(point.theta.sum(-1), 0, atol=1e-12)  # rows centred
    assert np.abs(field(point.theta)).max() < 1e-12 * (1 + np.abs(field.jacobian(point.theta)).max())


def test_aliased_cycle_has_an_unstable_focus_and_fig2_corrected_nothing() -> None:
    (point,) = rest_points_in_plane(Field(zoo.load("aliased-cycle"), "on-policy", reward=True), WIDE, WIDE)
    assert point.type == "unstable focus"
    assert rest_points_in_plane(Field(zoo.load("fig2"), "n-distill", reward=True), WIDE, WIDE) == ()


def test_corridor_cycle() -> None:
    """C2: N-distill + R rests at (−1.9865, −4.4004, −3.4586) in theta[left] − theta[right]."""
    corridor = zoo.load("corridor-cycle")
    point = rest_point(Field(corridor, "n-distill", reward=True), np.zeros((3, 2)))
    assert point is not None
    assert point.type == "stable"
    np.testing.assert_allclose(-log_odds(point.theta), (-1.9865, -4.4004, -3.4586), atol=5e-5)
    other = rest_point(Field(corridor, "on-policy", reward=True), np.zeros((3, 2)))
    assert other is not None
    assert other.type == "saddle-focus, 2 unstable"


def test_a_sigmoid_student_moves_at_half_the_speed() -> None:
    swirl = zoo.load("swirl")
    field = Field(swirl, "reverse-kl", reward=True, student=student.sigmoid(swirl.observation))
    (point,) = rest_points_in_plane(field, (0, 5), (0, 5))
    (whole,) = rest_points_in_plane(Field(swirl, "reverse-kl", reward=True), (0, 5), (0, 5))
    np.testing.assert_allclose(point.theta, log_odds(whole.theta), atol=1e-9)
    np.testing.assert_allclose(2 * point.eigenvalues, whole.eigenvalues, rtol=1e-9)


def test_p1_the_teacher_is_the_only_rest_point() -> None:
    """P1: on-policy distillation without reward, tabular: the teacher, with real negative eigenvalues."""
    for seed in range(4):
        mdp = random.episodic(seed, 2, 2, discount="0.9")
        (point,) = rest_points_in_plane(Field(mdp, "on-policy"), WIDE, WIDE)
        assert point.type == "stable node"
        assert mdp.teacher is not None
        np.testing.assert_allclose(log_odds(point.theta), np.log(mdp.teacher[:, 1] / mdp.teacher[:, 0]), atol=1e-9)


# --- nothing at the boundary ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["er", "eer", "reward", "n-distill", "on-policy", "reverse-kl"])
def test_no_false_rest_points_at_the_boundary(rule: str) -> None:
    """A rest point must change the sign of both components around it: the field's index on a small circle is ±1.

    The index needs neither Newton's iteration nor a Jacobian; a field that merely fades out has index 0.
    """
    angles = np.linspace(0, 2 * np.pi, 65)
    circle = np.stack([np.cos(angles), np.sin(angles)], -1)
    for seed in range(6):
        field = Field(random.episodic(seed, 2, 2, discount="0.9"), rule, reward=True)
        for point in rest_points_in_plane(field, WIDE, WIDE):
            x = log_odds(point.theta) + 1e-3 * circle
            velocity = field(np.stack([-x / 2, x / 2], -1))
            moved = velocity[..., 1] - velocity[..., 0]
            shrinking = 0.25 / np.cosh(x / 2) ** 2  # positive: it moves no zero and no index
            way = np.unwrap(np.arctan2(*(moved / shrinking).T[::-1]))
            assert abs(way[-1] - way[0]) == pytest.approx(2 * np.pi, abs=1e-6)


@pytest.mark.parametrize("rule", ["er", "reward"])
def test_newton_from_far_out_finds_no_rest_there(rule: str) -> None:
    """ER and the plain policy gradient have no finite rest point in a one-state bandit: logits run off."""
    field = Field(zoo.load("bandit"), rule, reward=True)
    for theta in np.random.default_rng(0).normal(scale=8.0, size=(12, *field.shape)):
        assert rest_point(field, theta) is None


def test_a_state_that_is_never_visited_leaves_no_isolated_rest_point() -> None:
    field = Field(zoo.load("swirl").replace(initial=[1, 0]), "teacher", control="teacher")
    assert rest_point(field, np.zeros((2, 2))) is not None
    one = Field(zoo.load("chain").replace(initial=[0, 1]), "on-policy")  # s0 cannot be reached from s1
    assert rest_point(one, np.zeros((2, 2))) is None


# --- bad input --------------------------------------------------------------------------------------------------------


def test_bad_input_is_one_line() -> None:
    field = plane(lambda x: x)
    with pytest.raises(ValueError, match=r"^theta has shape \(3,\); must be \(2,\)$"):
        rest_point(field, [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"^the field has 3 coordinates; a plane has 2$"):
        rest_points_in_plane(FunctionField(lambda x: x, (3,)), (-1, 1), (-1, 1))
    with pytest.raises(ValueError, match=r"^ylim is \(1, nan\); must be two finite numbers, the smaller first$"):
        rest_points_in_plane(field, (-1, 1), (1, float("nan")))
