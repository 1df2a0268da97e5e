"""What of a field does not depend on where it is evaluated: exact differences and means over actions, constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from proofs.checker.identities.update import World, concrete, constants, control, symbols, values, visits
from proofs.checker.numbers.arithmetic import Arithmetic, Number
from proofs.checker.numbers.dual import Duals
from proofs.checker.numbers.exact import Exact
from proofs.checker.numbers.floats import Floats
from proofs.checker.numbers.rational import Refused
from proofs.checker.reading.expression import Term, evaluate
from proofs.checker.reading.expression import symbols as names
from proofs.checker.reading.field import Field
from proofs.checker.reading.model import Model


@dataclass(frozen=True)
class Mean:
    """base + Σ_a p_a extra[a]: a mean over actions under the control, of exact numbers; nothing in it is negative."""

    base: Number | None
    extra: tuple[tuple[int, Number], ...]


@dataclass(frozen=True)
class Plan:
    """What of a field does not depend on where it is evaluated, in one arithmetic."""

    field: Field
    numbers: Arithmetic
    world: World
    fixed: list[list[Number | None]]  # the control is fixed[s][a] + share p_a
    share: Number | None
    moves: list[dict[int, Mean]]  # g P_q(s, t)
    exits: list[Mean]  # 1 − g Σ_t P_q(s, t)
    apart: list[list[dict[int, Number]]]  # g (P(s, a, t) − P(s, 0, t))
    apart_ends: list[list[Number | None]]  # g Σ_t of that
    order: list[int]  # in which states are eliminated; the last one is r
    visited: list[list[int]]  # by observation, the states with d > 0
    known: list[dict[str, Sequence[Number]]]  # by state, the symbols that hold no student
    still: list[dict[tuple[bool, bool], list[Number]]]  # by state, what terms of the reward without a student add up to

    @property
    def own(self) -> bool:
        """Whether the student itself acts."""
        return self.field.weights[1] == 1


def plan(field: Field, numbers: Arithmetic) -> Plan:
    """Prepare a field with a given MDP. Raises Refused where a gate switches or an observation is never seen."""
    model = field.model
    if model is None:
        raise Refused("field: a generic field has no flow; give an MDP")
    if field.gated:
        raise Refused("field: the rule has a gate, and is not checked over boxes")
    world = concrete(field, numbers.base).lift() if isinstance(numbers, Duals) else concrete(field, numbers)
    fixed = _fixed(field)
    n, states = numbers.number, range(field.n_states)
    moves: list[dict[int, Mean]] = []
    exits: list[Mean] = []
    for s in states:
        rows = [{t: model.discount * x for t, x in move.items()} for move in model.P[s]]
        ends = [1 - sum(row.values(), Fraction(0)) for row in rows]
        targets = sorted({t for row in rows for t in row})
        into = {t: _mean(field, numbers, fixed[s], [row.get(t, Fraction(0)) for row in rows]) for t in targets}
        moves.append({t: x for t, x in into.items() if x is not None})
        exits.append(_mean(field, numbers, fixed[s], ends) or Mean(None, ()))
    apart, apart_ends = _apart(field, model, numbers)
    teacher_values = _teacher_values(field, numbers)
    known = []
    for s in states:
        symbols_here: dict[str, Sequence[Number]] = {"r": world.R[s]} | constants(field, numbers, world, s, None)
        if teacher_values is not None:
            symbols_here["v"] = [teacher_values[s]]
        known.append(symbols_here)
    still_terms = [term for term in field.rule.terms if not moves_with_student(term)]
    return Plan(
        field=field,
        numbers=numbers,
        world=world,
        fixed=[[n(x) if x else None for x in row] for row in fixed],
        share=n(field.weights[1]) if field.weights[1] else None,
        moves=moves,
        exits=exits,
        apart=apart,
        apart_ends=apart_ends,
        order=_order(field),
        visited=_visited(field, model, fixed),
        known=known,
        still=[added(field, numbers, world, still_terms, symbols_here, {}) for symbols_here in known],
    )


def _fixed(field: Field) -> list[list[Fraction]]:
    """The part of the control that does not depend on the student."""
    by_teacher, _, by_chance = field.weights
    result = []
    for s in range(field.n_states):
        row = [by_chance / field.n_actions] * field.n_actions
        if by_teacher and field.model is not None and field.model.teacher is not None:
            row = [x + by_teacher * y for x, y in zip(row, field.model.teacher[s], strict=True)]
        result.append(row)
    return result


def _mean(field: Field, numbers: Arithmetic, fixed: Sequence[Fraction], xs: Sequence[Fraction]) -> Mean | None:
    """Σ_a (fixed_a + share p_a) x_a = [Σ fixed_a x_a + share least] + Σ_a p_a share (x_a − least), as Σ_a p_a = 1."""
    share, least = field.weights[1], min(xs)
    base = sum((x * y for x, y in zip(fixed, xs, strict=True)), Fraction(0)) + share * least
    extra = [(a, numbers.number(share * (x - least))) for a, x in enumerate(xs) if share * (x - least)]
    return Mean(numbers.number(base) if base else None, tuple(extra)) if base or extra else None


def _apart(
    field: Field, model: Model, numbers: Arithmetic
) -> tuple[list[list[dict[int, Number]]], list[list[Number | None]]]:
    """The rows of g P less that of action 0, and their sums."""
    rows: list[list[dict[int, Number]]] = []
    ends: list[list[Number | None]] = []
    for s in range(field.n_states):
        first = model.P[s][0]
        rows.append([])
        ends.append([])
        for move in model.P[s]:
            gaps = {t: model.discount * (move.get(t, Fraction(0)) - first.get(t, Fraction(0))) for t in {*move, *first}}
            whole = sum(gaps.values(), Fraction(0))
            rows[s].append({t: numbers.number(x) for t, x in sorted(gaps.items()) if x})
            ends[s].append(numbers.number(whole) if whole else None)
    return rows, ends


def _order(field: Field) -> list[int]:
    """All states, that of the most visits (the student acting evenly) last. Any order is right; this one is narrow."""
    floats = Floats()
    world = concrete(field, floats)
    even = [[1.0 / field.n_actions] * field.n_actions for _ in range(field.n_states)]
    d = visits(floats, world, control(field, floats, world, even))
    return sorted(range(field.n_states), key=lambda s: (d[s], s))


def _visited(field: Field, model: Model, fixed: list[list[Fraction]]) -> list[list[int]]:
    """By observation the states that are visited, whatever the student: d is 0 at all others, for all theta."""
    found = {s for s, x in enumerate(model.initial) if x}
    todo = list(found)
    while todo:
        s = todo.pop()
        taken = [a for a in range(field.n_actions) if fixed[s][a] or field.weights[1]]
        new = {t for a in taken for t in model.P[s][a]} - found
        found |= new
        todo += new
    seen = [[s for s in sorted(found) if field.observation[s] == o] for o in range(field.n_observations)]
    for o, states in enumerate(seen):
        if not states:
            raise Refused(f"field: no state with observation {o} is ever visited, so that its parameters never move")
    return seen


def _teacher_values(field: Field, numbers: Arithmetic) -> list[Number] | None:
    if "v" not in field.rule.symbols:
        return None
    world = concrete(field, Exact())
    if world.teacher is None:
        raise Refused("the MDP has no teacher; this fact needs one")
    return [numbers.number(x) for x in values(Exact(), world, world.teacher, world.R)]


def moves_with_student(term: Term) -> bool:
    """Whether a term of a reward depends on the student."""
    return bool(names(term.expr) & {"p", "log_p", "v_student"})


def added(
    field: Field,
    numbers: Arithmetic,
    world: World,
    terms: Sequence[Term],
    known: Mapping[str, Sequence[Number]],
    before: Mapping[tuple[bool, bool], list[Number]],
) -> dict[tuple[bool, bool], list[Number]]:
    """The terms at one state, added to what was there `before`, by (of the next step?, per action?)."""
    found = dict(before)
    for term in terms:
        row = evaluate(term.expr, numbers, symbols(numbers, known), field.n_actions)
        row = row if term.valued else [world.alpha * x for x in row]
        key = (term.later, len(row) > 1)
        found[key] = [x + y for x, y in zip(found[key], row, strict=True)] if key in found else list(row)
    return found
