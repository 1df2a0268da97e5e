"""The routes to a verdict on the curl: do they agree, and how large a model does each decide?

python benchmarks/curl_routes.py [MDPS=40]     every rule x MDPS random rational MDPs x +-R, controls in turn
python benchmarks/curl_routes.py --sizes [ROUTE]   states decided within 1 s and within 10 s, by route
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable

import numpy as np

from dynamics.fields import Field
from dynamics.rules import TABLE
from mdp import MDP, random
from proofs.exact import decide, exact_field, identity_test
from proofs.exact.curl import routes
from proofs.exact.points import point_test

CONTROLS = (None, "student", "teacher", "uniform", "mix:1/3")
PROTOTYPES = {"functions": "6 in 2 s", "point": "40 in 0.6 s", "identity": "350 in 1 s, 1000 in 10 s"}


def draw(k: int) -> MDP:
    """The k-th random MDP: four families, 1 to 4 states, 2 or 3 actions, discount 1 or 9/10, some aliased."""
    rng = np.random.default_rng(k)
    S, A, g = int(rng.integers(1, 5)), int(rng.integers(2, 4)), ("1", "9/10")[k // 4 % 2]
    family = k % 4
    if family == 0:
        return random.episodic(rng, S, A, discount=g, observations=int(rng.integers(1, S + 1)))
    if family == 1:
        return random.acyclic(rng, S, A)
    if family == 2:
        return random.deterministic_graph(rng, S, A, discount=g)
    return random.garnet(rng, S, A, min(2, S), discount="9/10", observations=int(rng.integers(1, S + 1)))


def agreement(count: int) -> bool:
    """Print, for every rule, how often its routes and its verdict agree; False where any disagree."""
    fine = True
    print("rule                   asked  agree  routes asked, and verdicts")
    for n, rule in enumerate(TABLE):
        asked = agreed = 0
        seen: Counter[str] = Counter()
        for k in range(count):
            for reward in (False, True):
                field = Field(draw(1000 * n + k), rule, control=CONTROLS[k % len(CONTROLS)], reward=reward)
                verdict, found = decide(field, seed=k).verdict, routes(field, k)
                same = (
                    set(found.values()) <= {verdict} if verdict != "undecided" else "not-gradient" not in found.values()
                )
                asked, agreed = asked + 1, agreed + same
                seen.update([*found, verdict])
                if not same:
                    print(f"  {rule}, MDP {1000 * n + k}, control {field.control}, reward {reward}: {verdict}, {found}")
        fine = fine and asked == agreed
        print(f"{rule:22s} {asked:5d}  {agreed / asked:5.0%}  {', '.join(f'{x} {n}' for x, n in sorted(seen.items()))}")
    return fine


def functions(field: Field) -> object:
    """The whole curl, or the first entry that is not 0, as rational functions."""
    return exact_field(field).first_curl()


def seconds(route: Callable[[Field], object], rule: str, states: int) -> float:
    """How long one route takes on one model with two actions."""
    make = random.episodic if route is functions else random.garnet
    sizes = (states, 2) if route is functions else (states, 2, min(3, states))
    field = Field(make(0, *sizes, discount="9/10"), rule)
    started = time.perf_counter()
    route(field)
    return time.perf_counter() - started


def largest(route: Callable[[Field], object], rule: str, limit: float) -> tuple[int, float]:
    """The largest number of states decided within `limit` seconds (to 5 %), and the seconds it took."""
    low, took = 2, seconds(route, rule, 2)
    step = 1.3 if route is functions else 1.6
    high = low
    while True:
        high = max(low + 1, int(low * step))
        now = seconds(route, rule, high)
        if now > limit:
            break
        low, took = high, now
    while high - low > max(1, low // 20):
        middle = (low + high) // 2
        now = seconds(route, rule, middle)
        if now <= limit:
            low, took = middle, now
        else:
            high = middle
    return low, took


def sizes(only: list[str]) -> None:
    """Print the largest sizes, by route (all, or the named ones) and rule."""
    print("route      rule        in 1 s             in 10 s            prototype")
    for name, route in (("functions", functions), ("point", point_test), ("identity", identity_test)):
        if only and name not in only:
            continue
        for rule in ("on-policy", "n-distill"):
            cells = [f"{n} states, {took:.2f} s" for n, took in (largest(route, rule, limit) for limit in (1.0, 10.0))]
            print(f"{name:10s} {rule:11s} {cells[0]:18s} {cells[1]:18s} {PROTOTYPES[name]}", flush=True)


if __name__ == "__main__":
    if "--sizes" in sys.argv:
        sizes([name for name in sys.argv[1:] if name in PROTOTYPES])
    else:
        everything = agreement(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
        print("all routes agree" if everything else "SOME ROUTES DISAGREE")
        sys.exit(not everything)
