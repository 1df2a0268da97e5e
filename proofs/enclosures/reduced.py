"""Eq. (1) over boxes of log-odds: the field without its gauge freedom, enclosed together with its Jacobian.

Coordinates are z[o, a] = theta[o, a] − theta[o, 0], a ≥ 1 (the chart of differences; for two actions the log-odds of
action 1). With E_b = (q_b/p_b) Q_b − (q_0/p_0) Q_0 − alpha (u_b − u_0), u_b = (∂l/∂log p_b) / p_b, eq. (1) reads

    F[s, a] − F[s, 0] = d(s) ( p_a E_a + (p_0 − p_a) Σ_b p_b E_b ),        for two actions 2 d(s) p_0 p_1 E_1

and where q = share · p + base the part share · (Q_b − Q_0) = share · (… + g (P_b − P_0) W) is formed from the exact
difference of two rows of P. This is the same equation as `dynamics.fields.update`, arranged so that nothing large
cancels; the tests compare the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from dynamics.fields import Field, Problem, build
from dynamics.rules import Formula, expand
from dynamics.rules import formula as fm
from mdp import Array, Policy
from proofs.enclosures.chains import Chain, Solution, chain, columns, log_determinant_slope, solve, visits
from proofs.enclosures.intervals import Interval, of, of_fractions, rising, stack
from proofs.enclosures.jets import Jet, constant, log, stacked
from proofs.exact import idle_states, teacher_table

LARGEST = 12  # states


@dataclass(frozen=True, eq=False)
class Numbers:
    """A field's numbers as enclosures: what `reduced` needs besides the coordinates. Tables (S, A, 1).

    `idle` (S,): where the student's value is the teacher's whatever it does, so that a value gate is closed.
    """

    problem: Problem
    rows: Array
    teacher: Interval
    log_teacher: Interval
    idle: Array


def numbers(field: Field) -> Numbers:
    """The exact numbers of a field, checked to be of a kind whose boxes can be enclosed.

    Raises ValueError for general features and more than 12 states.
    """
    if field.student.observation is None:
        raise ValueError("the student has general features; boxes are of rows of logits, one for each observation")
    if field.mdp.n_states > LARGEST:
        raise ValueError(f"the MDP has {field.mdp.n_states} states; boxes are enclosed up to {LARGEST}")
    table = teacher_table(field.mdp)
    zero = np.full(table.shape, Fraction(0), dtype=object)
    problem = build(field, field.mdp.exact, Policy(table, zero), Fraction, _no_log)
    t = of_fractions(table)
    positive = of(np.where(t.lo > 0, 0.0, 1.0)) + t
    idle = idle_states(field.mdp) if problem.gated else np.zeros(len(table), dtype=bool)
    return Numbers(problem, field.student.observation, t[..., None], log(positive)[..., None], idle)


def _no_log(x: Array) -> Array:
    raise ValueError(f"a logarithm of {x} among the constants of a rule")


@dataclass(frozen=True, eq=False)
class Reduced:
    """A field over boxes: `zeros` G and `field` F, jets (n, B). Where `positive` (B,), G = 0 exactly where F = 0, and
    if `signs` then G has the signs of F coordinate by coordinate. Of an MDP also the visits d (S, B), and
    `log_det`, ∂log det(I − g P_q) / ∂x_i, (n, B)."""

    zeros: Jet
    field: Jet
    positive: Array
    signs: bool
    visits: Jet | None = None
    log_det: Interval | None = None


def reduced(field: Field) -> Callable[[Sequence[Jet]], Reduced]:
    """A function of the coordinates' jets that encloses the field: F = d M(p) G for every observation.

    G = Σ_s (d(s) / d) E(s) over the states that share the observation, d the visits to the first of them, and
    M(p) E = p_a E_a + (p_0 − p_a) Σ_b p_b E_b, which is 0 only where E is; for two actions a positive number. What is
    asked is d > 0. Raises ValueError as `numbers` does.
    """
    held, (n_rows, n_actions) = numbers(field), field.shape

    def function(x: Sequence[Jet]) -> Reduced:
        table = [policy([x[o * (n_actions - 1) + a] for a in range(n_actions - 1)]) for o in range(n_rows)]
        p, over, log_p = (stacked([table[o][k] for o in held.rows]) for k in range(3))
        d, E, log_det = pulls(held, p, over, log_p)
        zeros, moved, positive = [], [], np.array(True)
        for o in range(n_rows):
            first, G = _weighed(d, E, held.rows, o)
            F = _bent(table[o][0], G) * first
            positive = positive & (first.value.lo > 0)
            zeros += [G[a] for a in range(n_actions - 1)]
            moved += [F[a] for a in range(n_actions - 1)]
        return Reduced(stacked(zeros), stacked(moved), positive, n_actions == 2, d, log_det)

    return function


def policy(z: Sequence[Jet]) -> tuple[Jet, Jet, Jet]:
    """p, 1/p and log p (A, B) at logits 0, z_1, …: exact over the box, being monotone in every coordinate.

    1/p_a = Σ_b exp(z_b − z_a); ∂log p_a = Σ_b p_b (∂z_a − ∂z_b).
    """
    zero = constant(np.zeros(1), z[0])
    logits = [zero, *z]
    over_value = stack([_over(logits, a, lambda y: y.value) for a in range(len(logits))])
    over_centre = stack([_over(logits, a, lambda y: y.centre) for a in range(len(logits))])
    p_value, p_centre = 1 / over_value, 1 / over_centre
    bends = []
    for a, mine in enumerate(logits):
        terms = [p_value[b] * (mine.slope - other.slope) for b, other in enumerate(logits) if b != a]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        bends.append(total)
    bend = stack(bends, 1)
    offset = z[0].offset
    p = Jet(p_value, p_centre, p_value * bend, offset)
    over = Jet(over_value, over_centre, -(over_value * bend), offset)
    return p, over, Jet(-log(over_value), -log(over_centre), bend, offset)


def _over(logits: Sequence[Jet], a: int, part: Callable[[Jet], Interval]) -> Interval:
    """Σ_b exp(z_b − z_a) over boxes: least at the least z_b and the largest z_a."""
    mine = part(logits[a])
    total = of(1.0)
    for b, other in enumerate(logits):
        if b != a:
            theirs = part(other)
            gap = Interval((of(theirs.lo) - of(mine.hi)).lo, (of(theirs.hi) - of(mine.lo)).hi)
            total = total + rising(lambda y: y.exp(), gap)
    return total


def _weighed(d: Jet, E: Jet, rows: Array, o: int) -> tuple[Jet, Jet]:
    """d of the first state with this observation, and Σ_s (d(s) / d) E(s), (A−1, B), over all of them."""
    first, *others = (int(s) for s in np.flatnonzero(rows == o))
    total = E[first]
    for s in others:
        total = total + (d[s] / d[first]) * E[s]
    return d[first], total


def _bent(p: Jet, E: Jet) -> Jet:
    """p_a E_a + (p_0 − p_a) Σ_b p_b E_b for a ≥ 1, (A−1, B)."""
    if p.value.shape[0] == 2:
        return (p[0] * p[1] * 2) * E
    mean = (p[1:] * E).sum(0)
    return p[1:] * E + (p[:1] - p[1:]) * mean


# --- eq. (1) ----------------------------------------------------------------------------------------------------------


def pulls(held: Numbers, p: Jet, over: Jet, log_p: Jet) -> tuple[Jet, Jet, Interval]:
    """Visits d (S, B), the pulls E (S, A−1, B) of the module's text, and ∂log det(I − g P_q), at policies (S, A, B)."""
    problem = held.problem
    alpha = of_fractions(problem.alpha)
    formulas = _Values(held, p, log_p, over)
    E = None
    if not fm.is_zero(problem.loss):
        u = formulas.over_p(problem.loss.gradient)
        E = -((u[:, 1:] - u[:, :1]) * alpha)
    q = _control(problem, p)
    walk = _chain(problem, q)
    solved = columns(walk)
    d = visits(walk, solved, of_fractions(problem.world.initial)[:, None])
    if problem.rewarded:
        rewards = _rewards(held, p, over, q, walk, formulas)
        E = rewards if E is None else E + rewards
    E = constant(np.zeros((*p.value.shape[:1], p.value.shape[1] - 1, 1)), p) if E is None else E
    return d, E, log_determinant_slope(walk, solved)


def _control(problem: Problem, p: Jet) -> Jet:
    """q = base + share·p."""
    if problem.base is None:
        return p if problem.share == 1 else p * of_fractions(problem.share)
    base = of_fractions(problem.base)[..., None]
    return p * of_fractions(problem.share) + base


def _mean(q: Jet, x: Array) -> Jet:
    """Σ_a q(a|s) x[s, a, …] of exact numbers, as the least of them plus what the others add: nothing cancels."""
    least = x.min(1)
    steps, base = of_fractions(x - np.expand_dims(least, 1)), of_fractions(least)
    wide = q[(slice(None), slice(None), *(None,) * (x.ndim - 2))]
    return (wide * steps[..., None]).sum(1) + base[..., None]


def _chain(problem: Problem, q: Jet) -> Chain:
    world = problem.world
    ends = 1 - world.discount + world.discount * world.ending
    return chain(_mean(q, world.discount * world.P), _mean(q, ends))


def _rewards(held: Numbers, p: Jet, over: Jet, q: Jet, walk: Chain, formulas: _Values) -> Jet:
    """The part of E that rewards make: (q_b/p_b) Q_b − (q_0/p_0) Q_0."""
    problem, world, terms = held.problem, held.problem.world, held.problem.terms
    alpha = of_fractions(problem.alpha)
    fixed = problem.fixed_now
    now, mean = None, _mean(q, fixed)
    if not fm.is_zero(terms.now):
        now = formulas.jet(terms.now) * alpha
        mean = mean + (q * now).sum(1)
    if terms.v_student_now:
        own = _chain(problem, p)
        critic = solve(own, _mean(p, world.R)[:, None])
        value = (critic.rest[:, 0] + critic.level[0] + critic.shift[0]) * of_fractions(terms.v_student_now)
        now = value[:, None] if now is None else now + value[:, None]
        mean = mean + value
    h = constant(of_fractions(problem.fixed_next)[:, None], p)
    if not fm.is_zero(terms.state):
        h = h + (formulas.jet(terms.state) * alpha)[:, 0]
    if not fm.is_zero(terms.action):
        h = h + (q * (formulas.jet(terms.action) * alpha)).sum(1)
    if problem.one_step:
        nothing = constant(np.zeros((1, 1)), p)
        later = Solution(nothing, h[:, None], np.zeros((1, p.offset.shape[-1])))
    else:
        later = solve(walk, (mean + h)[:, None])
    return _difference(problem, over, fixed, now, later)


def _difference(problem: Problem, over: Jet, fixed: Array, now: Jet | None, later: Solution) -> Jet:
    """(q_b/p_b) Q_b − (q_0/p_0) Q_0 from Q = fixed + now + g P (rest + level), b ≥ 1."""
    moves = problem.world.discount * problem.world.P
    rest, level = later.rest[:, 0], later.level[0] + later.shift[0]
    result: Jet | None = None
    if problem.share != 0:
        result = _backed(moves[:, 1:] - moves[:, :1], fixed[:, 1:] - fixed[:, :1], rest, level)
        if now is not None and now.value.shape[1] > 1:
            result = result + (now[:, 1:] - now[:, :1])
        if problem.share != 1:
            result = result * of_fractions(problem.share)
    if problem.base is not None:
        Q = _backed(moves, fixed, rest, level)
        Q = Q if now is None else Q + now
        weighted = (over * Q) * of_fractions(problem.base)[..., None]
        part = weighted[:, 1:] - weighted[:, :1]
        result = part if result is None else result + part
    if result is None:
        raise ValueError("a control policy that is neither fixed nor the student's")
    return result


def _backed(moves: Array, fixed: Array, rest: Jet, level: Jet) -> Jet:
    """fixed[s, a] + Σ_t moves[s, a, t] (rest[t] + level), (S, A, B)."""
    table, sums = of_fractions(moves)[..., None], moves.sum(-1)
    result = (rest[None, None] * table).sum(2) + of_fractions(fixed)[..., None]
    return result if (sums == 0).all() else result + level[None, None] * of_fractions(sums)[..., None]


def _gate(held: Numbers, p: Jet) -> Jet:
    """1 where V_pi(s) > V_theta(s) and 0 where not, (S, 1, B); between them, with no slope, where a box does not say.

    On such a box the field jumps, but every value of it lies in the enclosure, which can still exclude 0.
    """
    problem, world = held.problem, held.problem.world
    own = solve(_chain(problem, p), _mean(p, world.R)[:, None])
    mine = own.rest[:, 0] + own.level[0] + own.shift[0]
    theirs = of_fractions(problem.teacher_values)[:, None]

    def opened(values: Interval) -> Interval:
        gap = theirs - values
        idle = held.idle[:, None]
        shut = idle | (gap.hi <= 0)
        return Interval(np.where((gap.lo > 0) & ~idle, 1.0, 0.0), np.where(shut, 0.0, 1.0))

    value, centre = opened(mine.value), opened(mine.centre)
    jump = np.broadcast_to(np.where(value.lo < value.hi, np.inf, 0.0), mine.slope.shape)
    return Jet(value, centre, Interval(-jump, jump), p.offset)[:, None]


# --- formulas ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Values:
    """The symbols of a formula over boxes, (S, A, B): see `dynamics.rules.formula.Values`."""

    held: Numbers
    p: Jet
    log_p: Jet
    over: Jet

    def jet(self, x: Formula) -> Jet:
        """A formula over the boxes, (S, A, B), or (S, 1, B) for a state formula."""
        value = self.value(x)
        return value if isinstance(value, Jet) else constant(value, self.p) + self.p[:, :1] * 0.0

    def value(self, x: Formula) -> Any:
        """The same, or an interval where the student does not enter."""
        if x.op == "number":
            return of_fractions(x.args[0])
        if x.op == "symbol":
            return self._symbol(x.args[0])
        if x.op == "log":
            return self.value(x.args[0]).log()
        if x.op == "total":
            inner = self.value(x.args[0])
            whole = inner if isinstance(inner, Jet) else constant(inner, self.p)
            n_actions = self.p.value.shape[1]
            if len(whole.value.shape) < 3 or whole.value.shape[1] != n_actions:
                return whole * n_actions
            return whole.sum(1)[:, None]
        left, right = (self.value(y) for y in x.args)
        return left + right if x.op == "+" else left * right if x.op == "*" else left / right

    def _symbol(self, name: str) -> Any:
        if name == "c":
            return of_fractions(self.held.problem.own_loss)[..., None]
        if name == "teacher_better":
            return _gate(self.held, self.p)
        known = {"p": self.p, "log_p": self.log_p, "t": self.held.teacher, "log_t": self.held.log_teacher}
        if name not in known:
            raise ValueError(f"{name} has no enclosure over boxes")
        return known[name]

    def over_p(self, x: Formula) -> Jet:
        """x / p, (S, A, B), the division carried out in the formula where it can be."""
        total = self.p * 0.0
        for monomial, coefficient in expand(x).items():
            rest = list(monomial)
            if fm.p in rest:
                rest.remove(fm.p)
                term: Any = constant(of_fractions(coefficient), self.p)
            else:
                term = self.over * of_fractions(coefficient)
            for atom in rest:
                term = term * self.value(atom)
            total = total + term
        return total
