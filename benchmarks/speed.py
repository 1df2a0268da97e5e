"""Speed, as ratios within one run: `python benchmarks/speed.py`.

A field call beside a bare `np.linalg.solve` of the same batch; the closed-form Jacobian beside complex step; the time
of `vorticity --help` and of `import dynamics` beside a bare Python. Each figure is the least of several runs, and the
two sides of a ratio alternate. BLAS runs on one thread here (set before numpy is loaded, for this process only).
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from dynamics.fields import Field
from mdp import random

RULES = ("on-policy", "n-distill", "reverse-kl-corrected")


def least(*functions: Callable[[], object], repeat: int = 7, number: int = 1) -> list[float]:
    """Least seconds of each function, run in turn."""
    best = [float("inf")] * len(functions)
    for _ in range(repeat):
        for k, function in enumerate(functions):
            started = time.perf_counter()
            for _ in range(number):
                function()
            best[k] = min(best[k], (time.perf_counter() - started) / number)
    return best


def fields(n_states: int, n_actions: int, lead: tuple[int, ...], number: int) -> None:
    """Field calls beside one bare solve of the same matrices."""
    mdp = random.episodic(0, n_states, n_actions, discount="0.95")
    rng = np.random.default_rng(0)
    theta = rng.normal(size=(*lead, n_states, n_actions))
    matrix = np.eye(n_states) - 0.9 * rng.dirichlet(np.ones(n_states), size=(*lead, n_states))
    rhs = rng.normal(size=(*lead, n_states, 1))
    where = f"{n_states} states x {n_actions} actions" + (f", {lead[0]} points" if lead else "")
    for rule in RULES:
        for reward in (False, True):
            field = Field(mdp, rule, reward=reward)
            ours, solve = least(lambda f=field: f(theta), lambda: np.linalg.solve(matrix, rhs), number=number, repeat=7)
            name = rule + (" + R" if reward else "")
            print(f"  {where:38} {name:26} {ours * 1e6:12.1f} us = {ours / solve:5.1f} x bare solve")


def jacobians(n_states: int, n_actions: int) -> None:
    """The closed-form Jacobian beside complex step, one call a column and all columns in one batch."""
    mdp = random.episodic(0, n_states, n_actions, discount="0.95")
    theta = np.random.default_rng(0).normal(size=(n_states, n_actions))
    steps = 1e-30j * np.eye(theta.size).reshape(theta.size, *theta.shape)
    for rule in RULES:
        field = Field(mdp, rule, reward=True)
        closed, one_by_one, batch = least(
            lambda f=field: f.jacobian(theta),
            lambda f=field: [f(theta + step).imag for step in steps],
            lambda f=field: f(theta + steps).imag,
            repeat=5,
        )
        print(
            f"  {n_states} states x {n_actions} actions {rule + ' + R':28} {closed * 1e6:10.0f} us; complex step takes "
            f"{one_by_one / closed:5.0f} x (column by column), {batch / closed:5.0f} x (one batch)"
        )


def processes() -> None:
    """Whole processes beside a bare interpreter."""
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import numpy": [sys.executable, "-c", "import numpy"],
        "import dynamics.fields.field": [sys.executable, "-c", "import dynamics.fields.field"],
        "vorticity --help": [sys.executable, "-m", "vorticity", "--help"],
    }
    runs = [lambda c=command: subprocess.run(c, check=True, capture_output=True) for command in commands.values()]
    times = least(*runs, repeat=7)
    for name, seconds in zip(commands, times, strict=True):
        print(f"  {name:24} {seconds * 1e3:8.0f} ms = {seconds / times[0]:5.1f} x bare python")


if __name__ == "__main__":
    print("field")
    fields(3, 2, (), 2000)
    fields(10, 4, (10_000,), 1)
    print("Jacobian")
    jacobians(50, 4)
    print("processes")
    processes()
