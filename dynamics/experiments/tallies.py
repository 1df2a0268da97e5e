"""Outcomes over many MDPs, rules and parameters: one case's row, and running tallies of any number of rows.

A row is what `dynamics.choice.comparison.side` says, flat. A tally holds a fixed few numbers a group, however many rows
it has seen. Shares and means are over *worlds*: starts on one MDP are no independent draws, so a world counts once; it
cycles when one of its starts does, and its return is the mean over its starts. Intervals are 95 %: exact
(Clopper-Pearson) for shares, Student's t for means. They say what another draw of MDPs would bring, and nothing where
MDPs were picked.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dynamics.choice import side
from dynamics.experiments.summary import Interval, Row, Running, share_interval
from dynamics.fields import Field
from dynamics.orbits import KINDS

REFUSED = "refused"  # the cell does not exist: a rule that needs a teacher, and there is none
FAILED = "failed"  # the numbers gave up
ALL_KINDS = (*KINDS, REFUSED, FAILED)
MEASURED = (
    "outcome",
    "period",
    "isolated",
    "amplitude",
    "amplitude_largest",
    "return",
    "kl_teacher_states",
    "kl_student_states",
    "settled_by",
    "gradient",
    "asymmetry_mean",
    "asymmetry_largest",
    "reason",
)
STEP = 0.002  # the width of a median's bins, in the logarithm
LEAST = 1e-9


def measure(field: Field, theta0: ArrayLike, **options: Any) -> Row:
    """One case: the columns `MEASURED`. `amplitude` (peak to peak, in logits, *shape) is None unless it cycles.

    `reason` says why an outcome is undecided or failed. `options` go to `dynamics.orbits.outcomes.outcome`.

    >>> from mdp import zoo
    >>> row = measure(Field(zoo.load("swirl"), "reverse-kl-corrected", reward=True), np.zeros((2, 2)))
    >>> row["outcome"], round(row["settled_by"], 1)
    ('rest', 200.0)
    """
    try:
        found = side(field, theta0, **options).to_json()
    except (ValueError, ArithmeticError) as error:
        return nothing(FAILED, str(error))
    ended = found["outcome"]
    cycles = ended["kind"] == "cycle"
    return nothing(ended["kind"], ended["evidence"].get("note") if ended["kind"] == "undecided" else None) | {
        "period": ended["period"],
        "isolated": ended["isolated"],
        "amplitude": ended["amplitude"] if cycles else None,
        "amplitude_largest": float(np.max(ended["amplitude"])),
        **{key: found[key] for key in MEASURED if key in found and key != "outcome"},
    }


def nothing(kind: str, reason: str | None) -> Row:
    """The row of a case without numbers.

    >>> nothing(REFUSED, "no teacher")["outcome"]
    'refused'
    """
    return dict.fromkeys(MEASURED) | {"outcome": kind, "reason": reason}


@dataclass
class Median:
    """A running median to a thousandth, in a fixed room: counts of bins of width STEP in log x; up to LEAST is 0.

    >>> median = Median()
    >>> for x in (1.0, 5.0, 100.0):
    ...     median.add(x)
    >>> f"{median.value():.3g}"
    '5'
    """

    bins: Counter[int] = field(default_factory=Counter)

    def add(self, x: float) -> None:
        """Count x, which is at least 0."""
        self.bins[round(math.log(max(x, LEAST)) / STEP)] += 1

    def value(self) -> float | None:
        """The (lower) median, None of nothing."""
        left = (self.bins.total() + 1) // 2
        for place in sorted(self.bins):
            left -= self.bins[place]
            if left <= 0:
                return math.exp(place * STEP) if place > round(math.log(LEAST) / STEP) else 0.0
        return None


@dataclass
class Tally:
    """What one group of rows did, counted as they pass. The rows of one world must follow one another."""

    kinds: Counter[str] = field(default_factory=Counter)
    worlds: int = 0
    cycling: int = 0
    returns: Running = field(default_factory=Running)
    settled: Median = field(default_factory=Median)
    _world: Hashable = None
    _ran: bool = False
    _cycles: bool = False
    _here: Running = field(default_factory=Running)

    def add(self, row: Row, world: Hashable) -> None:
        """Count a row of `measure` on this world."""
        if world != self._world:
            self._close()
            self._world = world
        kind = row["outcome"]
        self.kinds[kind] += 1
        self._ran |= kind not in (REFUSED, FAILED)
        self._cycles |= kind == "cycle"
        if row["return"] is not None:
            self._here.add(row["return"])
        if kind == "rest" and row["settled_by"] is not None:
            self.settled.add(row["settled_by"])

    def _close(self) -> None:
        """The world is over: it counts once."""
        self.worlds += self._ran
        self.cycling += self._cycles
        if self._here.n:
            self.returns.add(self._here.mean)
        self._ran = self._cycles = False
        self._here = Running()

    def line(self) -> Row:
        """The group's line of the table; bounds of intervals that do not exist are None."""
        self._close()
        low, high = share_interval(self.cycling, self.worlds) if self.worlds else (None, None)
        mean: Interval | None = self.returns.interval() if self.returns.n else None
        return {
            "cases": self.kinds.total(),
            "worlds": self.worlds,
            **{kind: self.kinds[kind] for kind in ALL_KINDS},
            "cycling": self.cycling,
            "share": self.cycling / self.worlds if self.worlds else None,
            "share_low": low,
            "share_high": high,
            "return": None if mean is None else mean.mean,
            "return_low": None if mean is None or self.returns.n < 2 else mean.low,
            "return_high": None if mean is None or self.returns.n < 2 else mean.high,
            "settled_by": self.settled.value(),
        }


def pooled(lines: Iterable[Row], keys: tuple[str, ...]) -> list[Row]:
    """Lines of a table added up over every axis but `keys`: counts and the share that cycles, no interval.

    >>> lines = [{"rule": "er", "alpha": a, "cases": 1, "worlds": 1, "cycling": 1, **dict.fromkeys(ALL_KINDS, 0)}
    ...          for a in "12"]
    >>> [(line["rule"], line["worlds"], line["share"]) for line in pooled(lines, ("rule",))]
    [('er', 2, 1.0)]
    """
    found: dict[tuple[Any, ...], Counter[str]] = {}
    for line in lines:
        counts = found.setdefault(tuple(line[key] for key in keys), Counter())
        counts.update({name: line[name] for name in ("cases", "worlds", "cycling", *ALL_KINDS)})
    return [
        dict(zip(keys, group, strict=True))
        | dict(counts)
        | {"share": counts["cycling"] / counts["worlds"] if counts["worlds"] else None}
        for group, counts in found.items()
    ]
