"""Optimisers against textbook forms, their limits for small steps, and advantage normalisation by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dynamics.fields import Field, FunctionField
from dynamics.learners import OPTIMISERS, normalised, optimise, spread_of_advantages
from dynamics.learners.optimisers import ADAM, CLIPPED, MOMENTUM, PLAIN, Optimiser, multipliers
from dynamics.motion import iterate
from dynamics.orbits import rest_point
from mdp import evaluation, random, student, zoo

CENTRE = FunctionField(lambda x: np.stack([-x[..., 1], x[..., 0]], -1), (2,), vectorised=True)


def swirl() -> Field:
    return Field(zoo.load("swirl"), "reverse-kl", reward=True)


def test_plain_is_the_iteration() -> None:
    start = np.array([[0.1, 0.2], [0.3, -0.4]])
    ours, theirs = optimise(PLAIN, swirl(), start, 0.01, 50, every=5), iterate(swirl(), start, 0.01, 50, every=5)
    assert (ours.theta == theirs.theta).all() and (ours.t == theirs.t).all()


def test_momentum_is_heavy_ball_with_the_smaller_step() -> None:
    x = np.array([[1.0, 0.0], [0.0, 0.5]])
    found = optimise(MOMENTUM, swirl(), x, 0.02, 40).theta[-1]
    v = np.zeros_like(x)
    for _ in range(40):  # v <- 0.9 v + F; x <- x + lr v, as libraries write it
        v = 0.9 * v + swirl()(x)
        x = x + 0.02 * (1 - 0.9) * v
    np.testing.assert_allclose(found, x, rtol=1e-12)


def test_adam_is_kingma_and_ba_s_algorithm_1() -> None:
    x = np.array([0.3, -2.0])
    field = FunctionField(lambda x: np.array([x[1] ** 2 - x[0], np.sin(x[0])]), (2,))
    found = optimise(ADAM, field, x, 0.01, 30).theta[-1]
    m = v = np.zeros(2)
    for k in range(1, 31):
        g = -field(x)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        x = x - 0.01 * (m / (1 - 0.9**k)) / (np.sqrt(v / (1 - 0.999**k)) + 1e-8)
    np.testing.assert_allclose(found, x, rtol=1e-12)


def test_clipping_scales_each_member_by_its_own_norm() -> None:
    start = np.array([[3.0, 4.0], [0.03, 0.04]])
    moved = optimise(CLIPPED, FunctionField(lambda x: x, (2,), vectorised=True), start, 1.0, 1).theta[-1] - start
    np.testing.assert_allclose(moved, [[0.06, 0.08], [0.03, 0.04]])


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_members_do_not_meet(optimiser: Optimiser) -> None:
    starts = np.random.default_rng(0).normal(size=(3, 2, 2))
    together = optimise(optimiser, swirl(), starts, 0.05, 20).theta[-1]
    alone = np.stack([optimise(optimiser, swirl(), start, 0.05, 20).theta[-1] for start in starts])
    np.testing.assert_allclose(together, alone, rtol=1e-11)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_every_optimiser_stays_at_a_zero_of_the_field(optimiser: Optimiser) -> None:
    assert (optimise(optimiser, CENTRE, [0.0, 0.0], 0.1, 10).theta == 0).all()


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
def test_multipliers_are_the_eigenvalues_of_the_map(beta: float) -> None:
    point = rest_point(swirl(), np.array([[0.0, 2.8], [0.0, 1.1]]))
    assert point is not None
    J, eta, one = np.diag(point.eigenvalues), 0.05, np.eye(2)
    update = np.block([[(one + eta * (1 - beta) * J), eta * beta * one], [(1 - beta) * J, beta * one]])
    found = multipliers(point.eigenvalues, eta, beta)
    np.testing.assert_allclose(np.poly(found.ravel()), np.poly(np.linalg.eigvals(update)), atol=1e-12)
    assert (np.abs(found[:, 0]) >= np.abs(found[:, 1])).all()


@pytest.mark.parametrize(("optimiser", "factor"), [(PLAIN, 1.0), (MOMENTUM, 19.0)])
def test_growth_of_a_centre_is_a_step_artefact(optimiser: Optimiser, factor: float) -> None:
    """Radii grow at the rate eta (1 + beta) / (2 (1 − beta)) per unit of time: halving the step halves the growth."""
    for eta in (0.002, 0.001):
        path = optimise(optimiser, CENTRE, [1.0, 0.0], eta, int(20 / eta))
        rate = np.log(np.linalg.norm(path.theta[-1]) / np.linalg.norm(path.theta[int(5 / eta)])) / 15
        assert rate == pytest.approx(factor * eta / 2, rel=0.01)


def test_clipping_keeps_the_circle_and_adam_s_limit_is_the_square() -> None:
    """The flow of sign(F) for F = (−y, x) runs on squares |x| + |y| = const."""
    field = FunctionField(lambda x: np.stack([-x[..., 1], x[..., 0]], -1), (2,), vectorised=True)
    round_ = optimise(CLIPPED, field, [1.0, 0.0], 0.01, 7000, every=10).theta
    assert np.abs(np.linalg.norm(round_, axis=-1) - 1).max() < 0.01
    signs = Optimiser("sign", beta1=0.0, beta2=0.0, epsilon=0.0)
    square = optimise(signs, field, [1.0, 1e-9], 0.001, 4500, every=10).theta
    assert np.abs(np.abs(square).sum(-1) - 1).max() < 0.01


def test_adam_rattles_at_a_rest_point_by_steps_of_its_own_size() -> None:
    """No step, however small, lets Adam with epsilon 1e-8 settle on this sink; the rattle shrinks with the step."""
    well = FunctionField(lambda x: -x, (1,), vectorised=True)
    widths = []
    for eta in (0.01, 0.0025):
        late = optimise(ADAM, well, [0.1], eta, 12_000).theta[-2000:]
        widths.append(float(np.ptp(late)) / eta)
        assert 1e-3 < widths[-1] < 5
    assert np.ptp(optimise(PLAIN, well, [0.1], 0.01, 4000).theta[-500:]) < 1e-12


# --- advantage normalisation ------------------------------------------------------------------------------------------


def test_normalised_field_by_hand() -> None:
    """Spread of advantages by the evaluation module; the loss is not scaled."""
    mdp = random.episodic(2, 3, 3, discount="4/5", observations=2)
    field, loss = Field(mdp, "on-policy", reward=True), Field(mdp, "on-policy")
    theta = np.random.default_rng(1).normal(size=field.shape)
    p = field.policy(theta).p
    found = evaluation.evaluate(mdp, p)
    weights = found.visits[:, None] * p
    sigma = np.sqrt((weights * found.advantages**2).sum() / weights.sum())
    assert spread_of_advantages(field, theta) == pytest.approx(sigma, rel=1e-12)
    wanted = (field(theta) - loss(theta)) / (sigma + 1e-8) + loss(theta)
    np.testing.assert_allclose(normalised(field)(theta), wanted, rtol=1e-10, atol=1e-13)
    thetas = np.stack([theta, 0 * theta])
    np.testing.assert_allclose(normalised(field)(thetas)[1], normalised(field)(0 * theta), rtol=1e-12, atol=1e-14)


def test_without_a_loss_only_time_changes_and_with_one_rest_points_move() -> None:
    theta = np.array([[0.3, -0.1], [1.0, 0.2]])
    plain = Field(zoo.load("swirl"), "reward")
    ratio = normalised(plain)(theta) / plain(theta)
    assert np.ptp(ratio) < 1e-9 * ratio.max() and ratio.min() > 0
    point = rest_point(swirl(), np.array([[0.0, 2.8], [0.0, 1.1]]))
    assert point is not None
    assert np.abs(normalised(swirl())(point.theta)).max() > 0.1
    matched = Field(zoo.load("swirl"), "reverse-kl", reward=True, alpha=1 / spread_of_advantages(swirl(), point.theta))
    assert np.abs(normalised(matched)(point.theta)).max() < 1e-6  # what the 1e-8 added to sigma leaves


def test_no_advantage_no_reward_part() -> None:
    field = Field(zoo.load("bandit:2").replace(R=[[1, 1]]), "on-policy", reward=True)
    theta = np.array([[0.5, 0.0]])
    np.testing.assert_allclose(normalised(field)(theta), Field(field.mdp, "on-policy")(theta), rtol=1e-9)


def test_normalised_one_step_rows_and_features() -> None:
    mdp = random.episodic(2, 3, 2, discount="4/5")
    field = Field(mdp, "bootstrap", student=student.features(np.eye(6)[:, :4], 2))
    theta = np.array([0.1, 0.4, -0.3, 0.2])
    ratio = normalised(field)(theta) / field(theta)
    assert np.ptp(ratio) < 1e-9


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"optimiser 'x': beta1 is 1; must lie in \[0, 1\)"):
        Optimiser("x", beta1=1)
    with pytest.raises(ValueError, match=r"beta2 is -0\.1"):
        Optimiser("x", beta2=-0.1)
    with pytest.raises(ValueError, match="epsilon is -1"):
        Optimiser("x", epsilon=-1)
    with pytest.raises(ValueError, match="clip is 0; must be positive"):
        Optimiser("x", clip=0)
    with pytest.raises(ValueError, match="the step size is nan"):
        optimise(PLAIN, CENTRE, [0.0, 1.0], float("nan"), 1)
    with pytest.raises(ValueError, match="0 steps"):
        optimise(PLAIN, CENTRE, [0.0, 1.0], 0.1, 0)
    run = optimise(PLAIN, FunctionField(lambda x: x**3, (1,)), [10.0], 1.0, 50)
    assert not run.complete and "range of floats" in run.note


@pytest.mark.slow
def test_adam_gives_figure_2_one_orbit_that_shrinks_with_the_step_and_leaves_the_planar_cycle() -> None:
    """A family of closed orbits becomes one attracting orbit of the size of the step: nothing turns in the limit."""

    def spreads(name: str) -> np.ndarray:
        field, found = Field(zoo.load(name), "on-policy", reward=True), []
        start = np.random.default_rng(0).normal(size=field.shape)
        for eta in (0.005, 0.0025):
            late = optimise(ADAM, field, start, eta, int(120 / eta), every=10).theta[-int(3 / eta) :]
            found.append(np.ptp(late[..., 1] - late[..., 0], axis=0).max())
        return np.array(found)

    centre, cycle = spreads("fig2"), spreads("aliased-cycle")
    assert centre[1] < 0.6 * centre[0]
    assert cycle[1] > 0.9 * cycle[0] and cycle[1] > 3
