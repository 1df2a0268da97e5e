"""Which optimisers create or destroy rest points and cycles, on the zoo's cycles and on rules that rest.

Claim: momentum and clipping keep what the flow does, a rest or a cycle, for small steps; Adam and advantage
normalisation do not: each makes at least one of the zoo's cycles rest.

Every optimiser is run from two starts with the steps eta and eta/2 over the same time eta · (number of steps), and
the last two eighths of the run are compared (spread of the log-odds of action 1, the widest of the coordinates). With
one step: *still* below 1e-6, *rattling* at most 5 steps wide, *settling* when the last spread is at most 0.75 of the
one before, *turning* when the two are within 10 %. Then over the steps: a *rest* is still, rattling or settling with
every step; a *cycle* turns with all of them, and its spread, extrapolated linearly to step 0, stays above half of the
last; one that shrinks below that is a *step artefact*; *undecided* otherwise. The spreads are measured, nothing is
proved. Advantage normalisation is another field, so its flow is judged by `dynamics.orbits.outcomes`; it is run
with alpha 1 and with the alpha at which it keeps the plain field's rest point (alpha = 1 / sigma there).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dynamics.experiments.summary import Row, Summary, where
from dynamics.fields import Field, FunctionField, in_chart
from dynamics.learners import OPTIMISERS, normalised, optimise, spread_of_advantages
from dynamics.orbits import outcome, rest_points
from mdp import zoo

CYCLES = (("swirl", "reverse-kl"), ("corridor-cycle", "on-policy"), ("aliased-cycle", "on-policy"))
RESTS = (("swirl", "reverse-kl-corrected"), ("swirl", "on-policy"), ("aliased-cycle", "n-distill"))
NORMALISED = ("normalised advantages", "normalised, alpha matched")
STARTS = 2
SLOWED = 3.0  # clipping slows time: it is run this many times longer


def cases(full: bool) -> list[Row]:
    """A case per field (+R) and optimiser; the quick ones take the cycles only and a shorter time."""
    fields = CYCLES + RESTS if full else CYCLES
    return [
        {
            "experiment": "optimisers",
            "mdp": mdp,
            "rule": rule,
            "optimiser": name,
            "eta": 0.02,
            "time": 240.0 if full else 100.0,
            "halvings": 2,
            "seed": 0,
        }
        for mdp, rule in fields
        for name in [*(optimiser.name for optimiser in OPTIMISERS), *NORMALISED]
    ]


def run(case: Row) -> list[Row]:
    """A row per step size, with the spreads of the last two eighths; or one row with the outcome of the flow.

    >>> case = {"mdp": "chain", "rule": "on-policy", "optimiser": "plain", "eta": 0.5, "time": 400, "halvings": 1}
    >>> row = run(case | {"seed": 0})[0]
    >>> row["last"] < 1e-6, step_kind(row)
    (True, 'still')
    """
    field = Field(zoo.load(case["mdp"]), case["rule"], reward=True)
    if case["optimiser"] in NORMALISED:
        return [_normalised(case, field)]
    optimiser = next(x for x in OPTIMISERS if x.name == case["optimiser"])
    theta = np.random.default_rng(case["seed"]).normal(size=(STARTS, *field.shape))
    time = case["time"] * (SLOWED if optimiser.clip else 1.0)
    rows: list[Row] = []
    for k in range(case["halvings"]):
        eta = case["eta"] / 2**k
        n_steps = int(time / eta)
        path = optimise(optimiser, field, theta, eta, n_steps, every=max(n_steps // 20_000, 1))
        x = path.theta[..., 1:] - path.theta[..., :1]
        eighth = len(x) // 8
        before, last = (float(np.ptp(part, axis=0).max()) for part in (x[-2 * eighth : -eighth], x[-eighth:]))
        rows.append({**case, "step": eta, "before": before, "last": last, "complete": path.complete})
    return rows


def _normalised(case: Row, field: Field) -> Row:
    """What the flow of the normalised field does, and the type of its rest points."""
    rng = np.random.default_rng(case["seed"])
    alpha = 1.0
    if case["optimiser"] == NORMALISED[1]:
        point = rest_points(field, 2 * rng.normal(size=(10, *field.shape)))[0]
        alpha = 1 / spread_of_advantages(field, point.theta)
    chart = in_chart(normalised(Field(field.mdp, field.rule, control=field.control, alpha=alpha)), "differences")
    seen = FunctionField(chart.__call__, chart.shape, vectorised=True, analytic=True)
    found = outcome(seen, np.full(seen.shape, 0.3), limit=2000.0)
    kinds = [point.type for point in rest_points(seen, 2 * rng.normal(size=(20, *seen.shape)))]
    return {**case, "alpha": alpha, "kind": found.kind, "period": found.period, "rest_points": kinds}


def step_kind(row: Row) -> str:
    """What one run did, from its spreads: "still", "rattling", "settling", "turning", "unclear".

    >>> [step_kind({"step": 0.01, "before": b, "last": x}) for b, x in ((1, 0), (1, 0.04), (1, 0.5), (1, 1), (1, 2))]
    ['still', 'rattling', 'settling', 'turning', 'unclear']
    """
    before, last = row["before"], row["last"]
    if not row.get("complete", True):
        return "unclear"
    if last <= 1e-6:
        return "still"
    if last <= 5 * row["step"]:
        return "rattling"
    if last <= 0.75 * before:
        return "settling"
    return "turning" if abs(last - before) <= 0.1 * before else "unclear"


def verdict(rows: list[Row]) -> str:
    """What an optimiser does for small steps: "rest", "cycle", "step artefact" or "undecided".

    >>> verdict([{"step": 0.02, "before": 0.92, "last": 0.92}, {"step": 0.01, "before": 0.45, "last": 0.45}])
    'step artefact'
    """
    if "kind" in rows[0]:
        return str(rows[0]["kind"])
    rows = sorted(rows, key=lambda row: -row["step"])
    kinds = [step_kind(row) for row in rows]
    if all(kind in ("still", "rattling", "settling") for kind in kinds):
        return "rest"
    if len(rows) < 2 or set(kinds) != {"turning"}:
        return "undecided"
    coarse, fine = rows[-2], rows[-1]
    shrink = (coarse["last"] - fine["last"]) / (coarse["step"] - fine["step"])
    return "cycle" if fine["last"] - shrink * fine["step"] > 0.5 * fine["last"] else "step artefact"


def summary(rows: list[Row]) -> Summary:
    """A row per field: what the flow does (plain, small steps) and what every optimiser makes of it."""
    table: list[dict[str, Any]] = []
    for mdp, rule in dict.fromkeys((row["mdp"], row["rule"]) for row in rows):
        mine = where(rows, mdp=mdp, rule=rule)
        names = dict.fromkeys(row["optimiser"] for row in mine)
        found = {name: verdict(where(mine, optimiser=name)) for name in names}
        rattles = [row["last"] / row["step"] for row in mine if "last" in row and step_kind(row) == "rattling"]
        table.append({"mdp": mdp, "rule": rule, **found, "widest_rattle": max(rattles, default=None)})
    keeps = [_same(row, "plain", name) for row in table for name in ("momentum 0.9", "clipping 0.1")]
    cycles = [row for row in table if row.get("plain") == "cycle"]
    broken = {
        name: [row["mdp"] for row in cycles if row.get(name) in ("rest", "step artefact")]
        for name in ("Adam", NORMALISED[0])
    }
    holds = False if False in keeps else None if None in keeps else all(broken.values())
    parts = [
        f"{name} makes {len(some)} of {len(cycles)} cycles rest ({', '.join(some)})" for name, some in broken.items()
    ]
    kept = f"momentum and clipping keep {keeps.count(True)} of {len(keeps)}"
    return Summary(table, "; ".join([kept, *parts]), holds)


def _same(row: dict[str, Any], one: str, other: str) -> bool | None:
    """Whether two optimisers end alike; None where either is undecided or missing."""
    found = {row.get(one), row.get(other)}
    return None if found & {None, "undecided"} else len(found) == 1
