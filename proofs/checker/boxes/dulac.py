"""A Dulac function on a box in the plane: the sign of div(D Z)/D."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

from proofs.checker.boxes.plan import Plan, plan
from proofs.checker.boxes.reduced import flow
from proofs.checker.boxes.zeros import Box, Exact, System, give_up, halves, near_values, outward, place
from proofs.checker.numbers.arithmetic import Number
from proofs.checker.numbers.dual import Dual, Duals
from proofs.checker.numbers.intervals import Wide
from proofs.checker.numbers.jets import Jet, Jets, bump, chances, variables
from proofs.checker.numbers.rational import Refused


@dataclass(frozen=True)
class Weight:
    """D = exp(Σ_i exp[i] z_i) Π_i (p_i (1 − p_i))^bump[i] det(I − g P_q)^det Π_s d(s)^visits[s]."""

    exp: tuple[Fraction, ...]
    bump: tuple[Fraction, ...]
    det: Fraction
    visits: tuple[Fraction, ...]


def check_divergence(on: System, box: Exact, weight: Weight, sign: int) -> None:
    """sign · div(D Z)/D > 0 on the closed box. Raises Refused where that is not shown."""
    moving = plan(on.field, Duals(Jets()))
    todo = [outward(box)]
    while todo:
        part = todo.pop()
        found = None
        with suppress(Wide):
            found = divergence(on, moving, part, weight)
        if found is not None:
            low, high = found.range if sign > 0 else (-found.range[1], -found.range[0])
            if low > 0:
                continue
            if high < 0:
                raise Refused(f"sign: the divergence has the other sign near {place(part)}")
        give_up(part, "sign: the divergence is not seen to have it")
        todo += halves(part, None if found is None else [found])


def divergence(on: System, moving: Plan, box: Box, weight: Weight) -> Jet:
    """div(D Z)/D = Σ_i [∂Z_i/∂z_i + Z_i ∂log D/∂z_i] times a positive function, as a jet.

    ∂log D/∂z_i = exp[i] + bump[i] (1 − 2 p_i) + det ∂log det(I − g P_q)/∂z_i + Σ_s visits[s] ∂log d(s)/∂z_i. Where each
    observation is that of one visited state, Z_i = 2 p_i (1 − p_i) d(s_i) H_i, whose factors join those of D:

        ∂Z_i/∂z_i + Z_i ∂log D/∂z_i = 2 p_i (1 − p_i) d(s_i) [∂H_i/∂z_i + H_i ∂log(D p_i (1 − p_i) d(s_i))/∂z_i].

    Derivatives are those of duals over jets.
    """
    on.budget.spend(3)
    numbers = Jets()
    rows, policy, bumps = [], [], []
    for i, x in enumerate(variables(box)):
        p, slope = chances([x]), bump(x)
        rows.append(p)
        bumps.append(slope)
        policy.append([Dual(p[0], {i: -slope}), Dual(p[1], {i: slope})])
    single = all(len(states) == 1 for states in moving.visited)
    here = flow(moving, policy, near_values(on, rows), full=True)
    Z, d = here.Z or [], here.d or []
    states = [states[0] for states in moving.visited]
    parts: list[Number] = []
    for i in range(2):
        powers = list(weight.visits)
        if single:
            powers[states[i]] += 1
        push = numbers.number(weight.exp[i])
        even = weight.bump[i] + 1 if single else weight.bump[i]
        if even:
            push = push + numbers.number(even) * (rows[i][0] - rows[i][1])
        for j, factor in [(weight.det, here.det), *zip(powers, d, strict=True)]:
            if j and i in factor.slopes:
                push = push + numbers.number(j) * (factor.slopes[i] / factor.value)
        height = here.H[i][0] if single else Z[i]
        parts.append(height.slopes.get(i, numbers.number(Fraction(0))) + height.value * push)
    if not single:
        return parts[0] + parts[1]  # type: ignore[no-any-return]
    other = bumps[1] * (d[states[1]].value / d[states[0]].value)
    return bumps[0] * parts[0] + other * parts[1]  # type: ignore[no-any-return]
