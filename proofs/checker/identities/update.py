"""Eq. (1), from its definition, in any arithmetic.

    F(theta) = E_q [ Σ_t  ∇ log pi_theta(a_t|s_t) Rhat_t  −  alpha ∇ l(s_t) ]

Per state, with Q(s, a) = E[Rhat_t | s_t = s, a_t = a] and ∂ log pi_theta(b|s) / ∂ logit(s, a) = [a = b] − p(a|s):

    F[s, a] = d(s) B[s, a],   B[s, a] = q(a|s) Q(s, a) − p(a|s) Σ_b q(b|s) Q(s, b) − alpha ∂l(s) / ∂logit(s, a)
    d = rho + g P_q^T d,      Q = c + g P V,   V = q Q;   for the horizon of one step Q = c
    c(s, a) = now(s, a) + g Σ_s' P(s'|s, a) Σ_b q(b|s') later(s', b)

∂l is taken by duals over the arithmetic at hand, with only p(·|s) moving; so over duals in theta the derivative of F
acts on everything: visits, Q, rewards that hold the student's policy or value. States that share an observation add up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from proofs.checker.numbers.arithmetic import Arithmetic, Number, total
from proofs.checker.numbers.dual import Dual, Duals
from proofs.checker.numbers.rational import Refused
from proofs.checker.reading.expression import evaluate
from proofs.checker.reading.field import Field

Rows = Sequence[Sequence[Number]]
Symbols = dict[str, Callable[[], list[Number]]]


@dataclass(frozen=True)
class World:
    """The numbers of a field's MDP in one arithmetic."""

    P: tuple[tuple[dict[int, Number], ...], ...]
    R: Rows
    initial: Sequence[Number]
    discount: Number
    alpha: Number
    teacher: Rows | None
    loss: Rows | None
    mixture: Number | None = None  # W of the control mix:W, where it is not the field's own

    def lift(self) -> World:
        """The same as duals that have no slope."""
        return World(
            P=tuple(tuple({t: Dual(x, {}) for t, x in move.items()} for move in row) for row in self.P),
            R=_lift(self.R),
            initial=_lift([self.initial])[0],
            discount=Dual(self.discount, {}),
            alpha=Dual(self.alpha, {}),
            teacher=None if self.teacher is None else _lift(self.teacher),
            loss=None if self.loss is None else _lift(self.loss),
            mixture=None if self.mixture is None else Dual(self.mixture, {}),
        )


@dataclass(frozen=True)
class Estimator:
    """Tables (S, A) of what a step of a trajectory is made of; the field and its variance are moments of it.

    q: the control; now, later: the terms of a reward outside and inside of `after`, each at its own state and action;
    slopes: alpha ∂l(s) / ∂logit(s, a).
    """

    q: Rows
    now: Rows
    later: Rows
    slopes: Rows


@dataclass(frozen=True)
class Update:
    """What eq. (1) is made of: visits d, control q, action values Q, B and the field F by parameters."""

    d: list[Number]
    q: Rows
    Q: Rows
    B: Rows
    F: list[Number]
    steps: Rows  # now + later at every state and action, as the potential of a rule counts them


def concrete(field: Field, numbers: Arithmetic) -> World:
    """The world of a field whose MDP is given."""
    model, n = field.model, numbers.number
    if model is None or field.alpha is None:
        raise AssertionError("a generic field has no numbers")

    def rows(table: Sequence[Sequence[Fraction]]) -> Rows:
        return [[n(x) for x in row] for row in table]

    return World(
        P=tuple(tuple({t: n(x) for t, x in move.items()} for move in row) for row in model.P),
        R=rows(model.R),
        initial=[n(x) for x in model.initial],
        discount=n(model.discount),
        alpha=n(field.alpha),
        teacher=None if model.teacher is None else rows(model.teacher),
        loss=None if model.loss is None else rows(model.loss),
    )


def student(
    observation: Sequence[int], rows: Rows, one: Number, only: Collection[int] | None = None
) -> list[list[Dual]]:
    """pi_theta per state as duals in theta: ∂p_a / ∂theta_b = p_a ([a = b] − p_b), within the row that a state uses.

    `only` names the parameters that move, where not all do.
    """
    table = []
    for o, row in enumerate(rows):
        at = o * len(row)
        free = [b for b in range(len(row)) if only is None or at + b in only]
        table.append(
            [Dual(x, {at + b: x * (one - row[b] if a == b else -row[b]) for b in free}) for a, x in enumerate(row)]
        )
    return [table[o] for o in observation]


def estimator(
    field: Field, numbers: Arithmetic, world: World, p: Rows, gate: Sequence[bool] | None = None
) -> Estimator:
    """What happens at each state and action: control, rewards of this and of the next step, alpha ∂l."""
    later, now = rewards(field, numbers, world, p, gate)
    zero, slopes = numbers.number(Fraction(0)), []
    for s in range(field.n_states):
        found = loss(field, numbers, world, p, s, gate).slopes
        slopes.append([world.alpha * found[a] if a in found else zero for a in range(field.n_actions)])
    return Estimator(control(field, numbers, world, p), now, later, slopes)


def update(field: Field, numbers: Arithmetic, world: World, p: Rows, gate: Sequence[bool] | None = None) -> Update:
    """Eq. (1) at the policy p (S, A); `gate` says at which states the teacher is better, where the rule asks that."""
    parts = estimator(field, numbers, world, p, gate)
    q, states = parts.q, range(field.n_states)
    d = visits(numbers, world, q)
    ahead = [total(numbers, (x * y for x, y in zip(q[s], parts.later[s], strict=True))) for s in states]
    c = [[x + _next(numbers, world, s, a, ahead) for a, x in enumerate(parts.now[s])] for s in states]
    Q = action_values(numbers, world, q, c) if field.rule.whole else c
    B = []
    for s in states:
        weighted = [x * y for x, y in zip(q[s], Q[s], strict=True)]
        mean = total(numbers, weighted)
        B.append([w - y * mean - z for w, y, z in zip(weighted, p[s], parts.slopes[s], strict=True)])
    F = [numbers.number(Fraction(0))] * field.n_parameters
    for s in states:
        for i, x in zip(field.parameters(s), B[s], strict=True):
            F[i] = F[i] + d[s] * x
    steps = [[x + y for x, y in zip(parts.now[s], parts.later[s], strict=True)] for s in states]
    return Update(d, q, Q, B, F, steps)


def loss(field: Field, numbers: Arithmetic, world: World, p: Rows, s: int, gate: Sequence[bool] | None = None) -> Dual:
    """l(s) (without alpha) as a dual: slope a is its derivative in logit(s, a)."""
    inner = Duals(numbers)
    fixed = {name: [Dual(x, {}) for x in row] for name, row in constants(field, numbers, world, s, gate).items()}
    local = student([0], [p[s]], numbers.number(Fraction(1)))[0]
    result = evaluate(field.rule.loss, inner, symbols(inner, fixed | {"p": local}), field.n_actions)[0]
    if not isinstance(result, Dual):
        raise Refused("an expression without a value")
    return result


def visits(numbers: Arithmetic, world: World, q: Rows) -> list[Number]:
    """d with (I − g P_q)^T d = rho."""
    matrix = chain(numbers, world, q)
    turned = [list(column) for column in zip(*matrix, strict=True)]
    return [row[0] for row in numbers.solve(turned, [[x] for x in world.initial])]


def values(numbers: Arithmetic, world: World, q: Rows, c: Rows) -> list[Number]:
    """V with (I − g P_q) V = Σ_a q c."""
    mean = [[total(numbers, (x * y for x, y in zip(q[s], c[s], strict=True)))] for s in range(len(c))]
    return [row[0] for row in numbers.solve(chain(numbers, world, q), mean)]


def action_values(numbers: Arithmetic, world: World, q: Rows, c: Rows) -> list[list[Number]]:
    """Q = c + g P V."""
    V = values(numbers, world, q, c)
    return [[x + _next(numbers, world, s, a, V) for a, x in enumerate(row)] for s, row in enumerate(c)]


def chain(numbers: Arithmetic, world: World, q: Rows) -> list[list[Number]]:
    """I − g P_q."""
    one, zero = numbers.number(Fraction(1)), numbers.number(Fraction(0))
    matrix = []
    for s, moves in enumerate(world.P):
        row = [one if s == t else zero for t in range(len(world.P))]
        for x, move in zip(q[s], moves, strict=True):
            for t, y in move.items():
                row[t] = row[t] - world.discount * x * y
        matrix.append(row)
    return matrix


def _next(numbers: Arithmetic, world: World, s: int, a: int, of: Sequence[Number]) -> Number:
    """g Σ_s' P(s'|s, a) of(s')."""
    return world.discount * total(numbers, (x * of[t] for t, x in world.P[s][a].items()))


def control(field: Field, numbers: Arithmetic, world: World, p: Rows) -> Rows:
    """q (S, A): the probabilities of actions that the field's control takes where the student has p."""
    by_teacher, by_student, by_chance = field.weights
    if world.mixture is not None and world.teacher is not None:
        w, rest = world.mixture, numbers.number(Fraction(1)) - world.mixture
        return [[w * y + rest * x for x, y in zip(row, world.teacher[s], strict=True)] for s, row in enumerate(p)]
    if by_student == 1:
        return p
    even = numbers.number(by_chance / field.n_actions)
    result = []
    for s, row in enumerate(p):
        mixed = [even + numbers.number(by_student) * x if by_student else even for x in row]
        if by_teacher:
            if world.teacher is None:
                raise Refused("the MDP has no teacher; this fact needs one")
            w = numbers.number(by_teacher)
            mixed = [x + w * y for x, y in zip(mixed, world.teacher[s], strict=True)]
        result.append(mixed)
    return result


def rewards(
    field: Field, numbers: Arithmetic, world: World, p: Rows, gate: Sequence[bool] | None
) -> tuple[list[list[Number]], list[list[Number]]]:
    """(later, now): the terms inside and outside of `after`, each at its own state and action, alpha in it."""
    states, zero = range(field.n_states), numbers.number(Fraction(0))
    found = [{"p": p[s], "r": world.R[s]} | constants(field, numbers, world, s, gate) for s in states]
    if "v" in field.rule.symbols:
        if world.teacher is None:
            raise Refused("the MDP has no teacher; this fact needs one")
        for s, x in enumerate(values(numbers, world, world.teacher, world.R)):
            found[s]["v"] = [x]
    if "v_student" in field.rule.symbols:
        for s, x in enumerate(values(numbers, world, p, world.R)):
            found[s]["v_student"] = [x]
    tables = []
    for later in (True, False):
        table = [[zero] * field.n_actions for _ in states]
        for term in field.rule.terms:
            for s in states if term.later == later else ():
                row = evaluate(term.expr, numbers, symbols(numbers, found[s]), field.n_actions)
                row = row if len(row) == field.n_actions else row * field.n_actions
                row = row if term.valued else [world.alpha * x for x in row]
                table[s] = [x + y for x, y in zip(table[s], row, strict=True)]
        tables.append(table)
    return tables[0], tables[1]


def constants(
    field: Field, numbers: Arithmetic, world: World, s: int, gate: Sequence[bool] | None
) -> dict[str, Sequence[Number]]:
    """The symbols at state s that hold no student, as far as there are any."""
    found: dict[str, Sequence[Number]] = {}
    if world.teacher is not None:
        found["t"] = world.teacher[s]
    if world.loss is not None:
        found["c"] = world.loss[s]
    if gate is not None:
        found["teacher_better"] = [numbers.number(Fraction(int(gate[s])))]
    return found


def symbols(numbers: Arithmetic, known: Mapping[str, Sequence[Number]]) -> Symbols:
    """The known symbols, and the logarithms of p and t, taken when asked for (log 0 is no error unless used)."""
    found: Symbols = {name: lambda row=row: list(row) for name, row in known.items()}  # type: ignore[misc]
    for name in {"p", "t"} & set(known):
        found[f"log_{name}"] = lambda row=known[name]: [numbers.log(x) for x in row]  # type: ignore[misc]
    return found


def _lift(rows: Rows) -> list[list[Dual]]:
    return [[Dual(x, {}) for x in row] for row in rows]
