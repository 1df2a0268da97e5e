"""The variance of the single-trajectory estimator of eq. (1), by backward recursion over an acyclic chain.

g_hat(tau) = Σ_t [x_t Rhat_t − y_t],  x_t = ∇ log pi_theta(a_t|s_t),  y_t = alpha ∇l(s_t),  with tau a path of the
chain that goes on to s' with probability g P(s'|s, a): killing takes the place of weights. Write R for Rhat_t and G
for the sum from t on; then R = n + Z and G = x R − y + G', where (Z, G') = (h(s', a') + R', G') of the next step, or
(0, 0) if there is none. So

    E R = n + E Z,   E R^2 = n^2 + 2 n E Z + E Z^2,   E R G' = n E G' + E Z G',   E G = x E R − y + E G'
    E R G = x E R^2 − y E R + E R G'
    E |G|^2 = |x|^2 E R^2 + |y|^2 + E |G'|^2 + 2 x·E R G' − 2 x·y E R − 2 y·E G'

with E Z = h + E R', E Z^2 = h^2 + 2 h E R' + E R'^2, E Z G' = h E G' + E R' G', averaged over s' and a'. For the
horizon of one step Rhat does not go on: R' is 0 in Z. The variance is E |G|^2 − |E G|^2 under the start distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from proofs.checker.identities.always import MOST_WITHOUT
from proofs.checker.identities.gate import gates
from proofs.checker.identities.update import World, concrete, estimator
from proofs.checker.identities.values import compare, read_point
from proofs.checker.numbers.arithmetic import Arithmetic, Number, total
from proofs.checker.numbers.rational import Refused
from proofs.checker.reading.field import Field

Vector = list[Number]


@dataclass(frozen=True)
class Moments:
    """Of R = Rhat_t and G = Σ_{u >= t} (x R − y): E R, E R^2, E G, E R G, E |G|^2."""

    first: Number
    second: Number
    G: Vector
    RG: Vector
    GG: Number


def variance(fact: dict[str, Any]) -> float:
    """The trace of the covariance of the estimator at the policy is the value, or in the ball."""
    field, rows = read_point(fact, MOST_WITHOUT)
    model = field.model
    if model is None:
        raise Refused("a generic field has no trajectories to enumerate")
    for s, row in enumerate(model.P):
        for a, move in enumerate(row):
            if any(t <= s for t in move):
                raise Refused(f"field.mdp.P[{s}][{a}]: goes to state {min(move)}; must go to later ones only")
    gate, bound = gates(field, rows, slopes=False)

    def trace(numbers: Arithmetic) -> Number:
        p = [[numbers.number(x) for x in rows[o]] for o in field.observation]
        return spread(field, numbers, concrete(field, numbers), p, gate)

    compare(fact, trace, "the variance")
    return bound


def spread(field: Field, numbers: Arithmetic, world: World, p: Any, gate: Sequence[bool] | None) -> Number:
    """E |G|^2 − |E G|^2 at the start, by the recursion at the head of this module."""
    parts = estimator(field, numbers, world, p, gate)
    zero = numbers.number(Fraction(0))
    nothing = Moments(zero, zero, [zero] * field.n_parameters, [zero] * field.n_parameters, zero)
    at: dict[int, list[Moments]] = {}
    for s in reversed(range(field.n_states)):
        here = []
        for a in range(field.n_actions):
            follow = []  # (probability, h, moments) of each next state and action
            for t, x in world.P[s][a].items():
                for b, y in enumerate(parts.q[t]):
                    follow.append((world.discount * x * y, parts.later[t][b], at[t][b]))
            x_vector = _scatter(field, numbers, s, _score(numbers, p[s], a))
            y_vector = _scatter(field, numbers, s, parts.slopes[s])
            Z = _average(field, numbers, follow, nothing)
            here.append(_step(numbers, field.rule.whole, parts.now[s][a], x_vector, y_vector, Z))
        at[s] = here
    start = [(world.initial[s] * x, m) for s in range(field.n_states) for x, m in zip(parts.q[s], at[s], strict=True)]
    mean = [total(numbers, (w * m.G[i] for w, m in start)) for i in range(field.n_parameters)]
    return total(numbers, (w * m.GG for w, m in start)) - _dot(numbers, mean, mean)


@dataclass(frozen=True)
class _Next:
    """Of the next step, 0 without one: E h, E h^2, E h G', E R', E R'^2, E h R', E R' G', E G', E |G'|^2."""

    h: Number
    hh: Number
    hG: Vector
    R: Number
    RR: Number
    hR: Number
    RG: Vector
    G: Vector
    GG: Number


def _average(
    field: Field, numbers: Arithmetic, follow: list[tuple[Number, Number, Moments]], nothing: Moments
) -> _Next:
    def mean(of: Any) -> Number:
        return total(numbers, (w * of(h, m) for w, h, m in follow))

    def means(of: Any) -> Vector:
        if not follow:
            return nothing.G
        return [mean(lambda h, m, i=i: of(h, m, i)) for i in range(field.n_parameters)]

    return _Next(
        h=mean(lambda h, m: h),
        hh=mean(lambda h, m: h * h),
        hG=means(lambda h, m, i: h * m.G[i]),
        R=mean(lambda h, m: m.first),
        RR=mean(lambda h, m: m.second),
        hR=mean(lambda h, m: h * m.first),
        RG=means(lambda h, m, i: m.RG[i]),
        G=means(lambda h, m, i: m.G[i]),
        GG=mean(lambda h, m: m.GG),
    )


def _step(numbers: Arithmetic, whole: bool, n: Number, x: Vector, y: Vector, after: _Next) -> Moments:
    two = numbers.number(Fraction(2))
    Z, ZZ, ZG = after.h, after.hh, after.hG
    if whole:
        Z, ZZ = Z + after.R, ZZ + two * after.hR + after.RR
        ZG = [u + v for u, v in zip(ZG, after.RG, strict=True)]
    first, second = n + Z, n * n + two * n * Z + ZZ
    cross = [n * g + z for g, z in zip(after.G, ZG, strict=True)]  # E R G'
    G = [u * first - v + g for u, v, g in zip(x, y, after.G, strict=True)]
    RG = [u * second - v * first + c for u, v, c in zip(x, y, cross, strict=True)]
    xx, yy, xy = _dot(numbers, x, x), _dot(numbers, y, y), _dot(numbers, x, y)
    mixed = _dot(numbers, x, cross) - xy * first - _dot(numbers, y, after.G)
    return Moments(first, second, G, RG, xx * second + yy + after.GG + two * mixed)


def _score(numbers: Arithmetic, p: Sequence[Number], a: int) -> Vector:
    """∂ log p(a) / ∂logits."""
    one = numbers.number(Fraction(1))
    return [one - x if a == b else -x for b, x in enumerate(p)]


def _scatter(field: Field, numbers: Arithmetic, s: int, values: Sequence[Number]) -> Vector:
    """A vector over the logits of state s as one over all parameters."""
    result = [numbers.number(Fraction(0))] * field.n_parameters
    for i, x in zip(field.parameters(s), values, strict=True):
        result[i] = x
    return result


def _dot(numbers: Arithmetic, x: Vector, y: Vector) -> Number:
    return total(numbers, (u * v for u, v in zip(x, y, strict=True)))
