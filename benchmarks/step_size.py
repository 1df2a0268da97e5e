"""The step size at which resting rules begin to oscillate: `python benchmarks/step_size.py [--share 0.01]`.

For rest points of the zoo: the limit eta* of theta_{k+1} = theta_k + eta F(theta_k), what is born there, and what
iterations do a share below and above it. Exit code 1 where the two sides disagree with eta*.
"""

from __future__ import annotations

import argparse
import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from dynamics.fields import Field, VectorField, reduced, to_parameters
from dynamics.fields.families import alpha_family, teacher_family
from dynamics.learners import discrete_outcome
from dynamics.learners.step_size import confirm, step_limit
from dynamics.orbits import Outcome, rest_points
from mdp import zoo


def of(name: str, rule: str) -> Field:
    """A rule with reward on an MDP of the zoo."""
    return Field(zoo.load(name), rule, reward=True)


CASES = {  # the field, and its rest point in the chart of differences, to the digits that Newton's iteration needs
    "swirl, reverse-kl-corrected": (of("swirl", "reverse-kl-corrected"), (3.3157, 1.9091)),
    "swirl, on-policy": (of("swirl", "on-policy"), (1.9807, 1.8926)),
    "swirl, reverse-kl": (of("swirl", "reverse-kl"), (2.7930, 1.1360)),
    "aliased-cycle, n-distill": (of("aliased-cycle", "n-distill"), (0.4621, 4.3438)),
    "corridor-cycle, n-distill": (of("corridor-cycle", "n-distill"), (1.9865, 4.4004, 3.4586)),
    "fig2, on-policy": (of("fig2", "on-policy"), (0.0, 0.0)),
    "swirl, reverse-kl, alpha 1.05": (alpha_family(zoo.load("swirl"), "reverse-kl", reward=True)(1.05), None),
    "swirl, reverse-kl, alpha 1.2": (alpha_family(zoo.load("swirl"), "reverse-kl", reward=True)(1.2), None),
    "corridor-cycle, on-policy, teacher 0.99": (
        teacher_family(zoo.load("corridor-cycle"), "on-policy", "right", reward=True)(0.99),
        None,
    ),
}


def rest_of(field: VectorField, at: tuple[float, ...] | None) -> np.ndarray:
    """Parameters at (or, without `at`, those of the only rest point that Newton's iteration reaches from 20 starts)."""
    seen = reduced(field)
    if at is not None:
        return to_parameters(seen, np.array(at))
    draws = 2 * np.random.default_rng(0).standard_normal((20, seen.size))
    (point,) = rest_points(field, [to_parameters(seen, x) for x in draws])
    return point.theta


def said(found: Outcome) -> str:
    """An outcome in a few words."""
    if found.kind == "cycle":
        turn = f", {found.period:.5g} steps a turn" if found.evidence["form"] == "invariant circle" else ""
        return found.evidence["form"] + turn
    return found.kind + (" (it stays away)" if found.kind == "undecided" else "")


def spirals(field: VectorField) -> bool:
    """Prints what the iteration does around the centre; whether its growth is said to be an artefact of the step."""
    found = discrete_outcome(field, [[0.0, -2.0], [0.0, -2.0]], 0.1, 4_000, limit=4_000)
    facts = found.evidence
    print(f"    at 0.1: {found.kind}; artefact of the step: {facts['artefact_of_step']}: {facts['artefact_reason']}")
    return facts["artefact_of_step"] is True


def run(share: float) -> bool:
    """Prints every case; whether none disagrees."""
    agree = True
    for name, (field, at) in CASES.items():
        limit = step_limit(field, rest_of(field, at))
        if limit.eta is None:
            print(f"{name} + R: no step rests: {limit.reason}", flush=True)
            if name.startswith("fig2"):
                agree &= spirals(field)
            continue
        seen = confirm(field, limit, share=share)
        agree &= seen.agrees is True
        value = limit.eigenvalue
        assert value is not None
        print(
            f"{name} + R: eta* = {limit.eta:.8f}, {limit.kind}, {limit.criticality} "
            f"(coefficient {limit.coefficient:+.6f} ± {limit.error:.1e}), eigenvalue {value:.6f}"
        )
        print(f"    at {1 - share:g} eta*: {said(seen.below)}; at {1 + share:g} eta*: {said(seen.above)}", end="")
        predicted = "none" if seen.predicted is None else ", ".join(f"{size:.4f}" for size in seen.predicted)
        sizes = ", ".join(f"{size:.4f}" for size in seen.amplitude)
        print(f"; peak to peak {sizes}, predicted {predicted}; agrees: {seen.agrees}", flush=True)
    limit = step_limit(*(lambda case: (case[0], rest_of(*case)))(CASES["swirl, reverse-kl-corrected"]))
    print(
        f"\nThe corrected rule of `swirl` rests for steps below eta* = {limit.eta:.10f}: beyond it, two points in turn."
    )
    return agree


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=0.01, help="how far from eta*, as a share of it")
    sys.exit(0 if run(parser.parse_args().share) else 1)
