"""Where does the decision tree fail? `python benchmarks/choose.py zoo [MDP ...]`.

Runs `vorticity choose MDP` on every MDP of the zoo (or those named) and prints, as a Markdown table, a line for every
MDP and wish: the tree's preferred rule, the rule measured to be best, whether they agree, what each reaches, and which
of the tree's facts do not hold there; then the counts, and the CPU time of each MDP.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from dynamics.choice import LIMIT, STARTS
from dynamics.choice.ranked import measured
from mdp import zoo
from vorticity.text.ranking import cases, measure

HEAD = "| MDP | wish | the tree | it reaches | the best measured | it reaches | agrees | facts that fail |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["zoo"])
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    print(HEAD)
    print("|" + " --- |" * 8)
    counts: Counter[str] = Counter()
    seconds = {}
    for name in given.names or zoo.names():
        started = time.process_time()
        world = zoo.load(name)
        answer = measure(world, cases(world, {}, None), None, alpha=1, starts=STARTS, seed=0, limit=LIMIT)
        seconds[name] = time.process_time() - started
        rows = {row.choice: row for row in answer.rows}
        for case, found, told in answer.cases:
            runs = [rows[choice] for choice in found.tree or () if rows[choice].refused is None]
            top = rows[found.order[0]]
            ours, theirs = (measured(row, case.wish) for row in (top, runs[0]))
            word = {True: "yes", False: "no", None: "-"}[found.agrees]
            failing = ", ".join(check.question for check in told if check.holds is False) or "-"
            cells = (name, case.wish, runs[0].label, show(theirs), top.label, show(ours), word, failing)
            print(f"| {' | '.join(cells)} |", flush=True)
            counts[f"{case.wish}: agrees"] += bool(found.agrees)
            counts[f"{case.wish}: any advised is among the best"] += any(one.choice in found.best for one in runs)
            counts[f"{case.wish}: asked"] += 1
    print(f"\n{dict(counts)}")
    print("CPU seconds:", {name: round(value, 1) for name, value in seconds.items()})


def show(x: float | None) -> str:
    return "∞" if x is None else f"{x:.3g}"


if __name__ == "__main__":
    main()
