"""What the theory says the rules descend, written down again apart from the table, so that the two can disagree.

Losses here are functions of (p, log p, t, log t) over the actions of one state, in any arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dynamics.fields import update as eq1
from mdp import Array, evaluation
from proofs.exact import ExactField, Ratio, pull_back

StateLoss = Callable[[Array, Array, Array, Array], Any]

# Rows that are gradients under the student's own control: E_{pi_theta} Σ l is what they descend.
DESCENDED: dict[str, StateLoss] = {
    "er": lambda p, log_p, t, log_t: -(p * log_t).sum(-1),
    "eer": lambda p, log_p, t, log_t: -(p * log_t).sum(-1),
    "n-distill": lambda p, log_p, t, log_t: -(t * log_p).sum(-1),
    "n-distill-kl": lambda p, log_p, t, log_t: (t * (log_t - log_p)).sum(-1),
    "reverse-kl-corrected": lambda p, log_p, t, log_t: (p * (log_p - log_t)).sum(-1),
    "reward": lambda p, log_p, t, log_t: 0 * p.sum(-1),
    "teacher-v": lambda p, log_p, t, log_t: 0 * p.sum(-1),
}
# Rows that are none: the loss whose gradient they follow at the states visited, visits held still.
FOLLOWED: dict[str, StateLoss] = {
    "on-policy": DESCENDED["n-distill"],
    "eer-no-reward": DESCENDED["er"],
    "reverse-kl": DESCENDED["reverse-kl-corrected"],
    "entropy-bonus": lambda p, log_p, t, log_t: (p * log_p).sum(-1),
}
HOLDS_REWARD = ("reward", "teacher-v", "student-critic", "bootstrap", "entropy-bonus")


def losses(exact: ExactField, loss: StateLoss) -> Array:
    """l(s) at every state, as rational functions."""
    student, teacher = exact.student, exact.problem.teacher
    return np.asarray(loss(student.p, student.log_p, teacher.p, teacher.log_p) + exact.ring.number(0))


def visits(exact: ExactField) -> Array:
    """d(s) of the student."""
    return evaluation.chain(exact.problem.world, exact.student.p).visits(exact.problem.world.initial)


def visits_balance(exact: ExactField) -> bool:
    """Whether `d(u) = rho(u) + g Σ_{s,a} d(s) p(a|s) P(u|s,a)` for all theta: what visits are, without any inverse."""
    world, p, d = exact.problem.world, exact.student.p, visits(exact)
    arriving = np.einsum("s,sa,sau->u", d, p, world.P)
    return all(d[u] == world.initial[u] + world.discount * arriving[u] for u in range(len(d)))


def objective(exact: ExactField, loss: StateLoss, *, reward: bool, fixed: bool = False) -> Ratio:
    """`−alpha Σ_s d(s) l(s) + J`, J = Σ_s d(s) Σ_a p R with `reward`; d the visits of the teacher if `fixed`."""
    world, p = exact.problem.world, exact.student.p
    d = visits(exact) if not fixed else evaluation.chain(world, exact.problem.teacher.p).visits(world.initial)
    total: Ratio = -exact.problem.alpha * (d * losses(exact, loss)).sum()
    if reward:
        total = total + (d * eq1.dot(p, world.R)).sum()
    return total


def followed(exact: ExactField, loss: StateLoss) -> list[Ratio]:
    """`−alpha Σ_s d(s) ∇l(s)`: every parameter's entry."""
    d, l_of = visits(exact), losses(exact, loss)
    return [
        -exact.problem.alpha * sum((d[s] * l_of[s].derivative(k) for s in range(len(d))), exact.ring.number(0))
        for k in exact.derivations
    ]


def under_control(exact: ExactField, control: str) -> Array:
    """`d_q (q Q_q − p Σ_b q Q_q + alpha (t − p))`: cross-entropy on q's states, with the task's reward; (S, A).

    `control` is "student", "teacher", "uniform" or "mix:1/3"; Q_q = R + g P V_q.
    """
    world, t, p = exact.problem.world, exact.problem.teacher.p, exact.student.p
    uniform = 0 * p + exact.ring.number(1) / p.shape[-1]
    q = {"student": p, "teacher": t, "uniform": uniform, "mix:1/3": (t + 2 * p) / 3}[control]
    chain = evaluation.chain(world, q)
    Q = world.R + evaluation.backup(world, chain.values((q * world.R).sum(-1)))
    bracket = q * Q - p * (q * Q).sum(-1)[:, None] + exact.problem.alpha * (t - p)
    return np.asarray(chain.visits(world.initial)[:, None] * bracket)


def critic_step(exact: ExactField) -> Array:
    """`R + g P V_pi − V_theta(s)`, the expected step of the misprinted row, (S, A)."""
    world, teacher, p = exact.problem.world, exact.problem.teacher.p, exact.student.p
    theirs = evaluation.chain(world, teacher).values(eq1.dot(teacher, world.R))
    ours = evaluation.chain(world, p).values(eq1.dot(p, world.R))
    return np.asarray(world.R + evaluation.backup(world, theirs) - ours[:, None])


def frozen_gradient(exact: ExactField, c: Array) -> list[Ratio]:
    """`d(s) p (Q_c − Σ_b p Q_c)`: the policy gradient for a step reward c held fixed, every parameter."""
    world, p = exact.problem.world, exact.student.p
    Q = c + evaluation.backup(world, evaluation.chain(world, p).values(eq1.dot(p, c)))
    update = visits(exact)[:, None] * p * (Q - eq1.dot(p, Q)[:, None])
    return pull_back(exact.learner, update)


def curl_identity(exact: ExactField, loss: StateLoss) -> bool:
    """Whether `∂_j F_i − ∂_i F_j = alpha Σ_s (∂_i d ∂_j l − ∂_j d ∂_i l)(s)` for all theta (T1's formula)."""
    d, l_of = visits(exact), losses(exact, loss)
    chosen = exact.coordinates
    for i in chosen:
        for j in chosen:
            if j <= i:
                continue
            a, b = exact.derivations[i], exact.derivations[j]
            right = sum(
                (d[s].derivative(a) * l_of[s].derivative(b) - d[s].derivative(b) * l_of[s].derivative(a))
                for s in range(len(d))
            )
            if exact.curl(i, j) != exact.problem.alpha * right:
                return False
    return True
