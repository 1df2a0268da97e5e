"""Eq. (1) in differences of logits, arranged so that enclosures over boxes stay narrow; in any arithmetic.

    z[o, a] = theta[o, a] − theta[o, 0],   Z[o, a] = F[o, a] − F[o, 0],   a = 1..A−1

With u_a = ∂l/∂p_a (p_a as free variables) and E_a(s) = (q_a/p_a) Q_a − alpha u_a eq. (1) reads

    F[s, a] = d(s) p_a (E_a − Σ_b p_b E_b),   so   F[o, a] = p_a (H_a − Σ_b p_b H_b),   H_a = Σ_s d(s) (E_a − E_0)(s)

over the states s with observation o. Hence F = 0 there exactly if all H_a are 0; with two actions Z = 2 p_0 p_1 H_1.
Nothing is subtracted that may be near to something equal: differences of rows of P are taken as rationals; the chain
of q is eliminated state by state (Grassmann, Taksar and Heyman 1985: the diagonal is never formed, only what leaves a
state), V is had as the correction of numbers near V, and that as V(t) − V(r), r one state, so that 1/(1 − g) stands
in no difference of actions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from proofs.checker.boxes.plan import Mean, Plan, added, moves_with_student
from proofs.checker.identities.update import symbols, values
from proofs.checker.numbers.arithmetic import Arithmetic, Number, total
from proofs.checker.numbers.dual import Dual, Duals
from proofs.checker.numbers.rational import Refused
from proofs.checker.reading.expression import evaluate


@dataclass(frozen=True)
class Flow:
    """H (O, A−1) up to a positive factor of each row; det(I − g P_q); Z and d, where asked, up to one such factor."""

    H: list[list[Number]]
    Z: list[Number] | None
    d: list[Number] | None
    det: Number


def flow(
    plan: Plan,
    rows: Sequence[Sequence[Number]],
    near: Sequence[float] | None = None,
    scaled: bool = False,
    full: bool = False,
) -> Flow:
    """H at the policy rows (O, A); Z and d too where `scaled` (by one common positive factor) or `full` (by none).

    `near` are values about V, any numbers: V is had as their correction, which is small where they are near.
    """
    field, numbers = plan.field, plan.numbers
    p = [rows[o] for o in field.observation]
    base = [numbers.number(Fraction(x)) for x in near or [0.0] * field.n_states]
    steps = _steps(plan, p, base)
    relative, last, d, det = _solve(plan, p, steps.residual, full)
    H = []
    for states in plan.visited:
        terms = [_heights(plan, s, p[s], steps.gaps[s], steps.first[s], relative, last) for s in states]
        if len(states) > 1:
            terms = [[d[s] * x for x in row] for s, row in zip(states, terms, strict=True)]
        H.append([total(numbers, column) for column in zip(*terms, strict=True)])
    if not (scaled or full):
        return Flow(H, None, None, det)
    Z = []
    for o, states in enumerate(plan.visited):
        heights = H[o] if len(states) > 1 else [d[states[0]] * x for x in H[o]]
        Z += _whole(numbers, rows[o], heights)
    return Flow(H, Z, d, det)


def state_values(plan: Plan, rows: Sequence[Sequence[Number]]) -> list[Number]:
    """V at the policy rows (O, A)."""
    p = [rows[o] for o in plan.field.observation]
    relative, last, _, _ = _solve(plan, p, _steps(plan, p, [plan.numbers.number(Fraction(0))] * len(p)).residual, False)
    return [x + last for x in relative]


@dataclass(frozen=True)
class _Steps:
    """What actions earn if what follows is worth `base`: action 0, the others more than it; and the mean less base."""

    first: list[Number]
    gaps: list[list[Number]]
    residual: list[Number]


def _steps(plan: Plan, p: Sequence[Sequence[Number]], base: Sequence[Number]) -> _Steps:
    now, later = _rewards(plan, p)
    ahead = [_under(plan, s, p[s], row[0], [x - row[0] for x in row[1:]]) for s, row in enumerate(later)]
    onward = [x + y for x, y in zip(ahead, base, strict=True)] if plan.field.rule.whole else ahead
    gaps = [_step_gaps(plan, s, now[s][1], onward) for s in range(len(p))]
    first = [_first(plan, s, now[s], onward) for s in range(len(p))]
    residual = [_under(plan, s, p[s], x - base[s], gaps[s]) for s, x in enumerate(first)]
    return _Steps(first, gaps, residual)


def _whole(numbers: Arithmetic, p: Sequence[Number], H: Sequence[Number]) -> list[Number]:
    """p_a (H_a − Σ_b p_b H_b) + p_0 Σ_b p_b H_b for a >= 1, H_0 = 0."""
    if len(H) == 1:
        bump = p[0] * p[1]
        return [(bump + bump) * H[0]]
    mean = total(numbers, (x * y for x, y in zip(p[1:], H, strict=True)))
    return [x * (y - mean) + p[0] * mean for x, y in zip(p[1:], H, strict=True)]


def _rewards(plan: Plan, p: Sequence[Sequence[Number]]) -> tuple[list[tuple[Number, list[Number]]], list[list[Number]]]:
    """(now, later): of a step, what is one for the state and what each action adds; and the terms of the next step.

    `later[s]` has one entry where it is one for the state.
    """
    field, numbers, world = plan.field, plan.numbers, plan.world
    zero = numbers.number(Fraction(0))
    own = values(numbers, world, p, world.R) if "v_student" in field.rule.symbols else None
    terms = [term for term in field.rule.terms if moves_with_student(term)]
    now: list[tuple[Number, list[Number]]] = []
    later = []
    for s in range(field.n_states):
        known: dict[str, Sequence[Number]] = plan.known[s] | {"p": p[s]}
        if own is not None:
            known["v_student"] = [own[s]]
        found = added(field, numbers, world, terms, known, plan.still[s])
        one, each = found.get((False, False), [zero])[0], found.get((False, True), [zero] * field.n_actions)
        now.append((one, each))
        one, some = found.get((True, False), [zero])[0], found.get((True, True))
        later.append([one] if some is None else [one + x for x in some])
    return now, later


def _under(plan: Plan, s: int, p: Sequence[Number], first: Number, gaps: Sequence[Number]) -> Number:
    """Σ_a q_a x_a = x_0 + Σ_a q_a (x_a − x_0), given x_0 and the differences."""
    found = first
    for a, gap in enumerate(gaps, start=1):
        fixed = plan.fixed[s][a]
        if fixed is not None:
            found = found + fixed * gap
        if plan.share is not None:
            found = found + plan.share * (p[a] * gap)
    return found


def _step_gaps(plan: Plan, s: int, each: Sequence[Number], onward: Sequence[Number]) -> list[Number]:
    """What action a >= 1 earns more than action 0, if what follows is `onward`."""
    found = []
    for a in range(1, plan.field.n_actions):
        moved = total(plan.numbers, (x * onward[t] for t, x in plan.apart[s][a].items()))
        found.append(each[a] - each[0] + moved)
    return found


def _first(plan: Plan, s: int, now: tuple[Number, list[Number]], onward: Sequence[Number]) -> Number:
    """What action 0 earns, if what follows is `onward`."""
    moved = total(plan.numbers, (x * onward[t] for t, x in plan.world.P[s][0].items()))
    return now[0] + now[1][0] + plan.world.discount * moved


def _at(plan: Plan, mean: Mean, p: Sequence[Number]) -> Number:
    parts = [p[a] * x for a, x in mean.extra]
    return total(plan.numbers, parts if mean.base is None else [mean.base, *parts])


def _solve(
    plan: Plan, p: Sequence[Sequence[Number]], c: list[Number], full: bool
) -> tuple[list[Number], Number, list[Number], Number]:
    """(V(t) − V(r), V(r), d or d times a positive number, det(I − g P_q)) for the chain of q and the rewards c.

    State k goes when what leaves it, Σ_t m(k, t) + e(k), is divided out: m(s, t) += m(s, k) m(k, t) / leaving, and e, c
    and the start likewise. The determinant is the product of what was divided by.
    """
    numbers, n = plan.numbers, plan.field.n_states
    zero = numbers.number(Fraction(0))
    m = [{t: _at(plan, x, p[s]) for t, x in moves.items() if t != s} for s, moves in enumerate(plan.moves)]
    e: list[Number | None] = [
        _at(plan, x, p[s]) if x.extra or x.base is not None else None for s, x in enumerate(plan.exits)
    ]
    start = list(plan.world.initial)
    stages = []
    for at, k in enumerate(plan.order[:-1]):
        row, out = m[k], e[k]
        leaving = total(numbers, [*row.values(), *([] if out is None else [out])])
        column = {s: m[s].pop(k) for s in plan.order[at + 1 :] if k in m[s]}
        stages.append((k, leaving, row, column))
        for s, x in column.items():
            y = x / leaving
            for t, z in row.items():
                if t != s:
                    m[s][t] = m[s][t] + y * z if t in m[s] else y * z
            if out is not None:
                e[s] = y * out if e[s] is None else e[s] + y * out
            c[s] = c[s] + y * c[k]
        for t, z in row.items():
            start[t] = start[t] + start[k] * (z / leaving)
    r = plan.order[-1]
    end = e[r]
    if end is None:
        raise Refused("field: the episode never ends")
    V, d, det = [zero] * n, [zero] * n, end
    d[r] = start[r]
    for k, leaving, row, column in reversed(stages):
        gain = c[k] + total(numbers, (x * V[t] for t, x in row.items() if t != r))
        out = e[k]
        if out is not None:
            gain = gain - (out / end) * c[r]
        V[k] = gain / leaving
        det = det * leaving
        come = total(numbers, (d[t] * x for t, x in column.items()))
        d[k] = (start[k] * end + come) / leaving
    return V, c[r] / end, [x / end for x in d] if full else d, det


def _heights(
    plan: Plan,
    s: int,
    p: Sequence[Number],
    gaps: Sequence[Number],
    first: Number,
    relative: Sequence[Number],
    last: Number,
) -> list[Number]:
    """E_a(s) − E_0(s) for a >= 1, from the differences at values near V and the corrections of these."""
    field, numbers, alpha = plan.field, plan.numbers, plan.world.alpha
    u = _slopes(plan, s, p)
    if field.rule.whole:
        gaps = list(gaps)
        for a in range(1, field.n_actions):
            moved = total(numbers, (x * relative[t] for t, x in plan.apart[s][a].items()))
            ends = plan.apart_ends[s][a]
            gaps[a - 1] = gaps[a - 1] + (moved if ends is None else moved + ends * last)
        moved = total(numbers, (x * (relative[t] + last) for t, x in plan.world.P[s][0].items()))
        first = first + plan.world.discount * moved
    found = []
    for a, gap in enumerate(gaps, start=1):
        pull = alpha * (u[a] - u[0])
        found.append(-pull if plan.share is None else plan.share * gap - pull)
    if plan.own:
        return found
    Q = [first, *(first + x for x in gaps)]
    zero = numbers.number(Fraction(0))
    weighted = [zero if w is None else w * x / y for w, x, y in zip(plan.fixed[s], Q, p, strict=True)]
    return [x + weighted[a] - weighted[0] for a, x in enumerate(found, start=1)]


def _slopes(plan: Plan, s: int, p: Sequence[Number]) -> list[Number]:
    """u_a = ∂l(s)/∂p_a, the p_a as free variables; a derivative along all of them alike drops out of F."""
    field, numbers = plan.field, plan.numbers
    inner, one, zero = Duals(numbers), numbers.number(Fraction(1)), numbers.number(Fraction(0))
    used = {name: row for name, row in plan.known[s].items() if name in ("t", "c")}
    fixed = {name: [Dual(x, {}) for x in row] for name, row in used.items()}
    free = [Dual(x, {a: one}) for a, x in enumerate(p)]
    result = evaluate(field.rule.loss, inner, symbols(inner, fixed | {"p": free}), field.n_actions)[0]
    return [result.slopes.get(a, zero) for a in range(field.n_actions)]
