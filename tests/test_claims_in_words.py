"""What docs/claims.md says beyond what `verify` checks: in numbers, and on examples."""

from __future__ import annotations

import re
from fractions import Fraction as F
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.integrate import solve_ivp

from dynamics.fields import Field
from dynamics.rules import Rule, p, t, total
from mdp import MDP, Array
from mdp.strategies import mdps
from proofs.claims import CLAIMS
from proofs.exact import identity_test, obstruction

PAGE = Path(__file__).parent.parent / "docs" / "claims.md"


def flow(field: Field, theta: list[float], time: float) -> tuple[Array, Array]:
    """Times and parameters (steps, n) of the flow of a one-state field."""
    run = solve_ivp(
        lambda _, z: field(z.reshape(field.shape)).ravel(), (0, time), theta, method="LSODA", rtol=1e-10, atol=1e-12
    )
    return run.t, run.y.T


def test_every_claim_is_on_the_page() -> None:
    headings = re.findall(r"^## (.*)$", PAGE.read_text("utf-8"), re.M)
    named = {name for line in headings for name in line.lower().split(":")[0].replace(" logits", "").split(", ")}
    assert named == {name.lower() for name in CLAIMS}


@settings(max_examples=150, deadline=None)
@given(mdps(states=(1, 4), actions=(1, 3), observed=False, zeros=True))
def test_g1_decides_the_curl(mdp: MDP) -> None:
    """Deterministic teachers, sure loops at discount 1 and states that are never visited included."""
    field = Field(mdp, "on-policy")
    assert (obstruction(field) is None) == identity_test(field).zero


def test_p3_a_bandit_in_closed_form() -> None:
    """u = exp(−z): differences move along with the gaps; the limit is uniform on the greedy actions that led."""
    Q = np.array([1, 2, 2, 0.5, 2])
    field = Field(MDP([[[0]] * 5], [Q.tolist()], [1], teacher=[[F(1, 5)] * 5]), "bootstrap")
    times, z = flow(field, [0.3, 0.1, 0.5, 1.0, 0.5], 1e6)
    u = np.exp(-z[-1]) - np.exp(-z[0])
    assert (u[0] - u[1]) / (u[3] - u[1]) == pytest.approx((2 - 1) / (2 - 0.5), rel=1e-6)
    assert np.exp(-z[-1, 1]) - np.exp(-z[-1, 2]) == pytest.approx(np.exp(-0.1) - np.exp(-0.5), rel=1e-6)
    policy = np.exp(z[-1]) / np.exp(z[-1]).sum()
    assert policy == pytest.approx([0, 0, 0.5, 0, 0.5], abs=2e-3)
    assert (2 - policy @ Q) * times[-1] == pytest.approx(2 * 2 / (2 + 2), rel=0.01)  # mk/(m + k)


def test_c3_needs_its_exception() -> None:
    """Discount 1, an action that is sure to come back and that the teacher never takes: the field may be 0."""
    mdp = MDP([[[0], [1]]], [[0, 1]], [1], teacher=[[1, 0]])
    theta = np.random.default_rng(0).normal(size=(20, 1, 2))
    assert np.abs(Field(mdp, "on-policy", reward=True)(theta)).max() < 1e-12
    taught = Field(mdp.replace(teacher=[["9/10", "1/10"]]), "on-policy", reward=True)
    assert np.abs(taught(theta)).min() > 1e-3


def test_a1_needs_rewards_that_do_not_depend_on_the_student() -> None:
    """Rock, paper, scissors on a bandit: exp(−z) keeps its sum, and the orbit comes back."""
    v = t - F(1, 3)
    m = v**2 - total((t - F(1, 3)) ** 2) / 3
    rule = Rule("rock-paper-scissors", "", "student", reward=900 * (v * total(m * p) - m * total(v * p)))
    field = Field(MDP([[[0]] * 3], [[0] * 3], [1], teacher=[["1/6", "1/3", "1/2"]]), rule)
    _, z = flow(field, [1, 0, -1], 20.80864)
    sums = np.exp(-z).sum(1)
    assert np.ptp(sums) < 1e-7 * sums[0]
    assert z[-1] == pytest.approx([1, 0, -1], abs=1e-4) and np.abs(z - z[0]).max() > 1
