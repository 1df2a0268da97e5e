"""Q-learning against the solved action values, and its mistakes."""

from __future__ import annotations

import numpy as np
import pytest

from mdp import evaluation, random, solve, zoo
from mdp.learning import greedy, q_learning


def test_it_finds_the_optimal_action_values_of_a_small_world() -> None:
    """Deterministic world, so rate 1 learns exactly what was tried: Q* on every pair, by value iteration on samples."""
    mdp = zoo.load("corridor:4")
    learned = q_learning(mdp, 0, episodes=3000, rate=1.0, epsilon=1.0)
    np.testing.assert_allclose(learned, solve.optimal_action_values(mdp), atol=1e-9)


def test_it_is_no_oracle() -> None:
    """A negative control: with few episodes the values are wrong."""
    mdp = zoo.load("corridor:4")
    assert np.abs(q_learning(mdp, 0, episodes=2) - solve.optimal_action_values(mdp)).max() > 0.5


def test_a_grid_world_is_learned_well_but_not_perfectly() -> None:
    mdp = random.grid_world(2, size=6)
    taught = greedy(q_learning(mdp, 0, episodes=500), 0.1)
    returns = [float(evaluation.expected_return(mdp, q)) for q in (solve.uniform(mdp), taught, solve.optimal(mdp))]
    assert returns[0] + 0.5 * (returns[2] - returns[0]) < returns[1] < returns[2]


def test_seeds_and_mistakes() -> None:
    mdp = random.garnet(0, states=4)
    np.testing.assert_array_equal(q_learning(mdp, 1, episodes=20), q_learning(mdp, 1, episodes=20))
    assert (q_learning(mdp, 1, episodes=20) != q_learning(mdp, 2, episodes=20)).any()
    with pytest.raises(ValueError, match=r"rate 0, epsilon 0\.1; must be in"):
        q_learning(mdp, 0, rate=0)
    with pytest.raises(ValueError, match="0 episodes; must be at least 1"):
        q_learning(mdp, 0, episodes=0)
    with pytest.raises(ValueError, match="epsilon 2; must be from 0 to 1"):
        greedy(np.zeros((1, 2)), 2)
