"""Bifurcation diagrams against families whose rest points and cycles are known in closed form."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from dynamics.bifurcations import CycleCurve, Diagram, diagram, flat_orbit, moving
from dynamics.drawing import diagram_figure
from dynamics.fields import Family, FunctionField
from dynamics.orbits import Inventory, rest_point, shoot

Array = NDArray[np.float64]


def hard(mu: float) -> FunctionField:
    """z' = (mu + i) z + z |z|² − z |z|⁴: a subcritical Hopf point at 0, cycles of r² = (1 ± √(1 + 4 mu)) / 2."""
    return FunctionField(lambda x: np.array([-x[1], x[0]]) + x * (mu + x @ x - (x @ x) ** 2), (2,), analytic=True)


def pitchfork(a: float) -> FunctionField:
    """x' = a x − x³."""
    return FunctionField(lambda x: a * x - x**3, (1,), analytic=True)


def at(family: Family, parameter: float, *guesses: list[float]) -> tuple[float, Inventory]:
    """The rest points near some guesses, as what is known."""
    found = [rest_point(family(parameter), guess) for guess in guesses]
    return parameter, Inventory(tuple(point for point in found if point is not None), (), None, "")


@pytest.fixture(scope="module")
def bent() -> Diagram:
    """The hard rotor from a rest point known at one end: all else follows from the Hopf point."""
    return diagram(hard, -0.4, 0.2, known=[at(hard, -0.4, [0.1, 0.0])])


@pytest.mark.slow
def test_a_subcritical_hopf_point_its_fold_and_the_stable_cycle_beyond(bent: Diagram) -> None:
    (point,) = bent.hopf
    assert (abs(point.parameter) < 1e-9, point.kind, point.side) == (True, "subcritical", -1)
    (curve,) = bent.cycles
    assert [abs(curve.parameter[k] + 0.25) < 1e-7 for k in curve.folds] == [True]
    assert {end.split(" at ")[0] for end in curve.ends} == {"subcritical Hopf point", "end of the interval"}
    ((low, high, below, above),) = curve.stable_intervals
    assert abs(low + 0.25) < 1e-7
    assert high == 0.2
    assert below.startswith("fold of cycles at -0.25")
    assert above == "end of the interval"


@pytest.mark.slow
def test_every_cycle_has_its_radius_and_its_stability(bent: Diagram) -> None:
    (curve,) = bent.cycles
    for mu, orbit, stable in zip(curve.parameter, curve.orbits, curve.stable, strict=True):
        square = float((orbit.theta[0] ** 2).sum())
        root = np.sqrt(max(1 + 4 * mu, 0.0))
        assert abs(square - (1 + (root if square > 0.5 else -root)) / 2) < 1e-4
        assert stable == (square > 0.5) or abs(square - 0.5) < 1e-3
    places = curve.parameter[1:] - curve.parameter[:-1]
    turns = np.flatnonzero(places[1:] * places[:-1] < 0) + 1
    assert list(turns) == list(curve.folds)  # pieces are joined without steps back


def test_a_pitchfork_has_two_curves_and_none_twice() -> None:
    """The straight one, and the parabola x² = a, whose fold is the pitchfork."""
    guesses = ([-0.7], [0.0], [0.7])
    found = diagram(pitchfork, -0.5, 0.5, known=[at(pitchfork, -0.5, [0.1]), at(pitchfork, 0.5, *guesses)])
    straight, parabola = found.rests
    assert np.abs(straight.branch.theta).max() < 1e-9
    assert (straight.branch.stable == (straight.branch.parameter < 0)).all()
    x, a = parabola.branch.theta[:, 0], parabola.branch.parameter
    assert np.abs(x**2 - a).max() < 1e-9
    assert np.abs(a[list(parabola.branch.folds)]).max() < 1e-9
    assert set(np.sign(x[[0, -1]])) == {-1.0, 1.0}
    assert not found.cycles
    assert not found.hopf


def test_a_fold_away_from_the_ends_is_followed_on_from_the_middle() -> None:
    """x' = a − x + x³/3: an S; the middle sheet, found halfway, leads round both folds to both ends."""

    def bend(a: float) -> FunctionField:
        return FunctionField(lambda x: a + x - x**3 / 3, (1,), analytic=True)

    found = diagram(bend, -1.0, 1.0, known=[at(bend, 0.0, [0.1])])
    folds = sorted(float(c.branch.parameter[k]) for c in found.rests for k in c.branch.folds)
    assert np.allclose(folds, [-2 / 3, 2 / 3], atol=1e-9)
    assert sorted({c.branch.end for c in found.rests}) == ["start", "stop"]
    assert {-1.0, 1.0} <= {float(c.branch.parameter[-1]) for c in found.rests}


@pytest.mark.slow
def test_known_orbits_are_not_followed_twice() -> None:
    radius = np.sqrt((1 + np.sqrt(1.4)) / 2)
    orbit = shoot(hard(0.1), [radius, 0.0], 6.28, points=201)
    assert orbit is not None
    known = [(place, Inventory((), (orbit,), None, "")) for place in (0.1, 0.1)]
    assert len(diagram(hard, 0.08, 0.12, known=known).cycles) == 1


def test_an_interrupted_search_keeps_what_it_has() -> None:
    def stop(share: float) -> None:
        if share >= 0.4:
            raise KeyboardInterrupt

    found = diagram(hard, -0.4, 0.2, known=[at(hard, -0.4, [0.1, 0.0])], progress=stop)
    assert not found.complete
    assert "interrupted" in found.searched
    assert (len(found.rests), len(found.cycles)) == (1, 0)


@pytest.mark.parametrize("ends", [(1.0, 0.0), (0.0, 0.0), (0.0, np.inf)])
def test_ends_must_be_in_order(ends: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="the smaller first"):
        diagram(pitchfork, *ends)


def test_stable_intervals_end_where_the_stability_does() -> None:
    orbit = shoot(hard(0.1), [1.05, 0.0], 6.28, points=21)
    assert orbit is not None
    parameter = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    curve = CycleCurve(
        parameter, (orbit,) * 5, np.array([False, True, True, False, False]), (), ("here", "there"), (0.5, 4.5)
    )
    assert curve.stable_intervals == (
        (2.0, 3.0, "a multiplier leaves the unit circle by 1", "a multiplier leaves the unit circle by 4"),
    )
    whole = np.ones(5, dtype=bool)
    backwards = dataclasses.replace(curve, stable=whole, parameter=parameter[::-1], limits=(5.5, 0.5))
    assert backwards.stable_intervals == ((0.5, 5.5, "there", "here"),)
    nowhere = dataclasses.replace(curve, stable=np.zeros(5, dtype=bool))
    assert nowhere.stable_intervals == ()


@pytest.mark.slow
def test_the_figure_shows_what_was_found(bent: Diagram) -> None:
    ax = diagram_figure(bent, title="hard").axes[0]
    names = [text.get_text() for text in ax.get_legend().get_texts()]  # type: ignore[union-attr]
    assert [name.split(" at ")[0] for name in names] == [
        "rest point, stable",
        "rest point, unstable",
        "cycle, stable: least and greatest",
        "cycle, unstable: least and greatest",
        "H1: subcritical Hopf point",
        "F1: fold of cycles",
    ]
    assert ax.get_xlim() == (-0.4, 0.2)
    k = moving(bent)
    (curve,) = bent.cycles
    top = max(flat_orbit(bent, orbit)[:, k].max() for orbit in curve.orbits)
    drawn = [line.get_ydata() for line in ax.lines if str(line.get_color()) == "#0072B2"]
    assert abs(max(float(np.max(values)) for values in drawn) - top) < 1e-12
    with pytest.raises(ValueError, match="from 0 to 1"):
        diagram_figure(bent, coordinate=2)


def test_the_line_of_rest_points_is_dashed_from_the_hopf_point_on() -> None:
    """The row of the Hopf point itself may be called stable or not, by rounding."""
    found = diagram(hard, -0.4, 0.2, known=[at(hard, -0.4, [0.1, 0.0])], progress=_stop_before_cycles)
    (curve,) = found.rests
    for flag in (True, False):
        stable = curve.branch.stable.copy()
        stable[list(curve.branch.hopf)] = flag
        changed = dataclasses.replace(curve, branch=dataclasses.replace(curve.branch, stable=stable))
        ax = diagram_figure(dataclasses.replace(found, rests=(changed,))).axes[0]
        spans = [
            np.asarray(line.get_xdata(), dtype=float)[[0, -1]] for line in ax.lines if line.get_linestyle() != "None"
        ]
        assert np.allclose(spans, [[-0.4, 0.0], [0.0, 0.2]], atol=1e-9)


def _stop_before_cycles(share: float) -> None:
    if share >= 0.4:
        raise KeyboardInterrupt
