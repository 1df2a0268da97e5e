"""Flows and what is said of them: analytic systems with known answers first, then the zoo."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import numpy as np
import pytest

from dynamics.fields import Field, FunctionField, in_chart
from dynamics.learners import discrete_outcome
from dynamics.motion import Trajectory, ensemble, flow, iterate
from dynamics.motion.trajectory import load
from dynamics.orbits import Outcome, outcome, shoot
from mdp import random, student, zoo


def system(function: object, size: int) -> FunctionField:
    return FunctionField(function, (size,))  # type: ignore[arg-type]


def rotation(growth: float) -> FunctionField:
    """A linear spiral that grows by `growth` a turn."""
    rate = np.log(growth) / (2 * np.pi)
    return system(lambda x: np.array([rate * x[0] - x[1], x[0] + rate * x[1]]), 2)


VAN_DER_POL = system(lambda x: np.array([x[1], (1 - x[0] ** 2) * x[1] - x[0]]), 2)
PENDULUM = system(lambda x: np.array([x[1], -np.sin(x[0])]), 2)
TORUS = system(lambda x: np.array([-x[1], x[0], -np.sqrt(2) * x[3], np.sqrt(2) * x[2]]), 4)
# Two nested cycles: radius 1 attracts, radius 2 repels.
RINGS = system(lambda x: np.array([-x[1], x[0]]) + 0.1 * x * (1 - x @ x) * (4 - x @ x), 2)
# A saddle at the origin on the way to two nodes.
TWO_NODES = system(lambda x: np.array([x[0] - x[0] ** 3, -x[1]]), 2)
# A cycle with a saddle-node ghost on it: slow passages.
GHOST = system(lambda x: np.array([-x[1], x[0]]) * (1.002 + x[1] / np.sqrt(x @ x)) + x * (1 - x @ x), 2)


@pytest.mark.parametrize(
    ("field", "start", "kind", "facts"),
    [
        (rotation(1.0), [1.0, 0.0], "cycle", {"period": 2 * np.pi, "isolated": False}),
        (PENDULUM, [2.0, 0.0], "cycle", {"period": 8.349752915467928, "isolated": False}),
        (VAN_DER_POL, [0.1, 0.0], "cycle", {"period": 6.66328686, "isolated": True}),
        (VAN_DER_POL, [4.0, 0.0], "cycle", {"period": 6.66328686, "isolated": True}),
        (RINGS, [0.1, 0.0], "cycle", {"period": 2 * np.pi, "isolated": True}),
        (RINGS, [1.999, 0.0], "cycle", {"period": 2 * np.pi, "isolated": True}),
        (GHOST, [1.0, 0.0], "cycle", {"period": 2 * np.pi / np.sqrt(1.002**2 - 1), "isolated": True}),
        (rotation(0.999), [1.0, 0.0], "rest", {"at": [0, 0], "extrapolated": True}),
        (rotation(0.9), [1.0, 0.0], "rest", {"at": [0, 0]}),
        (system(lambda x: -x, 3), [1.0, 2.0, 3.0], "rest", {"at": [0, 0, 0]}),
        (TWO_NODES, [1e-12, 1.0], "rest", {"at": [1, 0]}),
        (TWO_NODES, [-1e-80, 1.0], "rest", {"at": [-1, 0]}),
        (system(lambda x: -x * x, 1), [1.0], "rest", {"at": [0], "extrapolated": True, "tail": "t^-0.9"}),
        (system(lambda x: -(x**3), 1), [1.0], "rest", {"at": [0], "extrapolated": True, "tail": "t^-0.5"}),
        (system(lambda x: np.array([x[0], -x[1]]), 2), [1.0, 1.0], "diverged", {}),
        (system(lambda x: x * x, 1), [1.0], "diverged", {}),
        (system(lambda x: np.exp(-x), 1), [0.0], "diverged", {"tail": "log t"}),
        (system(lambda x: np.array([1.0, 0.0]) + 0 * x, 2), [0.0, 0.0], "diverged", {"tail": "grows like t"}),
        (rotation(1.001), [1e-3, 0.0], "undecided", {}),
        (TORUS, [1.0, 0.0, 1.0, 0.0], "undecided", {}),
    ],
)
def test_battery(field: FunctionField, start: list[float], kind: str, facts: dict) -> None:
    found = outcome(field, start, limit=1600 if kind == "undecided" else 3200)
    assert found.kind == kind, found.evidence
    if "period" in facts:
        assert found.period == pytest.approx(facts["period"], rel=2e-9)
        assert found.isolated == facts["isolated"]
    if "at" in facts:
        np.testing.assert_allclose(found.at, facts["at"], atol=1e-8)
    if "extrapolated" in facts:
        assert found.evidence["extrapolated"] == facts["extrapolated"]
    if "tail" in facts:
        assert facts["tail"] in found.evidence["tail"]


def test_extrapolated_time_is_right() -> None:
    """The spiral of ratio 0.999 a turn reaches 1e-6 after ln(1e6)/−ln(0.999) turns."""
    found = outcome(rotation(0.999), [1.0, 0.0])
    assert found.evidence["settled_by"] == pytest.approx(2 * np.pi * np.log(1e6) / -np.log(0.999), rel=0.01)


def test_a_box_round_a_stable_focus_is_no_cycle_and_an_unstable_one_no_rest() -> None:
    """A start on the far side of an unstable cycle leaves; inside it goes to the focus: the ellipsoid sees the ring."""
    inner = system(lambda x: np.array([-x[1], x[0]]) - 0.05 * x * (1 - x @ x), 2)
    assert outcome(inner, [0.999, 0.0]).kind == "rest"
    assert outcome(inner, [1.001, 0.0]).kind == "diverged"
    assert outcome(inner, [0.5, 0.0]).evidence["lyapunov_points"] > 1000


THEORY = {  # period, peak-to-peak log-odds: claims C2, C4, C5
    ("swirl", "reverse-kl"): (6.48894425, [0.96443, 2.04973]),
    ("aliased-cycle", "on-policy"): (10.5755107, [1.4361, 4.2627]),
    ("corridor-cycle", "on-policy"): (18.21568, [0.19942, 0.96748, 2.16456]),
}


@pytest.mark.parametrize(("name", "rule"), THEORY)
@pytest.mark.parametrize("seed", [None, 1])
def test_zoo_cycles(name: str, rule: str, seed: int | None) -> None:
    field = Field(zoo.load(name), rule, reward=True)
    start = np.zeros(field.shape) if seed is None else 2 * np.random.default_rng(seed).normal(size=field.shape)
    found = outcome(field, start)
    period, sizes = THEORY[name, rule]
    assert (found.kind, found.isolated) == ("cycle", True)
    assert found.period == pytest.approx(period, abs=1e-5)
    np.testing.assert_allclose(np.ravel(found.evidence["amplitude_log_odds"]), sizes, atol=6e-5)
    assert found.evidence["trivial_multiplier_error"] < 1e-8


@pytest.mark.parametrize(
    ("name", "rule", "rest"),
    [
        ("swirl", "reverse-kl-corrected", [3.315655, 1.909093]),
        ("swirl", "on-policy", [1.98071, 1.89261]),
        ("corridor-cycle", "n-distill", [1.9865, 4.4004, 3.4586]),
        ("aliased-cycle", "n-distill", [0.4621, 4.3438]),
    ],
)
def test_corrected_rules_rest(name: str, rule: str, rest: list[float]) -> None:
    field = Field(zoo.load(name), rule, reward=True)
    found = outcome(field, np.random.default_rng(2).normal(size=field.shape))
    assert found.kind == "rest"
    np.testing.assert_allclose(found.at[:, 1] - found.at[:, 0], rest, atol=1e-4)


def test_fig2_is_a_family_and_conserves_its_quantity() -> None:
    """C1: closed orbits, one of a family; 2cosh th1 + 2cosh th2 conserved to 1e-8 over ten periods."""
    mdp = zoo.load("fig2")
    field = Field(mdp, "on-policy", reward=True, student=student.sigmoid(mdp.observation))
    found = outcome(field, [-2.0, -2.0])
    assert (found.kind, found.isolated) == ("cycle", False)
    path = flow(field, [-2.0, -2.0], 10 * found.period).theta
    conserved = 2 * np.cosh(path).sum(-1)
    assert np.ptp(conserved) < 1e-8
    tabular = outcome(Field(mdp, "on-policy", reward=True), [[1.0, -1.0], [1.0, -1.0]])
    assert (tabular.kind, tabular.isolated) == ("cycle", False)
    assert tabular.period == pytest.approx(found.period / 2, rel=1e-8)  # the sigmoid chart runs at half the speed


def test_fig2_corrected_runs_to_the_boundary() -> None:
    field = Field(zoo.load("fig2"), "n-distill", reward=True)
    found = outcome(field, [[1.0, -1.0], [1.0, -1.0]])
    assert found.kind == "boundary"
    assert found.evidence["deterministic"] == {"s0": "R", "s_L": "R", "s_R": "R"}


def test_runaway_logits_are_boundary_not_rest() -> None:
    """ER and EER end in a deterministic policy while the logits run off; so does copying a deterministic teacher."""
    chain = zoo.load("chain")
    for rule in ("er", "eer"):
        assert outcome(Field(chain, rule), np.zeros((2, 2))).kind == "boundary"
    pure = outcome(Field(chain.replace(teacher=[[0, 1], [0, 1]]), "on-policy"), np.zeros((2, 2)))
    assert pure.kind == "boundary" and pure.evidence["deterministic"] == {"s0": "go", "s1": "go"}


def test_p1_comes_to_rest_at_the_teacher() -> None:
    mdp = random.episodic(0, 3, 2, discount="9/10")
    found = outcome(Field(mdp, "on-policy"), np.zeros((3, 2)))
    assert found.kind == "rest"
    np.testing.assert_allclose(np.exp(found.at) / np.exp(found.at).sum(-1, keepdims=True), mdp.teacher, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_gradient_rows_never_cycle(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mdp = random.episodic(rng, 3, 2, discount="0.95")
    for rule in ("n-distill", "reverse-kl-corrected", "eer"):
        field = Field(mdp, rule, reward=True)
        assert outcome(field, rng.normal(size=field.shape), limit=1600).kind in ("rest", "boundary", "undecided")


def test_gauge_of_the_start_is_kept() -> None:
    field = Field(zoo.load("swirl"), "reverse-kl-corrected", reward=True)
    found = outcome(field, [[5.0, 4.0], [-3.0, -3.0]])
    np.testing.assert_allclose(found.at.mean(-1), [4.5, -3.0])
    np.testing.assert_allclose(found.trajectory.theta.mean(-1), [[4.5, -3.0]] * len(found.trajectory.t))
    np.testing.assert_allclose(field(found.at), 0, atol=1e-9)


# --- discrete ---------------------------------------------------------------------------------------------------------


def test_fig2_iteration_beside_the_paper() -> None:
    """Figure 2: first p = 1/2 at ≈ 540, period ≈ 4380, largest p ≈ 0.93; corrected 380 (p) and 1280 (x)."""
    mdp = zoo.load("fig2")
    learner = student.sigmoid(mdp.observation)

    def crossings(rule: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        field = Field(mdp, rule, reward=True, student=learner)
        p, x = (1 / (1 + np.exp(-iterate(field, [-2.0, -2.0], 0.025, 6000).theta))).T
        rising = [np.flatnonzero((y[:-1] < 0.5) & (y[1:] >= 0.5)) for y in (p, x)]
        return p, *rising

    p, at, _ = crossings("on-policy")
    assert at[:2].tolist() == [544, 4915] and p[:5000].max() == pytest.approx(0.929, abs=5e-4)
    _, at, other = crossings("n-distill")
    assert at.tolist() == [379] and other.tolist() == [1281]


@pytest.mark.slow
def test_euler_spirals_out_of_a_centre_and_is_not_called_a_cycle() -> None:
    mdp = zoo.load("fig2")
    field = Field(mdp, "on-policy", reward=True, student=student.sigmoid(mdp.observation))
    found = discrete_outcome(field, [-2.0, -2.0], 0.1, 10_000, limit=10_000)
    assert found.kind == "undecided" and found.evidence["growth_by_turn"] > 0
    for eta, level in ((0.01, 16.02), (0.1, 24.9)):
        end = iterate(field, [-2.0, -2.0], eta, int(2000 / eta), every=1000).theta[-1]
        assert 2 * np.cosh(end).sum() == pytest.approx(level, abs=0.06)


@pytest.mark.parametrize(
    ("field", "start", "eta", "kind", "period"),
    [
        (system(lambda x: -x, 1), [1.0], 0.5, "rest", None),
        (system(lambda x: -x, 1), [1.0], 2.5, "diverged", None),
        (system(lambda x: x - x**3, 1), [0.3], 1.1, "cycle", 2.0),  # beyond 2/2: flips between two points
        (rotation(1.0), [1.0, 0.0], 0.1, "diverged", None),
        (RINGS, [0.5, 0.0], 0.05, "cycle", 2 * np.pi / 0.05),
        (VAN_DER_POL, [0.5, 0.0], 0.01, "cycle", 666.6),
    ],
)
def test_discrete_battery(field: FunctionField, start: list, eta: float, kind: str, period: float | None) -> None:
    found = discrete_outcome(field, start, eta, 5000, limit=20_000)
    assert found.kind == kind, found.evidence
    if period is not None:
        assert found.period == pytest.approx(period, rel=2e-2)


# --- shooting, trajectories, ensembles --------------------------------------------------------------------------------


def test_shooting_finds_unstable_orbits_and_refuses_rest_points() -> None:
    mild = system(lambda x: np.array([-x[1], x[0]]) + 0.01 * x * (1 - x @ x) * (4 - x @ x), 2)
    orbit = shoot(mild, [2.05, 0.0], 6.28)
    assert orbit is not None and not orbit.stable
    np.testing.assert_allclose(np.linalg.norm(orbit.theta, axis=1), 2.0, atol=1e-8)
    assert orbit.multipliers[0] == pytest.approx(np.exp(2 * np.pi * 0.01 * 2 * 4 * 3), rel=1e-6)
    assert shoot(rotation(0.9), [0.5, 0.0], 6.3) is None
    vdp = shoot(VAN_DER_POL, [2.0, 0.1], 6.5)
    assert vdp is not None and vdp.multipliers[0] == pytest.approx(8.59695e-4, abs=1e-8)
    assert abs(vdp.trivial - 1) < 1e-8 and vdp.period == pytest.approx(6.66328686, abs=1e-8)


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".json"])
@pytest.mark.parametrize("members", [False, True])
def test_trajectories_round_trip(tmp_path: Path, suffix: str, members: bool) -> None:
    theta = np.random.default_rng(0).normal(size=(4, 2, 3, 2) if members else (4, 3, 2))
    one = Trajectory(np.array([0, 0.1, 0.2, 1 / 3]), theta, "discrete", 0.1, False, "interrupted, at step 3")
    one.save(tmp_path / f"x{suffix}")
    two = load(tmp_path / f"x{suffix}")
    np.testing.assert_array_equal(two.theta, one.theta)
    np.testing.assert_array_equal(two.t, one.t)
    assert (two.kind, two.step, two.complete, two.note) == (one.kind, one.step, one.complete, one.note)
    (tmp_path / f"bad{suffix}").write_text("[1, 2")
    with pytest.raises(ValueError, match="holds no trajectory"):
        load(tmp_path / f"bad{suffix}")
    with pytest.raises(ValueError, match="suffix"):
        one.save(tmp_path / "x.txt")


def test_ensemble_is_one_by_one() -> None:
    field = in_chart(Field(zoo.load("corridor-cycle"), "on-policy", reward=True), "differences")
    starts = np.random.default_rng(0).normal(size=(20, *field.shape))
    together = ensemble(field, starts, 50.0, rtol=1e-9, atol=1e-11)
    for k in (0, 7, 19):
        alone = flow(field, starts[k], 50.0, rtol=1e-12, atol=1e-13, samples=together.t)
        np.testing.assert_allclose(together.theta[:, k], alone.theta, atol=2e-7)


def test_interruption_returns_what_is_there() -> None:
    calls = 0

    def function(x: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == 500:
            raise KeyboardInterrupt
        return np.array([-x[1], x[0]])

    for run in (
        lambda f: flow(f, [1.0, 0.0], 1e6),
        lambda f: iterate(f, [1.0, 0.0], 0.1, 10**6),
        lambda f: outcome(f, [1.0, 0.0], time=1e4).trajectory,
    ):
        calls = 0
        found = run(system(function, 2))
        assert not found.complete and "interrupted" in found.note and len(found.t) > 1


def test_ctrl_c_on_the_command_line(tmp_path: Path) -> None:
    """A real SIGINT to the process: the trajectory so far is saved, exit code 0."""
    import subprocess
    import sys

    target = tmp_path / "kept.npz"
    args = ["flow", "fig2", "--rule", "on-policy", "--reward", "--theta0", "random", "--discrete", "0.001"]
    process = subprocess.Popen(
        [sys.executable, "-m", "vorticity", *args, "--steps", "100000000", "--save", str(target)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts background jobs with SIGINT ignored, and so would this child be.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    threading.Timer(4.0, lambda: process.send_signal(signal.SIGINT)).start()
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and "undecided: interrupted at step" in output, errors
    assert len(load(target).t) > 100


def test_bad_input() -> None:
    field = Field(zoo.load("swirl"), "on-policy")
    bad = [
        (lambda: flow(field, np.zeros((3, 2))), "theta0 has shape"),
        (lambda: flow(field, np.full((2, 2), np.nan)), "must be finite"),
        (lambda: flow(field, np.zeros((2, 2)), -1.0), "time is -1"),
        (lambda: flow(field, np.zeros((2, 2)), samples=1), "at least 2"),
        (lambda: flow(field, np.zeros((2, 2)), samples=[1.0, 0.5]), "must increase"),
        (lambda: iterate(field, np.zeros((2, 2)), np.inf, 3), "step size"),
        (lambda: iterate(field, np.zeros((2, 2)), 0.1, 0), "at least 1"),
        (lambda: outcome(field, np.zeros(4)), "theta0 has shape"),
        (lambda: outcome(field, np.zeros((2, 2)), time=0), "positive"),
    ]
    for call, words in bad:
        with pytest.raises(ValueError, match=words) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_outcome_is_json() -> None:
    import json

    found = outcome(Field(zoo.load("swirl"), "reverse-kl", reward=True), np.zeros((2, 2)))
    assert isinstance(found, Outcome)
    again = json.loads(json.dumps(found.to_json()))
    assert set(again) == {"kind", "period", "isolated", "amplitude", "at", "evidence"}


def test_a_stop_without_growth_is_not_divergence() -> None:
    """x' = −1/x reaches 0 in finite time, where no step is small enough: undecided, with the reason."""
    found = outcome(system(lambda x: -1 / x, 1), [1.0])
    assert found.kind == "undecided" and "no step was small enough" in found.evidence["note"]


def test_an_action_frozen_far_out_does_not_count_as_dying() -> None:
    """A state that is never visited does not move; being at 30 log-odds from the start is no evidence."""
    from mdp import MDP

    mdp = MDP([[[0, 0], [0, 0]], [[0, 0], [0, 0]]], [[0, 0], [0, 0]], [1, 0], teacher=[["1/2", "1/2"]] * 2)
    found = outcome(Field(mdp, "on-policy"), [[0.5, 0.0], [30.0, 0.0]], limit=400)
    assert found.kind != "boundary"


def test_one_action_and_starts_at_a_rest_point() -> None:
    """With one action nothing can move; a start on the centre of fig2 stays there."""
    from mdp import MDP

    mdp = MDP([[["1/2"]]], [[1]], [1], teacher=[[1]])
    assert outcome(Field(mdp, "on-policy", reward=True), [[0.0]]).kind == "rest"
    centre = outcome(Field(zoo.load("fig2"), "on-policy", reward=True), np.zeros((2, 2)))
    assert centre.kind == "rest" and centre.evidence["note"] == "the field is 0 at the start"
