"""Evaluation: analytic cases, batches, sparse and exact worlds, and what is refused."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from mdp import MDP, chain, evaluation, random, strategies, student, visits_only
from mdp import policies as policy
from mdp.evaluation import evaluate, exact_inverse, expected_return, values, visits


def as_sparse(mdp: MDP) -> MDP:
    return mdp.replace(P=sp.csr_array(mdp.P.reshape(-1, mdp.n_states)))


@pytest.mark.parametrize("stay", [0.0, 0.5, 0.9, 0.999999])
def test_geometric_episode(stay: float) -> None:
    """One state that stays with probability s and pays 1: 1 / (1 − g s) visits and return."""
    for discount in (1.0, 0.5):
        mdp = MDP([[[stay]]], [[1]], [1], discount)
        expected = 1 / (1 - discount * mdp.P[0, 0, 0])
        assert visits(mdp, np.ones((1, 1)))[0] == pytest.approx(expected, rel=1e-9)
        assert float(expected_return(mdp, np.ones((1, 1)))) == pytest.approx(expected, rel=1e-9)


@given(mdp=strategies.mdps(states=(1, 5), actions=(1, 3)))
@settings(max_examples=60, deadline=None)
def test_laws_of_evaluation(mdp: MDP) -> None:
    """Return = rho·V = d·r_q; Bellman; advantages average to 0: dense, sparse, batched and exact alike."""
    q = policy.softmax(np.random.default_rng(0).normal(size=(3, mdp.n_states, mdp.n_actions))).p
    one = evaluate(mdp, q)
    scale = 1 + np.abs(one.action_values).max() + one.visits.max() * (1 + np.abs(mdp.R).max())
    tolerance = 1e-10 * scale
    np.testing.assert_allclose(one.expected_return, ((q * mdp.R).sum(-1) * one.visits).sum(-1), atol=tolerance)
    np.testing.assert_allclose((q * one.action_values).sum(-1), one.values, atol=tolerance)
    np.testing.assert_allclose((q * one.advantages).sum(-1), 0, atol=tolerance)
    np.testing.assert_allclose(visits_only(mdp, q), one.visits, rtol=1e-9)
    two = evaluate(as_sparse(mdp), q)
    for name in ("visits", "values", "action_values", "advantages", "expected_return"):
        np.testing.assert_allclose(getattr(two, name), getattr(one, name), atol=tolerance)
    table = np.full((mdp.n_states, mdp.n_actions), Fraction(1, mdp.n_actions), dtype=object)
    exact = evaluate(mdp.exact, table)
    assert all(isinstance(x, Fraction) for x in exact.values)
    np.testing.assert_allclose(exact.values.astype(float), values(mdp, table.astype(float)), atol=tolerance)


def test_large_chains_use_factors_and_agree() -> None:
    """Above the size of the explicit inverse: LU factors, the same numbers, transposed solves and the resolvent."""
    mdp = random.episodic(0, 80, 2, discount="0.99")
    q = random.episodic(1, 80, 2).teacher
    single, batch = chain(mdp, q), chain(mdp, q[None])
    assert single.inverse is None and batch.inverse is not None
    np.testing.assert_allclose(single.resolvent(), batch.resolvent()[0], atol=1e-11)
    np.testing.assert_allclose(single.visits(mdp.initial), batch.visits(mdp.initial)[0], atol=1e-11)
    c = np.random.default_rng(0).normal(size=80)
    np.testing.assert_allclose(single.values(c), np.linalg.solve(evaluation.chain_matrix(mdp, q), c), atol=1e-11)
    sparse = chain(as_sparse(mdp), q)
    np.testing.assert_allclose(sparse.resolvent(), single.resolvent(), atol=1e-11)
    np.testing.assert_allclose(sparse.values(c + 1j * c), single.values(c) * (1 + 1j), atol=1e-10)


def test_one_factorisation_serves_both(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    inverse, factor = np.linalg.inv, evaluation.sl.lu_factor
    monkeypatch.setattr(np.linalg, "inv", lambda m: calls.append("inv") or inverse(m))
    monkeypatch.setattr(evaluation.sl, "lu_factor", lambda m, **k: calls.append("lu") or factor(m, **k))
    for size in (3, 80):
        mdp = random.episodic(0, size, 2)
        evaluate(mdp, mdp.teacher)
    assert calls == ["inv", "lu"]


def test_a_policy_that_never_ends_is_refused() -> None:
    mdp = MDP([[[1, 0], [0, 0.5]], [[0, 0], [0, 0]]], [[0, 1], [1, 0]], [1, 0])
    for world in (mdp, as_sparse(mdp)):
        with pytest.raises(ValueError, match="s=0 's0'"):
            evaluate(world, np.array([[1.0, 0.0], [0.5, 0.5]]))
    with pytest.raises(ValueError, match="never ends"):
        chain(mdp.exact, np.array([[Fraction(1), Fraction(0)]] * 2, dtype=object))
    with pytest.raises(ValueError, match="must end in"):
        evaluate(mdp, np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"sums to 1\.5"):
        evaluate(mdp, np.array([[0.5, 0.5], [1.0, 0.5]]))
    with pytest.raises(ValueError, match="must lie in"):
        evaluate(mdp, np.array([[np.nan, 0.5], [1.0, 0.0]]))


@given(st.integers(1, 4), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_exact_inverse(n: int, seed: int) -> None:
    numbers = np.random.default_rng(seed).integers(-3, 4, size=(2, n, n))
    matrices = np.vectorize(Fraction, otypes=[object])(numbers)
    if any(round(np.linalg.det(m.astype(float))) == 0 for m in numbers):
        return
    eye = np.broadcast_to(np.eye(n, dtype=int), (2, n, n))
    assert ((exact_inverse(matrices) @ matrices) == eye).all()


def test_students() -> None:
    rng = np.random.default_rng(0)
    theta = rng.normal(size=(5, 2))
    two = student.observed([0, 1, 1], 2)
    x = student.sigmoid([0, 1, 1])
    np.testing.assert_allclose(x.policy(theta).p[..., 1], (1 / (1 + np.exp(-theta)))[:, [0, 1, 1]])
    np.testing.assert_allclose(two.logits(np.stack([0 * theta, theta], -1)), x.logits(theta))
    u = rng.normal(size=(5, 3, 2))
    np.testing.assert_allclose(two.pull_back(u), np.stack([u[:, 0], u[:, 1] + u[:, 2]], 1))
    np.testing.assert_allclose(x.pull_back(u), two.pull_back(u)[..., 1])
    many = np.minimum(np.arange(3000), 1999)
    large = student.observed(many, 2)
    assert sp.issparse(large.phi)
    z = rng.normal(size=(2, 2000, 2))
    np.testing.assert_array_equal(large.logits(z), z[:, many])
    np.testing.assert_allclose(large.pull_back(large.logits(z))[:, -1], 1001 * z[:, -1])
    small = student.Student(sp.csr_array(two.phi), two.shape, two.table)
    j = rng.normal(size=(4, 6, 6))
    np.testing.assert_allclose(small.pull_back_jacobian(j), two.pull_back_jacobian(j), atol=1e-14)
    for bad in ([0, 2], [0.5, 1], [[0]], []):
        with pytest.raises(ValueError, match="observation"):
            student.observed(bad, 2)
    for matrix in ([[1.0], [2.0], [3.0]], [[np.nan], [0.0]], [1.0]):
        with pytest.raises(ValueError, match="Phi"):
            student.features(matrix, 2)


def test_entropies() -> None:
    p, q = policy.policy([0.5, 0.5, 0.0]), policy.policy([0.25, 0.25, 0.5])
    assert policy.kl(p, q) == pytest.approx(np.log(2)) and policy.kl(p, p) == 0
    assert policy.cross_entropy(p, q) == pytest.approx(policy.kl(p, q) + policy.entropy(p))
    assert policy.cross_entropy(q, p) == np.inf and policy.kl(q, p) == np.inf
    far = policy.softmax(np.array([0.0, 5000.0]))
    assert np.isfinite(far.log_p).all() and far.p[0] == 0 and far.log_p[0] == -5000
