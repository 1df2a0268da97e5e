"""Periodic orbits proved by method K: `python benchmarks/krawczyk.py [NAME ...]`, all systems without names.

For each system its dimension n, steps m, seconds of processor time (of the proof alone), the period's enclosure and its
width, and each multiplier's enclosure; for the controls, which have no isolated orbit there, the reason for refusal.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import math
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from dynamics.fields import Field
from dynamics.motion import flow
from dynamics.orbits import Orbit, shoot
from mdp import zoo
from proofs.cycles import OrbitProof
from proofs.cycles.krawczyk import prove_orbit
from proofs.enclosures.recentred import polynomial

Case = tuple[Any, Orbit]


def of_zoo(name: str, rule: str, period: float, time: float = 300.0, **replaced: Any) -> Callable[[], Case]:
    """A cycle of the zoo, found by flowing and shooting."""

    def case() -> Case:
        field = Field(zoo.load(name).replace(**replaced), rule, reward=True)
        found = shoot(field, flow(field, np.zeros(field.shape), time).theta[-1], period)
        if found is None:
            raise SystemExit(f"{name}: shooting finds no orbit of period {period}")
        return field, found

    return case


def of_polynomial(components: list[dict[tuple[int, ...], Any]], start: Sequence[float], period: float) -> Case:
    """A polynomial system with a point near its orbit."""
    return polynomial(components), Orbit(period, np.array([start]), np.zeros(1), 1.0, 0.0)


VDP = [{(0, 1): 1}, {(0, 1): 1, (2, 1): -1, (1, 0): -1}]
LORENZ = [
    {(1, 0, 0): -10, (0, 1, 0): 10},
    {(1, 0, 0): 28, (0, 1, 0): -1, (1, 0, 1): -1},
    {(1, 1, 0): 1, (0, 0, 1): "-8/3"},
]
ROESSLER = [
    {(0, 1, 0): -1, (0, 0, 1): -1},
    {(1, 0, 0): 1, (0, 1, 0): "0.2"},
    {(0, 0, 0): "0.2", (1, 0, 1): 1, (0, 0, 1): "-5.7"},
]
BRUSSELATOR = [{(0, 0): 1, (2, 1): 1, (1, 0): -4}, {(1, 0): 3, (2, 1): -1}]
ON_VDP = (2.0086198608, 0.0)
NEAR_HOPF = [["0.014", "0.986"]] * 3

CASES: dict[str, Callable[[], Case]] = {
    "swirl": of_zoo("swirl", "reverse-kl", 6.48894425),
    "aliased-cycle": of_zoo("aliased-cycle", "on-policy", 10.5755107),
    "corridor-cycle": of_zoo("corridor-cycle", "on-policy", 18.21568),
    "corridor at 0.986": of_zoo("corridor-cycle", "on-policy", 49.536, 5000.0, teacher=NEAR_HOPF),
    "van der pol": lambda: of_polynomial(VDP, ON_VDP, 6.66328686),
    "brusselator": lambda: of_polynomial(BRUSSELATOR, brusselator_start(), 7.15691992),
    "roessler": lambda: of_polynomial(ROESSLER, (0.0, -8.384, 0.0296), 5.881088),
    "lorenz": lambda: of_polynomial(LORENZ, (-13.763610682134, -19.578751942452, 27.0), 1.5586522107),
    "centre": lambda: of_polynomial([{(0, 1): 1}, {(1, 0): -1}], (1.0, 0.0), 2 * math.pi),
    "damped spiral": lambda: of_polynomial(
        [{(0, 1): 1, (1, 0): "-0.001"}, {(1, 0): -1, (0, 1): "-0.001"}], (1.0, 0.0), 2 * math.pi
    ),
    "vdp, wrong period": lambda: of_polynomial(VDP, ON_VDP, 6.0),
    "vdp, two periods": lambda: of_polynomial(VDP, ON_VDP, 2 * 6.66328686),
    "vdp, rest point": lambda: of_polynomial(VDP, (0.0, 0.0), 6.66328686),
}


def brusselator_start() -> list[float]:
    """A point on the limit cycle, by flowing there."""
    from dynamics.fields import FunctionField

    field = FunctionField(lambda x: np.array([1 + x[0] ** 2 * x[1] - 4 * x[0], 3 * x[0] - x[0] ** 2 * x[1]]), (2,))
    return [float(x) for x in flow(field, [1.0, 1.0], 60.0).theta[-1]]


def enclosure(ends: tuple[Fraction, Fraction]) -> str:
    """The middle and the width of an interval."""
    middle = (ends[0] + ends[1]) / 2
    return f"{float(middle):.13g} ± {float(ends[1] - ends[0]) / 2:.1e}"


def line(name: str, case: Callable[[], Case]) -> None:
    """One system's row of the table."""
    system, orbit = case()
    start = time.process_time()
    proof = prove_orbit(system, orbit)
    seconds = time.process_time() - start
    if not isinstance(proof, OrbitProof):
        print(f"{name:18} refused, {seconds:.1f} s: {proof.reason}", flush=True)
        return
    m, n = proof.points.shape
    multipliers = ", ".join(enclosure(real) for real, _ in proof.multipliers or ()) or "not told apart"
    print(
        f"{name:18} n {n}  m {m:3}  {seconds:4.1f} s  T {enclosure(proof.period)}  multipliers {multipliers}  "
        f"stable {proof.stable}  norm {proof.contraction:.1e}",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(CASES))
    for chosen in parser.parse_args().names or CASES:
        if chosen not in CASES:
            raise SystemExit(f"no system {chosen!r}; there are {', '.join(CASES)}")
        line(chosen, CASES[chosen])
