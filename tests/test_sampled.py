"""The sampled update: each trajectory against the oracle, its moments, its mean, and what a bias looks like."""

from __future__ import annotations

import dataclasses
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import oracle
import pytest

from dynamics.fields import Field
from dynamics.rules import TABLE
from dynamics.sampling import estimates, moments, terms, trajectories
from dynamics.sampling import estimator as sampled
from dynamics.sampling.episodes import Step, Walks
from dynamics.sampling.estimator import along, bias_bound, deviations, mean_and_error
from mdp import MDP, evaluation, random, student, zoo
from proofs.claims.variance import estimator_variance

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
from bias import bound, compare

CONTROLS = ("teacher", "student", "uniform", "mix:0.25")


# --- one trajectory, against the oracle -------------------------------------------------------------------------------


def walks_of(paths: list[oracle.Trajectory]) -> Walks:
    """Given trajectories in our form."""
    longest = max(map(len, paths))
    steps = []
    for t in range(longest):
        who = [i for i, path in enumerate(paths) if len(path) > t]
        steps.append(Step(np.array(who), *np.array([paths[i][t] for i in who]).T))
    return Walks(tuple(steps), len(paths), 1, 0)


def oracle_estimate(case: oracle.Case, theta: np.ndarray, path: oracle.Trajectory) -> np.ndarray:
    """One trajectory's update by the oracle's own words."""
    logp = oracle.log_policy(case, theta)
    facts = oracle.Facts(logp, oracle.acyclic_values(case, case.teacher), oracle.acyclic_values(case, np.exp(logp)))
    of_log, of_loss = oracle.derivative_tables(case, theta)
    if case.rule == "value-gate":
        of_loss *= oracle.clearly_above(facts.v_teacher, facts.v_student)[:, None]
    pay = [oracle.step_reward(case, facts, path, i) for i in range(len(path))]
    result = np.zeros(len(theta))
    for t, (s, a) in enumerate(path):
        to_go = pay[t] if case.rule in oracle.ONE_STEP else sum(pay[t:])
        result += of_log[s, a] * to_go - case.alpha * of_loss[s]
    return result


def phi_of(mdp: MDP) -> np.ndarray:
    phi = student.of(mdp).phi
    return np.eye(mdp.R.size) if phi is None else np.asarray(phi)


@pytest.mark.parametrize("rule", TABLE)
@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("reward", [False, True])
def test_every_trajectory_and_the_moments_agree_with_the_oracle(rule: str, control: str, reward: bool) -> None:
    """All trajectories of an acyclic, aliased MDP with discount: each estimate, their mean and their variance."""
    mdp = random.acyclic(4, 3, 2, discount="4/5", observations=2)
    field = Field(mdp, rule, control=control, reward=reward, alpha="3/2")
    theta = np.array([[0.3, -0.8], [-0.5, 0.1]])
    case = oracle.Case(
        mdp.P, mdp.R, mdp.initial, mdp.discount, phi_of(mdp), mdp.teacher, rule, control, reward, alpha=1.5
    )
    flat = theta.ravel()
    chances, paths = zip(
        *oracle.trajectories(case, oracle.control_policy(case, np.exp(oracle.log_policy(case, flat)))), strict=True
    )
    ours = field.student.pull_back(along(terms(field, theta), walks_of(list(paths)), 1.0)).reshape(len(paths), -1)
    theirs = np.array([oracle_estimate(case, flat, path) for path in paths])
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)
    weights = np.array(chances)
    mean = weights @ theirs
    found = moments(field, theta)
    np.testing.assert_allclose(mean, field(theta).ravel(), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(found.mean.ravel(), mean, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(found.variance.ravel(), weights @ theirs**2 - mean**2, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("rule", ["on-policy", "er", "eer", "n-distill", "reverse-kl-corrected", "reward", "bootstrap"])
@pytest.mark.parametrize("name", ["fig2", "chain", "token-tree:2"])
def test_total_variance_is_that_of_the_proofs(rule: str, name: str) -> None:
    mdp = zoo.load(name)
    field = Field(mdp, rule, reward=True)
    table = np.array([[Fraction(1 + o, 3 + o), Fraction(2, 3 + o)] for o in range(mdp.n_observations)])
    ball = estimator_variance(field, table)[0]
    assert moments(field, np.log(table.astype(float))).total == pytest.approx(float(ball), rel=1e-11)


# --- means and variances over many ------------------------------------------------------------------------------------


def small_worlds() -> list[MDP]:
    return [random.episodic(1, 3, 2, discount="4/5"), random.acyclic(2, 3, 3, observations=2), zoo.load("fig2")]


@pytest.mark.parametrize("control", CONTROLS)
def test_unbiased_for_every_rule(control: str) -> None:
    """No entry of any rule's mean deviates by more than Bonferroni's bound (chance 0.001, seed fixed)."""
    rows = compare(small_worlds(), 2000, 7, controls=[control])
    assert len(rows) == 3 * 2 * len(TABLE)
    assert max(row.z for row in rows) < bound(rows)


@pytest.mark.parametrize("rule", TABLE)
def test_mean_of_weights_is_the_field_and_their_variance_is_smaller(rule: str) -> None:
    """Given the trajectory that nothing kills, weights are killing's expectation: the variance cannot be larger."""
    for name in ("swirl", "corridor-cycle", "aliased-cycle"):
        field = Field(zoo.load(name), rule, reward=True)
        theta = np.random.default_rng(5).normal(size=field.shape)
        killing, weights = (moments(field, theta, discount=d) for d in ("killing", "weights"))
        for found in (killing, weights):
            np.testing.assert_allclose(found.mean, field(theta), rtol=1e-9, atol=1e-9 * np.abs(field(theta)).max())
        assert (weights.variance <= killing.variance * (1 + 1e-9)).all()
        assert weights.total < killing.total


@pytest.mark.parametrize("discount", ["killing", "weights"])
def test_sampled_variance_is_the_exact_one_on_a_cyclic_mdp(discount: str) -> None:
    """Within four standard errors of a sample variance, which the fourth moment gives."""
    field = Field(random.episodic(1, 2, 2, discount="4/5"), "n-distill", reward=True)
    theta = np.array([[0.2, -0.4], [0.9, 0.0]])
    some = estimates(field, theta, 20_000, np.random.default_rng(1), discount=discount)
    exact = moments(field, theta, discount=discount).variance
    error = np.sqrt((((some - field(theta)) ** 2 - exact) ** 2).mean(0) / len(some))
    assert (np.abs(some.var(0) - exact) < 4 * error).all()
    assert (error < 0.1 * exact).all()


def test_general_features_and_own_loss() -> None:
    rng = np.random.default_rng(2)
    mdp = random.episodic(rng, 3, 2, discount="3/4").replace(loss=[[1, -2], [0, 3], ["1/2", 0]])
    field = Field(mdp, "n-distill", reward=True, student=student.features(np.round(rng.normal(size=(6, 4)), 2), 2))
    theta = rng.normal(size=4)
    exact = moments(field, theta)
    np.testing.assert_allclose(exact.mean, field(theta), rtol=1e-11)
    for discount in ("killing", "weights"):
        seen = mean_and_error(field, theta, 4000, rng, discount=discount)
        assert deviations(seen, field(theta), moments(field, theta, discount=discount).variance).max() < 4


def test_variance_by_hand() -> None:
    """Two arms paying 0 and 1, student 1/4 and 3/4: Fhat is 0 or (−3/4, 1/4)·... : mean 3/4·(−1/4, 1/4), by hand."""
    found = moments(Field(zoo.load("bandit:2"), "reward"), np.log([[0.25, 0.75]]))
    np.testing.assert_allclose(found.mean, [[-3 / 16, 3 / 16]])
    np.testing.assert_allclose(found.variance, [[3 / 64 - 9 / 256] * 2])


# --- biased estimators are caught -------------------------------------------------------------------------------------


def caught(
    monkeypatch: pytest.MonkeyPatch, rule: str, broken: object, *, discount: str = "killing", n: int = 60_000
) -> bool:
    """Whether the comparison sees the bias of `along` replaced."""
    monkeypatch.setattr(sampled, "along", broken)
    rows = compare(small_worlds()[:1], n, 7, rules=[rule], controls=["student"], discounts=[discount])
    return max(row.z for row in rows) > bound(rows)


def test_forgotten_arrivals_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(found: sampled.Terms, walks: Walks, weight: float) -> np.ndarray:
        return along(dataclasses.replace(found, arrival=0 * found.arrival), walks, weight)

    assert caught(monkeypatch, "n-distill", broken)


def test_a_one_step_horizon_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(found: sampled.Terms, walks: Walks, weight: float) -> np.ndarray:
        return along(dataclasses.replace(found, one_step=True), walks, weight)

    assert caught(monkeypatch, "er", broken)


def test_discounting_rewards_but_not_visits_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """What practice does (g in the return, none on the states visited) is another field's estimator."""

    def broken(found: sampled.Terms, walks: Walks, weight: float) -> np.ndarray:
        parts = []
        for t in range(len(walks.steps)):  # each step as the first of its own trajectory
            parts.append(_first_step(found, Walks(walks.steps[t:], walks.n, walks.members, 0), weight))
        return sum(parts)

    def _first_step(found: sampled.Terms, walks: Walks, weight: float) -> np.ndarray:
        later = Walks(walks.steps[1:], walks.n, walks.members, 0)
        behind = weight * along(found, later, weight) if later.steps else 0.0
        return along(found, walks, weight) - behind

    assert caught(monkeypatch, "reward", broken, discount="weights", n=4000)


def test_an_unbroken_estimator_is_not_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not caught(monkeypatch, "n-distill", along)
    assert not caught(monkeypatch, "reward", along, discount="weights")


def test_an_entry_without_variance_must_be_exact() -> None:
    seen = sampled.Estimate(np.array([1.0, 2.0]), np.zeros(2), np.zeros(2), 10, 0.0)
    assert deviations(seen, np.array([1.0, 2.5])).tolist() == [0.0, np.inf]


# --- horizons, chunks, batches, errors --------------------------------------------------------------------------------


def test_cutting_biases_within_its_bound_and_visibly() -> None:
    mdp = random.garnet(3, 3, 2, discount="4/5")
    field, theta = Field(mdp, "n-distill", reward=True), np.array([[0.0, 1.0]] * 3)
    exact = field(theta)
    short = mean_and_error(field, theta, 4000, np.random.default_rng(0), discount="weights", horizon=3)
    gap = np.abs(short.mean - exact)
    assert (gap > 6 * short.standard_error).any()
    assert (gap < short.bias_bound + 4 * short.standard_error).all()
    bounds = [bias_bound(field, theta, horizon) for horizon in (3, 30, 100)]
    assert bounds == sorted(bounds, reverse=True) and bounds[-1] < 1e-5
    assert bias_bound(Field(zoo.load("chain"), "er"), np.zeros((2, 2)), 3) == 0


def test_chunks_give_the_moments_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    field = Field(zoo.load("chain"), "er")
    theta = np.array([[0.5, 0.0], [0.0, 1.0]])
    monkeypatch.setattr(sampled, "ENTRIES", 40)
    rng = np.random.default_rng(9)
    parts = np.concatenate([estimates(field, theta, size, rng) for size in (10, 10, 5)])
    seen = mean_and_error(field, theta, 25, np.random.default_rng(9))
    np.testing.assert_allclose(seen.mean, parts.mean(0), rtol=1e-13)
    np.testing.assert_allclose(seen.variance, parts.var(0, ddof=1), rtol=1e-13)
    np.testing.assert_allclose(seen.standard_error, parts.std(0, ddof=1) / 5, rtol=1e-13)


@pytest.mark.parametrize("rule", ["n-distill", "er", "value-gate", "student-critic"])
def test_a_batch_of_parameters_is_estimated_member_by_member(rule: str) -> None:
    field = Field(random.episodic(1, 3, 2, discount="4/5"), rule, reward=True)
    thetas = np.random.default_rng(0).normal(size=(3, *field.shape)) * [[[0.1]], [[1]], [[2]]]
    some = estimates(field, thetas, 4000, np.random.default_rng(1))
    assert some.shape == (3, 4000, *field.shape)
    for theta, mine in zip(thetas, some, strict=True):
        seen = sampled.Estimate(mine.mean(0), mine.std(0), mine.var(0), 4000, 0.0)
        assert deviations(seen, field(theta), moments(field, theta).variance).max() < 4.5


def test_one_seed_one_estimate() -> None:
    field = Field(zoo.load("swirl"), "reverse-kl")
    a, b, c = (estimates(field, np.zeros((2, 2)), 5, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert (a == b).all() and (a != c).any()


def test_what_is_refused() -> None:
    field, rng = Field(zoo.load("swirl"), "reverse-kl"), np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"theta has shape \(3,\); must be \(2, 2\)"):
        estimates(field, np.zeros(3), 1, rng)
    with pytest.raises(ValueError, match="discount is 'none'; must be 'killing' or 'weights'"):
        estimates(field, np.zeros((2, 2)), 1, rng, discount="none")
    with pytest.raises(ValueError, match="discount is 'none'"):
        moments(field, np.zeros((2, 2)), discount="none")
    with pytest.raises(ValueError, match="theta has shape"):
        moments(field, np.zeros(2))
    with pytest.raises(ValueError, match="at least 2"):
        mean_and_error(field, np.zeros((2, 2)), 1, rng)


# --- trajectories -----------------------------------------------------------------------------------------------------


def test_visits_are_the_exact_ones() -> None:
    mdp = zoo.load("corridor-cycle")
    n, q = 4000, np.array([[0.3, 0.7], [0.5, 0.5], [0.4, 0.6]])
    exact = evaluation.visits(mdp, q)
    walks = trajectories(mdp, q, n, np.random.default_rng(0))
    counts = np.zeros((n, 3))
    for step in walks.steps:
        counts[step.who, step.state] += 1
    assert (np.abs(counts.mean(0) - exact) < 4 * counts.std(0) / np.sqrt(n)).all()
    discounted = np.zeros((n, 3))
    cut = trajectories(mdp, q, n, np.random.default_rng(0), discount="weights", horizon=400)
    for t, step in enumerate(cut.steps):
        discounted[step.who, step.state] += mdp.discount**t
    assert (np.abs(discounted.mean(0) - exact) < 4 * discounted.std(0) / np.sqrt(n) + 0.99**400 * 100).all()
    assert cut.lengths.max() <= 400 and walks.cut == 0


def test_nothing_of_probability_zero_is_drawn() -> None:
    mdp = zoo.load("corridor:4")
    q = np.array([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0], [0.25, 0.75]])
    seen = set()
    for step in trajectories(mdp, q, 3000, np.random.default_rng(0)).steps:
        seen |= set(zip(step.state.tolist(), step.action.tolist(), strict=True))
    assert seen == {(0, 1), (1, 0), (1, 1), (2, 0)}


def test_sparse_transitions_are_those_of_dense_ones() -> None:
    large, q = zoo.load("corridor:150"), np.full((150, 2), 0.5)
    assert large.is_sparse
    dense = large.replace(P=large.P.toarray().reshape(150, 2, 150))
    assert not dense.is_sparse
    a, b = (trajectories(mdp, q, 50, np.random.default_rng(0), horizon=40) for mdp in (large, dense))
    assert len(a.steps) == len(b.steps)
    assert all(
        (x.state == y.state).all() and (x.action == y.action).all() for x, y in zip(a.steps, b.steps, strict=True)
    )


def test_trajectories_that_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, chain = np.random.default_rng(0), zoo.load("chain")
    loop = MDP(P=[[[1], [0]]], R=[[0, 0]], initial=[1])
    with pytest.raises(ValueError, match="q at s=0 's0' never ends the episode; with discount 1 give a horizon"):
        trajectories(loop, np.array([[1.0, 0.0]]), 2, rng)
    assert trajectories(loop, np.array([[1.0, 0.0]]), 2, rng, horizon=3).cut == 2
    with pytest.raises(ValueError, match=r"q has shape \(2,\); must be"):
        trajectories(chain, np.zeros(2), 1, rng)
    with pytest.raises(ValueError, match="0 trajectories"):
        trajectories(chain, np.full((2, 2), 0.5), 0, rng)
    with pytest.raises(ValueError, match="horizon is 0"):
        trajectories(chain, np.full((2, 2), 0.5), 1, rng, horizon=0)
    with pytest.raises(ValueError, match="as weights needs a horizon"):
        trajectories(zoo.load("swirl"), np.full((2, 2), 0.5), 1, rng, discount="weights")
    monkeypatch.setattr("dynamics.sampling.episodes.LONGEST", 10)
    with pytest.raises(ValueError, match="more than 10 steps"):
        trajectories(loop, np.array([[0.999, 0.001]]), 10, rng)
