"""Which starts of a plane go where: the basins of attraction, and "undecided" where that could not be told.

A start is followed (all at once, by `dynamics.motion.flows.ensemble`) until there is evidence of its own where it ends,
of the kinds that `dynamics.orbits.outcomes` accepts:

* rest: it is within an ellipsoid round a stable rest point in which a quadratic Lyapunov function falls at every
  sampled point;
* cycle: it is near a stable periodic orbit, much nearer than to any other, and two turns of the orbit bring it closer
  each time; or, in the plane, it lies in a ring whose return map points at the orbit (or the rest point) throughout
  (`dynamics.orbits.annulus`);
* boundary: actions die out for good, by `dynamics.orbits.outcomes.boundary` on its own path;
* diverged: it left every bound.

A start for which the time is up first is undecided, whatever its neighbours do. Some of those are given to
`dynamics.orbits.outcomes.outcome`, which may find an attractor that was not known; then the others are looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dynamics.fields import Field, VectorField, to_parameters, to_reduced
from dynamics.motion import Progress, ensemble, pass_on_interrupt
from dynamics.orbits import (
    ESCAPED,
    EXTINCT,
    Annulus,
    AttractingEllipsoid,
    Inventory,
    Limits,
    Orbit,
    Outcome,
    RestPoint,
    Run,
    annuli,
    attracting_ellipsoid,
    boundary,
    checked_limits,
    distance,
    inventory,
    outcome,
    rest_point,
)
from dynamics.portraits.plane import View
from mdp import Array

UNDECIDED = 0  # the label of a start of which nothing is known
CLOSE = 0.05  # a share of an orbit's size: nearer than this, two turns of the orbit are looked at
GLANCES = 8  # times in every doubling of time at which states are kept
ROUNDS = 3  # how many undecided starts are asked, one after another, for an attractor that is not known


@dataclass(frozen=True, eq=False)
class Attractor:
    """Where starts go: `kind` is "rest", "cycle", "boundary" or "diverged", `name` says it in words."""

    kind: str
    name: str
    rest: RestPoint | None = None
    orbit: Orbit | None = None


@dataclass(frozen=True, eq=False)
class Basins:
    """Basins in a plane: the starts' coordinates `x` (n,) and `y` (m,), and `label` (m, n), which says where each goes.

    A label k > 0 is `attractors[k − 1]`; 0 (`UNDECIDED`) is a start of which it could not be told, NaN's place outside
    of the simplex included. `plane` is the plane; `found` what was known of the field, `time` how long starts were
    followed (the time of F).
    """

    x: Array
    y: Array
    label: Array
    attractors: tuple[Attractor, ...]
    plane: View
    found: Inventory
    time: float

    @property
    def undecided(self) -> int:
        """The number of starts that are undecided."""
        return int((self.label == UNDECIDED).sum())

    @property
    def shares(self) -> tuple[float, ...]:
        """The share of the starts that goes to each attractor."""
        return tuple(float((self.label == k + 1).mean()) for k in range(len(self.attractors)))


def basins(
    plane: View,
    xlim: Limits,
    ylim: Limits,
    n: int = 60,
    *,
    found: Inventory | None = None,
    time: float = 400.0,
    rtol: float = 1e-7,
    progress: Progress | None = None,
) -> Basins:
    """The basins of the field of `plane` (`dynamics.portraits.view`), from the centres of n x n cells of a window.

    `found` is what is known of the field (default: `dynamics.orbits.limit_sets.inventory`). Starts are followed for
    `time` at most, twice where an attractor is discovered late. Ctrl-C leaves what is not decided yet undecided.
    Raises ValueError for an empty window, fewer than 2 cells, or a time that is not positive and finite.

    >>> from dynamics.portraits.plane import view
    >>> from vorticity import FunctionField
    >>> wells = FunctionField(lambda x: np.stack([x[..., 0] - x[..., 0]**3, -x[..., 1]], -1), (2,), vectorised=True)
    >>> known = Inventory(tuple(rest_point(wells, [a, 0.0]) for a in (-1.0, 0.0, 1.0)), (), None, "")
    >>> seen = basins(view(wells), (-2, 2), (-1, 1), 4, found=known)
    >>> seen.label.tolist()[0], [a.name for a in seen.attractors]
    ([1, 1, 2, 2], ['stable node at (-1, 0)', 'stable node at (1, 0)'])
    """
    if n < 2:
        raise ValueError(f"n is {n}; a grid of starts needs at least 2 a side")
    if not (np.isfinite(time) and time > 0):
        raise ValueError(f"time is {time}; must be positive and finite")
    ends = checked_limits(xlim, "xlim"), checked_limits(ylim, "ylim")
    x, y = (low + (high - low) * (np.arange(n) + 0.5) / n for low, high in ends)
    starts = plane.lift(np.stack(np.meshgrid(x, y), -1).reshape(-1, 2))
    there = np.asarray(np.isfinite(starts).all(1))
    found = inventory(plane.field) if found is None else found
    search = _Search(plane, _goals(plane, found), rtol, progress)
    label = np.full(len(starts), UNDECIDED)
    try:
        search.send(starts, label, there, time)
        _discover(search, starts, label, there, time)
    except KeyboardInterrupt:
        pass
    return Basins(x, y, label.reshape(n, n), tuple(search.goals.attractors), plane, found, float(time))


# --- what there is to arrive at ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Goals:
    """The attractors, and the evidence of arrival that is at hand for each; `loops` are all orbits known, as paths."""

    attractors: list[Attractor]
    wells: tuple[tuple[AttractingEllipsoid, int], ...]
    rings: tuple[tuple[Annulus, int], ...]
    loops: tuple[tuple[Array, Orbit, int], ...]


def _goals(plane: View, found: Inventory, known: Sequence[Attractor] = ()) -> _Goals:
    """The attractors of an inventory, behind those that are known already, which keep their numbers."""
    attractors = list(known)
    orbits = list(found.orbits)
    made: tuple[Annulus, ...] = ()
    if plane.planar and orbits:
        made, new = annuli(plane.field, found.rest_points, orbits)
        if new:
            orbits += new
            made = annuli(plane.field, found.rest_points, orbits)[0]

    def number(goal: RestPoint | Orbit) -> int:
        for k, one in enumerate(attractors):
            if goal is one.rest or goal is one.orbit:
                return k + 1
        attractors.append(_attractor(plane, goal))
        return len(attractors)

    paths = [np.array([to_reduced(plane.seen, theta) for theta in orbit.theta]) for orbit in orbits]
    wells = []
    for point in found.rest_points:
        well = attracting_ellipsoid(plane.seen, point, found.rest_points, paths)
        if well is not None:
            wells.append((well, number(point)))
    loops = []
    for orbit, path in zip(orbits, paths, strict=True):
        loops.append((path, orbit, number(orbit) if orbit.stable else UNDECIDED))
    return _Goals(attractors, tuple(wells), tuple((ring, number(ring.goal)) for ring in made), tuple(loops))


def _attractor(plane: View, goal: RestPoint | Orbit) -> Attractor:
    if isinstance(goal, Orbit):
        return Attractor("cycle", f"cycle, period {goal.period:.5g}", orbit=goal)
    a, b = plane.project(to_reduced(plane.seen, goal.theta)) + 0.0
    return Attractor("rest", f"{goal.type} at ({a:.4g}, {b:.4g})", rest=goal)


# --- following starts -------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Search:
    """The goals known so far, and the paths of the starts that are still under way."""

    plane: View
    goals: _Goals
    rtol: float
    progress: Progress | None

    def send(self, starts: Array, label: Array, there: Array, time: float) -> None:
        """Follow the undecided starts (k, n) and write where they end into `label`, for `time` at most."""
        self.t, self.paths = [0.0], [starts.copy()]
        active = self._settle(starts, np.flatnonzero((label == UNDECIDED) & there), label)
        t, x = 0.0, starts.copy()
        while len(active) and t < time:
            span = min(max(t, 1.0), time - t)
            size = (len(active), *self.plane.seen.shape)
            times = np.linspace(0.0, span, GLANCES + 1)[1:]
            run = ensemble(
                self.plane.seen,
                x[active].reshape(size),
                span,
                rtol=self.rtol,
                atol=0.01 * self.rtol,
                samples=times,
                progress=self._telling(t, span, time),
            )
            pass_on_interrupt(run)
            states = run.theta.reshape(len(run.t), len(active), -1)
            for when, state in zip(run.t, states, strict=True):
                x[active] = state
                self.t.append(t + when)
                self.paths.append(x.copy())
            t += float(run.t[-1])
            gone = np.abs(x[active]).max(1) > ESCAPED
            if gone.any():
                label[active[gone]] = self._number("diverged", "diverged")
            stuck = not run.complete and not gone.any()
            active = self._settle(x, active[~gone], label)
            if t >= min(time, 100.0):
                self._to_boundary(active, label)
                active = active[label[active] == UNDECIDED]
            if stuck:
                return

    def _telling(self, t: float, span: float, time: float) -> Progress | None:
        tell = self.progress
        return None if tell is None else (lambda share: tell((t + share * span) / time))

    def _settle(self, x: Array, active: Array, label: Array) -> Array:
        """Write the labels of the starts that have arrived at x; the others are left."""
        for well, number in self.goals.wells:
            active = _write(label, active, well.holds(x[active]), number)
        for ring, number in self.goals.rings:
            active = _write(label, active, ring.holds(x[active]), number)
        for path, orbit, number in self.goals.loops:
            if number != UNDECIDED and len(active):
                active = _write(label, active, self._drawn_to(path, orbit, x[active]), number)
        return active

    def _drawn_to(self, path: Array, orbit: Orbit, x: Array) -> Array:
        """Which points (k, n) are near a stable orbit, and nearer after one turn of it, and again after two."""
        size = float(np.ptp(path, axis=0).max())
        away = distance(path, x)
        near = away < CLOSE * size
        for other, _, _ in self.goals.loops:
            if other is not path:
                near &= away < 0.3 * distance(other, x)
        chosen = np.flatnonzero(near)
        if not len(chosen):
            return near
        seen, turns = self.plane.seen, orbit.period * np.array([1.0, 2.0])
        run = ensemble(seen, x[chosen].reshape(-1, *seen.shape), turns[-1], samples=turns, rtol=self.rtol)
        if len(run.t) < 2:
            return np.zeros_like(near)
        grain = 1e-5 * size
        once, twice = (np.maximum(distance(path, state.reshape(len(chosen), -1)), grain) for state in run.theta)
        nearer = (
            (twice <= once) & (once <= np.maximum(away[chosen], grain)) & (twice < np.maximum(away[chosen], 2 * grain))
        )
        near[chosen] = nearer
        return near

    def _to_boundary(self, active: Array, label: Array) -> None:
        """Label the starts whose own path shows that actions die out for good."""
        field = self.plane.field
        if not (isinstance(field, Field) and len(active)):
            return
        seen, t = self.plane.seen, np.array(self.t)
        paths = np.stack([states[active] for states in self.paths], 1)
        rare = field.policy(to_parameters(seen, paths[:, -1])).p.min((-2, -1)) < EXTINCT
        for k in np.flatnonzero(rare):
            said = boundary(field, Run(seen, t, paths[k], 0.0))
            if said is not None:
                dying = ", ".join(f"{action} at {state}" for state, action, _ in said[1]["extinct"])
                label[active[k]] = self._number("boundary", f"boundary: no {dying}")

    def _number(self, kind: str, name: str) -> int:
        """The label of an attractor without a place, by its name."""
        names = [one.name for one in self.goals.attractors]
        if name not in names:
            self.goals.attractors.append(Attractor(kind, name))
            return len(names) + 1
        return names.index(name) + 1

    def settle_one(self, k: int, label: Array, done: Outcome) -> None:
        """The label of a start whose own outcome is a known attractor."""
        for well, number in self.goals.wells:
            if done.kind == "rest" and np.allclose(well.centre, to_reduced(self.plane.seen, done.at), atol=1e-6):
                label[k] = number
        for path, orbit, number in self.goals.loops:
            if done.orbit is not None and orbit.stable:
                x, size = to_reduced(self.plane.seen, done.orbit.theta[0])[None], float(np.ptp(path, axis=0).max())
                if distance(path, x)[0] < 1e-3 * size:
                    label[k] = number

    def learn(self, found: Inventory) -> None:
        """The goals with those of an inventory added."""
        self.goals = _goals(self.plane, found, self.goals.attractors)


def _write(label: Array, active: Array, arrived: Array, number: int) -> Array:
    label[active[arrived]] = number
    return np.asarray(active[~arrived])


def _discover(search: _Search, starts: Array, label: Array, there: Array, time: float) -> None:
    """Ask a few undecided starts, one after another, for attractors that are not known."""
    seen, field = search.plane.seen, search.plane.field
    asked = np.zeros((0, starts.shape[1]))
    for _ in range(ROUNDS):
        open_ones = np.flatnonzero((label == UNDECIDED) & there)
        ends = search.paths[-1]
        if len(asked) and len(open_ones):  # one of every crowd that ends together
            apart = np.abs(ends[open_ones][:, None] - asked).max(-1).min(1)
            open_ones = open_ones[apart > 0.1]
        if not len(open_ones):
            return
        end = ends[open_ones[0]]
        done = outcome(field, to_parameters(seen, end), time=time / 2, limit=time)
        pass_on_interrupt(done.trajectory)
        asked = np.concatenate([asked, end[None]])
        rests, orbits = _added(search, field, done.kind, done.at, done.orbit if done.isolated else None)
        if rests or orbits:
            known = search.goals.attractors
            search.learn(
                Inventory(
                    (*(one.rest for one in known if one.rest is not None), *rests),
                    (*(orbit for _, orbit, _ in search.goals.loops), *orbits),
                    None,
                    "",
                )
            )
            search.send(starts, label, there, time)
        else:
            search.settle_one(open_ones[0], label, done)


def _added(
    search: _Search, field: VectorField, kind: str, at: Array, orbit: Orbit | None
) -> tuple[list[RestPoint], list[Orbit]]:
    """The rest point or the orbit of an outcome, where it is not known yet."""
    seen = search.plane.seen
    if orbit is not None:
        x = to_reduced(seen, orbit.theta[0])[None]
        size = float(np.ptp(orbit.theta, axis=0).max())
        new = all(distance(path, x)[0] > 1e-3 * size for path, _, _ in search.goals.loops)
        return [], [orbit] if new else []
    point = rest_point(field, at) if kind == "rest" else None
    if point is None or any(
        np.allclose(well.centre, to_reduced(seen, point.theta), atol=1e-6) for well, _ in search.goals.wells
    ):
        return [], []
    return [point], []
