"""Are outcomes to be trusted? `python benchmarks/outcomes.py [FLOWS] [CYCLES] [--seed K]`.

FLOWS (default 1000) flows of gradient rows under their listed control, on random MDPs (2–4 states, 2–3 actions, with
and without aliasing, ±R) from random starts: none may be called a cycle. CYCLES (default 50) flows known to cycle
(the zoo's cycling MDPs under small changes of alpha, from random starts; the `fig2` centre): none may be called
anything but a cycle. Prints the counts, and how many were undecided; exit code 1 when a verdict is wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from dynamics.fields import Field
from dynamics.orbits import outcome
from dynamics.rules import TABLE, expected_gradient
from mdp import random, zoo

GRADIENTS = [name for name, rule in TABLE.items() if expected_gradient(rule)]
# (MDP, rule, alphas in which it cycles)
CYCLING = (
    ("swirl", "reverse-kl", ("1",)),
    ("aliased-cycle", "on-policy", ("0.96", "1", "1.04", "1.07")),
    ("corridor-cycle", "on-policy", ("1",)),
    ("fig2", "on-policy", ("1",)),
)


def gradient_flow(seed: int) -> tuple[str, str]:
    """The outcome of one random gradient flow."""
    rng = np.random.default_rng([1, seed])
    states, actions = int(rng.integers(2, 5)), int(rng.integers(2, 4))
    observations = int(rng.integers(1, states + 1)) if rng.random() < 0.3 else None
    mdp = random.episodic(rng, states, actions, discount="0.95", observations=observations)
    rule = GRADIENTS[seed % len(GRADIENTS)]
    field = Field(mdp, rule, reward=bool(rng.integers(2)), alpha=f"{rng.uniform(0.2, 2):.2f}")
    return rule, outcome(field, 2 * rng.normal(size=field.shape), limit=6400).kind


def cycling_flow(seed: int) -> tuple[str, str]:
    """The outcome of one flow that is known to cycle."""
    rng = np.random.default_rng([2, seed])
    name, rule, alphas = CYCLING[seed % len(CYCLING)]
    field = Field(zoo.load(name), rule, reward=True, alpha=str(rng.choice(alphas)))
    # fig2's orbits reach ever farther out: starts within reach of the integrator's patience.
    spread = 1.0 if name == "fig2" else 2.0
    return name, outcome(field, spread * rng.normal(size=field.shape)).kind


def main() -> int:
    """Count the outcomes of both kinds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("flows", type=int, nargs="?", default=1000)
    parser.add_argument("cycles", type=int, nargs="?", default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    with ProcessPoolExecutor(options.workers) as pool:
        seeds = range(options.seed, options.seed + options.flows)
        rests = list(pool.map(gradient_flow, seeds, chunksize=8))
        cycles = list(pool.map(cycling_flow, range(options.seed, options.seed + options.cycles), chunksize=2))
    wrong = 0
    for label, found, forbidden in (
        (f"{options.flows} flows of gradient rows", rests, lambda kind: kind in ("cycle", "diverged")),
        (f"{options.cycles} flows known to cycle", cycles, lambda kind: kind not in ("cycle", "undecided")),
    ):
        kinds = Counter(kind for _, kind in found)
        errors = [(k, one) for k, one in enumerate(found) if forbidden(one[1])]
        wrong += len(errors)
        print(f"{label}: {', '.join(f'{kind} {n}' for kind, n in sorted(kinds.items()))}; wrong: {len(errors)}")
        for k, (name, kind) in errors[:10]:
            print(f"  seed {options.seed + k}: {name} called {kind}")
        undecided = Counter(name for name, kind in found if kind == "undecided")
        if undecided:
            print(f"  undecided by name: {dict(undecided)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
