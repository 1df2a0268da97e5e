"""What the experiments share: a summary, intervals, and rows picked by their keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import beta
from scipy.stats import t as student_t

Row = dict[str, Any]


@dataclass(frozen=True)
class Summary:
    """An experiment's result: `table` (plain rows), `finding` in words, whether the claim `holds` (None: undecided)."""

    table: list[Row]
    finding: str
    holds: bool | None


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def interval(values: ArrayLike, chance: float = 0.05) -> Interval:
    """The mean of independent values and its interval `mean ± t sd / √n`, by Student's t with n − 1 degrees of freedom.

    One value has no interval: its ends are −inf and inf. Raises ValueError for no values.

    >>> str(interval([1.0, 2.0, 3.0]))
    '2.000 [-0.484, 4.484]'
    """
    x = np.asarray(values, dtype=float)
    if x.ndim != 1 or not len(x):
        raise ValueError(f"values have shape {x.shape}; must be a list of at least one")
    if len(x) == 1:
        return Interval(float(x[0]), -np.inf, np.inf)
    half = float(student_t.isf(chance / 2, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)))
    return Interval(float(x.mean()), float(x.mean()) - half, float(x.mean()) + half)


@dataclass
class Running:
    """Mean and spread of values that pass by (Welford, Technometrics 4, 1962): `n`, `mean`, and Σ (x − mean)².

    >>> running = Running()
    >>> for x in (1.0, 2.0, 3.0):
    ...     running.add(x)
    >>> str(running.interval())
    '2.000 [-0.484, 4.484]'
    """

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, x: float) -> None:
        """One more value."""
        self.n += 1
        gap = x - self.mean
        self.mean += gap / self.n
        self.squares += gap * (x - self.mean)

    def interval(self, chance: float = 0.05) -> Interval:
        """As `interval` of the values so far. Raises ValueError where there are none."""
        if self.n < 2:
            return interval([self.mean] * self.n, chance)
        half = float(student_t.isf(chance / 2, self.n - 1) * np.sqrt(self.squares / (self.n - 1) / self.n))
        return Interval(self.mean, self.mean - half, self.mean + half)


def share_interval(hits: int, n: int, chance: float = 0.05) -> tuple[float, float]:
    """The exact 95 % interval of a share, hits of n (Clopper and Pearson, Biometrika 26, 1934).

    >>> [round(x, 4) for x in share_interval(0, 10)]
    [0.0, 0.3085]
    """
    low: Any = 0.0 if hits == 0 else beta.ppf(chance / 2, hits, n - hits + 1)
    high: Any = 1.0 if hits == n else beta.isf(chance / 2, hits + 1, n - hits)
    return float(low), float(high)


def where(rows: Iterable[Row], **keys: Any) -> list[Row]:
    """The rows that have these values.

    >>> where([{"a": 1}, {"a": 2}], a=2)
    [{'a': 2}]
    """
    return [row for row in rows if all(row.get(key) == value for key, value in keys.items())]


def levels(rows: Sequence[Row], key: str) -> list[Any]:
    """The different values of a key, in their order of appearance."""
    return list(dict.fromkeys(row[key] for row in rows))


def groups(rows: Iterable[Row], *keys: str) -> dict[Any, list[Row]]:
    """The rows by the value of a key (by the tuple of values of several), in their order of appearance.

    >>> groups([{"a": 1, "b": 2}, {"a": 3, "b": 4}], "a")
    {1: [{'a': 1, 'b': 2}], 3: [{'a': 3, 'b': 4}]}
    """
    found: dict[Any, list[Row]] = {}
    for row in rows:
        values = tuple(row[key] for key in keys)
        found.setdefault(values if len(keys) > 1 else values[0], []).append(row)
    return found
