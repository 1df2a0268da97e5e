"""Where the zoo's cycles begin and end: `python benchmarks/continuation.py [corridor-cycle|swirl|aliased-cycle|all]`.

Each case's bifurcation diagram (`dynamics.bifurcations.diagrams`) from the rest point and the cycle inside its window;
integrations on both sides of every Hopf point and fold check what it says. Minutes.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time

import numpy as np

from dynamics.bifurcations import CycleCurve, HopfPoint, diagram
from dynamics.fields import Family
from dynamics.fields.families import alpha_family, teacher_family
from dynamics.orbits import Inventory, outcome, rest_point
from mdp import Array, zoo

CASES = {  # rule, what the parameter is, where it cycles, and how far to look below and above
    "corridor-cycle": ("on-policy", "the teacher's probability of right", 0.98, (0.97, 0.99)),
    "swirl": ("reverse-kl", "alpha", 1.0, (0.95, 1.05)),
    "aliased-cycle": ("on-policy", "alpha", 1.0, (0.9, 1.2)),
}


def family_of(name: str) -> Family:
    """The family of a case."""
    mdp, rule = zoo.load(name), CASES[name][0]
    if name == "corridor-cycle":
        return teacher_family(mdp, rule, "right", reward=True)
    return alpha_family(mdp, rule, reward=True)


def kinds(family: Family, parameter: float, guess: Array, far: Array) -> str:
    """What the flow does from next to the rest point near `guess`, and from the point `far` of a large cycle."""
    rest = rest_point(family(parameter), guess)
    assert rest is not None
    near = rest.theta + np.where(np.arange(rest.theta.shape[1]) == 1, 1e-2, 0.0)
    said = []
    for name, start in (("near the rest point", near), ("on the cycle", far)):
        found = outcome(family(parameter), start, limit=100_000, most_steps=400_000)
        size = "" if found.period is None else f" (period {found.period:.6g})"
        said.append(f"from {name}: {found.kind}{size}")
    return "; ".join(said)


def say_hopf(family: Family, point: HopfPoint, far: Array) -> None:
    """One Hopf point, and an integration on each side."""
    print(
        f"    Hopf at {point.parameter:.10f}: omega {point.omega:.8f}, period {point.period:.6f}, l1 {point.l1:+.7f} "
        f"({point.kind}), speed {point.speed:+.5f}, orbits on side {point.side:+d}"
    )
    offset = 5e-3 / abs(point.speed)  # growth or decay by 0.005 in a unit of time
    for parameter in (point.parameter - offset, point.parameter + offset):
        print(f"      at {parameter:.7f} {kinds(family, parameter, point.theta, far)}")


def say_cycles(family: Family, curve: CycleCurve) -> None:
    """One curve of cycles, its folds, and integrations on both sides of each."""
    periods = [orbit.period for orbit in curve.orbits]
    print(
        f"    cycles: {len(curve.orbits)} orbits, periods {min(periods):.5f} to {max(periods):.5f}, "
        f"ends: {'; '.join(curve.ends)}"
    )
    for k in curve.folds:
        orbit, at = curve.orbits[k], curve.parameter[k]
        print(
            f"      fold of cycles at {at:.10f}: period {orbit.period:.6f}, multiplier {orbit.multipliers[0].real:.6f}"
        )
        far = max((curve.orbits[j] for j in (k - 1, k + 1)), key=lambda one: float(one.amplitude.max())).theta
        ahead = curve.parameter[k + 1] - at
        room = 0.1 * abs((curve.parameter[-1] if curve.stable[0] else curve.parameter[0]) - at)
        for parameter in (at - np.copysign(room, ahead), at + np.copysign(room, ahead)):
            print(f"      at {parameter:.8f} {kinds(family, float(parameter), far.mean(0), far[0])}")
    for low, high, below, above in curve.stable_intervals:
        print(f"      stable from {low:.10f} ({below}) to {high:.10f} ({above})")


def run(name: str) -> None:
    """One case."""
    rule, what, inside, (low, high) = CASES[name]
    print(f"{name}, {rule} + R, parameter: {what}")
    family, started = family_of(name), time.perf_counter()
    orbit = outcome(family(inside), np.zeros(family(inside).shape)).orbit
    assert orbit is not None
    middle = rest_point(family(inside), orbit.theta[:-1].mean(0))
    assert middle is not None
    drawn = diagram(family, low, high, known=[(inside, Inventory((middle,), (orbit,), None, ""))])
    for curve in drawn.rests:
        p, stable = curve.branch.parameter, curve.branch.stable
        print(f"  rest points: stable at {p[0]:g}: {bool(stable[0])}, at {p[-1]:g}: {bool(stable[-1])}")
    for point in drawn.hopf:
        say_hopf(family, point, orbit.theta[0])
    for found in drawn.cycles:
        say_cycles(family, found)
    print(f"  {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", default="all", choices=(*CASES, "all"))
    options = parser.parse_args()
    for case in CASES:
        if options.what in (case, "all"):
            run(case)
