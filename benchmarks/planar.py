"""Proofs in the plane by interval arithmetic: how long, and how many boxes.

python benchmarks/planar.py            rest points, trapping boxes, rings and boxes without cycles, each timed
python benchmarks/planar.py --hunt N   N random two-state and two-observation models: what is proved of each
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from dynamics.fields import Field, FunctionField
from dynamics.orbits import outcome, shoot
from mdp import random, zoo
from proofs.cycles import certified_rest_points, settles
from proofs.cycles.absence import no_cycle
from proofs.cycles.annulus import annulus
from proofs.cycles.planar import prove_planar
from proofs.enclosures.systems import from_function

FIELDS = (
    ("swirl", "reverse-kl"),
    ("swirl", "reverse-kl-corrected"),
    ("swirl", "on-policy"),
    ("aliased-cycle", "on-policy"),
    ("aliased-cycle", "n-distill"),
    ("fig2", "on-policy"),
    ("fig2", "n-distill"),
)


def timed(label: str, function: Callable[[], Any]) -> Any:
    """Run, and print what was found and the best of three times."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        found = function()
        times.append(time.perf_counter() - started)
    examined = f", {found.examined} boxes" if hasattr(found, "examined") else ""
    print(f"{min(times):6.2f} s  {label}: {found}{examined}", flush=True)
    return found


def everything() -> None:
    """The models of the theory, and the two textbook cycles."""
    fields = {(name, rule): Field(zoo.load(name), rule, reward=True) for name, rule in FIELDS}
    for (name, rule), field in fields.items():
        timed(f"rest points, {rule} + R on {name}", lambda field=field: certified_rest_points(field))
    for (name, rule), field in fields.items():
        timed(f"method B, {rule} + R on {name}", lambda field=field: prove_planar(field))
    for name, rule in (("swirl", "reverse-kl"), ("aliased-cycle", "on-policy")):
        field = fields[name, rule]
        orbit = outcome(field, np.zeros(field.shape)).orbit
        for angle in (0.06, 0.01):
            timed(f"method A at {angle}, {rule} + R on {name}", lambda f=field, o=orbit, a=angle: annulus(f, o, a))
    for name, function, start, period in (
        ("Van der Pol, mu = 1", lambda x, y: [y, (1 - x * x) * y - x], [2.0, 0.0], 6.66),
        ("Brusselator, A = 1, B = 3", lambda x, y: [1 - 4 * x + x * x * y, 3 * x - x * x * y], [1.0, 1.6], 7.15),
    ):
        orbit = shoot(FunctionField(lambda z, f=function: np.array(f(*z)), (2,)), start, period)
        at = from_function(name, 2, function)
        timed(f"method A, {name}", lambda at=at, orbit=orbit: annulus(at, orbit))
    for (name, rule), field in fields.items():
        timed(f"absence, {rule} + R on {name}", lambda field=field: no_cycle(field, (-4, 4)))
    field = fields["swirl", "reverse-kl-corrected"]
    timed("everything rests, corrected + R on swirl", lambda: settles(field, [[-0.5, 3.5], [-0.5, 6.5]]))
    corridor = Field(zoo.load("corridor-cycle"), "on-policy", reward=True)
    timed("rest points, on-policy + R on corridor-cycle", lambda: certified_rest_points(corridor))


def hunt(count: int) -> None:
    """What is proved of random models: how many rest points, and whether there is a cycle."""
    for rule in ("on-policy", "reverse-kl"):
        for states, observations in ((2, 2), (4, 2)):
            seen: Counter[str] = Counter()
            started = time.perf_counter()
            for k in range(count):
                field = Field(
                    random.episodic(k, states, 2, discount="9/10", observations=observations), rule, reward=True
                )
                proof = certified_rest_points(field, (-15, 15))
                seen[f"{len(proof.points)} rest points" if proof.complete else "rest points undecided"] += 1
                seen["no cycle" if no_cycle(field, (-8, 8)) else "cycle or not: undecided"] += 1
            each = (time.perf_counter() - started) / count
            listed = ", ".join(f"{x} {n}" for x, n in sorted(seen.items()))
            print(f"{rule} + R, {states} states, {observations} observations: {listed}; {each:.2f} s each", flush=True)


if __name__ == "__main__":
    if "--hunt" in sys.argv:
        hunt(int(sys.argv[sys.argv.index("--hunt") + 1]))
    else:
        everything()
