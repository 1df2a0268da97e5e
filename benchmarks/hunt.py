"""What the hunt finds, and whether its verdicts are to be trusted: `python benchmarks/hunt.py detection|answers`.

`detection [N]`: N candidates of the hunt that wander and N whose rest point attracts, of four kinds (rules and shapes):
the verdict of `dynamics.orbits.outcomes` beside that of a long integration by another route, scipy's `solve_ivp`
(DOP853, rtol 1e-12, ten members in one stacked system, time in turns of the linear part) and returns to a section. Exit
code 1 when a verdict is wrong. `answers [--quick]`: the table of answers, one `vorticity hunt` a row, with counts and
seeds (some 20 minutes on one core; --quick: a tenth of the draws).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from multiprocessing import get_context

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.integrate import solve_ivp

from dynamics.fields import Field, Fields, Worlds, logits, slope, velocity
from dynamics.hunt import Hunt, Report, run_draw
from dynamics.hunt.candidates import Draw, draw, entropy, growth, model, rested, wandering
from dynamics.hunt.climbing import joined
from dynamics.hunt.draws import Find
from dynamics.orbits import outcome
from dynamics.rules import TABLE, get

# (rule, states, actions, observations, share of the candidates)
KINDS = (
    ("reverse-kl", 2, 2, None, 0.35),
    ("reverse-kl", 1, 3, None, 0.2),
    ("entropy-bonus", 2, 2, None, 0.35),
    ("on-policy", 3, 2, (0, 1, 0), 0.1),
)
ROUNDS = ((100, 25), (500, 125))  # turns integrated, and turns looked at after them
TOGETHER = 10  # members of a stacked system, alike in stiffness


def hunted(kind: int, seed: int) -> Hunt:
    """The hunt of that kind."""
    rule, states, actions, observation, _ = KINDS[kind]
    return Hunt(get(rule), states, actions, observation=observation, seed=seed)


def chosen(kind: int, seed: int, n: int) -> tuple[Draw, np.ndarray]:
    """n candidates that wander and n that attract, half of those by a slow spiral, and where to start each."""
    hunt = hunted(kind, seed)
    wild: list[Draw] = []
    calm: list[Draw] = []
    watched: list[Draw] = []
    k = 0
    while sum(map(len, wild)) < n or sum(map(len, calm)) < n:
        there = rested(draw(hunt, k, 10_000))
        share = growth(there)
        watched.append(there.take(np.flatnonzero(share > 0.01)))
        if sum(map(len, watched)) > 2 * n:
            some = watched.pop(0)
            for more in watched:
                some = joined(some, more)
            watched = []
            with np.errstate(all="ignore"):
                wild.append(some.take(np.flatnonzero(wandering(some))))
        if sum(map(len, calm)) < n:
            slow = np.flatnonzero((share > -0.3) & (share < -0.02))[: -(-n // 2)]
            any_kind = np.flatnonzero(share < -0.02)[: n // 2]
            calm.append(there.take(np.concatenate([slow, any_kind])))
        k += 1
    both = [(draws, where) for draws, size in ((wild, n), (calm, n)) for draws, where in _first(draws, size)]
    w = [[getattr(d.fields.worlds, name)[i] for d, i in both] for name in ("P", "R", "initial", "discount", "teacher")]
    fields = Fields(hunt.template, Worlds(*map(np.array, w)))
    x = np.array([d.x[i] for d, i in both])
    tilt = np.where(np.arange(x.shape[-1]) % 2, -1.0, 1.0)
    return Draw(fields, x), x + np.where(np.arange(len(x)) < n, 0.05, 0.5)[:, None] * tilt


def _first(draws: list[Draw], n: int) -> list[tuple[Draw, int]]:
    return [(d, i) for d in draws for i in range(len(d))][:n]


def long_run(candidates: Draw, y: np.ndarray) -> list[str]:
    """What the flow from y (N, n) does: cycle, rest, other, or unclear; by integration and returns alone."""
    J = slope(candidates.fields, candidates.x)
    values = np.linalg.eigvals(J)
    turn = 2 * np.pi / np.maximum(np.abs(values.imag).max(-1), 0.2 * np.abs(values).max(-1))
    order = np.argsort(turn * np.linalg.norm(J, axis=(1, 2)))
    verdicts = ["unclear"] * len(y)
    for some in np.array_split(order, -(-len(y) // TOGETHER)):
        at = y[some]
        for run, watch in ROUNDS:
            now, at = stacked(candidates.take(some), at, turn[some], run, watch)
            for k, one in zip(some, now, strict=True):
                verdicts[k] = one
            left = np.array([one == "unclear" for one in now])
            some, at = some[left], at[left]
            if not len(some):
                break
    return verdicts


def stacked(left: Draw, y: np.ndarray, turn: np.ndarray, run: int, watch: int) -> tuple[list[str], np.ndarray]:
    """The verdicts on a few members after `run` turns, from the next `watch` turns; and where they are then."""

    def speed(_s: float, flat: np.ndarray) -> np.ndarray:
        return (turn[:, None] * velocity(left.fields, flat.reshape(y.shape).clip(-40, 40))).ravel()

    exact = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-13}
    start = solve_ivp(speed, (0, run), y.ravel(), t_eval=[run], **exact)
    times = np.linspace(0, watch, 5001)
    seen = solve_ivp(speed, (0, watch), start.y[:, -1], t_eval=times, **exact)
    paths = seen.y.reshape(*y.shape, len(times))
    slopes = np.stack([speed(0.0, seen.y[:, j]).reshape(y.shape) for j in range(len(times))], -1)
    return [judged(times, paths[j].T, slopes[j].T) for j in range(len(y))], paths[..., -1]


def judged(t: np.ndarray, x: np.ndarray, v: np.ndarray) -> str:
    """The verdict on one path (n_times, n) with velocities v: returns that agree are a cycle, no motion is rest."""
    size = float(np.ptp(x, axis=0).max())
    if np.abs(x).max() > 30:
        return "other"
    if size < 1e-6:
        return "rest"
    middle, normal = x[-1], v[-1] / np.linalg.norm(v[-1])
    height = (x - middle) @ normal
    at = np.flatnonzero((height[:-1] < 0) & (height[1:] >= 0))
    at = at[np.linalg.norm(x[at] - middle, axis=1) < 0.3 * size]
    if len(at) < 5:
        return "unclear"
    hits, h = [], t[1] - t[0]
    for i in at[-5:]:
        s = np.linspace(0, 1, 4001)[:, None]
        a = (1 + 2 * s) * (1 - s) ** 2 * x[i] + s**2 * (3 - 2 * s) * x[i + 1]
        points = a + h * (s * (1 - s) ** 2 * v[i] - s**2 * (1 - s) * v[i + 1])
        hits.append(points[np.abs((points - middle) @ normal).argmin()])
    gaps = np.linalg.norm(np.diff(hits, axis=0), axis=1)
    return "cycle" if size > 1e-4 and gaps.max() < 1e-3 * size and gaps[-1] < 2e-4 * size else "unclear"


def verdict(job: tuple[int, object, np.ndarray]) -> str:
    """`dynamics.orbits.outcomes` on one candidate."""
    kind, mdp, start = job
    field = Field(mdp, KINDS[kind][0], reward=True)  # type: ignore[arg-type]
    found = outcome(field, logits(start, field.shape))
    return found.kind if found.kind != "cycle" or found.isolated else "family"


def detection(n: int, seed: int, jobs: int, kinds: list[int]) -> int:
    """Verdicts beside long integrations; the number of wrong ones."""
    wrong, undecided, rows = 0, 0, []
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for kind in kinds:
            rule, states, actions, observation, share = KINDS[kind]
            started = time.perf_counter()
            candidates, start = chosen(kind, seed, round(share * n))
            truth = long_run(candidates, start)
            middle = time.perf_counter()
            work = [(kind, model(candidates.fields, k), start[k]) for k in range(len(start))]
            found = list(pool.map(verdict, work, chunksize=4))
            table = Counter(zip(truth, found, strict=True))
            sure = {pair: count for pair, count in table.items() if pair[0] in ("cycle", "rest")}
            bad = sum(count for (a, b), count in sure.items() if b not in (a, "undecided"))
            bad += sum(count for (a, b), count in table.items() if a == "other" and b in ("cycle", "rest"))
            wrong += bad
            undecided += sum(count for (_, b), count in sure.items() if b == "undecided")
            rows.append(table)
            listed = ", ".join(f"{a} called {b}: {count}" for (a, b), count in sorted(table.items()))
            print(
                f"{rule} + R, {states} x {actions}{f', observations {observation}' if observation else ''}: {listed}; "
                f"wrong {bad} ({middle - started:.0f} s + {time.perf_counter() - middle:.0f} s)",
                flush=True,
            )
            for k, (a, b) in enumerate(zip(truth, found, strict=True)):
                if (a in ("cycle", "rest") and b not in (a, "undecided")) or (a == "other" and b in ("cycle", "rest")):
                    print(f"  candidate {k}: {a} called {b}; start {start[k].tolist()}")
    total = sum(rows, Counter())
    count = {a: sum(c for (x, _), c in total.items() if x == a) for a in ("cycle", "rest", "other", "unclear")}
    print(
        f"by long integration {count['cycle']} cycle, {count['rest']} rest, {count['other']} run off, "
        f"{count['unclear']} unclear; verdicts wrong: {wrong}; undecided among the clear ones: {undecided}; seed {seed}"
    )
    return wrong


# (rule, states, actions, observations, discount, goal, draws of 2000); seed 0, with reward, random family
ANSWERS = (
    ("on-policy", 2, 2, None, "99/100", "none", 500),
    ("on-policy", 2, 2, None, "999/1000", "none", 100),
    ("on-policy", 2, 2, None, "99/100", "cycle", 10),
    ("on-policy", 1, 3, None, "99/100", "none", 200),
    ("on-policy", 1, 3, None, "99/100", "cycle", 10),
    ("on-policy", 1, 4, None, "99/100", "cycle", 10),
    ("on-policy", 2, 3, None, "99/100", "cycle", 10),
    ("on-policy", 3, 2, None, "99/100", "mild", 5),
    ("on-policy", 3, 2, (0, 1, 0), "99/100", "mild", 10),
    ("on-policy", 4, 2, (0, 1, 0, 1), "99/100", "mild", 5),
    ("reverse-kl", 2, 2, None, "99/100", "mild", 10),
    ("reverse-kl", 1, 3, None, "99/100", "mild", 10),
    ("entropy-bonus", 2, 2, None, "99/100", "mild", 10),
    ("entropy-bonus", 1, 3, None, "99/100", "mild", 10),
    ("student-critic", 2, 2, None, "99/100", "cycle", 10),
    ("eer-no-reward", 2, 2, None, "99/100", "none", 4),
    ("eer-no-reward", 1, 3, None, "99/100", "cycle", 10),
)


def answered(job: tuple[int, int]) -> Report:
    """The k-th draw of a row of `ANSWERS`."""
    row, k = job
    return run_draw(asked(row), k, goal=ANSWERS[row][5])


def asked(row: int) -> Hunt:
    """The hunt of a row of `ANSWERS`."""
    rule, states, actions, observation, discount, _, _ = ANSWERS[row]
    return Hunt(get(rule), states, actions, observation=observation, discount=Fraction(discount))


def answers(quick: bool, jobs: int) -> None:
    """The table of answers, a row at a time, and the rules that never cycle."""
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for row, (rule, states, actions, observation, discount, goal, draws) in enumerate(ANSWERS):
            draws = max(1, draws // 10) if quick else draws
            started = time.perf_counter()
            reports = list(pool.map(answered, [(row, k) for k in range(draws)]))
            total = {name: sum(getattr(one, name) for one in reports) for name in COUNTS}
            finds = [one.find for one in reports if one.find is not None]
            where = f", observations {list(observation)}" if observation else ""
            print(
                f"{rule} + R, {states} x {actions}{where}, g = {discount}, goal {goal}, seed 0: "
                f"{total['drawn']} drawn, {total['rest_points']} rest points, {total['repel']} repel, "
                f"{total['wander']} of {total['looked_at']} looked at wander, largest growth "
                f"{max(one.growth for one in reports):.3f}; {len(finds)} cycles, {total['undecided']} undecided "
                f"({time.perf_counter() - started:.0f} s)",
                flush=True,
            )
            best: dict[str, list[str]] = {}
            for what, key in MILDEST.items() if finds else ():
                best.setdefault(described(min(finds, key=key)), []).append(what)
            for line, names in best.items():
                print(f"    {', '.join(names)}: {line}", flush=True)
    for rule in TABLE:
        if rule != "value-gate":
            print(f"{rule} + R, tabular: {Hunt(get(rule), 2, 2).never() or 'not excluded by its row'}")


COUNTS = ("drawn", "rest_points", "repel", "wander", "looked_at", "undecided")
MILDEST = {
    "simplest": lambda find: find.bits,
    "softest teacher": lambda find: -entropy(find.mdp.teacher),
    "smallest rewards": lambda find: np.abs(find.mdp.R).max(),
    "smallest discount": lambda find: find.mdp.discount,
}


def described(find: Find) -> str:
    """A find in one line."""
    mdp = find.mdp
    share = float(entropy(mdp.teacher)) / np.log(mdp.n_actions)
    amplitude = ", ".join(f"{x:.3g}" for x in find.amplitude)
    return (
        f"{find.bits:.0f} bits, teacher's entropy {share:.3f} of log A, rewards to {np.abs(mdp.R).max():.3g}, "
        f"g {mdp.discount:.4g}, period {find.period:.6g}, log-odds {amplitude}, from zero: {find.from_zero}"
    )


def main() -> int:
    """One of the two."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="what", required=True)
    one = commands.add_parser("detection")
    one.add_argument("count", type=int, nargs="?", default=200)
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    one.add_argument("--kinds", default="0,1,2,3", help="which of the kinds, by number")
    other = commands.add_parser("answers")
    other.add_argument("--quick", action="store_true")
    other.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if options.what == "answers":
        answers(options.quick, options.jobs)
        return 0
    kinds = [int(kind) for kind in options.kinds.split(",")]
    return 1 if detection(options.count, options.seed, options.jobs, kinds) else 0


if __name__ == "__main__":
    sys.exit(main())
