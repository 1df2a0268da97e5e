"""Random families: reproducible, valid, of the stated structure; grid worlds against a slow construction."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction as F

import numpy as np
import pytest

from mdp import MDP, endless_states
from mdp import random as families
from mdp.evaluation import visits
from mdp.random import CELLS, acyclic, deterministic_graph, episodic, garnet, generator, grid_world

FAMILIES: list[Callable[..., MDP]] = [episodic, acyclic, deterministic_graph, garnet]
ALL = [*FAMILIES, grid_world]


def test_generator_takes_seeds_and_generators() -> None:
    rng = np.random.default_rng(5)
    assert generator(rng) is rng
    assert generator(0).integers(1 << 60) == np.random.default_rng(0).integers(1 << 60)
    assert generator(np.int64(7)).integers(1 << 60) == generator(7).integers(1 << 60)
    for bad in (None, -1, 1.0, True, "0"):
        with pytest.raises(ValueError, match="seed"):
            generator(bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("family", ALL)
def test_a_seed_gives_one_model(family: Callable[..., MDP]) -> None:
    assert family(0) == family(0) == family(np.random.default_rng(0))
    assert family(0) != family(1)
    rng = np.random.default_rng(0)
    assert family(rng) != family(rng)


@pytest.mark.parametrize("family", FAMILIES)
def test_numbers_are_small_and_exact(family: Callable[..., MDP]) -> None:
    for seed in range(10):
        mdp = family(seed, 6, 3, observations=4)
        exact = mdp.exact
        assert exact.teacher is not None
        numbers = [*exact.P.ravel(), *exact.R.ravel(), *exact.teacher.ravel(), *exact.initial.ravel()]
        assert max(x.denominator for x in numbers) <= 100
        assert (mdp.teacher > 0).all() and (mdp.initial > 0).all()
        assert all(sum(row) == 1 for row in exact.teacher.tolist()) and sum(exact.initial.tolist()) == 1
        assert mdp.n_observations == 4 and (np.abs(mdp.R) <= 2).all()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (5, 1), (2, 2)])
def test_small_shapes(family: Callable[..., MDP], shape: tuple[int, int]) -> None:
    more = {"branching": 1} if family is garnet else {}
    mdp = family(0, *shape, **more)
    assert mdp.R.shape == shape and mdp.n_observations == shape[0]
    assert np.isfinite(visits(mdp, mdp.teacher)).all()


def test_episodic_is_dense() -> None:
    for seed in range(10):
        mdp = episodic(seed, 4, 3)
        assert (mdp.P > 0).all() and (mdp.ending > 0).all()
    assert episodic(0, discount="0.9").exact.discount == F(9, 10)


def test_acyclic_has_no_loops() -> None:
    for seed in range(10):
        P = acyclic(seed, 5, 2).P
        upper = np.triu(np.ones((5, 5), dtype=bool), 1)
        assert ((P > 0) == upper[:, None, :]).all()


def test_deterministic_graphs_are_uniform_and_proper() -> None:
    for seed in range(50):
        mdp = deterministic_graph(seed, 4, 2)
        assert set(np.unique(mdp.P)) <= {0.0, 1.0}
        assert not endless_states(mdp, np.ones((4, 2), dtype=bool)).size
    counts = sum(deterministic_graph(seed, 3, 2, discount="0.5").P.sum((0, 1)) for seed in range(400))
    # 2400 draws over four targets: 600 each, five standard deviations are 106
    assert np.abs(counts - 600).max() < 106


def test_proper_structures_by_enumeration() -> None:
    """Of the 3^2 graphs of two states and one action, three are proper: both end, or one leads to the other."""
    targets = [np.array([[i], [j]]) for i in range(3) for j in range(3)]
    assert [t.ravel().tolist() for t in targets if families._proper(t)] == [[1, 2], [2, 0], [2, 2]]


def test_garnet_branches() -> None:
    for seed in range(10):
        mdp = garnet(seed, 7, 3, 4, ending="1/10")
        assert ((mdp.P > 0).sum(-1) == 4).all()
        assert all(x == F(1, 10) for x in mdp.exact.ending.ravel())
    assert garnet(0).exact.discount == F(19, 20) and (garnet(0).ending == 0).all()
    assert garnet(0, 3, 2, 2, discount=1, ending="1/8").discount == 1


def slow_grid_world(kind: np.ndarray, size: int, slip: F, ending: F) -> tuple[dict[str, dict[str, dict[str, F]]], dict]:
    """The world of the docstring, cell by cell, in fractions: P[state][action][state'] and R[state][action]."""

    def cell(r: int, c: int) -> tuple[float | None, bool]:
        k = kind[r * size + c]
        return CELLS[k][:2] if k < len(CELLS) else (0.0, False)

    def lands(r: int, c: int, move: tuple[int, int]) -> tuple[int, int]:
        to = (r + move[0], c + move[1])
        inside = 0 <= to[0] < size and 0 <= to[1] < size
        return to if inside and cell(*to)[0] is not None else (r, c)

    moves = {"up": (-1, 0), "right": (0, 1), "down": (1, 0), "left": (0, -1)}
    P: dict[str, dict[str, dict[str, F]]] = {}
    R: dict[str, dict[str, F]] = {}
    for r in range(size):
        for c in range(size):
            if cell(r, c)[0] is None or cell(r, c)[1]:
                continue
            P[f"{r},{c}"], R[f"{r},{c}"] = {}, {}
            for action in moves:
                row: dict[str, F] = {}
                pay = F(0)
                for move in moves:
                    chance = slip / 4 + (1 - slip if move == action else 0)
                    to = lands(r, c, moves[move])
                    pay += chance * F(cell(*to)[0] or 0)
                    if not cell(*to)[1] and chance:
                        row[f"{to[0]},{to[1]}"] = row.get(f"{to[0]},{to[1]}", F(0)) + chance * (1 - ending)
                P[f"{r},{c}"][action], R[f"{r},{c}"][action] = row, pay
    return P, R


@pytest.mark.parametrize(
    ("seed", "size", "slip"), [(0, 7, "0.1"), (1, 6, "0"), (2, 8, "1"), (3, 1, "0.3"), (4, 9, "1/3")]
)
def test_grid_world_is_the_slow_one(seed: int, size: int, slip: str) -> None:
    mdp = grid_world(seed, size, slip=slip)
    P, R = slow_grid_world(families._cells(generator(seed), size), size, F(slip), F(1, 100))
    assert list(mdp.states) == list(P) and mdp.actions == ("up", "right", "down", "left")
    for s, state in enumerate(mdp.states):
        for a, action in enumerate(mdp.actions):
            found = {mdp.states[t]: float(p) for t, p in mdp.exact.rows[s][a].items()}
            assert found == pytest.approx({t: float(p) for t, p in P[state][action].items()}, abs=1e-15)
            assert mdp.R[s, a] == pytest.approx(float(R[state][action]), abs=1e-14)


def test_grid_worlds_have_about_35_walls_and_a_free_centre() -> None:
    kinds = np.stack([families._cells(generator(seed), 20) for seed in range(200)])
    assert (kinds[:, 10 * 20 + 10] == len(CELLS)).all()
    probabilities = np.array([cell[2] for cell in CELLS])
    before = np.concatenate([[1.0], np.cumprod(1 - probabilities)[:-1]])
    counts = np.array([(kinds == k).sum(1).mean() for k in range(len(CELLS))])
    assert abs(counts[0] - 35) < 1.5
    np.testing.assert_allclose(counts, 399 * before * probabilities, rtol=0.12)


def test_grid_world_defaults() -> None:
    mdp = grid_world(0)
    assert mdp.is_sparse and mdp.teacher is None and mdp.discount == 1
    assert mdp.states[int(mdp.initial.argmax())] == "10,10" and mdp.initial.max() == 1
    assert 310 < mdp.n_states < 380
    assert float(mdp.ending.min()) == pytest.approx(0.01)
    uniform = np.full((mdp.n_states, 4), 0.25)
    assert visits(mdp, uniform).sum() < 100


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: episodic(0, 0, 1), "states is 0"),
        (lambda: acyclic(0, 1, 0), "actions is 0"),
        (lambda: episodic(0, 3, 1, observations=4), "observations is 4"),
        (lambda: garnet(0, 3, 2, 4), "branching is 4"),
        (lambda: garnet(0, 3, 2, 0), "branching is 0"),
        (lambda: garnet(0, ending="-0.1"), "ending is -0.1"),
        (lambda: garnet(0, discount=1), "ending is 0; with discount 1"),
        (lambda: grid_world(0, 0), "size is 0"),
        (lambda: grid_world(0, slip="1.5"), "slip is"),
        (lambda: grid_world(0, ending=2), "ending is"),
        (lambda: grid_world(None), "seed"),  # type: ignore[arg-type]
        (lambda: deterministic_graph(0, discount="2"), "discount"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(make: Callable[[], MDP], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
