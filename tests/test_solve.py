"""Policy iteration against two oracles: every deterministic policy tried, and a linear programme."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from scipy.optimize import linprog

from mdp import MDP, endless_states, solve, zoo
from mdp.evaluation import action_values, expected_return, values
from mdp.random import deterministic_graph, episodic, garnet, grid_world
from mdp.strategies import mdps

HALF = (Fraction(1, 2), Fraction(99, 100))
SMALL = mdps(states=(1, 4), actions=(1, 3))
DISCOUNTED = mdps(states=(1, 4), actions=(1, 3), discount=HALF)


def every_policy(mdp: MDP) -> np.ndarray:
    """All deterministic policies that end, (N, S, A), lowest indices first."""
    eye = np.eye(mdp.n_actions)
    tables = [eye[list(choice)] for choice in product(range(mdp.n_actions), repeat=mdp.n_states)]
    return np.array([table for table in tables if not endless_states(mdp, table > 0).size])


def linear_programme(mdp: MDP, sign: int = 1) -> np.ndarray | None:
    """The least V with V(s) >= ±R(s, a) + g Σ P(s, a, s') V(s'); None where there is none: a loop that pays."""
    S, A = mdp.n_states, mdp.n_actions
    rows = mdp.discount * mdp.P.reshape(S * A, S) - np.repeat(np.eye(S), A, axis=0)
    found = linprog(np.ones(S), A_ub=rows, b_ub=-sign * mdp.R.ravel(), bounds=(None, None), method="highs")
    assert found.status in (0, 2), found.message
    return found.x if found.status == 0 else None


@settings(deadline=None, max_examples=150)
@given(SMALL)
def test_optimal_is_the_best_of_all_policies_that_end(mdp: MDP) -> None:
    best = linear_programme(mdp)
    if best is None:
        with pytest.raises(ValueError, match="endless loop that pays"):
            solve.optimal(mdp)
        return
    table = solve.optimal(mdp)
    found = values(mdp, table)
    assert set(np.unique(table)) <= {0.0, 1.0} and (table.sum(1) == 1).all()
    assert not endless_states(mdp, table > 0).size
    np.testing.assert_allclose(found, best, atol=1e-7)
    np.testing.assert_allclose(found, values(mdp, every_policy(mdp)).max(0), atol=1e-9)
    np.testing.assert_allclose(solve.optimal_values(mdp), found, atol=1e-9)
    np.testing.assert_allclose(solve.optimal_action_values(mdp), action_values(mdp, table), atol=1e-9)


@settings(deadline=None, max_examples=100)
@given(SMALL)
def test_adversarial_is_the_worst_of_all_policies_that_end(mdp: MDP) -> None:
    worst = linear_programme(mdp, sign=-1)
    if worst is None:
        with pytest.raises(ValueError, match="least return"):
            solve.adversarial(mdp)
        return
    found = values(mdp, solve.adversarial(mdp))
    np.testing.assert_allclose(found, -worst, atol=1e-7)
    np.testing.assert_allclose(found, values(mdp, every_policy(mdp)).min(0), atol=1e-9)
    np.testing.assert_array_equal(solve.adversarial(mdp), solve.optimal(mdp.replace(R=(-mdp.exact.R).tolist())))


@settings(deadline=None, max_examples=100)
@given(DISCOUNTED)
def test_ties_go_to_the_lowest_index(mdp: MDP) -> None:
    """Below discount 1 the first optimal policy of the enumeration has the lowest optimal action everywhere."""
    tables = every_policy(mdp)
    found = values(mdp, tables)
    optimal = (found >= found.max(0) - 1e-9).all(-1)
    np.testing.assert_array_equal(solve.optimal(mdp), tables[optimal.argmax()])


@settings(deadline=None, max_examples=100)
@given(SMALL)
def test_teachers_are_policies_between_the_worst_and_the_best(mdp: MDP) -> None:
    assume(linear_programme(mdp) is not None)
    best = solve.optimal_values(mdp)
    for spec in ("uniform", "optimal", "softmax:0", "softmax:1/10", "softmax:1000", "epsilon:0.1", "epsilon:1"):
        table = solve.teacher(mdp, spec)
        assert table.shape == (mdp.n_states, mdp.n_actions)
        np.testing.assert_allclose(table.sum(1), 1, atol=1e-12)
        assert (table >= 0).all() and not endless_states(mdp, table > 0).size
        assert (values(mdp, table) <= best + 1e-9 * (1 + np.abs(best).max())).all()
        assert mdp.replace(teacher=table).teacher is not None
    np.testing.assert_allclose(values(mdp, solve.teacher(mdp, "softmax:0")), best, atol=1e-8)
    np.testing.assert_allclose(solve.teacher(mdp, "epsilon:1"), solve.uniform(mdp))
    np.testing.assert_allclose(solve.teacher(mdp, "epsilon:0"), solve.optimal(mdp))


def test_an_exit_that_costs_is_taken_when_the_discount_is_one() -> None:
    """Staying for ever pays 0 and ends never; the best of the policies that end pays 1 to leave."""
    mdp = MDP(P=[[[1], [0]]], R=[[0, -1]], initial=[1])
    np.testing.assert_array_equal(solve.optimal(mdp), [[0, 1]])
    np.testing.assert_array_equal(solve.optimal(mdp.replace(discount="0.99")), [[1, 0]])


def test_a_free_loop_is_left_by_the_lowest_action_that_ends() -> None:
    """All actions are optimal (nothing pays); the lowest ones would go round s0, s1 for ever."""
    ring = MDP(P=[[[0, 1], [0, 1]], [[1, 0], [0, 0]]], R=[[0, 0], [0, 0]], initial=[1, 0])
    np.testing.assert_array_equal(solve.optimal(ring), [[1, 0], [0, 1]])
    np.testing.assert_array_equal(solve.softmax_teacher(ring, 0), [[0.5, 0.5], [0.5, 0.5]])


def test_loops_that_pay_are_named() -> None:
    """s0 leads into the loop s1, s2, which pays 3 − 1 in two steps."""
    P = [[[0, 1, 0], [0, 0, 0]], [[0, 0, 1], [0, 0, 0]], [[0, 1, 0], [0, 0, 0]]]
    mdp = MDP(P=P, R=[[0, 0], [3, 0], [-1, 0]], initial=[1, 0, 0], states=["in", "up", "down"])
    with pytest.raises(ValueError) as caught:
        solve.optimal(mdp)
    assert str(caught.value) == (
        "state s=1 'up' is on an endless loop that pays 1 a step on average; with discount 1 that must be at most 0"
        " for a greatest return to exist"
    )
    np.testing.assert_array_equal(solve.adversarial(mdp), [[1, 0], [0, 1], [1, 0]])
    with pytest.raises(ValueError, match=r"pays -1 a step on average.*at least 0 for a least return"):
        solve.adversarial(mdp.replace(R=[[0, 0], [-3, 0], [1, 0]]))
    sparse = mdp.replace(P={"sparse": [[0, 0, 1, 1], [1, 0, 2, 1], [2, 0, 1, 1]]})
    with pytest.raises(ValueError, match="state s=1 'up'"):
        solve.optimal(sparse)


@pytest.mark.parametrize("seed", range(5))
def test_dense_and_sparse_agree_on_larger_models(seed: int) -> None:
    for mdp in (garnet(seed, 40, 4, 3), garnet(seed, 30, 3, 3, 1, "1/50"), episodic(seed, 12, 5)):
        rows = enumerate(row for actions in mdp.exact.rows for row in actions)
        entries = [[*divmod(r, mdp.n_actions), t, p] for r, row in rows for t, p in row.items()]
        sparse = mdp.replace(P={"sparse": entries})
        best = linear_programme(mdp)
        np.testing.assert_allclose(solve.optimal_values(mdp), best, rtol=1e-7, atol=1e-7)
        np.testing.assert_array_equal(solve.optimal(mdp), solve.optimal(sparse))
        np.testing.assert_array_equal(solve.adversarial(mdp), solve.adversarial(sparse))


def test_changes_that_only_rounding_made_are_taken_back() -> None:
    """s0 and s1 can stay for nothing or leave for −1; a change to staying is a tie taken for a gain, unlike s2's."""
    stay = np.eye(3)
    P = np.stack([stay, np.zeros((3, 3))], axis=1)
    mdp = MDP(P=P, R=[[0, -1], [0, -1], ["1e-9", -1]], initial=[1, 0, 0])
    leave, changed = np.array([1, 1, 1]), np.array([0, 0, 1])
    np.testing.assert_array_equal(solve._still_ending(mdp, leave, changed, 1), leave)
    np.testing.assert_array_equal(changed, [0, 0, 1])
    with pytest.raises(ValueError, match="state s=2"):
        solve._still_ending(mdp, leave, np.array([1, 1, 0]), 1)


def test_values_of_very_different_sizes_are_told_apart() -> None:
    for scale in ("1e-30", "1", "1e30"):
        mdp = MDP(P=[[[0], [0], [0]]], R=[[0, scale, "0"]], initial=[1])
        np.testing.assert_array_equal(solve.optimal(mdp), [[0, 1, 0]])


def test_long_episodes_do_not_hang() -> None:
    """Rounding of values near 1e9 must not make policies alternate."""
    for seed in range(8):
        mdp = garnet(seed, 6, 3, 2, 1, "1e-9")
        table = solve.optimal(mdp)
        np.testing.assert_allclose(values(mdp, table), values(mdp, every_policy(mdp)).max(0), rtol=1e-5)


@pytest.mark.parametrize("length", [1, 2, 5, 12, 150])
def test_corridor(length: int) -> None:
    mdp = zoo.load(f"corridor:{length}")
    np.testing.assert_array_equal(solve.optimal(mdp), np.tile([0.0, 1.0], (length, 1)))
    np.testing.assert_array_equal(solve.adversarial(mdp), np.tile([1.0, 0.0], (length, 1)))
    np.testing.assert_allclose(solve.teacher(mdp, "epsilon:0.1"), mdp.teacher)


def test_grid_world_teachers() -> None:
    """The paper's teachers on its worlds: the colder the better."""
    mdp = grid_world(3, 12)
    specs = ("adversarial", "uniform", "softmax:1", "softmax:0.1", "softmax:0.01", "optimal")
    returns = [float(expected_return(mdp, solve.teacher(mdp, spec))) for spec in specs]
    assert returns == sorted(returns) and returns[0] < returns[-1]
    assert expected_return(mdp, solve.teacher(mdp, "softmax:0")) == pytest.approx(returns[-1])


def test_softmax_teacher_is_the_softmax_of_the_action_values() -> None:
    mdp = deterministic_graph(0, 4, 3, discount="0.9")
    q = solve.optimal_action_values(mdp)
    weights = np.exp(q / 0.7)
    np.testing.assert_allclose(solve.softmax_teacher(mdp, 0.7), weights / weights.sum(1, keepdims=True))
    np.testing.assert_allclose(solve.softmax_teacher(mdp, 5e-324), solve.softmax_teacher(mdp, 0))
    np.testing.assert_allclose(solve.softmax_teacher(mdp, 1e300), solve.uniform(mdp))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("optimale", "nearest is 'optimal'"),
        ("sofmax:0.1", "nearest is 'softmax'"),
        ("", "unknown"),
        ("uniform:2", "takes no number"),
        ("softmax", "needs a number"),
        ("softmax:", "needs a number"),
        ("softmax:-1", "must be finite and at least 0"),
        ("softmax:hot", "must be a finite number"),
        ("softmax:nan", "must be a finite number"),
        ("epsilon:1.5", "must be from 0 to 1"),
        ("epsilon:-0.1", "must be from 0 to 1"),
    ],
)
def test_bad_teachers_are_refused_in_one_line(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        solve.teacher(zoo.load("chain"), spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -0.1])
def test_bad_numbers_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="temperature"):
        solve.softmax_teacher(zoo.load("chain"), bad)
    with pytest.raises(ValueError, match="epsilon"):
        solve.epsilon_greedy(zoo.load("chain"), bad)
