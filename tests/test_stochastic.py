"""The sampled iteration: steps of estimates, the exact one in the mean, and what is said of a run."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dynamics.fields import Field
from dynamics.learners import stochastic, stochastic_outcome
from dynamics.learners.sampled import distance, noise_to_signal
from dynamics.motion import iterate, stepped
from dynamics.sampling import estimates, moments
from mdp import MDP, zoo
from vorticity.commands.main import main

SWIRL = Field(zoo.load("swirl"), "reverse-kl", reward=True)
START = np.array([[0.3, -0.2], [0.1, 0.4]])


def test_a_step_is_the_mean_of_fresh_estimates() -> None:
    run = stochastic(SWIRL, START, 0.01, 2, np.random.default_rng(5), batch=3)
    rng, theta = np.random.default_rng(5), START
    for at in run.theta[1:]:
        theta = theta + 0.01 * estimates(SWIRL, theta, 3, rng).mean(0)
        np.testing.assert_array_equal(at, theta)
    assert run.kind == "discrete" and run.step == 0.01 and run.t.tolist() == [0, 1, 2]


def test_one_step_is_the_exact_one_in_the_mean() -> None:
    """10,000 members, one step each: within 5.5 standard errors, which the exact variance gives, in each parameter."""
    field, other = (Field(zoo.load("swirl"), rule) for rule in ("reverse-kl", "reverse-kl-corrected"))
    members = np.broadcast_to(START, (10_000, 2, 2))
    run = stochastic(field, members, 0.01, 1, np.random.default_rng(1), batch=2)
    exact = iterate(field, START, 0.01, 1).theta[-1]
    error = 0.01 * np.sqrt(moments(field, START).variance / 2 / len(members))
    z = (run.theta[-1].mean(0) - exact) / error
    assert np.abs(z).max() < 5.5
    wrong = iterate(other, START, 0.01, 1).theta[-1]
    assert np.abs((run.theta[-1].mean(0) - wrong) / error).max() > 5.5  # it can fail


def test_noise_to_signal_is_what_samples_show_and_falls_with_the_batch() -> None:
    drawn = estimates(SWIRL, START, 40_000, np.random.default_rng(2))
    F = SWIRL(START)
    seen = np.sqrt(((drawn - F) ** 2).sum((1, 2)).mean()) / np.linalg.norm(F)
    assert noise_to_signal(SWIRL, START) == pytest.approx(seen, rel=0.05)
    assert noise_to_signal(SWIRL, START, 16) == pytest.approx(noise_to_signal(SWIRL, START) / 4)
    assert noise_to_signal(Field(zoo.load("fig2"), "on-policy", reward=True), np.zeros((2, 2))) is None  # F = 0


def test_no_noise_is_the_exact_iteration() -> None:
    """EER on a bandit has no randomness: its loss is summed over actions, and an episode is one step."""
    found = stochastic_outcome(Field(zoo.load("bandit:4"), "eer"), np.zeros((1, 4)), 0.1, 50, np.random.default_rng(0))
    assert found.evidence["distance"] < 1e-12 and found.evidence["noise_to_signal_start"] == 0
    noisy = stochastic_outcome(Field(zoo.load("bandit:4"), "er"), np.zeros((1, 4)), 0.1, 50, np.random.default_rng(0))
    assert noisy.evidence["distance"] > 0.01 and noisy.kind == "undecided"


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    run = ["flow", "bandit:4", "--rule", "er", "--discrete", "0.1", "--steps", "40", "--sampled", "2", "--json"]
    answers = []
    for seed in ("0", "0", "1"):
        assert main([*run, "--seed", seed]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0] == answers[1] != answers[2]
    evidence = answers[0]["outcome"]["evidence"]
    assert evidence["batch"] == 2 and evidence["exact"]["kind"] == "boundary" and len(answers[0]["t"]) == 41


@pytest.mark.parametrize(
    ("args", "law"),
    [
        (["--sampled", "1"], "--sampled draws the steps of --discrete ETA, which is not given"),
        (["--discrete", "0.1", "--sampled", "0"], "0 is not in the range 1<=x<=1000000"),
    ],
)
def test_mistakes_are_one_line(args: list[str], law: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["flow", "bandit:4", "--rule", "er", *args]) == 2
    said = capsys.readouterr().err
    assert law in said and len(said.splitlines()) == 1


def test_mistakes_in_python() -> None:
    with pytest.raises(ValueError, match="the batch is 0 trajectories; must be at least 1"):
        stochastic(SWIRL, START, 0.1, 1, np.random.default_rng(0), batch=0)
    with pytest.raises(ValueError, match="the step size is -1"):
        stochastic(SWIRL, START, -1, 1, np.random.default_rng(0))


def endless() -> Field:
    """One state: staying pays, leaving ends; the better the policy the longer the episode, without bound."""
    return Field(MDP(P=[[[1], [0]]], R=[[1, 0]], initial=[1]), "reward")


def test_a_policy_that_comes_to_end_no_more_leaves_what_was_done() -> None:
    found = stochastic_outcome(endless(), np.zeros((1, 2)), 1.0, 50, np.random.default_rng(0))
    steps = found.evidence["steps"]
    assert 0 < steps < 50 and found.evidence["note"].startswith(f"stopped at step {steps}: ")
    assert found.evidence["exact"]["kind"] in ("undecided", "diverged") and len(found.trajectory.t) == steps + 1


def test_distance_is_from_the_state_after_as_many_steps() -> None:
    theta = iterate(SWIRL, START, 0.01, 5).theta[-1]
    assert distance(SWIRL, theta, START, 0.01, 5) == 0 and distance(SWIRL, START, START, 0.01, 0) == 0
    assert distance(SWIRL, theta, START, 0.01, 4) > 1e-6
    assert distance(endless(), np.zeros((1, 2)), np.zeros((1, 2)), 1.0, 50) is None  # the exact one ends before


def test_a_run_that_ends_early_keeps_its_last_state() -> None:
    run = stepped(np.array([1.0]), lambda x: x * 1e200, 0.5, 9, every=4)
    assert run.note == "stopped at step 2: the state leaves the range of floats"
    assert run.t.tolist() == [0, 1] and run.theta[-1] == 1e200


def test_noise_is_none_at_rest_to_rounding() -> None:
    field = Field(zoo.load("swirl"), "on-policy")
    assert noise_to_signal(field, np.log(field.mdp.teacher)) is None
