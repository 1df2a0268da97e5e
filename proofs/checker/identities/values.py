"""Facts about one policy: entries of the field and of its derivatives, as exact numbers or inside a ball."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from proofs.checker.identities.always import MOST_PARAMETERS, MOST_WITHOUT, kl_slope
from proofs.checker.identities.gate import gates
from proofs.checker.identities.update import Update, concrete, control, student, update, visits
from proofs.checker.numbers.arithmetic import Arithmetic, Number
from proofs.checker.numbers.dual import Duals
from proofs.checker.numbers.enclosure import Enclosures, ends
from proofs.checker.numbers.exact import Exact, Logs
from proofs.checker.numbers.rational import Refused, ball, rational, show
from proofs.checker.reading import strict
from proofs.checker.reading.field import Field, read_field
from proofs.checker.reading.model import Table

_LEAST_BITS, _MOST_BITS = 256, 4096


def not_a_gradient(fact: dict[str, Any]) -> float:
    """∂F_i/∂theta_j − ∂F_j/∂theta_i at the policy is the value, or in the ball, and that is not 0."""
    field, rows = read_point(fact, MOST_PARAMETERS)
    i, j = (read_parameter(fact[key], key, field) for key in ("i", "j"))
    gate, bound = gates(field, rows, slopes=True)

    def curl(numbers: Arithmetic) -> Number:
        now = moving(field, rows, numbers, gate, {i, j})
        zero = numbers.number(Fraction(0))
        return now.F[i].slopes.get(j, zero) - now.F[j].slopes.get(i, zero)

    compare(fact, curl, "∂F_i/∂theta_j − ∂F_j/∂theta_i", nonzero=True)
    return bound


def field_value(fact: dict[str, Any]) -> float:
    """F_i at the policy is the value, or in the ball."""
    field, rows = read_point(fact, MOST_WITHOUT)
    i = read_parameter(fact["i"], "i", field)
    gate, bound = gates(field, rows, slopes=False)

    def entry(numbers: Arithmetic) -> Number:
        p = [[numbers.number(x) for x in rows[o]] for o in field.observation]
        return update(field, numbers, concrete(field, numbers), p, gate).F[i]

    compare(fact, entry, "F_i")
    return bound


def kl_rises(fact: dict[str, Any]) -> float:
    """d/dt KL(pi(s)‖pi_theta(s)) along dtheta/dt = F is exactly the value at the policy, and that is positive."""
    field, rows = read_point(fact, MOST_PARAMETERS)
    s = strict.index(fact["state"], "state", field.n_states)
    if field.model is None or field.model.teacher is None:
        raise Refused(f"{field.where}.mdp.teacher: there is none")
    gate, bound = gates(field, rows, slopes=False)

    def rate(numbers: Arithmetic) -> Number:
        world, one = concrete(field, numbers), numbers.number(Fraction(1))
        fixed = [[numbers.number(x) for x in rows[o]] for o in field.observation]
        F = update(field, numbers, world, fixed, gate).F
        if world.teacher is None:
            raise Refused("the MDP has no teacher; this fact needs one")
        own = student([0], [fixed[s]], one)[0]
        return kl_slope(Duals(numbers), world.teacher[s], own, [F[i] for i in field.parameters(s)])

    value = compare(fact, rate, "d/dt KL")
    if value is None or value <= 0:
        raise Refused(f"value: {show(value)}; a rise is positive")
    return bound


def visits_differ(fact: dict[str, Any]) -> float:
    """∂d_q(state)/∂theta_i at the policy is exactly the value, not 0; theta_i is a parameter of the state `by`."""
    field, rows = read_point(fact, MOST_PARAMETERS)
    s, u = (strict.index(fact[key], key, field.n_states) for key in ("state", "by"))
    i = read_parameter(fact["i"], "i", field)
    if i not in field.parameters(u):
        raise Refused(f"i: {fact['i']} is no parameter of state {u}, whose observation is {field.observation[u]}")

    def slope(numbers: Arithmetic) -> Number:
        duals, world = Duals(numbers), concrete(field, numbers).lift()
        table = [[numbers.number(x) for x in row] for row in rows]
        p = student(field.observation, table, numbers.number(Fraction(1)), {i})
        d = visits(duals, world, control(field, duals, world, p))[s]
        return d.slopes.get(i, numbers.number(Fraction(0)))

    compare(fact, slope, "∂d/∂theta_i", nonzero=True)
    return 0.0


def read_point(fact: dict[str, Any], most: int) -> tuple[Field, Table]:
    """The field of a fact, over a given MDP and not too large, and its strictly positive policy (O, A)."""
    field = read_field(fact["field"], "field")
    if field.model is None:
        raise Refused("field: a generic field has no values; give an MDP")
    if field.n_states * field.n_actions > most:
        raise Refused(
            f"field: {field.n_states} states times {field.n_actions} actions; at most {most} are checked here"
        )
    return field, strict.policy(fact["policy"], "policy", field.n_observations, field.n_actions, positive=True)


def read_parameter(value: object, where: str, field: Field) -> int:
    """The number of the parameter [o, a]."""
    o, a = strict.items(value, where, 2)
    row = strict.index(o, f"{where}[0]", field.n_observations)
    return row * field.n_actions + strict.index(a, f"{where}[1]", field.n_actions)


def moving(field: Field, rows: Table, numbers: Arithmetic, gate: tuple[bool, ...] | None, only: set[int]) -> Update:
    """Eq. (1) at a policy, as duals in the parameters that are asked for."""
    duals = Duals(numbers)
    world = concrete(field, numbers).lift()
    one = numbers.number(Fraction(1))
    p = student(field.observation, [[numbers.number(x) for x in row] for row in rows], one, only)
    return update(field, duals, world, p, gate)


def compare(
    fact: dict[str, Any], compute: Callable[[Arithmetic], Number], name: str, nonzero: bool = False
) -> Fraction | None:
    """The value that a fact states, if it is exactly what `compute` gives; None for a ball that holds it.

    A `value` must be met without logarithms; a `ball` must hold a rigorous enclosure and, where `nonzero`, not 0.
    Raises Refused where neither or both are given, and where the number is another one.
    """
    if ("value" in fact) == ("ball" in fact):
        raise Refused("a fact has either a value or a ball" if "value" in fact else "the key 'value' is missing")
    if "value" in fact:
        return _exactly(rational(fact["value"], "value"), compute(Exact()), name, nonzero)
    low, high = ball(fact["ball"], "ball")
    if nonzero and low <= 0 <= high:
        raise Refused("ball: holds 0, so it does not show that the number is not 0")
    found_low, found_high = ends(compute(Enclosures(_bits(low, high))))
    if not low <= found_low <= found_high <= high:
        apart = found_high < low or high < found_low
        short = "which is outside of the ball" if apart else "which is not all inside the ball"
        raise Refused(f"ball: {name} is {_around(found_low, found_high)}, {short}")
    return None


def _exactly(stated: Fraction, found: Number, name: str, nonzero: bool) -> Fraction:
    if isinstance(found, Logs):
        raise Refused(f"value: logarithms enter {name}, so that no rational is known to be its value; give a ball")
    if found != stated:
        raise Refused(f"value: {show(stated)}, but {name} is {show(found)}")
    if nonzero and stated == 0:
        raise Refused(f"value: {name} is 0, and must not be")
    return stated


def _bits(low: Fraction, high: Fraction) -> int:
    """Enough bits for an enclosure much narrower than the ball."""
    width = high - low
    wanted = 0 if width == 0 else max(0, width.denominator.bit_length() - width.numerator.bit_length())
    return min(_MOST_BITS, max(_LEAST_BITS, wanted + 128))


def _around(low: Fraction, high: Fraction) -> str:
    middle = (low + high) / 2
    try:
        return f"about {float(middle):.12g}"
    except OverflowError:
        return "a number beyond the floats"
