"""The same answers as before? `--json` of sixty commands, recorded by one checkout and compared with another's.

    python benchmarks/answers.py record BEFORE            # with the package that is installed
    python benchmarks/answers.py record AFTER --root DIR  # with the checkout in DIR, for instance a git worktree
    python benchmarks/answers.py compare BEFORE AFTER

`record` runs every command in an empty folder of its own and keeps its exit code, standard output, standard error and
the files that it wrote (pictures and databases by name only). `compare` prints one line for each command whose answer
differs, where, and exits 1 if there is one. Left out of the comparison: versions, times, paths (`VOLATILE`); everything
else must be the same byte for byte. For every rebuilding of the house: record before, rebuild, record, compare.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VOLATILE = {"seconds", "cpu_seconds", "core_seconds", "version", "vorticity", "hash", "elapsed", "date", "minutes"}
TEXT = {".json", ".csv", ".md", ".toml"}  # files whose content is part of the answer

COMMANDS = [
    line.strip()
    for line in """
    rules
    rules --control teacher
    rules --on swirl --reward
    zoo
    show corridor-cycle
    show swirl --teacher softmax:0.5
    show corridor:5
    field swirl --rule on-policy
    field fig2 --rule n-distill --reward --jacobian
    field swirl --rule er --control mix:0.5 --reward --alpha 1/2
    field corridor-cycle --rule value-gate --jacobian
    field copying-cycle --rule entropy-bonus --reward --teacher epsilon:0.1
    curl swirl --rule reverse-kl --reward
    curl fig2 --rule n-distill --teacher softmax:1
    curl all:2x2 --rule reverse-kl-corrected
    curl all:2x2 --rule on-policy --reward
    curl chain --rule on-policy --certificate chain.json
    curl bandit:3 --rule on-policy
    curl corridor-cycle --rule student-critic --reward
    curl swirl --rule value-gate
    curl corridor:9 --rule on-policy
    curl aliased-cycle --rule n-distill --control uniform
    flow corridor-cycle --rule on-policy --reward
    flow swirl --rule reverse-kl-corrected --reward
    flow fig2 --rule on-policy --reward --discrete 0.025 --theta0 random
    flow fig2 --rule n-distill --reward
    flow bandit:4 --rule er --discrete 0.1 --sampled 1 --steps 500
    flow chain --rule on-policy --theta0 random --seed 3
    flow corridor-adversarial:5 --rule bootstrap --save corridor.csv
    flow swirl --rule teacher --reward --teacher uniform
    flow copying-cycle --rule on-policy
    cycles swirl --rule reverse-kl --reward
    cycles swirl --rule reverse-kl --reward --starts 1 --prove --certificates made
    cycles aliased-cycle --rule on-policy --reward --starts 2
    cycles chain --rule n-distill --reward
    cycles copying-cycle --rule on-policy --starts 1
    portrait swirl --rule reverse-kl --with reverse-kl-corrected --reward -o swirl.svg
    portrait fig2 --rule on-policy --reward -o fig2.png --data fig2.json
    portrait swirl --rule reverse-kl --reward --alpha 0.9916 --basins --xlim 2,3.5 --ylim 0.5,1.8 -o basins.png
    portrait corridor-cycle --rule on-policy --reward --coords s0,s2 --series -o corridor.pdf
    portrait bandit:3 --rule on-policy --chart probabilities -o bandit.svg
    bifurcation swirl --rule reverse-kl --reward --in alpha --from 0.99 --to 0.995 --starts 2 -o bifurcation.png
    bifurcation chain --rule n-distill --in discount --from 0.5 --to 0.9 --starts 2
    hunt --states 2 --actions 2 --rule on-policy --reward --goal none --count 4000 --jobs 1
    hunt --states 2 --actions 2 --rule reverse-kl --reward --goal mild --count 2000 --jobs 1
    compare aliased-cycle --rule on-policy --with n-distill --reward --no-alphas
    compare chain --rule er --with eer --no-alphas --theta0 random
    choose chain --outside --improve --starts 1
    choose corridor --outside --improve --no-measure
    choose --inside --no-measure
    sweep FOLDER/docs/sweeps/alpha.toml --out sweep --jobs 1 --no-pictures
    sweep FOLDER/docs/sweeps/families.toml --count
    reproduce fig2 --out results --jobs 1
    reproduce fig4 --out results --jobs 1 --no-pictures
    verify T1 T2 P1 P3 C3
    verify A1 G1 E1 O1 --certificates made
    verify C6 C7 --steps
    flow nowhere --rule on-policy
    curl swirl --rule on-polcy
    field swirl --rule on-policy --alpha -1
    """.strip().splitlines()
]


def record(folder: Path, root: Path, jobs: int, only: str) -> None:
    """Run every command (those that contain `only`) with the packages of `root` and write NN.json files to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    numbered = [(k, line) for k, line in enumerate(COMMANDS) if only in line]
    with ThreadPoolExecutor(jobs) as pool:
        for k, seconds, answer in pool.map(lambda task: _run(*task, root), numbered):
            (folder / f"{k:02}.json").write_text(json.dumps(answer, indent=1), encoding="utf-8")
            print(f"{k:02}  {seconds:6.1f} s  exit {answer['code']}  {answer['command']}", flush=True)


def _run(k: int, line: str, root: Path) -> tuple[int, float, dict[str, Any]]:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        args = [part.replace("FOLDER", str(ROOT)) for part in shlex.split(line)]
        environment = os.environ | {"PYTHONPATH": str(root), "COLUMNS": "80"}
        done = subprocess.run(
            [sys.executable, "-m", "vorticity", *args, "--json"],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
        )
        written = {
            path.relative_to(place).as_posix(): path.read_text("utf-8") if path.suffix in TEXT else None
            for path in sorted(Path(place).rglob("*"))
            if path.is_file()
        }
    answer = {"command": line, "code": done.returncode, "out": done.stdout, "err": done.stderr, "written": written}
    answer = json.loads(json.dumps(answer).replace(str(ROOT), "FOLDER"))
    return k, time.monotonic() - begun, answer


def stable(x: Any) -> Any:
    """What must not change: JSON without the volatile keys, text without times; JSON texts are read first."""
    if isinstance(x, dict):
        return {key: stable(value) for key, value in x.items() if key not in VOLATILE}
    if isinstance(x, list):
        return [stable(value) for value in x]
    if not isinstance(x, str):
        return x
    if x.lstrip().startswith(("{", "[")):
        try:
            return stable(json.loads(x))
        except ValueError:
            pass
    return re.sub(r"\b\d+(\.\d+)? ?(s|ms|seconds|core-seconds|MB)\b", "TIME", x)


def difference(a: Any, b: Any, place: str = "") -> str | None:
    """The first place in which two answers differ, or None."""
    if type(a) is not type(b):
        return f"{place}: {str(a)[:60]} is now {str(b)[:60]}"
    if isinstance(a, dict):
        for key in dict.fromkeys([*a, *b]):
            if key not in a or key not in b:
                return f"{place}.{key} is only in the {'first' if key in a else 'second'}"
            if (found := difference(a[key], b[key], f"{place}.{key}")) is not None:
                return found
        return None
    if isinstance(a, list):
        if len(a) != len(b):
            return f"{place}: {len(a)} entries, now {len(b)}"
        for k, pair in enumerate(zip(a, b, strict=True)):
            if (found := difference(*pair, f"{place}[{k}]")) is not None:
                return found
        return None
    return None if a == b else f"{place}: {str(a)[:80]!r} is now {str(b)[:80]!r}"


def compare(first: Path, second: Path) -> int:
    """How many commands answer differently; each is printed with the first place that differs."""
    files = sorted({path.name for folder in (first, second) for path in folder.glob("[0-9]*.json")})
    changed = 0
    for name in files:
        if not all((folder / name).exists() for folder in (first, second)):
            print(f"{name}: recorded in one folder only")
            changed += 1
            continue
        a, b = (json.loads((folder / name).read_text("utf-8")) for folder in (first, second))
        if (found := difference(stable(a), stable(b))) is not None:
            print(f"{a['command']}\n    {found}")
            changed += 1
    print(f"{len(files)} commands compared, {changed} differ")
    return changed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("record")
    one.add_argument("folder", type=Path)
    one.add_argument("--root", type=Path, default=ROOT, help="the checkout whose packages answer")
    one.add_argument("--jobs", type=int, default=1, help="commands at a time")
    one.add_argument("--only", default="", help="commands that contain this text")
    two = verbs.add_parser("compare")
    two.add_argument("first", type=Path)
    two.add_argument("second", type=Path)
    given = parser.parse_args()
    if given.verb == "compare":
        return int(compare(given.first, given.second) > 0)
    record(given.folder, given.root.resolve(), given.jobs, given.only)
    return 0


if __name__ == "__main__":
    sys.exit(main())
