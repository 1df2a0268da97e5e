"""What the experiments cost: `python benchmarks/reproduce.py [all] [worlds] [states]` (default: the three of them).

all: each figure by itself and `vorticity reproduce all`, on two processes: the clock, the core-seconds of every process
by the system's account, those of the cases by the workers' own (start and pictures left out), peak memory.
worlds: figure 3 cut down, on 2, 4, 8 and 16 grid worlds: the time a world beside that of the first line, and the fit
clock = fixed + worlds x each. states: one exact update on grid worlds of side 5, 10, 20 and 40 (the median of many),
and the exponent of its time in the number of states. Ratios within one run; times vary with the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from pathlib import Path

import numpy as np
from peaks import run

from dynamics.experiments import fig3
from dynamics.fields import Field
from vorticity.commands.reproduce import PAPER, run_cases
from vorticity.runs import store

WORLDS = (2, 4, 8, 16)
SIZES = (5, 10, 20, 40)
RULES = ("teacher", "on-policy")
SECONDS = 4.0  # spent on each size and rule


def everything() -> None:
    """Each figure by itself, then `reproduce all`, as a user runs it."""
    print(f"{'':>9} {'cases':>6} {'clock s':>8} {'core-s':>7} {'of cases':>9} {'command MB':>11} {'worker MB':>10}")
    for name in (*PAPER, "all"):
        with tempfile.TemporaryDirectory() as place:
            command = ["-m", "vorticity", "reproduce", name, "--jobs", "2", "--json", "--out", place]
            found = run([sys.executable, *command])
        figures = json.loads(found.out)["figures"]
        cases, seconds = (sum(figure[key] for figure in figures) for key in ("cases", "seconds"))
        print(
            f"{name:>9} {cases:>6} {found.wall:>8.1f} {found.cores:>7.1f} {seconds:>9.1f} "
            f"{found.parent:>11.0f} {found.child:>10.0f}",
            flush=True,
        )
    print()


def worlds() -> None:
    """Figure 3's time as worlds are added."""
    case = {"experiment": "fig3", "size": 20, "teacher": "softmax:0.1", "updates": 60, "horizon": 30}
    walls = []
    print(f"{'worlds':>7} {'seconds':>8} {'core-seconds a world':>21} {'ratio':>6}")
    first = None
    for count in WORLDS:
        cases = [case | {"mdp": seed} for seed in range(count)]
        with tempfile.TemporaryDirectory() as place, store.opened(Path(place) / "a.sqlite") as kept:
            start = time.perf_counter()
            run_cases(kept, {"fig3": cases}, 2, lambda *_: None)
            walls.append(time.perf_counter() - start)
            each = store.seconds(kept, "fig3", cases) / count
        first = first or each
        print(f"{count:>7} {walls[-1]:>8.1f} {each:>21.2f} {each / first:>6.2f}", flush=True)
    slope, fixed = np.polyfit(WORLDS, walls, 1)
    print(f"clock = {fixed:.1f} s + worlds x {slope:.2f} s (two processes)\n")


def states() -> None:
    """One update's time as the grid grows."""
    print(f"{'side':>5} {'states':>7} " + " ".join(f"{rule + ' ms':>14} {'ratio':>7}" for rule in RULES))
    counts, times = [], []
    for size in SIZES:
        mdp = fig3.world(0, size)
        mdp = mdp.replace(teacher=fig3.teacher(mdp, "softmax:0.1", 0))
        counts.append(mdp.n_states)
        times.append([_update(Field(mdp, rule)) for rule in RULES])
        shown = " ".join(
            f"{1e3 * now:>14.3f} {now / before:>7.2f}" for now, before in zip(times[-1], times[0], strict=True)
        )
        print(f"{size:>5} {mdp.n_states:>7} {shown}", flush=True)
    for k, rule in enumerate(RULES):
        log = [np.log(one[k]) for one in times]
        all_, last = np.polyfit(np.log(counts), log, 1)[0], np.polyfit(np.log(counts[-2:]), log[-2:], 1)[0]
        print(f"{rule}: time grows like states^{all_:.2f} over all sizes, states^{last:.2f} over the last two")


def _update(field: Field) -> float:
    """The median time of F at random parameters."""
    rng, taken = np.random.default_rng(0), []
    field(np.zeros(field.shape))
    begun = time.perf_counter()
    while time.perf_counter() - begun < SECONDS and len(taken) < 400:
        theta = rng.standard_normal(field.shape)
        start = time.perf_counter()
        field(theta)
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


WHAT = {"all": everything, "worlds": worlds, "states": states}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=list(WHAT), metavar="all|worlds|states")
    for name in parser.parse_args().what:
        WHAT[name]()


if __name__ == "__main__":
    main()
