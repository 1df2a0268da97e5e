"""A critic that learns with the student: what its rate does to rest points and cycles (exact dynamics).

Claim: with the fastest critic tried (rate 10⁴) every rest point has the stability it has with an exact critic, and a
slow critic changes the stability of at least one.

The joint field is `dynamics.learners.critic.joint` with one-step TD errors: theta' = E[actor], V' = rate · E[TD
errors]. Its rest points are those of the exact field with V = V_theta, whatever the rate; so all there is to ask is
stability, read off the eigenvalues of the joint Jacobian, and the rates at which it changes.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq

from dynamics.experiments.summary import Row, Summary
from dynamics.fields import Field
from dynamics.learners import joint, joint_point
from dynamics.orbits import rest_points
from mdp import zoo

FIELDS = (
    ("swirl", "reverse-kl"),
    ("corridor-cycle", "on-policy"),
    ("aliased-cycle", "on-policy"),
    ("swirl", "reverse-kl-corrected"),
    ("swirl", "on-policy"),
    ("corridor-cycle", "n-distill"),
    ("aliased-cycle", "n-distill"),
    ("chain", "on-policy"),
)
RATES = tuple(10.0 ** (k / 2) for k in range(-4, 9))


def growth(field: Field, theta: np.ndarray, rate: float) -> tuple[float, float]:
    """The largest real part of the joint Jacobian's eigenvalues at theta and its critic, and that one's |imaginary|."""
    values = np.linalg.eigvals(joint(field, "td0", rate).jacobian(joint_point(field, theta)))
    leading = values[np.argmax(values.real)]
    return float(leading.real), float(abs(leading.imag))


def cases(full: bool) -> list[Row]:
    """A case per field (+R) of the zoo; `full` seeks rest points from more starts."""
    return [{"experiment": "critics", "mdp": m, "rule": r, "starts": 40 if full else 10, "seed": 0} for m, r in FIELDS]


def run(case: Row) -> list[Row]:
    """A row per rest point and rate with the joint growth rate, and per change of stability with the rate it is at.

    >>> rows = run({"mdp": "chain", "rule": "on-policy", "starts": 3, "seed": 0})
    >>> {row["stable"] for row in rows}
    {True}
    """
    field = Field(zoo.load(case["mdp"]), case["rule"], reward=True)
    starts = 2 * np.random.default_rng(case["seed"]).normal(size=(case["starts"], *field.shape))
    rows: list[Row] = []
    for k, point in enumerate(rest_points(field, starts)):
        own = float(point.eigenvalues.real.max())
        place = {**case, "point": k, "type": point.type, "exact": own}
        found = [growth(field, point.theta, rate) for rate in RATES]
        rows += [
            {**place, "rate": rate, "growth": real, "turning": turn, "stable": real < 0, "change": False}
            for rate, (real, turn) in zip(RATES, found, strict=True)
        ]
        for (low, before), (high, after) in zip(
            zip(RATES, found, strict=True), list(zip(RATES, found, strict=True))[1:], strict=False
        ):
            if before[0] * after[0] < 0:
                at = float(brentq(lambda rate, x=point.theta: growth(field, x, rate)[0], low, high, rtol=1e-10))
                turn = growth(field, point.theta, at)[1]
                rows.append({**place, "rate": at, "growth": 0.0, "turning": turn, "stable": None, "change": True})
    return rows


def summary(rows: list[Row]) -> Summary:
    """Per rest point: its growth with an exact, the slowest and the fastest critic, and where stability changes."""
    groups: dict[tuple[str, str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["mdp"], row["rule"], row["point"]), []).append(row)
    table = []
    for (mdp, rule, _), some in groups.items():
        grid = sorted((row for row in some if not row["change"]), key=lambda row: row["rate"])
        changes = [row for row in some if row["change"]]
        table.append(
            {
                "mdp": mdp,
                "rule": rule,
                "type": some[0]["type"],
                "exact": some[0]["exact"],
                "slowest": grid[0]["growth"],
                "fastest": grid[-1]["growth"],
                "changes_at": [row["rate"] for row in changes],
                "hopf": [row["turning"] > 0 for row in changes],
            }
        )
    agrees = all((row["fastest"] < 0) == (row["exact"] < 0) for row in table)
    changing = [row for row in table if row["changes_at"]]
    parts = [
        f"{row['rule']} + R on {row['mdp']}: {'a Hopf point' if row['hopf'][0] else 'a change'} at rate "
        f"{row['changes_at'][0]:.4g}"
        for row in changing
    ]
    finding = f"stability with the fastest critic is the exact one in {len(table)} of {len(table)} rest points"
    if not agrees:
        finding = "some rest point has another stability with the fastest critic than with an exact one"
    return Summary(table, "; ".join([finding, *parts]), agrees and bool(changing))
