"""Run experiments and print their tables: `python benchmarks/experiments.py NAME ... [--full]`.

NAME is fig4, fig5, critics, baselines or optimisers. Nothing is stored.
"""

from __future__ import annotations

import argparse
import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time

from dynamics.experiments import baselines, critics, fig4, fig5, optimisers

EXPERIMENTS = {"fig4": fig4, "fig5": fig5, "critics": critics, "baselines": baselines, "optimisers": optimisers}


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=EXPERIMENTS)
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    for name in options.names:
        module, rows, start = EXPERIMENTS[name], [], time.perf_counter()
        cases = module.cases(options.full)
        for k, case in enumerate(cases):
            rows += module.run(case)
            print(f"\r{name}: {k + 1} of {len(cases)}", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        found = module.summary(rows)
        for row in found.table:
            print({key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()})
        print(f"{name}: holds: {found.holds}; {found.finding}")
        print(f"{len(cases)} cases, {len(rows)} rows, {time.perf_counter() - start:.1f} s\n")


if __name__ == "__main__":
    main()
