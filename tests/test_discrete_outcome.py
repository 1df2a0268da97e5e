"""What iterations do: periodic points, invariant circles, and artefacts of the step."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dynamics.fields import FunctionField
from dynamics.learners import discrete_outcome
from dynamics.learners.iteration import iterated
from dynamics.learners.periodic_points import periodic_points
from vorticity.commands.main import main

Capture = pytest.CaptureFixture[str]
SQUARE = FunctionField(lambda x: x - x**3, (1,))
RING = FunctionField(lambda x: np.array([x[0] - x[1], x[0] + x[1]]) - x * (x @ x), (2,))


def logistic(r: float) -> FunctionField:
    """The field whose iteration with step 1 is x -> r x (1 − x)."""
    return FunctionField(lambda x: r * x * (1 - x) - x, (1,))


def turn(mu: complex, c: float = 0.0) -> FunctionField:
    """The field whose iteration with step 1 is z -> mu z + c z |z|²."""

    def velocity(x: np.ndarray) -> np.ndarray:
        rate = mu - 1 + c * (x @ x)
        return np.array([rate.real * x[0] - rate.imag * x[1], rate.imag * x[0] + rate.real * x[1]])

    return FunctionField(velocity, (2,))


# --- periodic points --------------------------------------------------------------------------------------------------


def test_logistic_cycles_stable_and_not() -> None:
    four = periodic_points(logistic(3.5), [0.5], 1.0, 4)
    assert four is not None and four.period == 4 and four.stable
    np.testing.assert_allclose(sorted(four.points.ravel()), [0.38282, 0.50088, 0.82694, 0.87500], atol=1e-5)
    two = periodic_points(logistic(3.5), [0.43], 1.0, 2)
    root = np.sqrt((3.5 - 3) * (3.5 + 1))
    assert two is not None and not two.stable
    np.testing.assert_allclose(sorted(two.points.ravel()), [(4.5 - root) / 7, (4.5 + root) / 7], atol=1e-12)
    assert two.multipliers[0].real == pytest.approx(4 + 2 * 3.5 - 3.5**2)


@pytest.mark.parametrize("q", [7, 9])
def test_the_unstable_three_cycles_at_four(q: int) -> None:
    """x -> 4x(1 − x) doubles angles: sin²(π k / q), k = 1, 2, 4, make a cycle, of multiplier ±8."""
    for k in (3, 6):
        found = periodic_points(logistic(4.0), [np.sin(np.pi / q) ** 2 + 1e-4], 1.0, k)
        assert found is not None and found.period == 3 and abs(found.multipliers[0]) == pytest.approx(8)
        np.testing.assert_allclose(found.points.ravel(), np.sin(np.pi * np.array([1, 2, 4]) / q) ** 2, atol=1e-10)


def test_rest_is_period_one_and_nothing_is_nothing() -> None:
    one = periodic_points(SQUARE, [0.98], 0.3, 4)
    assert one is not None and one.period == 1 and one.points.ravel() == pytest.approx([1.0])
    assert one.multipliers[0].real == pytest.approx(1 - 2 * 0.3)
    assert periodic_points(FunctionField(lambda x: 1 + x**2, (1,)), [0.2], 0.1, 2) is None


def test_parameters_keep_their_gauge() -> None:
    """Two points of an MDP's rule, in parameters: f maps each to the next, row means and all."""
    from dynamics.fields import Field
    from mdp import zoo

    field = Field(zoo.load("swirl"), "reverse-kl-corrected", reward=True)
    start = np.array([[1.0, 4.3], [-2.0, 0.06]])
    found = periodic_points(field, start, 0.33, 2)
    assert found is not None and found.period == 2
    a, b = found.points
    np.testing.assert_allclose(a + 0.33 * field(a), b, atol=1e-8)
    np.testing.assert_allclose(b + 0.33 * field(b), a, atol=1e-8)
    np.testing.assert_allclose(found.points.mean(-1), [start.mean(-1)] * 2)


@pytest.mark.parametrize(("eta", "period"), [(1.23, 2), (1.245, 4), (1.291, 8)])
def test_doubling_of_the_cubic(eta: float, period: int) -> None:
    """The two points double at √5 − 1 = 1.2360…"""
    found = iterated(SQUARE, [0.9], eta, 3000)
    assert found.kind == "cycle" and found.period == period and found.evidence["form"] == f"period {period}"


# --- circles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [2.3, 3.4, 5.3, 17.7, 60.1])
def test_circles_of_few_and_many_steps_a_turn(steps: float) -> None:
    """z -> mu z − 0.1 mu z |z|² with |mu| = 1.05 runs on the circle |mu| (1 − 0.1 r²) = 1."""
    direction = np.exp(2j * np.pi / steps)
    rate = 1.05 * direction

    def velocity(x: np.ndarray) -> np.ndarray:
        z = (rate * (1 - 0.1 * (x @ x)) - 1) * (x[0] + 1j * x[1])
        return np.array([z.real, z.imag])

    found = iterated(FunctionField(velocity, (2,), analytic=False), [0.3, 0.0], 1.0, 2000)
    assert found.kind == "cycle" and found.evidence["form"] == "invariant circle", found.evidence
    assert found.period == pytest.approx(steps, rel=1e-4)
    assert found.evidence["mean_radius"] == pytest.approx(np.sqrt(10 * (1 - 1 / 1.05)), rel=1e-3)


def test_what_is_no_circle() -> None:
    """Hénon's strange attractor, and spirals that grow or shrink by 1e-6 a step, are not called circles."""
    henon = FunctionField(lambda x: np.array([1 - 1.4 * x[0] ** 2 + x[1], 0.3 * x[0]]) - x, (2,), analytic=True)
    assert iterated(henon, [0.1, 0.1], 1.0, 4000, limit=4000).kind == "undecided"
    for size in (1 + 1e-6, 1 + 1e-5):
        found = iterated(turn(size * np.exp(2j * np.pi / 5.3)), [1.0, 0.0], 1.0, 6000, limit=6000)
        assert found.kind == "undecided"


# --- artefacts --------------------------------------------------------------------------------------------------------


def test_a_circle_that_shrinks_with_the_step_is_an_artefact() -> None:
    rate = -0.2 + 1j
    field = turn(1 + rate, -1.0)
    eta = 2.2 * 2 * 0.2 / abs(rate) ** 2  # so that the circle is there at eta/2 too
    found = discrete_outcome(field, [0.5, 0.0], eta, 2000)
    assert found.kind == "cycle" and found.evidence["form"] == "invariant circle"
    assert found.evidence["artefact_of_step"] is True and found.evidence["ode"] == "rest"
    steps, sizes = zip(*found.evidence["amplitude_by_step"], strict=True)
    assert steps == pytest.approx([eta, eta / 2, eta / 4])
    radii = []
    for step in steps[:2]:
        mu = 1 + step * rate
        radii.append(np.sqrt((mu.real - np.sqrt(1 - mu.imag**2)) / step))
    assert sizes == pytest.approx([2 * radii[0], 2 * radii[1], 0.0], rel=1e-2, abs=1e-12)


def test_a_circle_of_the_odes_own_is_none() -> None:
    """r' = r − r³ turning at 1: the circle's size tends to 2 as the step goes to 0."""
    found = discrete_outcome(RING, [0.5, 0.0], 0.1, 2000)
    assert found.kind == "cycle" and found.evidence["artefact_of_step"] is False and found.evidence["ode"] == "cycle"
    errors = [abs(size - 2) for _, size in found.evidence["amplitude_by_step"]]
    assert errors[0] > errors[1] > errors[2] > 0


@pytest.mark.parametrize(
    ("field", "start", "eta", "artefact"),
    [
        (SQUARE, [0.3], 1.1, True),  # two points in turn
        (SQUARE, [0.3], 1.55, True),  # no verdict of its own beyond "not at rest"
        (FunctionField(lambda x: -x, (1,)), [1.0], 2.5, True),  # diverges where the ODE rests
        (FunctionField(lambda x: x, (1,)), [1.0], 0.5, False),  # as the ODE does
        (FunctionField(lambda x: np.array([-x[1], x[0]]), (2,)), [1.0, 0.0], 0.01, True),  # spirals out of a centre
        (FunctionField(lambda x: -(x**3), (1,)), [1.0], 0.1, None),  # slow towards a degenerate zero: not told
    ],
)
def test_artefacts(field: FunctionField, start: list[float], eta: float, artefact: bool | None) -> None:
    found = discrete_outcome(field, start, eta, 4000, limit=4000)
    assert found.evidence["artefact_of_step"] is artefact, found.evidence
    json.dumps(found.to_json())


def test_rest_names_its_limit() -> None:
    found = discrete_outcome(SQUARE, [0.3], 0.5, 500)
    assert found.kind == "rest" and "artefact_of_step" not in found.evidence
    assert found.evidence["step_limit"]["eta"] == pytest.approx(1)
    assert found.evidence["step_limit"]["kind"] == "flip"


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("eta", "words"),
    [
        ("0.3", ["rest at theta", "attracts for steps below eta* = 0.31682996", "two points in turn attract"]),
        ("0.33", ["period 2: 2 points visited in turn", "an artefact of the step size: the ODE rests here"]),
    ],
)
def test_the_command_in_words(eta: str, words: list[str], capsys: Capture, tmp_path: Path) -> None:
    start = tmp_path / "theta.json"
    start.write_text('{"theta": [[0, 3.3], [0, 1.9]]}')
    args = ["flow", "swirl", "--rule", "reverse-kl-corrected", "--reward", "--theta0", str(start), "--steps", "1000"]
    assert main([*args, "--discrete", eta]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert all(word in printed for word in words), printed
    assert main([*args, "--discrete", eta, "--json"]) == 0
    evidence = json.loads(capsys.readouterr().out)["outcome"]["evidence"]
    assert evidence.get("artefact_of_step") is (True if eta == "0.33" else None)
    assert ("step_limit" in evidence) == (eta == "0.3")


def test_the_spiral_around_the_centre_of_fig2_belongs_to_the_step() -> None:
    """The ODE conserves 2 cosh + 2 cosh (theory C1); Euler's growth by turn halves with the step."""
    from dynamics.fields import Field
    from mdp import zoo

    field = Field(zoo.load("fig2"), "on-policy", reward=True)
    found = discrete_outcome(field, [[0.0, 0.1], [0.0, 0.2]], 0.4, 1500, limit=1500)
    assert found.kind == "undecided" and found.evidence["growth_by_turn"] > 0
    assert found.evidence["artefact_of_step"] is True and found.evidence["ode"] == "cycle"
    assert "closed orbit of a family" in found.evidence["artefact_reason"]
