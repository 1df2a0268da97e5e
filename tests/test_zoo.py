"""The zoo holds the numbers of the claims, exactly: re-typed here, and met by the rest points that the claims state."""

from __future__ import annotations

import math
from fractions import Fraction as F
from pathlib import Path

import numpy as np
import pytest

from mdp import MDP, backup, io, zoo
from mdp.evaluation import expected_return, values, visits

NAMES = zoo.names()
SIZED = ["corridor:1", "corridor:4", "corridor:150", "corridor-adversarial:3", "bandit:2", "bandit:40", "token-tree:1"]


def exact(table: object) -> list[list[F]]:
    return np.array(table, dtype=object).tolist()


@pytest.mark.parametrize("name", NAMES + SIZED)
def test_every_entry_loads_with_a_teacher_of_full_support(name: str) -> None:
    mdp = zoo.load(name)
    assert mdp.name == name
    assert mdp.teacher is not None and (mdp.teacher > 0).all()
    assert np.isfinite(values(mdp, mdp.teacher)).all()
    assert mdp.exact.teacher is not None
    assert all(sum(row) == 1 for row in mdp.exact.teacher.tolist())


@pytest.mark.parametrize("name", NAMES + SIZED)
def test_every_entry_survives_a_file(name: str, tmp_path: Path) -> None:
    mdp = zoo.load(name)
    for suffix in (".json", ".npz"):
        path = tmp_path / f"model{suffix}"
        io.write(mdp, path)
        assert io.read(path) == mdp


def test_entries_describe_themselves() -> None:
    entries = zoo.entries()
    assert len({entry.name for entry in entries}) == len(entries)
    for entry in entries:
        assert entry.summary and entry.source and len(entry.summary) < 100
        assert entry.build() == zoo.load(entry.name)
        with pytest.raises(AttributeError):
            entry.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("swril", "'swirl'"),
        ("corridr:3", "'corridor'"),
        ("swirl:3", "takes no size"),
        ("corridor:", "must be an integer from 1 to 10000"),
        ("corridor:0", "must be an integer from 1"),
        ("corridor:-3", "must be an integer from 1"),
        ("corridor:3.0", "must be an integer from 1"),
        ("corridor:²", "must be an integer from 1"),
        ("bandit:1", "must be an integer from 2"),
        ("token-tree:13", "from 1 to 12"),
        ("bandit:" + "9" * 5000, "from 2 to 10000"),
        ("", "unknown"),
    ],
)
def test_bad_names_are_refused_in_one_line(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        zoo.load(name)
    assert "\n" not in str(caught.value)


def test_fig2_is_the_papers_figure_2() -> None:
    """C1: three decision states, observations [0, 1, 1], own loss −4 pi_theta(R|s_R), discount 1."""
    mdp = zoo.load("fig2").exact
    assert exact(mdp.P) == [[[0, 1, 0], [0, 0, 1]], [[0] * 3] * 2, [[0] * 3] * 2]
    assert exact(mdp.R) == [[0, 0], [-1, -2], [0, -3]]
    assert exact(mdp.loss) == [[0, 0], [0, 0], [0, -4]]
    assert exact(mdp.initial) == [1, 0, 0] and mdp.discount == 1
    assert zoo.load("fig2").observation.tolist() == [0, 1, 1]
    assert zoo.load("fig2").states == ("s0", "s_L", "s_R") and zoo.load("fig2").actions == ("L", "R")


def test_corridor_cycle_is_claim_c2() -> None:
    mdp = zoo.load("corridor-cycle").exact
    assert exact(mdp.P) == [[[1, 0, 0], [0, 1, 0]], [[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 0, 0]]]
    assert exact(mdp.R) == [[1, 0], [F(-1, 2), 0], [F(55, 100), 0]]
    assert exact(mdp.initial) == [F(1, 4), 0, F(3, 4)] and mdp.discount == F(99, 100)
    assert exact(mdp.teacher) == [[F(2, 100), F(98, 100)]] * 3
    assert zoo.load("corridor-cycle").n_observations == 3 and mdp.loss is None


def test_swirl_is_claim_c4() -> None:
    mdp = zoo.load("swirl")
    assert exact(mdp.exact.P) == [[[F(992, 1000), F(8, 1000)], [F(316, 1000), F(684, 1000)]], [[1, 0], [0, 1]]]
    assert exact(mdp.exact.R) == [[F(235, 100), F(1538, 100)], [F(-463, 100), F(102, 10)]]
    assert exact(mdp.exact.initial) == [F(1, 100), F(99, 100)] and mdp.exact.discount == F(97, 100)
    for row, log_odds in zip(mdp.teacher, (-4.328125, -4.953125), strict=True):
        assert math.log(row[1] / row[0]) == pytest.approx(log_odds, abs=1e-13)
        assert row[1] == 1 / (1 + math.exp(-log_odds))  # the float itself


def test_aliased_cycle_is_claim_c5() -> None:
    mdp = zoo.load("aliased-cycle").exact
    assert exact(mdp.P) == [[[1, 0, 0], [0, 1, 0]], [[0, 0, 1], [0, 0, 0]], [[1, 0, 0], [0, 0, 1]]]
    assert exact(mdp.R) == [[F(102, 100), 0], [F(-42, 100), 0], [F(-52, 100), 0]]
    assert exact(mdp.initial) == [F(2, 10), F(8, 10), 0] and mdp.discount == F(99, 100)
    assert exact(mdp.teacher) == [[F(1, 5), F(4, 5)], [F(1, 20), F(19, 20)], [F(1, 5), F(4, 5)]]
    assert zoo.load("aliased-cycle").observation.tolist() == [0, 1, 0]


def test_the_finds_of_the_hunt_are_as_documented() -> None:
    two, one, mild, sharp = (
        zoo.load(name).exact for name in ("entropy-cycle", "one-state-cycle", "aliased-mild", "corridor-sharp")
    )
    assert exact(two.P) == [[[0, 0], [F(9, 10), F(1, 10)]], [[0, 1], [1, 0]]]
    assert exact(two.R) == [[0, 0], [F(1, 3), 0]] and exact(two.initial) == [0, 1] and two.discount == F(24, 25)
    assert exact(two.teacher) == [[F(1, 2)] * 2] * 2
    assert exact(one.P) == [[[F(1, 10)], [1], [F(94, 100)]]] and one.discount == F(98, 100)
    assert exact(one.R) == [[F(-48, 10), F(-48, 10), 0]] and exact(one.teacher) == [[F(1, 3)] * 3]
    assert exact(mild.P)[0] == [[F(4, 5), 0, F(1, 5)], [0, F(1, 3), F(1, 3)]]
    assert exact(mild.P)[1:] == [[[0, 0, 0], [1, 0, 0]], [[0, 0, 1], [0, 1, 0]]]
    assert exact(mild.R) == [[-1, 0], [0, 0], [1, 0]] and mild.discount == F(24, 25)
    assert exact(mild.teacher) == [[F(1, 3), F(2, 3)], [F(1, 2)] * 2, [F(3, 5), F(2, 5)]]
    assert exact(mild.initial) == [0, F(4, 5), F(1, 5)]
    assert zoo.load("aliased-mild").observation.tolist() == [0, 1, 0]
    assert exact(sharp.P) == exact(zoo.load("corridor-cycle").exact.P) and sharp.discount == F(95, 100)
    assert exact(sharp.R) == [[F(1015, 1000), 0], [F(9, 10), 0], [F(95, 100), 0]]
    assert exact(sharp.teacher) == [[F(1, 10**4), 1 - F(1, 10**4)]] * 3 and exact(sharp.initial) == [1, 0, 0]


def test_the_cycles_without_reward_are_as_documented() -> None:
    names = ("copying-cycle", "blind-copying-cycle", "reverse-copying-cycle")
    one, blind, reverse = (zoo.load(name).exact for name in names)
    goes, stays = [F(1, 20), F(19, 20)], [F(19, 20), F(1, 20)]
    assert exact(one.teacher) == [goes, goes, stays, stays, stays] and one.discount == 1
    leads = [[[(row.index(1) if 1 in row else -1) for row in block] for block in exact(m.P)] for m in (one, reverse)]
    assert leads == [[[1, 2], [3, -1], [2, -1], [4, -1], [4, 3]], [[3, 2], [3, 1], [-1, 2], [1, -1]]]
    assert exact(reverse.teacher)[0] == [F(99, 100), F(1, 100)] == exact(reverse.teacher)[3]
    assert exact(blind.teacher) == [[F(1, 100), F(1, 100), F(98, 100)]] * 3 + [[F(1, 100), F(98, 100), F(1, 100)]]
    assert [zoo.load(name).observation.tolist() for name in names] == [[0, 1, 1, 0, 0], [0] * 4, [0, 0, 1, 1]]
    assert not any(m.R.any() for m in (one, blind, reverse))


def update(mdp: MDP, log_odds: list[float], loss: str, corrected: bool) -> np.ndarray:
    """Equation (1) with + R and the student in control, in logit differences (action 1 minus 0) per observation."""
    z = np.array(log_odds)[mdp.observation]
    p = np.stack([1 / (1 + np.exp(z)), 1 / (1 + np.exp(-z))], axis=1)
    pi = mdp.teacher
    if mdp.loss is not None:
        state_loss = (mdp.loss * p).sum(1)
        slope = p * (mdp.loss - state_loss[:, None])
    elif loss == "cross-entropy":
        state_loss, slope = -(pi * np.log(p)).sum(1), p - pi
    else:
        ratio = np.log(p / pi)
        state_loss = (p * ratio).sum(1)
        slope = p * (ratio - state_loss[:, None])
    reward = mdp.R - backup(mdp, state_loss) if corrected else mdp.R
    v = values(mdp, p, reward)
    update = visits(mdp, p)[:, None] * (p * (reward + backup(mdp, v) - v[:, None]) - slope)
    return np.array([update[mdp.observation == o].sum(0) @ [-1, 1] for o in range(mdp.n_observations)])


@pytest.mark.parametrize(
    ("name", "loss", "corrected", "rest"),
    [
        ("corridor-cycle", "cross-entropy", True, [1.9865, 4.4004, 3.4586]),  # stated as left minus right
        ("swirl", "reverse-kl", False, [2.79304, 1.13600]),
        ("swirl", "reverse-kl", True, [3.315655, 1.909093]),
        ("swirl", "cross-entropy", False, [1.98071, 1.89261]),
        ("aliased-cycle", "cross-entropy", True, [0.4621, 4.3438]),
        ("entropy-cycle", "cross-entropy", False, [0.14768, -0.91740]),
        ("entropy-cycle", "reverse-kl", True, [0.08608, -0.77204]),
        ("aliased-mild", "cross-entropy", True, [0.49884, -1.63353]),
        ("corridor-sharp", "cross-entropy", True, [3.912376, 6.924729, 6.274592]),
    ],
)
def test_the_stated_rest_points_rest(name: str, loss: str, corrected: bool, rest: list[float]) -> None:
    """C2, C4, C5: a Newton step from the stated point, by differences, moves it by no more than its last digit."""
    mdp = zoo.load(name)
    h, n = 1e-6, len(rest)
    shifted = [np.array(rest) + h * np.eye(n)[k] for k in range(n)]
    at = update(mdp, rest, loss, corrected)
    jacobian = np.stack([(update(mdp, x.tolist(), loss, corrected) - at) / h for x in shifted], axis=1)
    digits = max(len(f"{x}".partition(".")[2]) for x in rest)
    assert np.abs(np.linalg.solve(jacobian, at)).max() < 0.6 * 10**-digits


@pytest.mark.parametrize("th", [(-2.0, -2.0), (0.3, 1.7), (1.0, -0.4)])
def test_fig2_is_matching_pennies_in_the_logits(th: tuple[float, float]) -> None:
    """C1: th1' = p(1−p)(1−2x), th2' = x(1−x)(2p−1); corrected: th1' = p(1−p)(1+2x) (logit differences: twice that)."""
    p, x = (1 / (1 + math.exp(-t)) for t in th)
    mdp = zoo.load("fig2")
    assert update(mdp, list(th), "own", False) / 2 == pytest.approx(
        [p * (1 - p) * (1 - 2 * x), x * (1 - x) * (2 * p - 1)]
    )
    assert update(mdp, list(th), "own", True) / 2 == pytest.approx(
        [p * (1 - p) * (1 + 2 * x), x * (1 - x) * (2 * p - 1)]
    )


def test_corridor_pays_at_both_ends() -> None:
    """Figure 6: the good teacher comes near the best return, the adversarial one near the worst."""
    mdp = zoo.load("corridor")
    right, left = np.tile([0.0, 1.0], (11, 1)), np.tile([1.0, 0.0], (11, 1))
    assert expected_return(mdp, right) == pytest.approx(0.99**5)
    assert expected_return(mdp, left) == pytest.approx(-(0.99**5))
    bad = zoo.load("corridor-adversarial")
    assert bad.replace(teacher=None) == mdp.replace(teacher=None)
    assert expected_return(mdp, mdp.teacher) == pytest.approx(-float(expected_return(bad, bad.teacher)))
    assert expected_return(mdp, mdp.teacher) > 0.93


def test_a_long_corridor_is_sparse_and_the_same() -> None:
    short, long = zoo.load("corridor:100"), zoo.load("corridor:101")
    assert not short.is_sparse and long.is_sparse
    assert long.exact.rows[0] == ({}, {1: 1}) and long.exact.rows[100] == ({99: 1}, {})
    assert long.exact.rows[50] == ({49: 1}, {51: 1})
    assert zoo.load("corridor:4").exact.initial.tolist() == [0, F(1, 2), F(1, 2), 0]


def test_token_tree_is_a_tree_of_prefixes() -> None:
    mdp = zoo.load("token-tree")
    assert mdp.states == ("<s>", "a", "b", "aa", "ab", "ba", "bb")
    for s, prefix in enumerate(mdp.states):
        for a, token in enumerate("ab"):
            text = prefix.replace("<s>", "") + token
            assert [mdp.states[t] for t in mdp.exact.rows[s][a]] == ([text] if len(text) < 3 else [])
            assert mdp.R[s, a] == (len(text) == 3 and text[0] == text[2])
    assert visits(mdp, mdp.teacher).sum() == pytest.approx(3)


def test_bandit_and_chain() -> None:
    assert exact(zoo.load("bandit:3").exact.teacher) == [[F(1, 2), F(1, 3), F(1, 6)]]
    assert exact(zoo.load("bandit:5").exact.R) == [[0, F(1, 4), F(1, 2), F(3, 4), 1]]
    assert zoo.load("bandit:4000").n_actions == 4000
    assert exact(zoo.load("chain").exact.P) == [[[0, 0], [0, 1]], [[0, 0], [0, 0]]]
    assert exact(zoo.load("chain").exact.teacher) == [[F(1, 3), F(2, 3)], [F(1, 4), F(3, 4)]]
