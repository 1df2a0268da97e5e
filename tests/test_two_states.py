"""Two states, two actions, no aliasing: on-policy distillation with reward has no periodic orbit (Dulac).

In log-odds z_s, with b_s = p_s (1 − p_s), det = det(I − g P_p) and d_s = n_s / det, eq. (1) reads

    F_s = 2 n_s b_s / det² · (kappa_s + alpha h_s det),      h_s = (t_s − p_s) / b_s,

where kappa_s (the reward's part) and n_s do not depend on p_s. With det = a_s (1 − p_s) + c_s p_s and
D = det² / (b_0 b_1)

    div(D F) = −2 alpha Σ_s n_s (b_s / b_s') (a_s t_s / p_s² + c_s (1 − t_s) / (1 − p_s)²),

which is negative: a_s, c_s and n_s are not, and not all of them vanish. Here each step is checked for all numbers at
once by computer algebra, and the formula against the field itself.
"""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from dynamics.fields import Field, in_chart
from mdp import random


def test_every_step_holds_for_all_numbers():
    p0, p1, g = sp.symbols("p0 p1 g")
    p, t, start = (p0, p1), sp.symbols("t0 t1"), sp.Matrix([sp.symbols("r0 r1")])
    P = [[sp.Matrix([sp.symbols(f"P{s}{a}0 P{s}{a}1")]) for a in range(2)] for s in range(2)]
    R = [sp.symbols(f"R{s}0 R{s}1") for s in range(2)]
    moves = sp.Matrix.vstack(*[(1 - p[s]) * P[s][0] + p[s] * P[s][1] for s in range(2)])
    rewards = sp.Matrix([(1 - p[s]) * R[s][0] + p[s] * R[s][1] for s in range(2)])
    M = sp.eye(2) - g * moves
    det, adjugate = M.det(), M.adjugate()
    for s in range(2):
        kappa = (R[s][1] - R[s][0]) * det + g * ((P[s][1] - P[s][0]) * adjugate * rewards)[0]
        assert sp.expand(sp.diff(sp.expand(kappa), p[s])) == 0
        assert sp.expand(sp.diff((start * adjugate)[s], p[s])) == 0
        h = (t[s] - p[s]) / (p[s] * (1 - p[s]))
        a, c = det.subs(p[s], 0), det.subs(p[s], 1)
        assert sp.expand(det - a * (1 - p[s]) - c * p[s]) == 0
        claimed = -a * t[s] / p[s] ** 2 - c * (1 - t[s]) / (1 - p[s]) ** 2
        assert sp.cancel(sp.together(sp.diff(h * det, p[s]) - claimed)) == 0


@pytest.mark.parametrize("k", range(5))
def test_the_formula_is_the_divergence_of_the_field(k):
    mdp = random.episodic(k, 2, 2, discount=("1", "9/10")[k % 2])
    alpha = (1, 3)[k % 2]
    field = Field(mdp, "on-policy", reward=True, alpha=alpha)
    seen = in_chart(field, "differences")

    def parts(z):
        p = 1 / (1 + np.exp(-z))
        matrix = np.eye(2) - mdp.discount * np.einsum("sa,sat->st", np.stack([1 - p, p], 1), mdp.P)
        return p, np.linalg.det(matrix), mdp.initial @ np.linalg.inv(matrix)

    def weighted(z):
        p, det, _ = parts(z)
        return det**2 / np.prod(p * (1 - p)) * seen(z[:, None])[:, 0]

    h = 1e-5
    for z in np.random.default_rng(k).normal(size=(4, 2)):
        p, det, d = parts(z)
        b, t, formula = p * (1 - p), mdp.teacher[:, 1], 0.0
        for s in range(2):
            ends = []
            for end in (-40.0, 40.0):  # p_s = 0 and 1 as far as floats go
                moved = z.copy()
                moved[s] = end
                ends.append(parts(moved)[1])
            bracket = ends[0] * t[s] / p[s] ** 2 + ends[1] * (1 - t[s]) / (1 - p[s]) ** 2
            formula -= 2 * alpha * d[s] * det * b[s] / b[1 - s] * bracket
        measured = sum((weighted(z + h * e) - weighted(z - h * e)) @ e / (2 * h) for e in np.eye(2))
        assert formula < 0 and abs(measured - formula) < 1e-6 * abs(formula)
