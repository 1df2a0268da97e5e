"""At which states the teacher is better than the student: V_pi(s) > V_theta(s), decided on exact rationals."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from proofs.checker.identities.update import concrete, values
from proofs.checker.numbers.chance import Field as Points
from proofs.checker.numbers.chance import distribution, vanishes
from proofs.checker.numbers.exact import Exact
from proofs.checker.numbers.rational import Refused
from proofs.checker.reading.field import Field


def gates(field: Field, rows: Sequence[Sequence[Fraction]], slopes: bool) -> tuple[tuple[bool, ...] | None, float]:
    """The gate at each state for the policy rows (O, A), None where the rule has no gate; and an error bound.

    The gate is not differentiated, so a derivative (`slopes`) means something only where no gate is about to switch:
    where V_pi(s) = V_theta(s) at the policy they must be equal for all theta, which identity testing decides.
    Raises Refused where they are not.
    """
    if not field.gated:
        return None, 0.0
    world = concrete(field, Exact())
    if world.teacher is None:
        raise Refused("the MDP has no teacher; this fact needs one")
    teacher = values(Exact(), world, world.teacher, world.R)
    own = values(Exact(), world, [rows[o] for o in field.observation], world.R)
    equal = [s for s, (x, y) in enumerate(zip(teacher, own, strict=True)) if x == y]
    bound = 0.0
    if slopes and equal:

        def difference(numbers: Points) -> list[tuple[str, object]]:
            world = concrete(field, numbers)
            drawn = [distribution(numbers, field.n_actions) for _ in range(field.n_observations)]
            if world.teacher is None:
                raise Refused("the MDP has no teacher; this fact needs one")
            left = values(numbers, world, world.teacher, world.R)
            right = values(numbers, world, [drawn[o] for o in field.observation], world.R)
            return [(f"V_teacher − V_student at state {s}", left[s] - right[s]) for s in equal]

        try:
            bound = vanishes(difference)
        except Refused as e:
            raise Refused(f"the policy is on the boundary of a gate ({e}), where the field is discontinuous") from None
    return tuple(bool(x > y) for x, y in zip(teacher, own, strict=True)), bound
