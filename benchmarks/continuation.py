"""Where the zoo's cycles begin and end: `python benchmarks/continuation.py [corridor-cycle|swirl|aliased-cycle|all]`.

Each cycle is followed in one parameter both ways to its end; the curve of rest points gives the Hopf points, with their
first Lyapunov coefficients; and integrations on both sides of every Hopf point and fold check what was said. Minutes.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time

import numpy as np

from dynamics.branches import CycleBranch, cycle_branch
from dynamics.continuation import rest_branch
from dynamics.cycles import Orbit
from dynamics.equilibria import rest_point
from dynamics.families import Family, alpha_family, teacher_family
from dynamics.hopf import HopfPoint, hopf_points
from dynamics.outcome import outcome
from mdp import zoo
from mdp.policy import Array

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


def rest_inside(family: Family, parameter: float, orbit: Orbit) -> Array:
    """The rest point that Newton's iteration reaches from the middle of an orbit."""
    found = rest_point(family(parameter), orbit.theta[:-1].mean(0))
    assert found is not None
    return found.theta


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


def say_cycles(family: Family, curve: CycleBranch) -> None:
    """One curve of cycles, its folds, and integrations on both sides of each."""
    where = f", where the amplitude goes to 0 at {curve.hopf_parameter:.10f}" if curve.end == "hopf" else ""
    print(
        f"    cycles from {curve.parameter[0]:g} towards {curve.interval[1]:g}: {len(curve.orbits)} orbits, periods "
        f"{curve.period.min():.5f} to {curve.period.max():.5f}, end: {curve.end}{where}"
    )
    for k in curve.folds:
        sizes = ", ".join(f"{x:.5f}" for x in curve.amplitude[k].ravel())
        print(
            f"      fold of cycles at {curve.parameter[k]:.10f}: period {curve.period[k]:.6f}, log-odds {sizes}, "
            f"multiplier {curve.multipliers[k, 0].real:.6f}"
        )
        far = curve.orbits[max(k - 1, 0)].theta
        room = 0.1 * abs(curve.parameter[-1] - curve.parameter[k])
        for parameter in (curve.parameter[k] - room, curve.parameter[k] + room):
            print(f"      at {parameter:.8f} {kinds(family, parameter, far.mean(0), far[0])}")
    where_stable = curve.parameter[curve.stable]
    print(f"      stable from {where_stable.min():.10f} to {where_stable.max():.10f}")


def run(name: str) -> None:
    """One case."""
    rule, what, inside, ends = CASES[name]
    print(f"{name}, {rule} + R, parameter: {what}")
    family, started = family_of(name), time.perf_counter()
    orbit = outcome(family(inside), np.zeros(family(inside).shape)).orbit
    assert orbit is not None
    for stop in ends:
        curve = rest_branch(family, rest_inside(family, inside, orbit), inside, stop)
        print(
            f"  towards {stop}: rest points stable at {inside}: {bool(curve.stable[0])}, at {curve.parameter[-1]:g}: "
            f"{bool(curve.stable[-1])}; {len(curve.folds)} folds"
        )
        for point in hopf_points(family, curve):
            say_hopf(family, point, orbit.theta[0])
        say_cycles(family, cycle_branch(family, orbit, inside, stop))
    print(f"  {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", default="all", choices=(*CASES, "all"))
    options = parser.parse_args()
    for case in CASES:
        if options.what in (case, "all"):
            run(case)
