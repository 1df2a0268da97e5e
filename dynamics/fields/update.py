"""Eq. (1) and its Jacobian, written once, for any arithmetic.

    F[s, a] = d_q(s) · ( q(a|s) Q(s,a) − pi_theta(a|s) Σ_b q(b|s) Q(s,b) − alpha ∂l(s)/∂logit(s,a) )

The functions take a `Problem` (numbers of one kind) and the student's `Policy`; they use + − × ÷, sums and one linear
solve. Floats come with leading batch axes; exact numbers as object arrays. Derivatives are with respect to the logits;
pulling back to parameters is the student's business (`mdp.student`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynamics.rules import Formula, Split, Values, is_zero
from mdp import Array, Chain, Policy, World, backup, backup_matrix, chain, product, summed, visits_only

# V_pi(s) > V_theta(s) is asked of floats: values that differ by less than this share of their size are a tie.
TIE = 1e-12


@dataclass(frozen=True, eq=False)
class Problem:
    """A rule on an MDP, in one arithmetic: everything in eq. (1) but the student.

    The control policy is `q = base + share·pi_theta` (share 0: fixed, 1: the student's own). `fixed_now` (S, A) and
    `fixed_next` (S,) hold the environment's part of the reward: R and the teacher's values. `one_step` sets
    Rhat_t = rhat_t; `rewarded` says whether rhat is anything but 0, `gated` whether the value gate is used. `chain` is
    the factorised chain of a fixed control, None where q depends on the student. `number` maps exact constants into
    the arithmetic and `log` is its logarithm.
    """

    world: World
    teacher: Policy
    loss: Formula
    terms: Split
    alpha: Any
    base: Any
    share: Any
    fixed_now: Any
    fixed_next: Any
    teacher_values: Any
    own_loss: Any
    one_step: bool
    rewarded: bool
    gated: bool
    chain: Chain | None
    number: Callable[[Any], Any]
    log: Callable[[Array], Array]


@dataclass(eq=False, slots=True)
class Point:
    """The quantities of eq. (1) at one student policy (or a batch), named as in the theory.

    `q` control (..., S, A), `d` visits (..., S), `W` (..., S) the value of a state counting what the next-state terms
    pay there, `Q` (..., S, A) the action values of Rhat, `local` = F / d. `chain` is None where visits sufficed.
    `critic` is the chain of the student's own policy and pi_theta·Q_theta, where the rule uses the student's value.
    """

    values: Values
    q: Array
    chain: Chain | None
    d: Array
    W: Any
    Q: Any
    local: Array
    critic: tuple[Chain, Array] | None


def dot(x: Array, y: Array) -> Array:
    """Σ_a x y over the last axis."""
    return np.asarray(np.einsum("...a,...a->...", x, y))


def center(p: Array, w: Array) -> Array:
    """`w_b − p_b Σ_a w_a`: a derivative in L = log p as a derivative in the logits."""
    return np.asarray(w - p * summed(w))


def update(problem: Problem, student: Policy) -> Array:
    """Eq. (1) in the logits: F[..., s, a] = d(s) · local(s, a). Raises ValueError as `evaluate` does."""
    at = evaluate(problem, student)
    return weighted(at.d, at.local)


def weighted(d: Array, local: Array) -> Array:
    """`F[..., s, a] = d(s) · local(s, a)`."""
    return np.asarray(d[..., None] * local)


def local_update(p: Array, q: Array, Q: Any, slope: Any) -> Any:
    """`q Q − p Σ_b q Q − ∂l`, what eq. (1) is at one visit; Q or slope (∂l in the logits) None where there is none."""
    if Q is None:
        return p * 0 if slope is None else -slope
    local = center(p, q * Q)
    return local if slope is None else local - slope


def action_values(world: World, control: Chain, q: Array, now: Any, h: Any, *, one_step: bool) -> tuple[Any, Any]:
    """(W, Q): what is to come on arriving at a state, `h(s)` being paid there, and `Q = now + g P W`."""
    W = h if one_step else control.values(dot(q, now) + h)
    return W, now + backup(world, W)


def evaluate(problem: Problem, student: Policy, *, visits_suffice: bool = True) -> Point:
    """All the quantities of eq. (1) at the student's policy.

    Raises ValueError when the control policy never ends from some state (discount 1).
    """
    world, terms, alpha, p = problem.world, problem.terms, problem.alpha, student.p
    q = control_policy(problem, p)
    if problem.chain is None and visits_suffice and not (problem.rewarded or problem.gated):
        control, d = None, visits_only(world, q)
    else:
        control = problem.chain or chain(world, q)
        d = control.visits(world.initial)
    critic, gate = _critic(problem, student, control)
    values = Values(problem.teacher, student, problem.own_loss, gate, problem.log, problem.number)
    W = Q = slope = None
    if problem.rewarded and control is not None:
        now, h = problem.fixed_now, problem.fixed_next
        if not is_zero(terms.now):
            now = now + alpha * terms.now.function(values)
        if critic is not None and terms.v_student_now:
            now = now + problem.number(terms.v_student_now) * summed(critic[1])
        if not is_zero(terms.state):
            h = h + alpha * terms.state.function(values)[..., 0]
        if not is_zero(terms.action):
            h = h + alpha * dot(q, terms.action.function(values))
        W, Q = action_values(world, control, q, now, h, one_step=problem.one_step)
    if not is_zero(problem.loss):
        slope = alpha * center(p, problem.loss.gradient.function(values))
    return Point(values, q, control, d, W, Q, local_update(p, q, Q, slope), critic)


def _critic(problem: Problem, student: Policy, control: Chain | None) -> tuple[tuple[Chain, Array] | None, Any]:
    """The student's own values where a row uses them: its chain with p·Q_theta, and the gate V_pi > V_theta."""
    if not (problem.gated or problem.terms.v_student_now):
        return None, None
    world, p = problem.world, student.p
    own = control if problem.share == 1 and control is not None else chain(world, p)
    values = own.values(dot(p, world.R))
    weighted = p * (world.R + backup(world, values))
    if not problem.gated:
        return (own, weighted), None
    theirs = problem.teacher_values
    gap = theirs - (values if values.dtype == object else values.real)
    slack = 0 if values.dtype == object else TIE * np.abs(theirs).max()
    return (own, weighted), np.where(gap > slack, problem.number(1), problem.number(0))


def control_policy(problem: Problem, p: Array) -> Array:
    """`q = base + share·pi_theta`, the policy that visits states, for the student's probabilities p (..., S, A)."""
    if problem.share == 0:
        return np.asarray(problem.base)
    return p if problem.share == 1 else np.asarray(problem.base + problem.share * p)


def potential(problem: Problem, student: Policy) -> Array:
    """The function that eq. (1) climbs where it climbs one (`dynamics.rules.rule.structural_potential`), shape (...).

    Student control: `Σ_s rho(s) W(s)`, the terms of the next state counted at the first state too. Fixed control:
    `Σ_s d(s) (Σ_a q Q log pi_theta − alpha l)`.
    """
    at = evaluate(problem, student)
    zero = (student.p * 0).sum((-1, -2))
    if problem.share != 0:
        return zero if at.W is None else np.asarray(zero + (at.W * problem.world.initial).sum(-1))
    per_state = student.p[..., 0] * 0
    if at.Q is not None:
        per_state = per_state + dot(at.q * at.Q, student.log_p)
    if not is_zero(problem.loss):
        per_state = per_state - problem.alpha * problem.loss.function(at.values)[..., 0]
    return np.asarray((at.d * per_state).sum(-1))


# --- the Jacobian -----------------------------------------------------------------------------------------------------


def jacobian(problem: Problem, student: Policy) -> Array:
    """`J[(s,a), (u,c)] = ∂F[s,a]/∂logit[u,c]`, shape (..., S·A, S·A), in closed form.

    With N = (I − g P_q)^{-1} and K = g P N, everything that is not local to one state has rank-one shape:
    `∂d(s) = d(u) share p_c (K[u,c,s] − Σ_b p_b K[u,b,s])` and `∂Q[s,a] = K[s,a,u] x[u,c]`, where x[u,c] is the
    derivative of what state u itself adds to the value. The gate's jump is not differentiated.
    """
    at = evaluate(problem, student, visits_suffice=False)
    p, share = student.p, problem.share
    K = None
    if at.chain is not None and (share != 0 or (problem.rewarded and not problem.one_step)):
        K = backup_matrix(problem.world, at.chain.resolvent())
    block = at.d[..., None, None] * _local_block(problem, student, at)
    lead, table = block.shape[:-3], p.shape[-2:]
    result = np.zeros((*lead, *table, *table), dtype=block.dtype)
    if share != 0 and K is not None:
        result += at.local[..., None, None] * _visits_slopes(at.d, p, share, K)[..., None, :, :]
    for kernel, x in _value_derivatives(problem, student, at, K):
        weighted = at.q[..., None] * kernel
        mean = np.einsum("...sau->...su", weighted)
        y = at.d[..., None, None] * (weighted - p[..., None] * mean[..., None, :])
        result += y[..., None] * x[..., None, None, :, :]
    states = np.arange(table[0])
    result[..., states, :, states, :] += np.moveaxis(block, -3, 0)
    size = table[0] * table[1]
    return np.asarray(result.reshape(*lead, size, size))


def visits_slopes(problem: Problem, student: Policy) -> Array:
    """`∂d(s)/∂logit[u, c]`, shape (..., S, S, A) as (s, u, c): how visits move with each state's own policy."""
    p = student.p
    if problem.share == 0:
        return np.zeros((*p.shape[:-2], p.shape[-2], *p.shape[-2:]), dtype=p.dtype)
    control = chain(problem.world, control_policy(problem, p))
    K = backup_matrix(problem.world, control.resolvent())
    return _visits_slopes(control.visits(problem.world.initial), p, problem.share, K)


def _visits_slopes(d: Array, p: Array, share: Any, K: Array) -> Array:
    mean = np.einsum("...ub,...ubs->...us", p, K)
    by_logit = (d[..., None] * share * p)[..., None] * (K - mean[..., None, :])  # as [u, c, s]
    return np.moveaxis(by_logit, -1, -3)


def _value_derivatives(problem: Problem, student: Policy, at: Point, K: Any) -> list[tuple[Array, Array]]:
    """∂Q[s,a]/∂logit[u,c] beyond the state's own reward formula, as a sum of kernel[s,a,u] · x[u,c]."""
    if not problem.rewarded:
        return []
    found = []
    x = _next_derivative(problem, student, at)
    if not problem.one_step:
        own = problem.share * center(student.p, student.p * at.Q)
        if not is_zero(problem.terms.now):
            bent = action_jacobian(problem.terms.now, at.values)
            own = own + problem.alpha * np.einsum("...sb,...sbc->...sc", at.q, bent)
        x = own if x is None else own + x
    if x is not None:
        found.append((problem.world.discount * _dense(problem.world) if problem.one_step else K, x))
    if at.critic is not None and problem.terms.v_student_now:
        their_chain, weighted = at.critic
        resolvent = their_chain.resolvent()
        reach = resolvent[..., None, :]
        if not problem.one_step:
            size = resolvent.shape[-1]
            flat = K.reshape(*K.shape[:-3], -1, size)
            alone = flat.ndim == resolvent.ndim == 2  # a fixed control has one K for a batch of critics
            later = product(problem.world, flat, resolvent) if alone else flat @ resolvent
            reach = reach + later.reshape(*later.shape[:-2], *K.shape[-3:])
        found.append((problem.number(problem.terms.v_student_now) * reach, center(student.p, weighted)))
    return found


def _next_derivative(problem: Problem, student: Policy, at: Point) -> Array | None:
    """∂h(u)/∂logit[u,c]: what the next state's own terms add; None when they do not depend on the student."""
    terms, p, found = problem.terms, student.p, None
    if not is_zero(terms.state):
        found = problem.alpha * center(p, terms.state.gradient.function(at.values))
    if not is_zero(terms.action):
        bent = action_jacobian(terms.action, at.values)
        mine = np.einsum("...sb,...sbc->...sc", at.q, bent)
        mine = mine + problem.share * center(p, p * terms.action.function(at.values))
        found = problem.alpha * mine if found is None else found + problem.alpha * mine
    return found


def _local_block(problem: Problem, student: Policy, at: Point) -> Array:
    """∂local[s,a]/∂logit[s,c] within one state, at fixed d and with W fixed: shape (..., S, A, A)."""
    p = student.p
    softmax = p[..., None] * (_eye(p) - p[..., None, :])  # ∂p_a/∂z_c
    block = softmax * 0
    if problem.rewarded:
        changed = problem.share * softmax * at.Q[..., None]
        if not is_zero(problem.terms.now):
            bent = action_jacobian(problem.terms.now, at.values)
            changed = changed + problem.alpha * at.q[..., None] * bent
        block = changed - p[..., None] * changed.sum(-2)[..., None, :] - softmax * dot(at.q, at.Q)[..., None, None]
    if not is_zero(problem.loss):
        w_formula = problem.loss.gradient
        w = w_formula.function(at.values) + p * 0
        bent = action_jacobian(w_formula, at.values)
        bent = bent - p[..., None] * bent.sum(-2)[..., None, :] - softmax * summed(w)[..., None]
        block = block - problem.alpha * bent
    return np.asarray(block)


def action_jacobian(x: Formula, values: Values) -> Array:
    """`∂x_b/∂logit_c` of a per-action formula x within one state, shape (..., S, A, A)."""
    p = values.student.p
    own, couplings = x.bend
    in_logs = (own.function(values) + p * 0)[..., None] * _eye(p)
    for u, w in couplings:
        in_logs = in_logs + (u.function(values) + p * 0)[..., None] * (w.function(values) + p * 0)[..., None, :]
    return np.asarray(in_logs - in_logs.sum(-1, keepdims=True) * p[..., None, :])


def _eye(p: Array) -> Array:
    return np.eye(p.shape[-1], dtype=object if p.dtype == object else None)


def _dense(world: World) -> Array:
    """P as a dense (S, A, S) array."""
    if isinstance(world.P, np.ndarray):
        return world.P
    return np.asarray(world.P.toarray().reshape(*np.shape(world.R), -1))
