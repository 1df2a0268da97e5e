"""Periodic orbits, each solved for twice, independently: `python benchmarks/orbits.py`.

Once with as many segments as are chosen and the integrator at 1e-12, once with another number of segments at 1e-13, on
the same section. Exits 1 where a bound is missed: the periods differ by 1e-10, or the points by that much of the
orbit's size, a known period is missed by 1e-10, the trivial multiplier is 1e-8 from 1, a gap of 1e-10 is left, or the
stability is wrong. Known: Van der Pol's period by Taylor series of 22 digits; Roessler's from an example of the CAPD
library, which encloses it in [5.8810884555538525, 5.8810884555539493].
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dynamics.fields import Field, FunctionField, VectorField
from dynamics.orbits import Orbit, outcome, shoot
from mdp import zoo

BOUND = 1e-10
ANGLES = np.linspace(0, 2 * np.pi, 65)


@dataclass(frozen=True)
class Case:
    """An orbit to be found: from a point or a whole guess and a period, or (None) from where the flow from 0 ends."""

    name: str
    field: VectorField
    theta: object
    period: float | None
    stable: bool
    known: float | None = None
    segments: int = 5


def function(rule: Callable[[np.ndarray], object], n: int) -> FunctionField:
    """A field of n coordinates whose Jacobian is by complex step."""
    return FunctionField(rule, (n,), analytic=True)


def van_der_pol(mu: float, way: float = 1.0) -> FunctionField:
    return function(lambda x: way * np.array([x[1], mu * (1 - x[0] ** 2) * x[1] - x[0]]), 2)


def saddle_cycle(k: float) -> tuple[FunctionField, np.ndarray]:
    """A circle with multipliers exp(4πk) and exp(−π), in skew coordinates, and a guess that is 2% too large."""
    tilt = np.array([[1.0, 0.3, -0.2], [0.1, 0.9, 0.4], [-0.3, 0.2, 1.1]])
    back = np.linalg.inv(tilt)

    def rule(x: np.ndarray) -> np.ndarray:
        u, v, w = back @ x
        out = u * u + v * v - 1
        return tilt @ np.array([-v + k * u * out, u + k * v * out, -w / 2 + out * u])

    circle = np.stack([np.cos(ANGLES), np.sin(ANGLES), 0 * ANGLES], -1)
    return function(rule, 3), 1.02 * circle @ tilt.T


def cases() -> list[Case]:
    roessler = function(lambda x: np.array([-x[1] - x[2], x[0] + 0.2 * x[1], 0.2 + x[2] * (x[0] - 5.7)]), 3)
    rings = function(lambda x: np.array([-x[1], x[0]]) - x * (1 - x @ x) * (4 - x @ x) / 4, 2)
    cycling = [("swirl", "reverse-kl"), ("aliased-cycle", "on-policy"), ("corridor-cycle", "on-policy")]
    circle = np.stack([np.cos(ANGLES), np.sin(ANGLES)], -1)
    vdp = 6.66328685932313019
    return [
        Case("Van der Pol, mu = 1", van_der_pol(1), [2.0, 0.1], 6.5, True, vdp),
        Case("  from twice its period", van_der_pol(1), [2.0, 0.1], 13.3, True, vdp),
        Case("  with time reversed", van_der_pol(1, -1), [2.008, 0.0], 6.66, False, vdp),
        Case("Van der Pol, mu = 10", van_der_pol(10), [1.5, -0.12], 19.1, True, segments=8),
        Case("Roessler", roessler, [0.0, -8.4, 0.03], 5.9, False, 5.8810884555539),
        Case("  its orbit of two turns", roessler, [0.0, 6.915, 0.0757], 11.76, False),
        Case("  one of three turns", roessler, [0.0, 7.54997, 0.14043], 17.5, False),
        Case("circle that repels", rings, 0.98 * circle, 6.3, False, 2 * np.pi),
        Case("saddle circle, e^6", *saddle_cycle(0.5), 6.2, False, 2 * np.pi, 12),
        Case("saddle circle, e^38", *saddle_cycle(3.0), 6.2, False, 2 * np.pi, 16),
        *(
            Case(f"{mdp}, {rule} + R", Field(zoo.load(mdp), rule, reward=True), None, None, True)
            for mdp, rule in cycling
        ),
    ]


def guess(case: Case) -> tuple[object, float]:
    """Where to start Newton's iteration: as told, or from the outcome of the flow from 0."""
    if case.period is not None:
        return case.theta, case.period
    done = outcome(case.field, np.zeros(case.field.shape))
    return done.trajectory.theta[-1], float(done.period or 0.0)


def row(case: Case) -> bool:
    """Print one orbit; whether it keeps every bound."""
    theta, period = guess(case)
    started = time.process_time()
    orbit = shoot(case.field, theta, period)
    took = time.process_time() - started
    other = shoot(case.field, theta, period, segments=case.segments, rtol=1e-13)
    if orbit is None or other is None:
        print(f"{case.name:30} NOT FOUND")
        return False
    apart = abs(orbit.period - other.period)
    off = float(np.abs(orbit.theta - other.theta).max() / orbit.amplitude.max())
    missed = abs(orbit.period - case.known) if case.known else 0.0
    trivial = abs(orbit.trivial - 1)
    good = max(apart, off, missed, orbit.residual) < BOUND and trivial < 1e-8 and orbit.stable == case.stable
    known = f"{missed:8.1e}" if case.known else " " * 8
    print(
        f"{case.name:30} {orbit.period:16.12f} {apart:8.1e} {off:8.1e} {known} {trivial:8.1e} {orbit.residual:8.1e} "
        f"{orbit.segments:3d},{other.segments:3d} {took:6.2f} {'yes' if orbit.stable else 'no':6} "
        f"{told(orbit)}{'' if good else '   MISSED'}"
    )
    return good


def told(orbit: Orbit) -> str:
    return ", ".join(f"{m.real:.8g}" if abs(m.imag) < 1e-15 else f"{m:.8g}" for m in orbit.multipliers.astype(complex))


def centre() -> bool:
    """A linear centre: one of a family, its member through the start."""
    done = outcome(function(lambda x: np.array([x[1], -x[0]]), 2), [1.0, 0.0])
    good = done.kind == "cycle" and done.isolated is False and abs(float(done.period or 0) - 2 * np.pi) < BOUND
    print(f"{'linear centre':30} {done.period or 0:16.12f}   {done.kind}, isolated: {done.isolated}: a family")
    return good


def main() -> int:
    print(
        f"{'orbit':30} {'period':>16} {'differ':>8} {'points':>8} {'known':>8} {'triv-1':>8} {'gap':>8} "
        f"{'pieces':>7} {'cpu s':>6} {'stable':6} multipliers"
    )
    good = [*map(row, cases()), centre()]
    print("every bound is kept" if all(good) else f"{good.count(False)} of {len(good)} MISSED")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
