"""Enclosures over boxes, and the list of all rest points: known systems, another evaluation of eq. (1), controls."""

from __future__ import annotations

import json
from fractions import Fraction

import flint
import numpy as np
import pytest
from click.testing import CliRunner

from dynamics.fields import Field, FunctionField, in_chart
from dynamics.fields import update as eq1
from dynamics.orbits import rest_points_in_plane
from dynamics.rules import TABLE
from mdp import Policy, random, zoo
from proofs.cycles import certified_rest_points
from proofs.cycles.rest_points import krawczyk
from proofs.enclosures import Interval, field_and_jacobian, of, of_fractions, scaled, system, variables
from proofs.enclosures.systems import from_function
from proofs.exact import balls, objects, precision, setting
from vorticity.commands.cycles import cycles

CONTROLS = (None, "teacher", "uniform", "mix:1/3")


def swirl():
    return Field(zoo.load("swirl"), "reverse-kl", reward=True)


def boxes_around(points, width):
    return Interval(points - width / 2, points + width / 2)


# --- intervals --------------------------------------------------------------------------------------------------------


def test_every_operation_encloses_the_exact_result():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 300)) * 10.0 ** rng.integers(-160, 150, size=(2, 300))
    for name, op in (
        ("+", lambda a, b: a + b),
        ("-", lambda a, b: a - b),
        ("*", lambda a, b: a * b),
        ("/", lambda a, b: a / b),
    ):
        found = op(of(x), of(y))
        for a, b, lo, hi in zip(x, y, found.lo, found.hi, strict=True):
            exact = op(Fraction(a), Fraction(b))
            low, high = (Fraction(z) if np.isfinite(z) else None for z in (lo, hi))
            assert (low is None or low < exact) and (high is None or exact < high), (name, a, b)


def test_underflow_is_enclosed():
    tiny = of(np.array([1e-200]))
    assert (tiny * tiny).lo < 0 < (tiny * tiny).hi


def test_division_by_an_interval_that_holds_zero_says_nothing():
    found = of(1.0) / Interval(np.array([-1.0, 0.0]), np.array([1.0, 1.0]))
    assert np.isneginf(found.lo).all() and np.isposinf(found.hi).all()


def test_what_is_not_a_number_proves_nothing():
    broken = Interval(np.array([np.nan]), np.array([np.nan]))
    assert broken.holds_zero()[0] and not broken.inside(Interval(np.array([-1.0]), np.array([1.0])))[0]


def test_a_fraction_lies_in_its_interval():
    found = of_fractions(Fraction(1, 10))
    assert Fraction(float(found.lo)) < Fraction(1, 10) < Fraction(float(found.hi))


# --- the field over boxes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", TABLE)
@pytest.mark.parametrize("reward", [False, True])
def test_the_field_and_its_jacobian_lie_in_their_enclosures(rule, reward):
    rng = np.random.default_rng(1)
    for k, control in enumerate(CONTROLS):
        mdp = random.episodic(k, 3, 2 + k % 2, discount=("1", "9/10")[k // 2], observations=2 + k % 2)
        field = Field(mdp, rule, control=control, reward=reward)
        seen, at = in_chart(field, "differences"), system(field)
        middles = rng.normal(size=(at.size, 12))
        for width in (0.0, 0.3):
            inner = middles + width * (rng.random(middles.shape) - 0.5)
            value, jacobian = field_and_jacobian(at, boxes_around(middles, width))
            points = inner.T.reshape(-1, *seen.shape)
            F = seen(points).reshape(-1, at.size).T
            J = np.moveaxis(seen.jacobian(points), 0, -1)
            for exact, box in ((F, value), (J, jacobian)):
                slack = 1e-10 * (1 + np.abs(exact).max())
                assert (box.lo - slack <= exact).all() and (exact <= box.hi + slack).all()
                if width == 0:
                    assert (box.width < 1e-8 * (1 + np.abs(exact).max())).all()


def test_balls_through_eq1_itself_lie_in_the_enclosure():
    """The same equation by `dynamics.fields.update` in Arb, at a point: logits 1/3, policy by balls."""
    field = swirl()
    with precision(128):
        numbers = balls()
        at = setting(field, numbers)
        z = flint.arb(flint.fmpq(1, 3))
        p1 = 1 / (1 + (-z).exp())
        table = objects([1 - p1, p1] * 2, (2, 2))
        student = Policy(table, numbers.log(table))
        F = eq1.update(at.problem, student)
        J = eq1.jacobian(at.problem, student)
        exact = [F[s, 1] - F[s, 0] for s in range(2)]
        slopes = [[J[2 * s + 1, 2 * u + 1] - J[2 * s, 2 * u + 1] for u in range(2)] for s in range(2)]
        box = of_fractions([Fraction(1, 3)] * 2)[:, None]
        value, jacobian = field_and_jacobian(system(field), box)
        for s in range(2):
            assert value.lo[s, 0] < exact[s] and exact[s] < value.hi[s, 0]
            for u in range(2):
                assert jacobian.lo[s, u, 0] < slopes[s][u] and slopes[s][u] < jacobian.hi[s, u, 0]


def test_eq1_in_balls_over_a_box_encloses_too():
    """`dynamics.fields.update` does work with balls that are wide; it is the arrangement that makes them narrow."""
    field, width = swirl(), 2.0**-6
    with precision(128):
        numbers = balls()
        at = setting(field, numbers)
        z = flint.arb(1).union(flint.arb(1 + width))
        p1 = 1 / (1 + (-z).exp())
        p0 = 1 / (1 + z.exp())
        table = objects([p0, p1] * 2, (2, 2))
        F = eq1.update(at.problem, Policy(table, numbers.log(table)))
        wide = [F[s, 1] - F[s, 0] for s in range(2)]
        value, _ = field_and_jacobian(system(field), Interval(np.full((2, 1), 1.0), np.full((2, 1), 1 + width)))
        for s in range(2):
            assert wide[s].overlaps(flint.arb(float(value.mid[s, 0])))
            assert float(wide[s].rad()) > value.width[s, 0]


def test_scaled_has_the_signs_of_the_field():
    at = system(swirl())
    points = np.random.default_rng(2).normal(size=(2, 200)) * 3
    G, F = scaled(at, of(points)), field_and_jacobian(at, of(points))[0]
    assert G.signs.all()
    assert ((G.value.lo > 0) == (F.lo > 0)).all() and ((G.value.hi < 0) == (F.hi < 0)).all()


def test_the_mean_value_form_shrinks_with_the_square_of_the_box():
    (x,) = variables(Interval(np.array([[1.0, 1.0]]), np.array([[1.1, 1.01]])))
    excess = (x * x - 2 * x).value.width - np.array([0.01, 0.0001])
    assert excess[0] < 0.03 and excess[1] < 0.0003


# --- rest points ------------------------------------------------------------------------------------------------------

ANALYTIC = {
    "spiral": (lambda x, y: [-x - y, x - y], [((0, 0), "sink")]),
    "source": (lambda x, y: [x - y, x + y], [((0, 0), "source")]),
    "centre": (lambda x, y: [-y, x], [((0, 0), "undecided")]),
    "saddles": (lambda x, y: [x - x * x * x, -y], [((-1, 0), "sink"), ((0, 0), "saddle"), ((1, 0), "sink")]),
    "none": (lambda x, y: [1 + x * x, y], []),
}


@pytest.mark.parametrize("name", ANALYTIC)
def test_known_systems_are_listed_completely(name):
    function, expected = ANALYTIC[name]
    found = certified_rest_points(from_function(name, 2, function), (-3, 5))
    assert found.complete
    listed = sorted((tuple(np.round(p.box.mid, 9) + 0.0), p.type) for p in found.points)
    assert listed == expected


def test_a_double_zero_is_undecided_never_counted():
    found = certified_rest_points(from_function("fold", 2, lambda x, y: [x * x, y]), (-1, 2), most=4000)
    assert not found.complete and not found.points
    assert "undecided" in str(found)


def test_a_zero_on_the_border_of_the_region_is_undecided():
    found = certified_rest_points(from_function("spiral", 2, ANALYTIC["spiral"][0]), [[0, 1], [-1, 1]])
    assert not found.complete


def test_a_zero_on_the_face_of_boxes_is_counted_once():
    found = certified_rest_points(from_function("spiral", 2, ANALYTIC["spiral"][0]), (-1, 1))
    assert found.complete and len(found.points) == 1


def test_swirl_has_exactly_one_rest_point_and_it_is_a_source():
    found = certified_rest_points(swirl())
    assert str(found) == "complete: exactly 1 rest point in [-12, 12]^2, proved"
    (point,) = found.points
    assert point.type == "source" and point.trace.lo > 0 and point.determinant.lo > 0
    assert point.box.width.max() < 1e-9 and np.abs(point.box.mid - [2.79304, 1.13600]).max() < 1e-5


@pytest.mark.parametrize("k", range(6))
def test_the_list_is_what_newton_finds_in_random_models(k):
    mdp = random.episodic(k, 2, 2, discount="9/10")
    field = Field(mdp, ("reverse-kl", "on-policy", "n-distill-kl")[k % 3], reward=True)
    found = certified_rest_points(field, (-8, 8))
    assert found.complete
    seen = in_chart(field, "differences")
    newton = [seen.from_parameters(p.theta).ravel() for p in rest_points_in_plane(field, (-8, 8), (-8, 8))]
    assert sorted(np.round(x, 6).tolist() for x in newton) == sorted(
        np.round(p.box.mid, 6).tolist() for p in found.points
    )


def test_three_actions_can_be_enclosed():
    field = Field(random.episodic(3, 1, 3), "reverse-kl", reward=True)
    found = certified_rest_points(field, (-13, 13))
    assert found.complete and [p.type for p in found.points] == ["sink"]


def test_three_coordinates_have_types_too():
    found = certified_rest_points(from_function("3d", 3, lambda x, y, z: [x - y, x + y, -z]), (-1, 2))
    assert found.complete and [p.type for p in found.points] == ["saddle"]


def test_a_box_around_a_line_of_zeros_is_left_undecided():
    found = certified_rest_points(from_function("line", 2, lambda x, y: [x - y, x - y]), (-1, 1), most=3000)
    assert not found.complete and not found.points


def test_krawczyk_says_nothing_where_the_middle_is_singular():
    image = krawczyk(of(np.zeros((2, 1))), of(np.zeros((2, 1))), of(np.ones((2, 2, 1))))
    assert np.isinf(image.lo).all()


def test_a_gate_is_open_shut_or_undecided():
    """A gated field is enclosed where the gate says nothing too; rest points there are never counted."""
    field = Field(zoo.load("swirl"), "value-gate", reward=True)
    at, seen = system(field), in_chart(field, "differences")
    rng = np.random.default_rng(4)
    middles = rng.normal(size=(2, 200)) * 4
    value, jacobian = field_and_jacobian(at, boxes_around(middles, 0.5))
    for _ in range(20):
        inner = middles + 0.5 * (rng.random(middles.shape) - 0.5)
        F = seen(inner.T.reshape(-1, 2, 1)).reshape(-1, 2).T
        assert (value.lo - 1e-9 <= F).all() and (value.hi + 1e-9 >= F).all()
    steady = np.isfinite(jacobian.lo).all((0, 1))
    assert 0 < steady.sum() < len(steady)


def test_a_gated_field_has_a_list_of_rest_points_or_undecided_boxes():
    found = certified_rest_points(Field(zoo.load("swirl"), "value-gate", reward=True), (-6, 6), most=4000)
    assert all(p.type in ("sink", "source", "saddle", "undecided") for p in found.points)
    assert isinstance(found.complete, bool)


def test_what_cannot_be_enclosed_is_refused_in_one_line():
    with pytest.raises(ValueError, match="cannot be enclosed") as caught:
        certified_rest_points(FunctionField(lambda x: -x, (2,)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("box", [(2, 1), (0, np.inf), "wide", [1, 2, 3]])
def test_a_box_that_is_none_is_refused(box):
    with pytest.raises(ValueError, match="box"):
        certified_rest_points(swirl(), box)


def test_the_command_certifies():
    options = ["fig2", "--rule", "n-distill", "--reward", "--starts", "1", "--prove", "--json"]
    shown = CliRunner().invoke(cycles, options)
    answer = json.loads(shown.stdout)
    assert answer["all_rest_points"]["complete"] and answer["all_rest_points"]["points"] == []


def test_a_complete_list_is_a_fact_and_an_incomplete_one_is_not():
    field = Field(zoo.load("swirl"), "reverse-kl-corrected", reward=True)
    fact = certified_rest_points(field, (-4, 4)).fact()
    assert fact["kind"] == "rest-points" and fact["box"] == [["-4", "4"]] * 2
    (point,) = fact["points"]
    assert point["type"] == "sink" and all(Fraction(a) < Fraction(b) for a, b in point["box"])
    with pytest.raises(ValueError, match="complete lists only"):
        certified_rest_points(field, (-4, 4), most=10).fact()
