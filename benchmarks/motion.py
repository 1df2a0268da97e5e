"""Motion beside the paper and the theory: `python benchmarks/motion.py [fig2|zoo|ensemble|all] [--members N]`.

fig2: the iteration of Figure 2 (step 0.025 from (−2, −2), sigmoid chart) and the conserved quantity of the ODE.
zoo: periods and amplitudes of the three cycling MDPs from five starts each, and where the corrected rules rest.
ensemble: N starts of `corridor-cycle` to t = 1000 at 1e-9 in one call, beside the same one by one (a sample of them).
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time

import numpy as np

from dynamics.fields import Field, in_chart
from dynamics.motion import ensemble, flow, iterate
from dynamics.orbits import outcome
from mdp import student, zoo

CYCLES = {
    ("swirl", "reverse-kl"): "6.48894425; 0.96443, 2.04973",
    ("aliased-cycle", "on-policy"): "10.5755107; 1.4361, 4.2627",
    ("corridor-cycle", "on-policy"): "18.21568; 0.19942, 0.96748, 2.16456",
}
RESTS = {
    ("swirl", "reverse-kl-corrected"): "3.315655, 1.909093",
    ("swirl", "on-policy"): "1.98071, 1.89261",
    ("aliased-cycle", "n-distill"): "0.4621, 4.3438 (theory's signs are a0 less a1)",
    ("corridor-cycle", "n-distill"): "1.9865, 4.4004, 3.4586 (theory's signs are left less right)",
}


def fig2() -> None:
    """Figure 2 in numbers."""
    mdp = zoo.load("fig2")
    learner = student.sigmoid(mdp.observation)
    for rule, paper in (("on-policy", "p = 1/2 at 540, period 4380, largest 0.93"), ("n-distill", "p 380, x 1280")):
        field = Field(mdp, rule, reward=True, student=learner)
        p, x = (1 / (1 + np.exp(-iterate(field, [-2.0, -2.0], 0.025, 9000).theta))).T
        first = [np.flatnonzero((y[:-1] < 0.5) & (y[1:] >= 0.5)) + 1 for y in (p, x)]
        period = f", period {np.diff(first[0])[0]} steps" if len(first[0]) > 1 else ""
        print(
            f"  {rule} + R, step 0.025: p = 1/2 at step {first[0][0]}, x = 1/2 at {first[1][0]}{period}, "
            f"largest p in the first 5000 steps {p[:5000].max():.4f}   (paper: {paper})"
        )
    field = Field(mdp, "on-policy", reward=True, student=learner)
    found = outcome(field, [-2.0, -2.0])
    path = flow(field, [-2.0, -2.0], 10 * float(found.period or 0)).theta
    drift = np.ptp(2 * np.cosh(path).sum(-1))
    print(
        f"  ODE: {found.kind}, isolated: {found.isolated}, period {found.period:.9g} = {found.period / 0.025:.1f} steps"
    )
    print(f"  ODE: 2cosh + 2cosh drifts by {drift:.1e} over 10 periods")
    for eta, theory in ((0.01, 16.02), (0.1, 24.9)):
        end = iterate(field, [-2.0, -2.0], eta, int(2000 / eta), every=10**6).theta[-1]
        level = 2 * np.cosh(end).sum()
        print(f"  Euler, step {eta}: 2cosh + 2cosh from 15.05 to {level:.2f} by t = 2000 (theory {theory})")


def cycles() -> None:
    """The zoo's cycles and rest points from several starts."""
    for kind, table in (("cycle", CYCLES), ("rest", RESTS)):
        for (name, rule), theory in table.items():
            print(f"  {name}, {rule} + R: theory {theory}")
            field = Field(zoo.load(name), rule, reward=True)
            for seed in range(5):
                spread = 0.0 if seed == 0 else 2.0
                found = outcome(field, spread * np.random.default_rng(seed).normal(size=field.shape))
                if kind == "cycle":
                    sizes = ", ".join(f"{x:.5f}" for x in np.ravel(found.evidence.get("amplitude_log_odds", [])))
                    print(f"    start {seed}: {found.kind}, period {found.period or 0:.10g}, log-odds {sizes}")
                else:
                    print(f"    start {seed}: {found.kind} at {np.round(found.at[:, 1] - found.at[:, 0], 6).tolist()}")


def together(members: int) -> None:
    """An ensemble beside the same starts one by one."""
    field = in_chart(Field(zoo.load("corridor-cycle"), "on-policy", reward=True), "differences")
    starts = np.random.default_rng(0).normal(size=(members, *field.shape))
    started = time.perf_counter()
    stacked = ensemble(field, starts, 1000.0, rtol=1e-9, atol=1e-11, samples=11)
    at_once = time.perf_counter() - started
    some = range(0, members, max(1, members // 20))
    started, worst = time.perf_counter(), 0.0
    for k in some:
        alone = flow(field, starts[k], 1000.0, rtol=1e-9, atol=1e-11, samples=stacked.t)
        worst = max(worst, float(np.abs(alone.theta - stacked.theta[:, k]).max()))
    each = (time.perf_counter() - started) / len(some)
    print(
        f"  {members} starts to t = 1000 at 1e-9: {at_once:.1f} s in one call; one by one {each:.2f} s each "
        f"(mean of {len(some)}): {at_once / (each * members):.3f} of the time; largest difference {worst:.1e}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", default="all", choices=("fig2", "zoo", "ensemble", "all"))
    parser.add_argument("--members", type=int, default=1000)
    options = parser.parse_args()
    for name, run in (("fig2", fig2), ("zoo", cycles), ("ensemble", lambda: together(options.members))):
        if options.what in (name, "all"):
            print(name)
            run()
