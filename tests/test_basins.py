"""Basins against fields whose basins are known, and detectors that must fail."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from numpy.typing import NDArray

from dynamics.drawing import add_basins
from dynamics.drawing.portraits import portrait
from dynamics.fields import Field, FunctionField, VectorField
from dynamics.fields.families import alpha_family
from dynamics.orbits import Inventory, Orbit, RestPoint, annuli, distance, outcome, rest_point, shoot
from dynamics.orbits.annulus import encloses
from dynamics.portraits import UNDECIDED, Basins, basins, view
from mdp import zoo

Array = NDArray[np.float64]
INNER, OUTER = np.sqrt((1 - np.sqrt(0.2)) / 2), np.sqrt((1 + np.sqrt(0.2)) / 2)  # of the hard rotor at mu = −0.2


def wells(x: Array) -> Array:
    return np.stack([x[..., 0] - x[..., 0] ** 3, -x[..., 1]], -1)


def hard(x: Array) -> Array:
    """r' = r (−0.2 + r² − r⁴), angle' = 1, and z' = −z where there is a z."""
    square = x[..., :1] ** 2 + x[..., 1:2] ** 2
    turn = np.stack([-x[..., 1], x[..., 0]], -1) + x[..., :2] * (-0.2 + square - square**2)
    return np.concatenate([turn, -x[..., 2:]], -1)


def field(function: object, size: int = 2) -> FunctionField:
    return FunctionField(function, (size,), vectorised=True, analytic=True)  # type: ignore[arg-type]


def rest(of: VectorField, guess: list[float]) -> RestPoint:
    found = rest_point(of, guess)
    assert found is not None
    return found


def circle(of: VectorField, radius: float) -> Orbit:
    found = shoot(of, [radius, *np.zeros(of.size - 1)], 2 * np.pi, points=401)
    assert found is not None
    return found


def radii(seen: Basins) -> Array:
    return np.asarray(np.hypot(*np.meshgrid(seen.x, seen.y)))


def kinds(seen: Basins) -> Array:
    return np.array(["undecided", *(one.kind for one in seen.attractors)])[seen.label]


# --- known basins -----------------------------------------------------------------------------------------------------


def test_two_wells_are_parted_by_the_axis() -> None:
    of = field(wells)
    known = Inventory(tuple(rest(of, [a, 0.0]) for a in (-1.0, 0.0, 1.0)), (), None, "")
    seen = basins(view(of), (-2, 2), (-1, 1), 20, found=known)
    assert (np.broadcast_to(np.where(seen.x < 0, 1, 2), (20, 20)) == seen.label).all()
    assert (seen.undecided, seen.shares) == (0, (0.5, 0.5))


def test_starts_on_the_boundary_of_two_basins_are_undecided() -> None:
    of = field(wells)
    known = Inventory(tuple(rest(of, [a, 0.0]) for a in (-1.0, 0.0, 1.0)), (), None, "")
    seen = basins(view(of), (-2, 2), (-1, 1), 5, found=known, time=20.0)
    assert seen.x[2] == 0
    assert (seen.label[:, 2] == UNDECIDED).all()
    assert (seen.label[:, [0, 1, 3, 4]] != UNDECIDED).all()
    assert seen.undecided == 5


def test_an_attractor_that_was_not_known_is_discovered() -> None:
    of = field(wells)
    seen = basins(view(of), (-2, 2), (-1, 1), 4, found=Inventory((rest(of, [-1.0, 0.0]),), (), None, ""), time=20.0)
    assert (np.broadcast_to([1, 1, 2, 2], (4, 4)) == seen.label).all()
    point = seen.attractors[1].rest
    assert point is not None
    assert np.allclose(point.theta, [1.0, 0.0])


def test_what_leaves_every_bound_has_diverged() -> None:
    of = field(lambda x: np.stack([x[..., 0] ** 2 - 1, -x[..., 1]], -1))
    known = Inventory((rest(of, [-1.0, 0.0]), rest(of, [1.0, 0.0])), (), None, "")
    seen = basins(view(of), (-3, 3), (-1, 1), 6, found=known, time=30.0)
    assert (kinds(seen) == np.where(seen.x > 1, "diverged", "rest")).all()


@pytest.mark.parametrize("given", ["both cycles", "the stable cycle", "no cycle"])
def test_a_repelling_cycle_parts_rest_from_cycling(given: str) -> None:
    """What is not given is found: the stable cycle by an outcome, the repelling one by the return map."""
    of = field(hard)
    orbits = {"both cycles": (INNER, OUTER), "the stable cycle": (OUTER,), "no cycle": ()}[given]
    known = Inventory((rest(of, [0.01, 0.0]),), tuple(circle(of, r) for r in orbits), None, "")
    seen = basins(view(of), (-1.5, 1.5), (-1.5, 1.5), 16, found=known, time=60.0)
    r = radii(seen)
    assert np.abs(r - INNER).min() > 1e-3
    assert (kinds(seen) == np.where(r < INNER, "rest", "cycle")).all()


def test_a_slice_of_a_larger_system() -> None:
    """No rings in three dimensions: each start must come near its attractor."""
    of = field(hard, 3)
    known = Inventory((rest(of, [0.01, 0.0, 0.0]),), (circle(of, INNER), circle(of, OUTER)), None, "")
    seen = basins(view(of, coords=(0, 1), held=[0.0, 0.0, 0.5]), (-1.5, 1.5), (-1.5, 1.5), 10, found=known)
    assert (kinds(seen) == np.where(radii(seen) < INNER, "rest", "cycle")).all()


def test_an_orbit_hidden_beside_the_rest_point_lets_no_ring_pass() -> None:
    """r' = r (r² − e²)(1 − r²), e so small that every sample of the return map points outwards: no ring around 0."""

    def hidden(e: float) -> FunctionField:
        def turn(x: Array) -> Array:
            square = (x**2).sum(-1, keepdims=True)
            return np.stack([-x[..., 1], x[..., 0]], -1) + x * (square - e**2) * (1 - square)

        return field(turn)

    for e, seen in ((1e-3, 0), (0.5, 1)):  # a wider one shows between the samples
        of = hidden(e)
        found, new = annuli(of, [rest(of, [e / 100, 0.0])], [circle(of, 1.0)])
        assert len(found) == 1  # the outer one
        assert len(new) == seen


def test_a_repelling_rest_point_goes_nowhere_itself() -> None:
    of = field(lambda x: np.stack([-x[..., 1], x[..., 0]], -1) + x * (1 - (x**2).sum(-1, keepdims=True)))
    known = Inventory((rest(of, [0.01, 0.0]),), (circle(of, 1.0),), None, "")
    seen = basins(view(of), (-1.5, 1.5), (-1.5, 1.5), 5, found=known, time=5.0)
    assert (kinds(seen) == np.where(radii(seen) == 0, "undecided", "cycle")).all()


def test_nothing_is_said_of_a_centre() -> None:
    """Closed orbits in a family attract nothing, and no ring is made of them."""
    of = field(lambda x: np.stack([x[..., 1], -x[..., 0]], -1))
    point = RestPoint(np.zeros(2), np.array([1j, -1j]), "centre (linear)", 0.0)
    pair = (circle(of, 0.5), circle(of, 1.0))
    assert annuli(of, [point], pair) == ((), ())
    seen = basins(view(of), (-1, 1), (-1, 1), 4, found=Inventory((point,), (), pair[0], ""), time=20.0)
    assert (seen.undecided, seen.attractors) == (16, ())


def test_runs_to_the_boundary_say_which_actions_die_out() -> None:
    of = Field(zoo.load("chain"), "reward")
    seen = basins(view(of), (-2, 2), (-2, 2), 4, found=Inventory((), (), None, ""), time=400.0)
    assert {one.kind for one in seen.attractors} <= {"boundary"}
    for i, j in ((0, 0), (1, 3)):
        start = np.array([[0.0, seen.x[j]], [0.0, seen.y[i]]])
        assert (outcome(of, start).kind == "boundary") == (seen.label[i, j] != UNDECIDED)


def test_time_that_is_too_short_leaves_starts_undecided() -> None:
    of = field(hard)
    known = Inventory((rest(of, [0.01, 0.0]),), (), None, "")
    seen = basins(view(of), (-1.5, 1.5), (-1.5, 1.5), 6, found=known, time=1e-3)
    assert seen.undecided > 0
    assert (seen.label[radii(seen) > INNER] == UNDECIDED).all()


@pytest.mark.parametrize(
    ("options", "law"),
    [
        ({"n": 1}, "n is 1; a grid of starts needs at least 2 a side"),
        ({"time": 0.0}, "time is 0.0; must be positive and finite"),
        ({"xlim": (1.0, -1.0)}, "xlim"),
    ],
)
def test_bad_input_is_refused_in_a_line(options: dict[str, object], law: str) -> None:
    of = field(wells)
    with pytest.raises(ValueError, match=law):
        basins(view(of), **{"xlim": (-1, 1), "ylim": (-1, 1)} | options)  # type: ignore[arg-type]


# --- swirl, where a rest point and a cycle both attract ---------------------------------------------------------------


@pytest.fixture(scope="module")
def both() -> tuple[Field, Inventory]:
    """swirl inside its bistable window, with the cycles solved for from near where `vorticity cycles` finds them."""
    of = alpha_family(zoo.load("swirl"), "reverse-kl", reward=True)(0.9916)
    point = rest_point(of, [[0.0, 3.1], [0.0, 1.56]])
    assert point is not None
    found = []
    for place, period in (((3.1866, 1.70096), 8.2216), ((3.22827, 1.77558), 8.8768)):
        orbit = shoot(of, np.stack([np.zeros(2), place], -1), period)
        assert orbit is not None
        found.append(orbit)
    return of, Inventory((point,), tuple(found), None, "")


@pytest.mark.slow
def test_inside_the_repelling_cycle_of_swirl_everything_comes_to_rest(both: tuple[Field, Inventory]) -> None:
    of, known = both
    inner, outer = known.orbits
    assert (inner.stable, outer.stable) == (False, True)
    seen = basins(view(of), (2.2, 3.5), (0.0, 2.7), 40, found=known)
    points = np.stack(np.meshgrid(seen.x, seen.y), -1)
    loop = inner.theta[..., 1] - inner.theta[..., 0]
    expected = np.where(winding(loop, points.reshape(-1, 2)).reshape(40, 40) != 0, "rest", "cycle")
    assert (kinds(seen) == expected).all()
    assert 20 < (expected == "rest").sum() < 100


def winding(loop: Array, points: Array) -> NDArray[np.int64]:
    """How often a closed path goes round points: an oracle for `encloses`."""
    away = (loop[:, 0] + 1j * loop[:, 1]) - (points[:, :1] + 1j * points[:, 1:])
    turned = np.angle(away[:, 1:] / away[:, :-1]).sum(1)
    return np.rint(turned / (2 * np.pi)).astype(int)


def test_a_picture_shows_basins_undecided_starts_and_the_repelling_cycle() -> None:
    of = field(hard)
    known = Inventory((rest(of, [0.01, 0.0]),), (circle(of, INNER), circle(of, OUTER)), None, "")
    picture = portrait(of, layers=("rest",), xlim=(-1.5, 1.5), ylim=(-1.5, 1.5))
    before = picture.figure.get_size_inches()[1]
    (seen,) = add_basins([picture], [of], [known], n=9)
    assert seen.undecided == 0  # the centre of the middle cell is the rest point itself
    names = [text.get_text() for text in picture.ax.get_legend().get_texts()]  # type: ignore[union-attr]
    assert names[0].startswith("to: stable focus")
    assert "to: cycle, period 6.2832" in names
    assert "unstable cycle, period 6.2832 (numerical)" in names
    assert picture.figure.get_size_inches()[1] > before
    assert not any(isinstance(one, PolyCollection) and one.get_hatch() for one in picture.ax.collections)
    wide = portrait(of, layers=("rest",), xlim=(-1.5, 1.5), ylim=(-1.5, 1.5))
    nothing = Inventory((), (), None, "")
    still = field(lambda x: np.zeros_like(x))
    (seen,) = add_basins([wide], [still], [nothing], n=2)
    hatched = [one for one in wide.ax.collections if isinstance(one, PolyCollection) and one.get_hatch()]
    assert seen.undecided == 4 or not hatched


def test_curl_and_basins_do_not_share_the_background() -> None:
    of = field(wells)
    picture = portrait(of, layers=("curl",), xlim=(-1, 1), ylim=(-1, 1))
    with pytest.raises(ValueError, match="both colour the background"):
        add_basins([picture], [of], [Inventory((), (), None, "")])


# --- polygons ---------------------------------------------------------------------------------------------------------


def test_enclosing_agrees_with_winding_numbers() -> None:
    rng = np.random.default_rng(0)
    angle = np.linspace(0, 2 * np.pi, 60)
    loop = (1 + 0.4 * np.cos(5 * angle))[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    loop[-1] = loop[0]
    points = rng.uniform(-1.6, 1.6, (400, 2))
    assert (encloses(loop, points) == (winding(loop, points) % 2 == 1)).all()


def test_distances_to_a_path_agree_with_brute_force() -> None:
    rng = np.random.default_rng(1)
    angle = np.linspace(0, 6, 40)
    path = np.stack([np.cos(angle), np.sin(angle)], -1)
    points = rng.uniform(-1.5, 1.5, (50, 2))
    share = np.linspace(0, 1, 400)[:, None, None]
    fine = np.concatenate([a + share[:, 0] * (b - a) for a, b in pairwise(path)])
    brute = np.linalg.norm(points[:, None] - fine, axis=-1).min(1)
    assert np.abs(distance(path, points) - brute).max() < 1e-4
