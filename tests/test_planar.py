"""Periodic orbits of the plane, proved or refused: known systems, the models of C4 and C5, controls that must fail."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from dynamics.fields import Field, FunctionField, in_chart
from dynamics.motion import flow
from dynamics.orbits import Orbit, shoot
from mdp import random, zoo
from proofs.certificates import Refusal
from proofs.cycles import Annulus, TrappingBox, polygons, settles, trapping_box
from proofs.cycles.absence import Dulac, NoCycle, Settles, has_sign, no_cycle
from proofs.cycles.annulus import annulus, crosses, ring
from proofs.cycles.planar import outward, prove_planar
from proofs.enclosures import Interval, system
from proofs.enclosures.systems import from_function


def van_der_pol(x, y):
    return [y, (1 - x * x) * y - x]


def brusselator(x, y):
    return [1 - 4 * x + x * x * y, 3 * x - x * x * y]


def circle(x, y):
    r = x * x + y * y
    return [x - y - x * r, x + y - y * r]


def backwards(function):
    return lambda x, y: [-u for u in function(x, y)]


def orbit_of(function, start, period):
    found = shoot(FunctionField(lambda z: np.array(function(*z)), (2,)), start, period)
    assert found is not None
    return found


def swirl():
    return Field(zoo.load("swirl"), "reverse-kl", reward=True)


def aliased():
    return Field(zoo.load("aliased-cycle"), "on-policy", reward=True)


def ngon(radius, n=64, centre=(0.0, 0.0)):
    t = 2 * np.pi * np.arange(n) / n
    return np.stack([centre[0] + radius * np.cos(t), centre[1] + radius * np.sin(t)], 1)


# --- method B ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", [swirl, aliased])
def test_the_planar_cycles_of_the_zoo_are_proved(field):
    proof = prove_planar(field())
    assert isinstance(proof, TrappingBox)
    (point,) = proof.rest.points
    assert point.trace.lo > 0 and point.determinant.lo > 0
    fact = proof.fact()
    assert fact["kind"] == "trapping-box" and all(Fraction(a) < Fraction(b) for a, b in fact["box"])


def test_a_circle_is_proved():
    assert prove_planar(from_function("circle", 2, circle))


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x, y: [-y, x], "no box"),
        (lambda x, y: [-2 * x - y, x - 2 * y], "the rest point in the box is a sink; must be a source"),
        (lambda x, y: [x - y, x + y], "no box"),
        (lambda x, y: [x - x * x * x, y - y * y * y], "holds 9 rest points"),
    ],
)
def test_systems_without_cycles_are_refused_with_the_reason(function, reason):
    found = prove_planar(from_function("control", 2, function))
    assert isinstance(found, Refusal) and not found and reason in found.reason


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((-0.5, 0.5), "points outward somewhere on the face x1 = -0.5"),
        ([[1.5, 3], [1.5, 3]], "points outward"),
        ([[0.05, 2], [-2, 2]], "the face x1 = 0.05"),
    ],
)
def test_a_wrong_box_is_refused(box, reason):
    found = trapping_box(from_function("circle", 2, circle), box)
    assert isinstance(found, Refusal) and reason in found.reason


def test_a_face_that_the_field_only_touches_is_not_inward():
    """x' = −x (y² + tiny …): at y = 0 the field is along the face: not strictly inward."""
    at = from_function("touch", 2, lambda x, y: [-x * y * y, -y])
    assert "x1" in outward(at, Interval(-np.ones(2), np.ones(2)))


def test_three_coordinates_are_refused():
    found = prove_planar(Field(zoo.load("corridor-cycle"), "on-policy", reward=True))
    assert isinstance(found, Refusal) and "3 coordinates" in found.reason


def test_a_field_that_jumps_is_refused():
    field = Field(zoo.load("swirl"), "value-gate", reward=True)
    for found in (prove_planar(field), ring(field, ngon(2.0), ngon(1.0)), no_cycle(field, (-1, 1))):
        assert isinstance(found, Refusal) and "value gate" in found.reason


def test_a_callable_cannot_be_proved():
    with pytest.raises(ValueError, match="cannot be enclosed"):
        prove_planar(FunctionField(lambda x: -x, (2,)))


@pytest.mark.parametrize("k", range(4))
def test_gradients_are_never_given_a_cycle(k):
    field = Field(random.episodic(k, 2, 2, discount="9/10"), "n-distill-kl", reward=True)
    assert isinstance(prove_planar(field), Refusal)


# --- method A ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "start", "period"),
    [(van_der_pol, [2.0, 0.0], 6.66), (brusselator, [1.0, 1.6], 7.15), (circle, [1, 0], 6.28)],
)
@pytest.mark.parametrize("turned", [False, True])
def test_known_cycles_are_ringed_forwards_and_backwards(function, start, period, turned):
    given = backwards(function) if turned else function
    orbit = orbit_of(function, start, period)
    proof = annulus(from_function("known", 2, given), orbit)
    assert isinstance(proof, Annulus) and proof.crossing == ("outward" if turned else "inward")
    inside = polygons.on_grid(orbit.theta[:-1:40])
    assert polygons.is_inside(inside, polygons.on_grid(proof.outer))
    assert polygons.is_inside(polygons.on_grid(proof.inner), inside)


@pytest.mark.parametrize(
    ("field", "start", "period"),
    [(swirl, [2.9304575, 0.85229694], 6.48894425), (aliased, [-1.28109625, 0.69750542], 10.5755107)],
)
def test_the_planar_cycles_of_the_zoo_are_ringed(field, start, period):
    field = field()
    seen = in_chart(field, "differences")
    once = flow(field, seen.to_parameters(np.array(start)[:, None]), period, rtol=1e-8, samples=801)
    orbit = Orbit(period, once.theta, np.array([0.0]), 1.0, 0.0)  # the ring is proved whatever it is drawn from
    proof = annulus(field, orbit)
    assert isinstance(proof, Annulus) and proof.crossing == "inward"
    assert proof.fact()["kind"] == "annulus" and len(proof.fact()["outer"]) == len(proof.outer)
    narrow = annulus(field, orbit, 0.02)
    assert polygons.is_inside(polygons.on_grid(narrow.outer), polygons.on_grid(proof.outer))


def test_a_centre_has_no_ring():
    orbit = orbit_of(circle, [1.0, 0.0], 6.28)  # the same circle
    found = annulus(from_function("centre", 2, lambda x, y: [-y, x]), orbit)
    assert isinstance(found, Refusal) and "neither attracts nor repels" in found.reason


RING = from_function("circle", 2, circle)


def test_a_ring_by_hand():
    assert ring(RING, ngon(1.2), ngon(0.8))


@pytest.mark.parametrize(
    ("outer", "inner", "crossing", "reason"),
    [
        (ngon(1.2), ngon(0.8), "outward", "does not cross an edge of the outer polygon"),
        (ngon(0.8), ngon(1.2), "inward", "does not lie inside"),
        (ngon(1.2)[::-1], ngon(0.8), "inward", "outer polygon is not simple and anticlockwise"),
        (ngon(1.2), ngon(0.8)[[1, 0, *range(2, 64)]], "inward", "inner polygon is not simple"),
        (ngon(0.9), ngon(0.7), "inward", "outer polygon"),
        (ngon(1.4), ngon(1.2), "inward", "inner polygon"),
        (ngon(1.2), ngon(0.1, centre=(0.5, 0.0)), "inward", "inner polygon"),
        (ngon(1.2, 4), ngon(0.8), "inward", "outer polygon"),
    ],
)
def test_wrong_rings_are_refused(outer, inner, crossing, reason):
    found = ring(RING, outer, inner, crossing)
    assert isinstance(found, Refusal) and reason in found.reason


def test_a_rest_point_in_the_ring_is_seen():
    """A sink without a cycle: the outer circle is crossed inward, and so is a polygon beside the sink, from within."""
    at = from_function("source", 2, lambda x, y: [x * (1 - x * x - y * y), y * (1 - x * x - y * y)])
    found = ring(at, ngon(1.5), ngon(0.5))
    assert isinstance(found, Refusal) and "rest points in the ring" in found.reason


def test_an_unknown_crossing_is_refused():
    with pytest.raises(ValueError, match="crossing"):
        ring(RING, ngon(1.2), ngon(0.8), "sideways")


def test_polygons_beyond_the_grid_are_refused():
    with pytest.raises(ValueError, match="polygon reaches"):
        ring(RING, ngon(1000.0), ngon(0.8))


def test_an_edge_whose_end_is_only_touched_is_not_crossed():
    """F = (1, x): along y = 0 the flow crosses for x > 0 only; the edge from x = 0 is touched at its end."""
    at = from_function("touch", 2, lambda x, y: [1 + 0 * x, x])
    triangle = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]])
    assert crosses(at, triangle, 1) is not None


def test_polygons_touching_are_not_inside():
    square = np.array([[0, 0], [8, 0], [8, 8], [0, 8]])
    assert not polygons.is_inside(np.array([[0, 2], [4, 2], [4, 4]]), square)
    assert polygons.is_inside(np.array([[1, 2], [4, 2], [4, 4]]), square)


# --- absence ----------------------------------------------------------------------------------------------------------


def test_a_cycle_is_never_proved_absent():
    for function, box in ((circle, (-2, 2)), (van_der_pol, (-4, 4))):
        found = no_cycle(from_function("known", 2, function), box)
        assert isinstance(found, Refusal) and "D" in found.reason


def test_a_given_function_that_does_not_serve_is_refused():
    found = no_cycle(RING, (-2, 2), dulac=Dulac())
    assert isinstance(found, Refusal) and "D = 1" in found.reason


def test_predators_and_prey_with_crowding_have_no_cycle():
    """x' = x (1 − x − y), y' = y (x − 1/2) in logarithms u, v: div = −e^u < 0."""
    at = from_function("crowded", 2, lambda u, v: [1 - u.exp() - v.exp(), u.exp() - 0.5])
    found = no_cycle(at, (-3, 1), dulac=Dulac())
    assert isinstance(found, NoCycle) and found.sign == "-" and str(found.dulac) == "1"


def test_only_a_weight_proves_this_one():
    """F = (−y, x − y + x² + y²): div = −1 + 2y changes sign; exp(−2x) makes it −1 (Perko, section 3.9, problem 3)."""
    at = from_function("weighted", 2, lambda x, y: [-y, x - y + x * x + y * y])
    weight = Dulac(exp=(Fraction(2), Fraction(0)))
    assert isinstance(no_cycle(at, (-2, 2), dulac=Dulac()), Refusal)
    assert isinstance(no_cycle(at, (-2, 2), dulac=weight), NoCycle)
    assert isinstance(no_cycle(at, (-2, 2)), NoCycle)


@pytest.mark.parametrize("k", range(4))
def test_two_states_never_cycle_on_policy(k):
    """D = det(I − g P)² / Π p (1 − p): div(D F) < 0 for on-policy distillation with reward in two states."""
    field = Field(random.episodic(k, 2, 2, discount=("1", "9/10")[k % 2]), "on-policy", reward=True)
    weight = Dulac(bump=(Fraction(-1), Fraction(-1)), det=Fraction(2))
    found = no_cycle(field, (-5, 5), dulac=weight)
    assert isinstance(found, NoCycle) and found.sign == "-"
    assert found.fact()["dulac"] == {"exp": ["0", "0"], "bump": ["-1", "-1"], "det": "2", "visits": ["0", "0"]}


@pytest.mark.parametrize(("field", "source"), [(swirl, (2.793, 1.136)), (aliased, (-0.651, 0.090))])
def test_the_weight_does_not_serve_where_there_is_a_cycle(field, source):
    weight = Dulac(bump=(Fraction(-1), Fraction(-1)), det=Fraction(2))
    around = Interval(np.array(source) - 0.05, np.array(source) + 0.05)
    assert not has_sign(system(field()), around, weight, "-")


def test_the_divergence_of_a_weighted_field_by_finite_differences():
    """div(D F) / D against differences of D F in floats, with every exponent in use."""
    from proofs.cycles.absence import _terms
    from proofs.enclosures import of, of_fractions

    field = aliased()
    seen, at = in_chart(field, "differences"), system(field)
    weight = Dulac(
        (Fraction(1, 2), Fraction(-1)),
        (Fraction(-1), Fraction(2)),
        Fraction(3, 2),
        (Fraction(1), Fraction(-1), Fraction(1, 2)),
    )

    def weighted(x):
        policy = field.policy(seen.to_parameters(x.reshape(seen.shape)))
        p = 1 / (1 + np.exp(-x))
        matrix = np.eye(3) - field.mdp.discount * np.einsum("sa,sat->st", policy.p, field.mdp.P)
        d = field.mdp.initial @ np.linalg.inv(matrix)
        D = np.exp(weight.exp @ x) * np.prod((p * (1 - p)) ** np.array(weight.bump, float))
        D = D * np.linalg.det(matrix) ** 1.5 * np.prod(d ** np.array(weight.visits, float))
        return D, D * seen(x.reshape(seen.shape)).ravel()

    h = 1e-5
    for x in np.random.default_rng(0).normal(size=(3, 2)):
        expected = (
            sum((weighted(x + h * e)[1] - weighted(x - h * e)[1]) @ e / (2 * h) for e in np.eye(2)) / weighted(x)[0]
        )
        divergence, terms = _terms(at, of(x[:, None]))
        total = divergence + (terms * of_fractions(weight.exponents)[:, None]).sum(0)
        assert abs(total.mid[0] - expected) < 1e-6 * (1 + abs(expected)) and total.width[0] < 1e-9


def test_a_gradient_field_settles():
    field = Field(zoo.load("swirl"), "reverse-kl-corrected", reward=True)
    found = settles(field, [[-0.5, 3.5], [-0.5, 6.5]])
    assert isinstance(found, Settles) and [p.type for p in found.rest.points] == ["sink"]
    assert found.fact()["kind"] == "settles" and "the one rest point" in str(found)


@pytest.mark.parametrize(
    ("field", "box", "reason"),
    [
        (swirl(), (-12, 12), "not proved to be a gradient"),
        (Field(zoo.load("swirl"), "reverse-kl-corrected", reward=True), (0, 1), "outward"),
    ],
)
def test_what_does_not_settle_is_refused(field, box, reason):
    found = settles(field, box)
    assert isinstance(found, Refusal) and reason in found.reason


def test_facts_need_a_field_of_an_mdp():
    with pytest.raises(ValueError, match="no field of an MDP"):
        prove_planar(from_function("circle", 2, circle)).fact()
