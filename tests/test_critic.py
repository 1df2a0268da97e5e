"""Actor and critic: fixed points, means that a critic does not move, variances, the joint dynamics, and learning."""

from __future__ import annotations

import numpy as np
import pytest

from dynamics.experiments.critics import growth
from dynamics.fields import Field, reduced, to_reduced
from dynamics.fields.vector import numerical_jacobian
from dynamics.learners import METHODS, exact_critic, joint, joint_point, shaped
from dynamics.learners import learn_with_critic as learn
from dynamics.learners.critic import actor_of, expected
from dynamics.orbits import outcome, rest_point
from dynamics.rules import TABLE
from dynamics.sampling import moments_of, sums, terms, trajectories, update_of
from mdp import evaluation, random, student, zoo

EPISODE = [rule for rule in TABLE if TABLE[rule].horizon == "episode"]


@pytest.mark.parametrize("rule", EPISODE)
@pytest.mark.parametrize("control", ["student", "teacher", "mix:1/3"])
def test_an_exact_critic_has_no_error_and_moves_the_student_as_the_field_does(rule: str, control: str) -> None:
    """Under q = pi_theta; under another q a baseline moves the mean by d(s) V(s) (q − pi_theta), added back here."""
    field = Field(random.episodic(3, 3, 2, discount="4/5", observations=2), rule, control=control, reward=True)
    theta = np.array([[0.4, -0.2], [-1.0, 0.3]])
    critic = exact_critic(field, theta)
    for method in METHODS:
        found = shaped(terms(field, theta), critic, method)
        actor, lesson = expected(field, found)
        if method != "monte-carlo":
            np.testing.assert_allclose(lesson, 0, atol=1e-10)
            d = evaluation.visits(field.mdp, found.q)
            actor = actor + (d * critic)[:, None] * (found.q - found.p)
        np.testing.assert_allclose(field.student.pull_back(actor), field(theta), rtol=1e-9, atol=1e-10)


def test_any_baseline_leaves_the_mean_alone_and_one_step_errors_do_not() -> None:
    field = Field(zoo.load("corridor-cycle"), "n-distill", reward=True)
    theta, wrong = np.random.default_rng(0).normal(size=field.shape), np.array([3.0, -2.0, 1.0])
    means = {method: expected(field, shaped(terms(field, theta), wrong, method))[0] for method in METHODS}
    np.testing.assert_allclose(means["td1"], field(theta), rtol=1e-10)
    assert np.abs(means["td0"] - field(theta)).max() > 0.1
    variance = [moments_of(field, shaped(terms(field, theta), wrong, method)).total for method in METHODS]
    assert len(set(variance)) == 3


def test_critic_of_the_reward_is_the_value() -> None:
    mdp = zoo.load("corridor-cycle")
    field = Field(mdp, "reward")
    theta = np.array([[0.2, 0.0], [0.0, -0.3], [1.0, 0.0]])
    np.testing.assert_allclose(exact_critic(field, theta), evaluation.values(mdp, field.policy(theta).p), rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_the_joint_field_rests_where_the_field_does_and_is_differentiated(method: str) -> None:
    field = Field(zoo.load("aliased-cycle"), "n-distill", reward=True)
    point = rest_point(field, np.array([[0.0, 0.4621], [0.0, 4.3438]]))
    assert point is not None
    both = joint(field, method, 0.7)
    x = joint_point(field, point.theta)
    assert np.abs(both(x)).max() < 1e-10
    np.testing.assert_allclose(actor_of(field, x)[:, 1] - actor_of(field, x)[:, 0], point.theta @ [-1, 1])
    away = x + 0.1 * np.arange(1.0, len(x) + 1)
    np.testing.assert_allclose(both.jacobian(away), numerical_jacobian(both, away), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(both(np.stack([x, away])), np.stack([both(x), both(away)]), atol=1e-12)


def test_a_fast_critic_gives_the_eigenvalues_of_the_field() -> None:
    field = Field(zoo.load("swirl"), "reverse-kl", reward=True)
    point = rest_point(field, np.array([[0.0, 2.8], [0.0, 1.1]]))
    assert point is not None
    real, turning = growth(field, point.theta, 1e6)
    assert real == pytest.approx(point.eigenvalues[0].real, rel=1e-4)
    assert turning == pytest.approx(abs(point.eigenvalues[0].imag), rel=1e-4)


@pytest.mark.slow
def test_a_slow_critic_takes_the_cycle_from_the_corridor() -> None:
    """The exact dynamics cycle (period 18.2); with a critic of rate 10 the same rest point attracts."""
    field = Field(zoo.load("corridor-cycle"), "on-policy", reward=True)
    found = outcome(joint(field, "td0", 10.0), joint_point(field, np.zeros(field.shape)))
    assert found.kind == "rest"
    point = rest_point(field, actor_of(field, found.at))
    assert point is not None and point.type.startswith("saddle")
    np.testing.assert_allclose(found.at[:3], to_reduced(reduced(field), point.theta), atol=1e-5)


def test_the_rate_at_which_the_corridor_starts_to_turn() -> None:
    field = Field(zoo.load("corridor-cycle"), "on-policy", reward=True)
    point = rest_point(field, np.array([[0.0, -0.43], [0.0, 0.74], [0.0, -0.37]]))
    assert point is not None and point.eigenvalues[0].real > 0
    slow, fast = growth(field, point.theta, 360.0), growth(field, point.theta, 370.0)
    assert slow[0] < 0 < fast[0] and min(slow[1], fast[1]) > 0.4


def test_the_sampled_updates_of_actor_and_critic_are_unbiased() -> None:
    field = Field(random.episodic(1, 3, 2, discount="4/5"), "n-distill", reward=True)
    theta, critic = np.array([[0.2, -0.1], [0.5, 0.0], [-0.7, 0.3]]), np.array([1.0, -2.0, 0.5])
    n = 20_000
    for method in METHODS:
        found = shaped(terms(field, theta), critic, method)
        some = sums(found, trajectories(field.mdp, found.q, n, np.random.default_rng(2)), 1.0)
        actor, lesson = expected(field, found)
        for seen, mean in ((update_of(found, some)[0], actor), (some.by_state[0], lesson)):
            assert (np.abs(seen.mean(0) - mean) < 4 * seen.std(0) / np.sqrt(n)).all()


def test_learning_goes_up_and_the_critic_follows() -> None:
    mdp = zoo.load("corridor:4")
    field = Field(mdp, "reward")
    start, critic = np.zeros((8, *field.shape)), np.zeros((8, 4))
    args = {"step": 0.3, "rate": 0.2, "updates": 150, "batch": 4, "every": 50}
    thetas, critics = learn(field, start, critic, "td0", rng=np.random.default_rng(0), **args)
    assert thetas.shape == (4, 8, *field.shape) and critics.shape == (4, 8, 4)
    returns = evaluation.expected_return(mdp, field.policy(thetas).p).mean(-1)
    assert returns[0] == pytest.approx(0) and returns[-1] > 0.8
    gap = np.abs(critics[-1].mean(0) - np.mean([exact_critic(field, x) for x in thetas[-1]], axis=0))
    assert gap[1:].max() < 0.15  # s = 0 is hardly ever visited any more
    still, _ = learn(field, start, critic, "monte-carlo", rng=np.random.default_rng(0), **args | {"rate": 0.0})
    again, untouched = learn(field, start, critic, "monte-carlo", rng=np.random.default_rng(0), **args)
    assert (still == again).all() and (untouched == 0).all()


def test_features_keep_their_own_coordinates() -> None:
    mdp = zoo.load("chain")
    field = Field(mdp, "on-policy", student=student.sigmoid(mdp.observation))
    x = joint_point(field, np.array([0.3, -0.2]))
    np.testing.assert_allclose(joint(field, "td1", 1.0)(x)[:2], field(np.array([0.3, -0.2])), rtol=1e-12)


def test_what_is_refused() -> None:
    field = Field(zoo.load("chain"), "reward")
    found = terms(field, np.zeros((2, 2)))
    with pytest.raises(ValueError, match="method is 'td2'; must be one of monte-carlo, td1, td0"):
        shaped(found, np.zeros(2), "td2")
    with pytest.raises(ValueError, match="rate is 0; must be positive and finite"):
        joint(field, "td0", 0)
    with pytest.raises(ValueError, match="looks one step ahead already"):
        joint(Field(zoo.load("chain"), "bootstrap"), "td0", 1.0)
