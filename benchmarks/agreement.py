"""Field, Jacobian and verdicts against the independent oracle: `python benchmarks/agreement.py [MDPS] [--seed K]`.

On each of MDPS (default 200) random MDPs (1–6 states, 1–4 actions, discount 1 and below, half of them acyclic) every
rule runs under every control, with and without aliasing, with and without +R:

* field against trajectory enumeration (acyclic) or the chain of state-action pairs (cyclic), and minus the
  complex-step gradient of the stated objective where the table states one;
* the closed-form Jacobian against complex step of the field;
* asymmetry: below 1e-12 where theory says "gradient", above 1e-3 on most where it says "no".

Errors are the largest difference over the largest entry. Exit code 1 when a bound is broken.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import oracle

from dynamics.fields import Field
from dynamics.rules import TABLE, expected_gradient
from mdp import MDP

CONTROLS = ("teacher", "student", "uniform", "mix:0.3")
LARGEST_ENUMERATION = 400  # trajectories
BOUNDS = {"enumeration": 1e-10, "pairs": 1e-10, "objective": 1e-10, "jacobian": 1e-9}


@dataclass
class Tally:
    """Worst errors of one rule, and its asymmetries by control."""

    worst: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    gradients: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    others: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, kind: str, error: float) -> None:
        """Count one comparison."""
        self.worst[kind] = max(self.worst[kind], error)
        self.counts[kind] += 1

    def merge(self, other: Tally) -> None:
        """Add another tally to this one."""
        for kind, error in other.worst.items():
            self.worst[kind] = max(self.worst[kind], error)
            self.counts[kind] += other.counts[kind]
        for mine, theirs in ((self.gradients, other.gradients), (self.others, other.others)):
            for control, values in theirs.items():
                mine[control] += values


def random_world(rng: np.random.Generator, *, acyclic: bool, discount: float) -> oracle.Case:
    """A random MDP as the oracle's plain arrays; acyclic ones are thinned until few trajectories are left."""
    n_states, n_actions = int(rng.integers(1, 7)), int(rng.integers(1, 5))
    P = rng.exponential(size=(n_states, n_actions, n_states)) * (rng.random((n_states, n_actions, n_states)) < 0.7)
    if acyclic:
        P *= np.triu(np.ones((n_states, n_states)), 1)[:, None, :]
    initial = rng.dirichlet(np.ones(n_states))
    while acyclic and _trajectories(P) > LARGEST_ENUMERATION:
        P *= rng.random(P.shape) < 0.8
    P /= np.maximum(P.sum(-1, keepdims=True), 1e-300)
    P *= rng.uniform(0.5, 0.97, size=(n_states, n_actions, 1))
    return oracle.Case(
        P=P,
        R=rng.normal(size=(n_states, n_actions)),
        rho=initial,
        g=discount,
        phi=np.eye(n_states * n_actions),
        teacher=0.02 / n_actions + 0.98 * rng.dirichlet(np.ones(n_actions), size=n_states),
        rule="reward",
        alpha=float(np.round(rng.uniform(0.3, 2.0), 3)),
    )


def _trajectories(P: np.ndarray) -> int:
    """How many trajectories an acyclic P has, from all states together."""
    n_states = len(P)
    count = np.zeros(n_states)
    for s in range(n_states - 1, -1, -1):
        count[s] = sum(1 + count[P[s, a] > 0].sum() for a in range(P.shape[1]))
    return int(count.sum())


def compare(seed: int) -> dict[str, Tally]:
    """All comparisons on the MDP of one seed."""
    rng = np.random.default_rng([2026, seed])
    acyclic = seed % 2 == 0
    world = random_world(rng, acyclic=acyclic, discount=float((1.0, 0.9)[seed // 2 % 2]))
    n_states, n_actions = world.R.shape
    aliased = np.minimum(np.arange(n_states), max(0, n_states - 2))
    tallies: dict[str, Tally] = {}
    for observation in (np.arange(n_states), aliased):
        phi = np.kron(np.eye(observation.max() + 1)[observation], np.eye(n_actions))
        mdp = MDP(world.P, world.R, world.rho, world.g, observation=observation, teacher=world.teacher)
        theta = rng.normal(size=phi.shape[1])
        for rule in TABLE:
            tally = tallies.setdefault(rule, Tally())
            for control in CONTROLS:
                for reward in (False, True):
                    case = replace(world, phi=phi, rule=rule, control=control, with_reward=reward)
                    _compare_one(tally, case, mdp, theta, acyclic=acyclic)
    return tallies


def _compare_one(tally: Tally, case: oracle.Case, mdp: MDP, theta: np.ndarray, *, acyclic: bool) -> None:
    control = oracle.control_of(case)
    ours = Field(mdp, case.rule, control=control, reward=case.with_reward, alpha=case.alpha)
    at = theta.reshape(ours.shape)
    found = ours(at).ravel()
    if acyclic:
        tally.add("enumeration", oracle.relative(found, oracle.enumerate_field(case, theta)))
    else:
        tally.add("pairs", oracle.relative(found, oracle.pair_field(case, theta)))
    if case.rule in oracle.STATED and control == oracle.listed_control(case.rule):
        tally.add("objective", oracle.relative(found, -oracle.objective_gradient(case, theta)))
    closed = ours.jacobian(at)
    stepped = oracle.complex_step_jacobian(lambda x: ours(x.reshape(ours.shape)).ravel(), theta)
    tally.add("jacobian", oracle.relative(closed, stepped))
    expected = expected_gradient(ours.rule, control)
    if expected is None:
        return
    # A single effective parameter, or one state, leaves no room for a curl: nothing to be seen of a "no" there.
    if expected:
        tally.gradients[control].append(float(ours.asymmetry(at)))
    elif min(ours.shape) > 1:
        tally.others[control].append(float(ours.asymmetry(at)))


def agreement(n: int, first_seed: int = 0, workers: int = 1) -> dict[str, Tally]:
    """Merged tallies of n MDPs, by rule."""
    merged: dict[str, Tally] = {rule: Tally() for rule in TABLE}
    seeds = range(first_seed, first_seed + n)
    if workers == 1:
        results = map(compare, seeds)
    else:
        pool = ProcessPoolExecutor(workers)
        results = pool.map(compare, seeds, chunksize=4)
    for tallies in results:
        for rule, tally in tallies.items():
            merged[rule].merge(tally)
    return merged


def broken(tallies: dict[str, Tally]) -> list[str]:
    """Every bound that does not hold, one line each."""
    lines = []
    for rule, tally in tallies.items():
        for kind, bound in BOUNDS.items():
            if tally.worst[kind] >= bound:
                lines.append(f"{rule}: {kind} error {tally.worst[kind]:.2g}, bound {bound:g}")
        for control, values in tally.gradients.items():
            if max(values) >= 1e-12:
                lines.append(f"{rule} under {control}: asymmetry {max(values):.2g} of a gradient, bound 1e-12")
        for control, values in tally.others.items():
            share = float(np.mean(np.array(values) > 1e-3))
            if share <= 0.5:
                lines.append(f"{rule} under {control}: only {share:.0%} of asymmetries above 1e-3")
    return lines


def _table(tallies: dict[str, Tally]) -> str:
    kinds = list(BOUNDS)
    lines = [f"{'worst error against':22}" + "".join(f"{kind:>13}" for kind in kinds) + "   comparisons"]
    for rule, tally in tallies.items():
        cells = "".join(f"{tally.worst[kind]:13.1e}" if tally.counts[kind] else f"{'-':>13}" for kind in kinds)
        lines.append(f"{rule:22}{cells}   {sum(tally.counts.values())}")
    lines += ["", f"{'asymmetry under':22}" + "".join(f"{control:>19}" for control in CONTROLS)]
    for rule, tally in tallies.items():
        cells = []
        for control in CONTROLS:
            yes, no = tally.gradients.get(control), tally.others.get(control)
            if yes:
                cells.append(f"yes, <= {max(yes):.0e}")
            elif no:
                cells.append(f"no, {np.mean(np.array(no) > 1e-3):4.0%} > 1e-3")
            else:
                cells.append("-")
        lines.append(f"{rule:22}" + "".join(f"{cell:>19}" for cell in cells))
    return "\n".join(lines)


def main() -> int:
    """Print the tables; 1 when a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mdps", type=int, nargs="?", default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    tallies = agreement(options.mdps, options.seed, options.workers)
    print(f"{options.mdps} random MDPs, seeds from {options.seed}\n")
    print(_table(tallies))
    lines = broken(tallies)
    print("\n" + ("\n".join(lines) if lines else "every bound holds"))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
