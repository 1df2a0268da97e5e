"""What a family's rest points and cycles do along its parameter: the search for a bifurcation diagram.

Rest points are looked for at both ends of an interval and in its middle (`dynamics.orbits.limit_sets`), and each is
followed (`dynamics.bifurcations.continuation`) as far as it goes; cycles start from the orbits found there and from the
Hopf points (`dynamics.bifurcations.hopf`), and are followed round their folds (`dynamics.bifurcations.cycle_branches`).
A curve that was met before is not followed again. Numerical: what the searches at the three places and the Hopf points
do not lead to is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dynamics.bifurcations.continuation import Branch, rest_branch
from dynamics.bifurcations.curves import CycleCurve, Diagram, RestCurve
from dynamics.bifurcations.cycle_branches import CycleBranch, cycle_branch
from dynamics.bifurcations.hopf import HopfPoint, hopf_points, orbit_near
from dynamics.fields import Family, reduced, to_reduced
from dynamics.motion import Progress
from dynamics.orbits import Inventory, Orbit, distance, inventory, rest_point, shoot
from mdp import Array

BORN = 1e-3  # how far from a Hopf point the first orbit is looked for, as shares of the interval: this, less, more
OFFSETS = (1.0, 0.2, 5.0, 0.04, 0.008)
TURNS = 6  # how often a curve that comes back to where it started from is followed on
SAME = 1e-5  # orbits of a field with periods this close, relatively, are one
NEAR_HOPF = (
    0.02  # a curve of cycles whose amplitude vanishes this near a Hopf point (share of the interval) is born there
)


def diagram(
    family: Family,
    start: float,
    stop: float,
    *,
    name: str = "parameter",
    n_starts: int = 6,
    seed: int = 0,
    largest: float = 0.5,
    known: Sequence[tuple[float, Inventory]] | None = None,
    progress: Progress | None = None,
) -> Diagram:
    """The curves of rest points and of cycles of `family` for parameters in [start, stop].

    `n_starts` and `seed` go to `dynamics.orbits.limit_sets.inventory` at start, the middle and stop; `known`, the rest
    points and orbits at some parameters, takes its place. `largest` is the longest step along a curve of cycles. Ctrl-C
    returns what is there, with `complete=False`.
    Raises ValueError unless start < stop, and what the family raises at a parameter it does not take.

    >>> from vorticity import FunctionField
    >>> fold = lambda a: FunctionField(lambda x: a + x**2, (1,))
    >>> known = Inventory((rest_point(fold(-1.0), [-1.0]), rest_point(fold(-1.0), [1.0])), (), None, "")
    >>> drawn = diagram(fold, -1.0, 0.5, known=[(-1.0, known)])
    >>> branch = drawn.rests[0].branch
    >>> [abs(round(float(branch.parameter[k]), 9)) for k in branch.folds], len(drawn.rests)
    ([0.0], 1)
    """
    if not (np.isfinite([start, stop]).all() and start < stop):
        raise ValueError(f"the parameter goes from {start} to {stop}; must be two finite numbers, the smaller first")
    search = _Search(family, float(start), float(stop), largest)
    middle = (search.start + search.stop) / 2
    places = [search.start, middle, search.stop] if known is None else [place for place, _ in known]
    note = ""
    try:
        for share in search.run(_seeds(family, places, known, n_starts, seed), len(places)):
            if progress is not None:
                progress(share)
    except KeyboardInterrupt:
        note = "; interrupted: not all curves are there"
    searched = f"rest points and cycles at {', '.join(f'{p:.6g}' for p in places)} and the Hopf points between"
    return Diagram(
        name,
        (search.start, search.stop),
        tuple(search.rests),
        tuple(search.cycles),
        not note,
        searched + note,
        family(search.start),
    )


def _seeds(
    family: Family, places: list[float], known: Sequence[tuple[float, Inventory]] | None, n_starts: int, seed: int
) -> Iterator[tuple[float, Inventory]]:
    if known is not None:
        yield from known
        return
    for place in places:
        yield place, inventory(family(place), n_starts=n_starts, seed=seed)


@dataclass(eq=False)
class _Search:
    """The curves found so far."""

    family: Family
    start: float
    stop: float
    largest: float

    def __post_init__(self) -> None:
        self.rests: list[RestCurve] = []
        self.cycles: list[CycleCurve] = []

    def run(self, seeds: Iterable[tuple[float, Inventory]], count: int) -> Iterator[float]:
        """Do all there is to do; yields the share that is done, roughly."""
        found = []
        for place, held in seeds:
            found.append((place, held))
            yield 0.3 * len(found) / count
        for place, held in found:
            for point in held.rest_points:
                self.follow_rest(place, point.theta)
        yield 0.4
        orbits = [(place, orbit) for place, held in found for orbit in held.orbits]
        total = max(len(orbits) + sum(len(curve.hopf) for curve in self.rests), 1)
        for k, (place, orbit) in enumerate(orbits):
            self.follow_cycle(place, orbit)
            yield 0.4 + 0.6 * (k + 1) / total
        for k, born in enumerate(p for curve in self.rests for p in curve.hopf):
            if not self.born(born):
                for place, orbit in self.first_orbits(born):
                    self.follow_cycle(place, orbit)
            yield 0.4 + 0.6 * (len(orbits) + k + 1) / total

    def follow_rest(self, place: float, theta: Array) -> None:
        """The curves through a rest point, to both ends of the interval, unless it lies on one that is there."""
        if any(self.on_rest_curve(curve.branch, place, theta) for curve in self.rests):
            return
        for end in (self.start, self.stop):
            if end == place:
                continue
            at = theta
            for _ in range(TURNS):  # a curve that comes back to `place` goes on to the other end
                branch = rest_branch(self.family, at, place, end)
                self.rests.append(RestCurve(branch, hopf_points(self.family, branch)))
                at, end = branch.theta[-1], self.other(end)
                if branch.end != "start" or place in (self.start, self.stop):
                    break
                if self.equal(place, at, theta):
                    return  # a closed curve

    def equal(self, place: float, one: Array, other: Array) -> bool:
        """Whether two rest points at a parameter are one."""
        seen = reduced(self.family(place))
        return np.allclose(to_reduced(seen, one), to_reduced(seen, other), atol=1e-6)

    def on_rest_curve(self, branch: Branch, place: float, theta: Array) -> bool:
        """Whether a curve of rest points passes through theta at a parameter."""
        for k, share in _crossings(branch.parameter, place):
            guess = branch.theta[k] if not share else (1 - share) * branch.theta[k] + share * branch.theta[k + 1]
            point = rest_point(self.family(place), guess)
            if point is not None and self.equal(place, point.theta, theta):
                return True
        return False

    def other(self, end: float) -> float:
        """The other end of the interval."""
        return self.stop if end == self.start else self.start

    def follow_cycle(self, place: float, orbit: Orbit) -> None:
        """The curve through an orbit, both ways, unless it lies on one that is there."""
        if any(_on_cycle_curve(self.family, curve, place, orbit) for curve in self.cycles):
            return
        halves = []
        for end in (self.start, self.stop):
            if end == place:
                continue
            halves.append([cycle_branch(self.family, orbit, place, end, largest=self.largest)])
            for _ in range(TURNS - 1):  # a curve that comes back to `place` goes on to the other end
                last = halves[-1][-1]
                if last.end != "start" or place in (self.start, self.stop) or _same(last.orbits[-1], orbit):
                    break
                end = self.other(end)
                halves[-1].append(cycle_branch(self.family, last.orbits[-1], place, end, largest=self.largest))
            if halves[-1][-1].end == "start" and _same(halves[-1][-1].orbits[-1], orbit):  # a closed curve
                halves = halves[-1:]
                break
        self.cycles.append(self.joined(halves))

    def joined(self, halves: list[list[CycleBranch]]) -> CycleCurve:
        """One or two halves that begin at the same orbit, each of one piece or more, as a curve from end to end."""
        last = _chained(halves[-1])
        ending, limit = self.ending(halves[-1][-1])
        if len(halves) == 1:
            closed = halves[0][-1].end == "start"
            first_end = (ending, limit) if closed else ("end of the interval", float(last.parameter[0]))
            return replace(last, ends=(first_end[0], ending), limits=(first_end[1], limit))
        first = _chained(halves[0])
        begin, from_limit = self.ending(halves[0][-1])
        n = len(first.orbits)
        return CycleCurve(
            np.concatenate([first.parameter[::-1], last.parameter[1:]]),
            (*first.orbits[::-1], *last.orbits[1:]),
            np.concatenate([first.stable[::-1], last.stable[1:]]),
            (*(n - 1 - k for k in first.folds[::-1]), *(n - 1 + k for k in last.folds)),
            (begin, ending),
            (from_limit, limit),
        )

    def ending(self, half: CycleBranch) -> tuple[str, float]:
        """Why half a curve ends, in words, and the parameter that it goes to."""
        if half.end == "hopf" and half.hopf_parameter is not None:
            at, room = half.hopf_parameter, NEAR_HOPF * (self.stop - self.start)
            near = min((p for c in self.rests for p in c.hopf), key=lambda p: abs(p.parameter - at), default=None)
            if near is not None and abs(near.parameter - at) < room:
                return f"{near.kind} Hopf point at {near.parameter:.8g}", near.parameter
            return f"its amplitude goes to 0 at {at:.8g}", at
        at = float(half.parameter[-1])
        if half.end in ("start", "stop"):
            return "end of the interval" if at in (self.start, self.stop) else f"followed back to {at:.8g}", at
        if half.end == "long period":
            return f"its period grows beyond {half.period[-1]:.4g} at {at:.8g}", at
        return f"not followed further than {at:.8g}", at

    def born(self, point: HopfPoint) -> bool:
        """Whether a curve that is there begins at a Hopf point."""
        return any(f"Hopf point at {point.parameter:.8g}" in end for curve in self.cycles for end in curve.ends)

    def first_orbits(self, point: HopfPoint) -> Iterator[tuple[float, Orbit]]:
        """The small orbit beside a Hopf point, where shooting finds it."""
        for share in OFFSETS if point.side else ():
            place = point.parameter + point.side * share * BORN * (self.stop - self.start)
            if self.start < place < self.stop:
                orbit = orbit_near(self.family, point, place - point.parameter)
                if orbit is not None:
                    yield place, orbit
                    return


def _same(one: Orbit, other: Orbit) -> bool:
    """Whether two orbits of the same field are one: by their periods, and by how far apart they are."""
    path = one.theta.reshape(len(one.theta), -1)
    apart = distance(path, other.theta[:1].reshape(1, -1))[0]
    return abs(one.period - other.period) < SAME * other.period and bool(apart < 1e-3 * np.ptp(path, axis=0).max())


def _chained(pieces: list[CycleBranch]) -> CycleCurve:
    """Pieces of a curve that follow one another; each begins with the orbit with which the last one ends."""
    skip = [int(k > 0) for k in range(len(pieces))]
    before = np.cumsum([0, *(len(piece.orbits) - s for piece, s in zip(pieces, skip, strict=True))])
    return CycleCurve(
        np.concatenate([piece.parameter[s:] for piece, s in zip(pieces, skip, strict=True)]),
        tuple(orbit for piece, s in zip(pieces, skip, strict=True) for orbit in piece.orbits[s:]),
        np.concatenate([piece.stable[s:] for piece, s in zip(pieces, skip, strict=True)]),
        tuple(
            int(row - s + start)
            for piece, s, start in zip(pieces, skip, before[:-1], strict=True)
            for row in piece.folds
        ),
        ("", ""),
        (np.nan, np.nan),
    )


def _crossings(parameter: Array, place: float) -> list[tuple[int, float]]:
    """Rows k and shares s with parameter[k] + s (parameter[k + 1] − parameter[k]) = place."""
    ahead = parameter - place
    found = [(int(k), 0.0) for k in np.flatnonzero(ahead == 0)]
    for k in np.flatnonzero(ahead[:-1] * ahead[1:] < 0):
        found.append((int(k), float(ahead[k] / (ahead[k] - ahead[k + 1]))))
    return found


def _on_cycle_curve(family: Family, curve: CycleCurve, place: float, orbit: Orbit) -> bool:
    for k, share in _crossings(curve.parameter, place):
        a, b = curve.orbits[k], curve.orbits[min(k + 1, len(curve.orbits) - 1)]
        near = a if share < 0.5 else b
        period = (1 - share) * a.period + share * b.period
        there = shoot(family(place), near.theta[0], period)
        if there is not None and _same(there, orbit):
            return True
    return False
