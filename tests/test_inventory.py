"""Rest points and periodic orbits on systems with known answers, and on the zoo."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dynamics.fields import Field, FunctionField
from dynamics.orbits import inventory
from dynamics.orbits.limit_sets import Reversed
from dynamics.portraits.survey import find
from mdp import zoo
from vorticity.commands.main import main


def rings(x: np.ndarray) -> np.ndarray:
    """r' = −r (1 − r²)(4 − r²), angle' = 1: a stable focus inside two cycles."""
    r2 = x @ x
    return np.array([-x[1], x[0]]) - x * (1 - r2) * (4 - r2) / 4


def test_a_repelling_cycle_is_found_backwards() -> None:
    """Two cycles, r = 1 repelling and r = 2 attracting, multipliers exp(T d r'/dr) with r' = −r (1−r²)(4−r²)/4."""
    found = inventory(FunctionField(rings, (2,)), starts=[[1.5, 0.0], [0.3, 0.0]])
    assert [point.type for point in found.rest_points] == ["stable focus"]
    radii = {round(float(np.linalg.norm(orbit.theta[0])), 6): orbit for orbit in found.orbits}
    assert set(radii) == {1.0, 2.0}
    for r, orbit in radii.items():
        slope = {1.0: 1.5, 2.0: -6.0}[r]  # d/dr of −r (1 − r²)(4 − r²)/4
        assert orbit.period == pytest.approx(2 * np.pi, rel=1e-9)
        assert orbit.multipliers[0].real == pytest.approx(np.exp(2 * np.pi * slope), rel=1e-6, abs=1e-12)
        assert orbit.stable == (r == 2.0)


def test_van_der_pol() -> None:
    """mu = 1: the period 6.66328686 and the multiplier 8.59695e-4."""
    field = FunctionField(lambda x: np.array([x[1], (1 - x[0] ** 2) * x[1] - x[0]]), (2,))
    (orbit,) = inventory(field, n_starts=2).orbits
    assert orbit.period == pytest.approx(6.66328685932313, abs=1e-10)
    assert orbit.multipliers[0].real == pytest.approx(8.59695e-4, abs=1e-8)
    assert abs(orbit.trivial - 1) < 1e-9


def test_a_linear_centre_is_a_family_and_a_saddle_has_no_cycle() -> None:
    centre = inventory(FunctionField(lambda x: np.array([x[1], -x[0]]), (2,)), starts=[[1.0, 0.0]])
    assert centre.orbits == () and centre.family is not None
    assert centre.family.period == pytest.approx(2 * np.pi, rel=1e-8)
    saddle = inventory(FunctionField(lambda x: np.array([x[0], -x[1]]), (2,)), starts=[[0.0, 1.0]])
    assert saddle.orbits == () and saddle.family is None
    assert [point.type for point in saddle.rest_points] == ["saddle"]


def test_reversed() -> None:
    field = Field(zoo.load("swirl"), "on-policy", reward=True)
    theta = np.array([[0.1, 0.2], [-0.3, 0.4]])
    assert np.array_equal(Reversed(field)(theta), -field(theta))
    assert np.array_equal(Reversed(field).jacobian(theta), -field.jacobian(theta))


def test_gradient_rules_have_no_cycle() -> None:
    found = inventory(Field(zoo.load("swirl"), "reverse-kl-corrected", reward=True), n_starts=2)
    assert found.orbits == () and [point.type for point in found.rest_points] == ["stable node"]


def test_what_runs_off_hides_nothing() -> None:
    """One start leaves every bound in finite time; the cycle that the other ends on is found nevertheless."""

    def function(x: np.ndarray) -> np.ndarray:
        r2 = x @ x
        return np.array([-x[1], x[0]]) + x * (1 - r2) * (4 - r2) / 4  # r = 1 attracts, r = 2 repels

    found = inventory(FunctionField(function, (2,)), starts=[[3.0, 0.0], [1.2, 0.0]])
    assert [orbit.stable for orbit in found.orbits] == [True]
    np.testing.assert_allclose(np.linalg.norm(found.orbits[0].theta, axis=1), 1.0, atol=1e-9)


def test_starts_in_other_gauges_end_on_one_orbit() -> None:
    field = Field(zoo.load("swirl"), "reverse-kl", reward=True)
    start = np.array([[0.0, 2.0], [0.0, 1.0]])
    found = inventory(field, starts=[start, start[:, ::-1] + 5.0])
    assert len(found.orbits) == 1 and found.orbits[0].period == pytest.approx(6.48894424755, abs=1e-10)
    with pytest.raises(ValueError, match=r"theta0 has shape \(2,\); must be \(2, 2\)"):
        inventory(field, starts=[[0.0, 1.0]])


@pytest.mark.slow
def test_portraits_draw_what_the_inventory_lists() -> None:
    field = Field(zoo.load("aliased-cycle"), "on-policy", reward=True)
    (listed,), (drawn,) = inventory(field, n_starts=1).orbits, find(field).cycles
    assert abs(listed.period - drawn.period) < 1e-9 and listed.stable and drawn.stable
    (given,) = find(field, cycles=[listed]).cycles
    assert given is listed


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cycles", "swirl", "--rule", "reverse-kl", "--reward", "--starts", "1", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    (cycle,), (rest,) = answer["cycles"], answer["rest_points"]
    assert cycle["period"] == pytest.approx(6.48894425, abs=1e-8) and cycle["stable"] is True
    assert cycle["status"] == "numerical" and cycle["period_enclosure"] is None and cycle["certificate"] is None
    assert np.shape(cycle["orbit"])[1:] == (2, 2) and len(cycle["multipliers"][0]) == 2
    assert rest["type"] == "unstable focus" and np.shape(rest["eigenvalues"]) == (2, 2)
    assert main(["cycles", "swirl", "--rule", "reverse-kl-corrected", "--starts", "1"]) == 0
    assert "no cycle found" in capsys.readouterr().out
