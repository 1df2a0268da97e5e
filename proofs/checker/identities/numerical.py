"""Numerical facts, in plain floats: rest points and closed orbits of dtheta/dt = F. They support, they do not prove."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from proofs.checker.identities.always import MOST_PARAMETERS
from proofs.checker.identities.integrator import Step, Vector, leap, steps
from proofs.checker.identities.update import concrete, update, values
from proofs.checker.numbers.floats import Floats
from proofs.checker.numbers.rational import Refused, rational, show
from proofs.checker.reading import strict
from proofs.checker.reading.field import Field, read_field

LARGEST_BOUND = Fraction(1, 10**6)
LEAST_PROBABILITY = 1e-6
AMPLITUDE_TOLERANCE = 1e-4
LEAST_AMPLITUDE = 1e-3  # of a closed orbit: ten times what its amplitude is known to
_LOCAL_TOLERANCE = 1e-12
_STEPS_PER_PERIOD = 150
_MOST_STEPS = 1000
_MOST_OF_ORBITS = 16  # states times actions: each step is some thirty evaluations of the field


def rest_point(fact: dict[str, Any]) -> float:
    """|F_i| <= bound for all i at theta, with every probability at least 1e-6."""
    field, theta, bound = _read(fact)
    least = min(x for row in _softmax(field, theta) for x in row)
    if least < LEAST_PROBABILITY:
        raise Refused(f"theta: its least probability is {least:.3g}; at least {LEAST_PROBABILITY:g} is asked")
    largest = max(abs(x) for x in flow_of(field)(theta))
    if not largest <= bound:
        raise Refused(f"bound: {bound:g}, but the largest entry of F is {largest:.6g}")
    return 0.0


def closed_orbit(fact: dict[str, Any]) -> float:
    """The flow from theta is back within `bound` at `period`, not earlier, and swings by `amplitude` (to 1e-4)."""
    field, theta, bound = _read(fact)
    if field.n_actions < 2:
        raise Refused("field: with one action nothing moves")
    if field.n_states * field.n_actions > _MOST_OF_ORBITS:
        raise Refused(f"field: orbits are followed up to {_MOST_OF_ORBITS} states times actions")
    period = float(rational(fact["period"], "period"))
    if not 0 < period < 1e6:
        raise Refused(f"period: {show(fact['period'])}; must be positive and below 10^6")
    stated = strict.table(fact["amplitude"], "amplitude", field.n_observations, field.n_actions - 1)
    orbit = _Orbit(field, theta)
    for step in steps(orbit.flow, theta, period, _LOCAL_TOLERANCE, period / _STEPS_PER_PERIOD, _MOST_STEPS):
        orbit.follow(step, period)
    gap = orbit.distance(orbit.end) + orbit.error
    if not gap <= bound:
        raise Refused(f"bound: {bound:g}, but at the period the flow is {gap:.3g} away from theta")
    swings = [high - low for low, high in orbit.extremes]
    if max(swings) < LEAST_AMPLITUDE:
        raise Refused(f"amplitude: the flow stays within {max(swings):.3g} of theta; an orbit leaves it")
    for at, (found, said) in enumerate(zip(swings, (x for row in stated for x in row), strict=True)):
        if not abs(found - said) <= AMPLITUDE_TOLERANCE:
            o, a = divmod(at, field.n_actions - 1)
            raise Refused(f"amplitude[{o}][{a}]: {float(said):.7g}, but the orbit has {found:.7g}")
    margin = max(100 * bound, 1e-3 * max(swings))
    for t, distance in orbit.returns:
        if distance <= margin:
            raise Refused(f"period: {period:g}, but the flow is back ({distance:.3g} away) at time {t:.9g} already")
    return 0.0


class _Orbit:
    """What is noted along an orbit: extremes of the logit differences, returns through the start's section, errors."""

    def __init__(self, field: Field, theta: Vector) -> None:
        self.field = field
        self.flow = flow_of(field)
        self.theta = self.end = theta
        self.error = 0.0
        self.returns: list[tuple[float, float]] = []
        self.normal = self.differences(self.flow(theta))
        self.slope = self.normal
        self.extremes = [(x, x) for x in self.differences(theta)]

    def differences(self, x: Vector) -> Vector:
        """Per observation the logit of action 0 less that of each other action."""
        n = self.field.n_actions
        return [x[at] - x[at + a] for at in range(0, len(x), n) for a in range(1, n)]

    def distance(self, x: Vector) -> float:
        """The largest difference from the start, in logit differences."""
        return max(abs(u - v) for u, v in zip(self.differences(x), self.differences(self.theta), strict=True))

    def height(self, x: Vector) -> float:
        """On which side of the section through the start, across the field there, x lies."""
        apart = zip(self.differences(x), self.differences(self.theta), self.normal, strict=True)
        return sum((u - v) * w for u, v, w in apart)

    def follow(self, step: Step, period: float) -> None:
        """Take note of one step. Between its ends turning points and crossings are found by shorter steps."""
        slope = self.differences(self.flow(step.end))
        for k, (u, v) in enumerate(zip(self.slope, slope, strict=True)):
            self._note(k, self.differences(step.end)[k])
            if u * v < 0:
                moment = _root(lambda t, k=k: self.differences(self.flow(self._after(step, t)))[k], step.size)  # type: ignore[misc]
                self._note(k, self.differences(self._after(step, moment))[k])
        # Only crossings in the direction of the start's own are returns; the last one, at the period, is the closing.
        if self.height(step.start) < 0 <= self.height(step.end):
            moment = _root(lambda t: self.height(self._after(step, t)), step.size)
            if step.t + moment < 0.999 * period:
                self.returns.append((step.t + moment, self.distance(self._after(step, moment))))
        self.slope, self.end = slope, step.end
        self.error += step.error

    def _after(self, step: Step, t: float) -> Vector:
        return leap(self.flow, step.start, t)[0] if t else step.start

    def _note(self, k: int, x: float) -> None:
        low, high = self.extremes[k]
        self.extremes[k] = min(low, x), max(high, x)


def _root(f: Callable[[float], float], size: float) -> float:
    """A sign change of f between 0 and size by false position, kept from stalling (Illinois), to 1e-9 of the size."""
    low, high, f_low, f_high = 0.0, size, f(0.0), f(size)
    for _ in range(40):
        if f_high == f_low:
            return low
        middle = high - f_high * (high - low) / (f_high - f_low)
        value = f(middle)
        if abs(value) == 0 or abs(middle - high) < 1e-9 * size:
            return middle
        if value * f_high < 0:
            low, f_low = high, f_high
        else:
            f_low /= 2
        high, f_high = middle, value
    return high


def flow_of(field: Field) -> Callable[[Vector], Vector]:
    """theta (flat, by [o, a]) -> F(theta), in floats."""
    numbers = Floats()
    world = concrete(field, numbers)
    teacher = None
    if field.gated:
        if world.teacher is None:
            raise Refused("the MDP has no teacher; this fact needs one")
        teacher = values(numbers, world, world.teacher, world.R)

    def flow(theta: Vector) -> Vector:
        rows = _softmax(field, theta)
        p = [rows[o] for o in field.observation]
        gate = None
        if teacher is not None:
            gate = [x > y for x, y in zip(teacher, values(numbers, world, p, world.R), strict=True)]
        return update(field, numbers, world, p, gate).F

    return flow


def _softmax(field: Field, theta: Vector) -> list[Vector]:
    result = []
    for at in range(0, len(theta), field.n_actions):
        row = theta[at : at + field.n_actions]
        weights = [math.exp(x - max(row)) for x in row]
        whole = math.fsum(weights)
        result.append([x / whole for x in weights])
    return result


def _read(fact: dict[str, Any]) -> tuple[Field, Vector, float]:
    """The field over a given MDP, theta as a flat vector, and the bound, which is positive and at most 1e-6."""
    field = read_field(fact["field"], "field")
    if field.model is None:
        raise Refused("field: a generic field has no flow; give an MDP")
    if field.n_states * field.n_actions > MOST_PARAMETERS:
        raise Refused(f"field: more than {MOST_PARAMETERS} states times actions")
    table = strict.table(fact["theta"], "theta", field.n_observations, field.n_actions)
    bound = rational(fact["bound"], "bound")
    if not 0 < bound <= LARGEST_BOUND:
        raise Refused(f"bound: {show(bound)}; must be positive and at most 1e-6")
    for o, row in enumerate(table):
        for a, x in enumerate(row):
            if abs(x) > 1000:
                raise Refused(f"theta[{o}][{a}]: {show(x)}; logits beyond ±1000 are not checked")
    return field, [float(x) for row in table for x in row], float(bound)
