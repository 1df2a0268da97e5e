"""Is the sampled update unbiased? `python benchmarks/bias.py [--n N] [--seed SEED]`.

For every row of the table, over controls, with and without +R, on small MDPs: n trajectories each, the largest
standardised deviation |z| from the exact field. The bound is Bonferroni's: with M entries compared,
P(some |z| > bound) <= M · 2(1 − Phi(bound)) = 0.001, z (by the exact variance) taken as normal. Then both exact
variances, discount as killing and as weights, beside the sampled ones, for the row's own control.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from dynamics.fields import Field
from dynamics.rules import TABLE
from dynamics.sampling import moments
from dynamics.sampling.estimator import deviations, mean_and_error
from mdp import MDP, random, zoo

CONTROLS = ("student", "teacher", "uniform", "mix:1/3")
CHANCE = 0.001  # that a sound estimator fails the whole comparison


@dataclass(frozen=True)
class Row:
    """One field's comparison: the largest |z| of its entries, how many there are, and the variances (summed)."""

    mdp: str
    rule: str
    control: str
    reward: bool
    discount: str
    entries: int
    z: float
    exact: float
    sampled: float


def worlds() -> list[MDP]:
    """Small MDPs: cyclic, acyclic and aliased, a discount below 1 and none, an own loss."""
    return [
        random.episodic(1, 3, 2, discount="4/5").replace(name="episodic"),
        random.acyclic(2, 3, 3, observations=2).replace(name="aliased-acyclic"),
        random.garnet(3, 4, 2, discount="3/4").replace(name="garnet"),
        zoo.load("fig2"),
    ]


def compare(
    mdps: Iterable[MDP],
    n: int,
    seed: int,
    *,
    rules: Iterable[str] = TABLE,
    controls: Iterable[str] = CONTROLS,
    discounts: Iterable[str] = ("killing",),
) -> list[Row]:
    """The comparison of every rule, control, ±R and discount on every MDP, n trajectories each."""
    rng, found = np.random.default_rng(seed), []
    for mdp in mdps:
        for rule in rules:
            for control in controls:
                for reward in (False, True):
                    field = Field(mdp, rule, control=control, reward=reward)
                    theta = rng.normal(size=field.shape)
                    for discount in discounts:
                        exact = moments(field, theta, discount=discount)
                        seen = mean_and_error(field, theta, n, rng, discount=discount)
                        z = float(deviations(seen, field(theta), exact.variance).max())
                        variances = exact.total, float(seen.variance.sum())
                        found.append(Row(mdp.name, rule, control, reward, discount, field.size, z, *variances))
    return found


def bound(rows: list[Row]) -> float:
    """The value that no |z| exceeds but with chance CHANCE, by Bonferroni over all entries."""
    return float(norm.isf(CHANCE / (2 * sum(row.entries for row in rows))))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rows = compare(worlds(), options.n, options.seed, discounts=("killing", "weights"))
    limit, entries = bound(rows), sum(row.entries for row in rows)
    print(f"n = {options.n} trajectories a field, seed {options.seed}; {len(rows)} fields, {entries} entries")
    print(f"bound on |z| (Bonferroni, chance {CHANCE}): {limit:.3f}\n")
    print(
        "rule                  largest |z| killing  weights   variance (exact; sampled), +R, own control, on episodic"
    )
    for rule in TABLE:
        mine = [row for row in rows if row.rule == rule]
        worst = [max(row.z for row in mine if row.discount == d) for d in ("killing", "weights")]
        own = [row for row in mine if row.mdp == "episodic" and row.reward and row.control == TABLE[rule].control]
        told = "   ".join(f"{row.discount} {row.exact:.4g}; {row.sampled:.4g}" for row in own)
        print(f"{rule:22}{worst[0]:18.2f}{worst[1]:9.2f}   {told}")
    worst_row = max(rows, key=lambda row: row.z)
    print(f"\nlargest of all: {worst_row.z:.3f} ({worst_row})")
    print("unbiased: no |z| beyond the bound" if worst_row.z <= limit else "BIASED")


if __name__ == "__main__":
    main()
