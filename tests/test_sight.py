"""Windows of sight: which cells of a grid world share an observation, against a slow look through each window."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from mdp import random as families
from mdp.random import CELLS, generator, grid_world
from mdp.sight import WALL, observations

SIZE = 6
SEEDS = range(4)


def slow_window(kind: np.ndarray, cell: str, sight: int) -> tuple[int, ...]:
    """The kinds of the cells around a state "row,column", cell by cell; walls off the grid."""
    row, column = map(int, cell.split(","))
    around = range(-sight, sight + 1)
    inside = range(len(kind))
    return tuple(
        int(kind[row + i, column + j]) if row + i in inside and column + j in inside else WALL
        for i in around
        for j in around
    )


@pytest.mark.parametrize("sight", [0, 1, 2, 5, 50])
@pytest.mark.parametrize("seed", SEEDS)
def test_states_share_an_observation_exactly_where_their_windows_are_equal(seed: int, sight: int) -> None:
    mdp = grid_world(seed, SIZE, sight=sight)
    kind = families._cells(generator(seed), SIZE).reshape(SIZE, SIZE)
    windows = [slow_window(kind, state, min(sight, SIZE)) for state in mdp.states]
    same = mdp.observation[:, None] == mdp.observation
    assert (same == [[one == other for other in windows] for one in windows]).all()
    assert mdp.n_observations == len(set(windows))


def test_observations_are_numbered_by_first_appearance() -> None:
    for seed in SEEDS:
        seen = grid_world(seed, SIZE, sight=1).observation.tolist()
        assert list(dict.fromkeys(seen)) == list(range(max(seen) + 1))


def test_sight_changes_nothing_but_observations() -> None:
    whole = grid_world(3, SIZE)
    assert whole.n_observations == whole.n_states
    for sight in (0, 1, 2):
        seen = grid_world(3, SIZE, sight=sight)
        assert seen.replace(observation=None) == whole
        assert (seen == whole) == (seen.n_observations == whole.n_states)
    assert whole != grid_world(3, SIZE, sight=0)


def test_a_wider_window_tells_more_apart_and_the_widest_everything() -> None:
    for seed in SEEDS:
        worlds = [grid_world(seed, SIZE, sight=r) for r in range(SIZE)]
        for near, far in pairwise(worlds):
            pairs = set(zip(far.observation.tolist(), near.observation.tolist(), strict=True))
            assert len(pairs) == far.n_observations  # each of the wider window's lies within one of the narrower's
        assert worlds[-1].n_observations == worlds[-1].n_states
        kind = families._cells(generator(seed), SIZE)
        states = {int(k) for k in kind if k == len(CELLS) or (CELLS[k][0] is not None and not CELLS[k][1])}
        assert worlds[0].n_observations == len(states)


def test_a_blind_cell_sees_its_own_kind() -> None:
    kind = np.array([[1, 2], [2, 3]])
    assert observations(kind, np.arange(4), 0).tolist() == [0, 1, 1, 2]
    assert observations(kind, np.array([3, 1, 2]), 0).tolist() == [0, 1, 1]
    assert observations(kind, np.arange(4), 1).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("sight", [-1, 1.0, True, "1"])
def test_sight_is_a_whole_number(sight: object) -> None:
    with pytest.raises(ValueError, match=r"sight is .*; must be an integer of at least 0"):
        grid_world(0, 3, sight=sight)  # type: ignore[arg-type]
