"""Facts that hold for all theta, and for generic fields for all MDPs of a size: by polynomial identity testing."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from proofs.checker.identities.update import Update, World, concrete, control, loss, student, update, visits
from proofs.checker.numbers.arithmetic import Number, total
from proofs.checker.numbers.chance import Field as Points
from proofs.checker.numbers.chance import distribution, vanishes
from proofs.checker.numbers.dual import Dual, Duals
from proofs.checker.numbers.exact import Exact
from proofs.checker.numbers.floats import Floats
from proofs.checker.numbers.rational import Refused, show
from proofs.checker.reading import strict
from proofs.checker.reading.field import Field, read_field
from proofs.checker.reading.model import reachable

MOST_PARAMETERS = 48  # of a field whose derivatives are taken
MOST_WITHOUT = 600  # of one that is only evaluated
Named = list[tuple[str, Number]]


def draw(field: Field, numbers: Points) -> World:
    """The field's own MDP, or one drawn: P with free rows, R, start, discount, alpha, a teacher with rows of sum 1."""
    if field.model is not None:
        return concrete(field, numbers)
    states, actions = range(field.n_states), range(field.n_actions)
    return World(
        P=tuple(tuple({t: numbers.unknown() for t in states} for _ in actions) for _ in states),
        R=[[numbers.unknown() for _ in actions] for _ in states],
        initial=[numbers.unknown() for _ in states],
        discount=numbers.unknown(),
        alpha=numbers.unknown(),
        teacher=[distribution(numbers, field.n_actions) for _ in states],
        loss=None,
    )


def moving(field: Field, numbers: Points) -> tuple[Duals, World, list[list[Dual]]]:
    """A drawn world and a drawn student, as duals in all parameters."""
    world = draw(field, numbers)
    rows = [distribution(numbers, field.n_actions) for _ in range(field.n_observations)]
    one = numbers.number(Fraction(1))
    return Duals(numbers), world.lift(), student(field.observation, rows, one)


def a_gradient(fact: dict[str, Any]) -> float:
    """F = ∇phi for all theta, phi as the potential's kind says. Raises Refused where it is not shown."""
    field = _field(fact)
    kind = fact["potential"]
    if kind == "episode":
        if field.weights[1] != 1 or not field.rule.whole:
            raise Refused('potential: "episode" is for student control and whole-episode rewards')
    elif kind == "fixed":
        if field.weights[1] != 0:
            raise Refused('potential: "fixed" is for a control that does not depend on the student')
    else:
        raise Refused(f'potential: {show(kind)}; must be "episode" or "fixed"')

    def claim(numbers: Points) -> Named:
        duals, world, p = moving(field, numbers)
        now = update(field, duals, world, p)
        zero = numbers.number(Fraction(0))
        named: Named = []
        if kind == "episode":
            phi = total(duals, (now.d[s] * x * y for s in range(field.n_states) for x, y in _pairs(p[s], now.steps[s])))
        else:
            phi = _fixed(field, duals, world, p, now)
            for s, row in enumerate(now.Q):
                for a, x in enumerate(row):
                    named += [(f"the derivative of Q at state {s}, action {a}", y) for y in x.slopes.values()]
        for i, x in enumerate(now.F):
            named.append((f"F − ∇phi at {_at(field, i)}", x.value - phi.slopes.get(i, zero)))
        return named

    return vanishes(claim)


def _fixed(field: Field, duals: Duals, world: World, p: list[list[Dual]], now: Update) -> Dual:
    """Σ_s d(s) [Σ_a q Q log pi_theta − alpha l](s), as it stands: nothing in it is held fixed that moves."""
    parts = []
    for s in range(field.n_states):
        gain = total(duals, (x * y * duals.log(z) for (x, y), z in zip(_pairs(now.q[s], now.Q[s]), p[s], strict=True)))
        parts.append(now.d[s] * (gain - world.alpha * loss(field, duals, world, p, s).value))
    result = total(duals, parts)
    if not isinstance(result, Dual):
        raise Refused("an expression without a value")
    return result


def curl_free(fact: dict[str, Any]) -> float:
    """∂F_i/∂theta_j = ∂F_j/∂theta_i for all theta, i and j. Raises Refused where it is not shown."""
    field = _field(fact)

    def claim(numbers: Points) -> Named:
        duals, world, p = moving(field, numbers)
        F, zero = update(field, duals, world, p).F, numbers.number(Fraction(0))
        return [
            (f"∂F_i/∂theta_j − ∂F_j/∂theta_i with i = {_at(field, i)}, j = {_at(field, j)}", x - y)
            for i in range(field.n_parameters)
            for j in range(i)
            for x, y in [(F[i].slopes.get(j, zero), F[j].slopes.get(i, zero))]
        ]

    return vanishes(claim)


def same_field(fact: dict[str, Any]) -> float:
    """The two fields are equal for all theta. Raises Refused where it is not shown, or they cannot be compared."""
    left, right = (_field(fact, key, derivatives=False) for key in ("left", "right"))
    if left.model != right.model:
        raise Refused("left and right: two different MDPs; must be one")
    if (left.n_states, left.n_actions) != (right.n_states, right.n_actions):
        raise Refused("left and right: generic fields of different sizes; must be one size")
    if left.observation != right.observation:
        raise Refused("left and right: different observations, so their parameters are not the same")

    def claim(numbers: Points) -> Named:
        world = draw(left, numbers)
        rows = [distribution(numbers, left.n_actions) for _ in range(left.n_observations)]
        p = [rows[o] for o in left.observation]
        F = update(left, numbers, world, p).F
        if right.alpha is not None:
            world = replace(world, alpha=numbers.number(right.alpha))
        G = update(right, numbers, world, p).F
        return [(f"left − right at {_at(left, i)}", x - y) for i, (x, y) in enumerate(_pairs(F, G))]

    return vanishes(claim)


def rests_at_teacher(fact: dict[str, Any]) -> float:
    """F = 0 where the student's policy is the teacher's; exact where the MDP is given.

    There both have the same values, so every gate is closed. Raises Refused where F is not 0 (a logarithm is
    a symbol), or no parameters give the teacher's policy.
    """
    field = _field(fact, derivatives=False, gate=True)
    shut = (False,) * field.n_states
    if field.model is None:
        if not field.tabular:
            raise Refused(f"{field.where}: states share observations, so a generic teacher is not representable")

        def claim(numbers: Points) -> Named:
            world = draw(field, numbers)
            if world.teacher is None:
                raise Refused("the MDP has no teacher; this fact needs one")
            F = update(field, numbers, world, world.teacher, shut).F
            return [(f"F at {_at(field, i)}", x) for i, x in enumerate(F)]

        return vanishes(claim)
    teacher = field.model.teacher
    if teacher is None:
        raise Refused(f"{field.where}.mdp.teacher: there is none")
    for s, row in enumerate(teacher):
        if 0 in row:
            raise Refused(f"{field.where}.mdp.teacher[{s}]: has a 0, which no parameters give")
        if row != teacher[first := field.observation.index(field.observation[s])]:
            raise Refused(f"{field.where}.mdp.teacher[{s}]: differs from state {first}, whose parameters it shares")
    for i, x in enumerate(update(field, Exact(), concrete(field, Exact()), teacher, shut).F):
        if x != 0:
            raise Refused(f"F at {_at(field, i)} is {show(x) if isinstance(x, Fraction) else 'not 0'} at the teacher")
    return 0.0


def kl_rate(fact: dict[str, Any]) -> float:
    """d/dt KL(pi(s)‖pi_theta(s)) = −alpha d_q(s) ‖pi(s) − pi_theta(s)‖² along dtheta/dt = F, for all theta and s."""
    field = _field(fact)
    if not field.tabular:
        raise Refused(f"{field.where}.observation: states share parameters; the rate is stated for tabular students")
    _need_teacher(field)

    def claim(numbers: Points) -> Named:
        duals, world, p = moving(field, numbers)
        now = update(field, duals, world, p)
        if world.teacher is None:
            raise Refused("the MDP has no teacher; this fact needs one")
        named = []
        for s in range(field.n_states):
            teacher = [x.value for x in world.teacher[s]]
            rate = kl_slope(duals, teacher, p[s], [x.value for x in now.F])
            gap = total(duals, ((x - y) * (x - y) for x, y in _pairs(world.teacher[s], p[s]))).value
            named.append((f"the rate at state {s}", rate + world.alpha.value * now.d[s].value * gap))
        return named

    return vanishes(claim)


def kl_slope(duals: Duals, teacher: Any, p: list[Dual], F: list[Number]) -> Number:
    """Σ_i F_i ∂/∂theta_i (−Σ_a t_a log p_a): what KL(t‖p) changes by along F; its other part is constant."""
    cross = -total(duals, (Dual(x, {}) * duals.log(y) for x, y in _pairs(teacher, p)))
    return total(duals.base, (slope * F[i] for i, slope in cross.slopes.items()))


def acyclic_structure(fact: dict[str, Any]) -> float:
    """For all theta B_s depends on parameters of s and of states reachable from it only; ∂B_s/∂theta_s is symmetric."""
    field = _field(fact)
    if field.model is None:
        raise Refused(f"{field.where}: generic transitions are not acyclic; give an MDP")
    if not field.tabular:
        raise Refused(f"{field.where}.observation: states share parameters; the fact is about tabular students")
    for s, row in enumerate(field.model.P):
        for a, move in enumerate(row):
            if any(t <= s for t in move):
                raise Refused(f"{field.where}.mdp.P[{s}][{a}]: goes to state {min(move)}; must go to later ones only")
    near = [reachable(field.model, s) for s in range(field.n_states)]

    def claim(numbers: Points) -> Named:
        duals, world, p = moving(field, numbers)
        B, zero = update(field, duals, world, p).B, numbers.number(Fraction(0))
        named: Named = []
        for s in range(field.n_states):
            far = [i for u in range(field.n_states) if u not in near[s] for i in field.parameters(u)]
            own = field.parameters(s)
            for a, x in enumerate(B[s]):
                named += [(f"∂B at state {s} in {_at(field, i)}", x.slopes.get(i, zero)) for i in far]
                for b, y in enumerate(B[s][:a]):
                    difference = x.slopes.get(own[b], zero) - y.slopes.get(own[a], zero)
                    named.append((f"the curl of B at state {s}, actions {b} and {a},", difference))
        return named

    return vanishes(claim)


def same_visits(fact: dict[str, Any]) -> float:
    """d_q(state) does not depend on the parameters of the state `by`, for all theta."""
    field = _field(fact, gate=True)
    if not field.tabular:
        raise Refused(f"{field.where}.observation: states share parameters; the fact is about tabular students")
    s, u = (strict.index(fact[key], key, field.n_states) for key in ("state", "by"))

    def claim(numbers: Points) -> Named:
        duals, world, p = moving(field, numbers)
        d = visits(duals, world, control(field, duals, world, p))[s]
        zero = numbers.number(Fraction(0))
        return [(f"∂d({s}) in {_at(field, i)}", d.slopes.get(i, zero)) for i in field.parameters(u)]

    return vanishes(claim)


def _field(fact: dict[str, Any], key: str = "field", derivatives: bool = True, gate: bool = False) -> Field:
    """The field of a fact, small enough to be tested, and without a gate, whose sign no random point has."""
    field = read_field(fact[key], key)
    most = MOST_PARAMETERS if derivatives else MOST_WITHOUT
    if field.n_states * field.n_actions > most:
        raise Refused(
            f"{key}: {field.n_states} states times {field.n_actions} actions; at most {most} are checked here"
        )
    if field.gated and not gate:
        raise Refused(f"{key}.rule: has a gate, so that nothing of this kind holds for all parameters")
    if field.rule.own and not field.gated:
        _check_defined(field)
    return field


def _check_defined(field: Field) -> None:
    """Raises Refused where a row of the certificate's own is not defined: log(-p) is an indeterminate as well as log p.

    One point is looked at, in floats, of the field's MDP or of one that stands for all; an identity is analytic, so
    that what is defined there and is zero is zero around it.
    """
    numbers, k = Floats(), field.n_actions
    uneven = [
        [(3 + a + s % 2) / (3 * k + k * (k - 1) / 2 + s % 2 * k) for a in range(k)] for s in range(field.n_states)
    ]
    if field.model is not None:
        world = concrete(field, numbers)
    else:
        n = field.n_states
        P = tuple(tuple(dict.fromkeys(range(n), 0.5 / n) for _ in range(k)) for _ in range(n))
        R = [[1.0 + s + a for a in range(k)] for s in range(n)]
        world = World(P, R, [1.0 / n] * n, 0.9, 1.0, [row[::-1] for row in uneven], None)
    try:
        update(field, numbers, world, [uneven[field.observation.index(o)] for o in field.observation])
    except (Refused, ArithmeticError) as e:
        raise Refused(f"{field.where}.row: is not defined at some policy ({e})") from None


def _need_teacher(field: Field) -> None:
    if field.model is not None and field.model.teacher is None:
        raise Refused(f"{field.where}.mdp.teacher: there is none")


def _at(field: Field, i: int) -> str:
    return str([i // field.n_actions, i % field.n_actions])


def _pairs(x: Any, y: Any) -> Any:
    return zip(x, y, strict=True)
