"""One draw of a hunt, from random MDPs to a verified limit cycle: draw, rest, climb, simplify, and ask the flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dynamics.fields import Field, logits, slope
from dynamics.hunt.candidates import Draw, Hunt, draw, growth, resting, wandering
from dynamics.hunt.climbing import GOALS, climb
from dynamics.hunt.simplify import Numbers, arrays, bits, simplified, to_mdp
from dynamics.orbits import Outcome, outcome
from mdp import MDP, Array

SIZE = 2000  # candidates of one draw
LOOKED_AT = 60  # of those that repel, how many are watched
TRIED = 4  # versions of a find whose flow is asked before giving it up
LIMIT = 5000.0  # time of F within which a find has to show its cycle,
TURNS = 100.0  # or this many turns of the linear part at its rest point, where that is more


@dataclass(frozen=True, eq=False)
class Find:
    """An MDP whose flow, from beside its rest point, ends on an isolated cycle (`dynamics.orbits.outcomes`).

    `period` and `amplitude` (peak to peak, log-odds to action 0) are the cycle's, `multipliers` its Floquet
    multipliers; `from_zero` is what the flow from parameters 0 does; `bits` the size of the numbers; `growth` that of
    the rest point `x` (differences of logits).
    """

    mdp: MDP
    period: float
    amplitude: tuple[float, ...]
    multipliers: tuple[float, ...]
    from_zero: str
    bits: float
    growth: float
    x: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """The facts, without the MDP."""
        names = ("period", "amplitude", "multipliers", "from_zero", "bits", "growth", "x")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, eq=False)
class Report:
    """What one draw gave: how many candidates were drawn, rest, repel, and (of at most 60 looked at) wander; the
    largest `growth` among them; how many versions were followed up and left open; and the find, or None."""

    draw: int
    drawn: int
    rest_points: int
    repel: int
    looked_at: int
    wander: int
    growth: float
    undecided: int
    find: Find | None

    def to_json(self) -> dict[str, Any]:
        """As plain values; the find without its MDP."""
        names = ("draw", "drawn", "rest_points", "repel", "looked_at", "wander", "growth", "undecided")
        facts: dict[str, Any] = {name: getattr(self, name) for name in names}
        return facts | {"find": None if self.find is None else self.find.to_json()}


def run_draw(hunt: Hunt, k: int, *, size: int = SIZE, goal: str = "none") -> Report:
    """The k-th draw of `size` candidates, and what comes of it; the same for the same arguments.

    Rest points that repel are looked at (`wandering`); with a `goal` (see `dynamics.hunt.climbing.value`; "none": no
    climbing) those that wander, or if there are none all rest points, are climbed from. The best is simplified, and the
    flow of the simplest versions is asked. Raises ValueError for an unknown goal.

    >>> from dynamics.rules import get
    >>> run_draw(Hunt(get("on-policy"), 2, 2), 0).repel  # C3
    0
    """
    if goal != "none" and goal not in GOALS:
        raise ValueError(f"goal is {goal!r}; must be one of none, {', '.join(GOALS)}")
    there = resting(hunt, draw(hunt, k, size))
    share = growth(there)
    repel = np.flatnonzero(share > 1e-6)
    chosen = repel[np.argsort(np.abs(share[repel] - 0.1), kind="stable")][:LOOKED_AT]
    seen = _wanders(there.take(chosen))
    start = there.take(chosen[seen])
    best, top = start, float(share.max(initial=-1.0))
    if goal != "none" and len(there):
        rng = np.random.default_rng([hunt.seed, k, 1])
        climbed, wander = climb(hunt, start if len(start) else there, goal, rng)
        top = max(top, float(growth(climbed).max(initial=-1.0)))
        best = climbed.take(np.flatnonzero(wander))
    find, undecided = followed_up(hunt, best) if len(best) else (None, 0)
    return Report(k, size, len(there), len(repel), len(chosen), int(seen.sum()), top, undecided, find)


def _wanders(candidates: Draw) -> Array:
    if not len(candidates):
        return np.zeros(0, dtype=bool)
    with np.errstate(all="ignore"):
        return wandering(candidates)


def followed_up(hunt: Hunt, best: Draw) -> tuple[Find | None, int]:
    """The simplest version of the first candidate (else of the second, or third) whose flow ends on an isolated cycle,
    and how many flows were left undecided on the way."""
    undecided = 0
    for k in range(min(len(best), 3)):
        for held, x in simplified(hunt, best, k)[:TRIED]:
            field, found = verified(hunt, held, x)
            if found.kind == "cycle" and found.isolated:
                return _find(hunt, field, held, x, found), undecided
            undecided += found.kind == "undecided"
    return None, undecided


def verified(hunt: Hunt, held: Numbers, x: Array) -> tuple[Field, Outcome]:
    """The field of an MDP in rationals, and its outcome from 0.05 nats beside x (n,)."""
    field = Field(to_mdp(hunt, held), hunt.rule, control=hunt.control, alpha=hunt.alpha, reward=hunt.reward)
    tilt = np.where(np.arange(len(x)) % 2, -0.05, 0.05)
    return field, outcome(field, logits(x + tilt, field.shape), limit=_limit(hunt, held, x))


def _limit(hunt: Hunt, held: Numbers, x: Array) -> float:
    fastest = float(np.abs(np.linalg.eigvals(slope(arrays(hunt, [held]), x[None])[0]).imag).max())
    return max(LIMIT, min(TURNS * 2 * np.pi / max(fastest, 1e-9), 1e6))


def _find(hunt: Hunt, field: Field, held: Numbers, x: Array, found: Outcome) -> Find:
    orbit = found.orbit
    zero = outcome(field, np.zeros(field.shape), limit=_limit(hunt, held, x))
    there = Draw(arrays(hunt, [held]), x[None])
    return Find(
        mdp=field.mdp,
        period=float(found.period or 0.0),
        amplitude=tuple(float(v) for v in np.ravel(found.evidence["amplitude_log_odds"])),
        multipliers=() if orbit is None else tuple(float(abs(m)) for m in orbit.multipliers),
        from_zero=zero.kind,
        bits=bits(held),
        growth=float(growth(there)[0]),
        x=tuple(float(v) for v in x),
    )
