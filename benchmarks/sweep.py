"""Does a sweep's memory stay flat? `python benchmarks/sweep.py [memory] [--cases 1000,10000,50000]`.

memory: one sweep of each size on two processes, of the smallest cases there are (one state, a field that is 0), with
table and lines at the end. Prints the peak memory of the command's own process and of its largest worker, each as a
ratio to the first size, and the time a case: some ten minutes for all three sizes on two cores, most of it the largest.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from peaks import run

FILE = """
rules = "er"
alpha = 0
reward = [false, true]
time = 0.001
limit = 0.001
[[family]]
kind = "episodic"
states = 1
actions = 2
seeds = {seeds}
"""


def memory(sizes: list[int]) -> None:
    """A line for each size."""
    first = None
    print(
        f"{'cases':>8} {'command MB':>11} {'ratio':>6} {'worker MB':>10} {'ratio':>6} {'ms a case':>10} {'file MB':>8}"
    )
    for size in sizes:
        with tempfile.TemporaryDirectory() as place:
            path, out = Path(place) / "a.toml", Path(place) / "out"
            path.write_text(FILE.format(seeds=size // 2))
            command = [
                "-m",
                "vorticity",
                "sweep",
                str(path),
                "--jobs",
                "2",
                "--no-pictures",
                "--json",
                "--out",
                str(out),
            ]
            found = run([sys.executable, *command])
            held = (out / "results.sqlite").stat().st_size / 1e6
        first = first or found
        print(
            f"{size:>8} {found.parent:>11.1f} {found.parent / first.parent:>6.2f} {found.child:>10.1f} "
            f"{found.child / first.child:>6.2f} {1e3 * found.wall / size:>10.2f} {held:>8.1f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", default="memory", choices=["memory"])
    parser.add_argument("--cases", default="1000,10000,50000")
    memory([int(text) for text in parser.parse_args().cases.split(",")])


if __name__ == "__main__":
    main()
