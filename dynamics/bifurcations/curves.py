"""The data of a bifurcation diagram: curves of rest points and of cycles, where they are stable, and how they end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dynamics.bifurcations.continuation import Branch
from dynamics.bifurcations.hopf import HopfPoint
from dynamics.fields import ChartField, VectorField, reduced
from dynamics.orbits import Orbit
from mdp import Array


@dataclass(frozen=True, eq=False)
class RestCurve:
    """A curve of rest points, and its Hopf points with their normal forms."""

    branch: Branch
    hopf: tuple[HopfPoint, ...]


@dataclass(frozen=True, eq=False)
class CycleCurve:
    """A curve of cycles from one end to the other.

    `parameter` (n,), `orbits`, `stable` (n,), `folds` (rows where it turns back in the parameter), and `ends`, why it
    ends at its first and its last row, in words: "supercritical Hopf point at 0.98", "end of the interval", ...
    `limits` are the parameters it goes to there, which at a Hopf point lie a little beyond the smallest orbit.
    """

    parameter: Array
    orbits: tuple[Orbit, ...]
    stable: Array
    folds: tuple[int, ...]
    ends: tuple[str, str]
    limits: tuple[float, float]

    @property
    def stable_intervals(self) -> tuple[tuple[float, float, str, str], ...]:
        """The intervals of the parameter along which the cycle is stable: low, high, and how each of them ends."""
        found = []
        edges = np.flatnonzero(np.diff(np.concatenate([[False], self.stable, [False]]).astype(int)))
        for first, after in zip(edges[::2], edges[1::2], strict=True):
            rows = self.parameter[first:after]
            ways = [self._edge(first, -1), self._edge(after - 1, 1)]
            places = [self._place(first, -1), self._place(after - 1, 1)]
            low, high = (0, 1) if places[0] <= places[1] else (1, 0)
            ends = float(min(places[low], rows.min())), float(max(places[high], rows.max()))
            found.append((*ends, ways[low], ways[high]))
        return tuple(found)

    def _beside(self, row: int, step: int) -> int | None:
        """The fold at a row where the stability changes, or next to it."""
        near = [k for k in (row, row + step) if k in self.folds]
        return near[0] if near else None

    def _edge(self, row: int, step: int) -> str:
        if row + step in (-1, len(self.parameter)):
            return self.ends[0 if step < 0 else 1]
        k = self._beside(row, step)
        if k is not None:
            return f"fold of cycles at {self.parameter[k]:.8g}"
        return f"a multiplier leaves the unit circle by {self.parameter[row + step]:.8g}"

    def _place(self, row: int, step: int) -> float:
        if row + step in (-1, len(self.parameter)):
            return self.limits[0 if step < 0 else 1]
        k = self._beside(row, step)
        return float(self.parameter[row if k is None else k])


@dataclass(frozen=True, eq=False)
class Diagram:
    """Curves of rest points and of cycles of a family over `interval`; `name` is the parameter's name.

    `complete` is False when the search was interrupted, and `searched` says what was done.
    """

    name: str
    interval: tuple[float, float]
    rests: tuple[RestCurve, ...]
    cycles: tuple[CycleCurve, ...]
    complete: bool
    searched: str
    field: VectorField

    @property
    def hopf(self) -> tuple[HopfPoint, ...]:
        """All Hopf points, by their parameter."""
        return tuple(sorted((p for curve in self.rests for p in curve.hopf), key=lambda p: p.parameter))

    def to_json(self) -> dict[str, Any]:
        """The object of the command's JSON."""
        return {
            "parameter": self.name,
            "interval": list(self.interval),
            "complete": self.complete,
            "searched": self.searched,
            "rest_points": [_rest_json(curve) for curve in self.rests],
            "cycles": [_cycle_json(curve) for curve in self.cycles],
        }


def _rest_json(curve: RestCurve) -> dict[str, Any]:
    branch = curve.branch
    return {
        "parameter": branch.parameter,
        "theta": branch.theta,
        "eigenvalues": branch.eigenvalues,
        "stable": branch.stable,
        "folds": [branch.parameter[k] for k in branch.folds],
        "hopf": [
            {
                "parameter": p.parameter,
                "theta": p.theta,
                "omega": p.omega,
                "l1": p.l1,
                "kind": p.kind,
                "speed": p.speed,
                "side": p.side,
            }
            for p in curve.hopf
        ],
        "end": branch.end,
    }


def _cycle_json(curve: CycleCurve) -> dict[str, Any]:
    return {
        "parameter": curve.parameter,
        "period": [orbit.period for orbit in curve.orbits],
        "amplitude": [orbit.amplitude for orbit in curve.orbits],
        "multipliers": [orbit.multipliers.astype(complex) for orbit in curve.orbits],
        "stable": curve.stable,
        "folds": [curve.parameter[k] for k in curve.folds],
        "ends": list(curve.ends),
        "stable_intervals": [
            {"from": low, "to": high, "lower_end": below, "upper_end": above}
            for low, high, below, above in curve.stable_intervals
        ],
    }


def moving(drawn: Diagram) -> int:
    """The flat coordinate of the reduced chart that moves most: on the cycles, else along the rest points."""
    ranges = [np.ptp(flat_orbit(drawn, orbit), axis=0) for curve in drawn.cycles for orbit in curve.orbits]
    if not ranges:
        ranges = [np.ptp(flat(drawn, curve.branch.theta), axis=0) for curve in drawn.rests]
    return int(np.argmax(np.max(ranges, axis=0))) if ranges else 0


def flat(drawn: Diagram, theta: Array) -> Array:
    """Parameters (n, *shape) as rows (n, m) of the reduced chart."""
    seen = reduced(drawn.field)
    moved = seen.from_parameters(theta) if isinstance(seen, ChartField) else theta
    return np.asarray(moved).reshape(len(theta), -1)


def flat_orbit(drawn: Diagram, orbit: Orbit) -> Array:
    """An orbit's points (n, m) in the reduced chart."""
    return flat(drawn, orbit.theta)
