"""The limit sets of a field: its rest points and isolated periodic orbits, stable or not, as far as they were sought.

A periodic orbit that attracts is found by flowing forwards, one that repels (in the plane) by flowing backwards; each
is then solved for by Newton shooting, whose residual and trivial multiplier say how accurate it is. Nothing here
proves that the list is complete: `searched` says what was done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dynamics.fields import ChartField, VectorField, reduced, to_parameters, to_reduced
from dynamics.motion import ensemble, pass_on_interrupt, start_of
from dynamics.orbits.equilibria import RestPoint, rest_points, rest_points_in_plane
from dynamics.orbits.outcomes import outcome
from dynamics.orbits.periodic import Orbit, shoot
from mdp import Array

WINDOW = 12.0  # rest points of planar fields are sought this far from 0 in both coordinates, in nats
SAME = 1e-6  # two orbits with periods and distance this close, relative to their size, are one
AHEAD = 200.0  # how long all starts are followed before any is judged
BACK = 400.0  # how long the flow is followed backwards


@dataclass(frozen=True, eq=False)
class Inventory:
    """What was found: `rest_points`, isolated `orbits` (shortest period first), a `family` of closed orbits if an
    orbit belongs to one (its member), and `searched`, what the search looked at, in words."""

    rest_points: tuple[RestPoint, ...]
    orbits: tuple[Orbit, ...]
    family: Orbit | None
    searched: str


@dataclass(frozen=True, eq=False)
class Reversed(VectorField):
    """The field with time running backwards, −F: what repels attracts.

    >>> from vorticity import FunctionField
    >>> Reversed(FunctionField(lambda x: -x, (1,)))([2.0])
    array([2.])
    """

    base: VectorField

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """The base's shape."""
        return self.base.shape

    def __call__(self, theta: ArrayLike) -> Array:
        """−F(theta)."""
        return np.asarray(-self.base(theta))

    def jacobian(self, theta: ArrayLike) -> Array:
        """−J(theta)."""
        return np.asarray(-self.base.jacobian(theta))


def inventory(
    field: VectorField, *, starts: Iterable[ArrayLike] | None = None, n_starts: int = 6, seed: int = 0
) -> Inventory:
    """Rest points and periodic orbits of `field`.

    Rest points: of a planar field all that a grid over [−12, 12]² sees (`dynamics.orbits.equilibria`), else those that
    Newton's iteration reaches from 40 random starts. Orbits: isolated ones that the flow ends on, from `starts`
    (default: 0 and `n_starts` − 1 normal ones, standard deviation 1.5) and from beside every unstable rest point;
    in the plane also those that the flow backwards ends on from beside the stable ones.
    Raises ValueError for starts of another shape.

    >>> from vorticity import FunctionField
    >>> ring = FunctionField(lambda x: np.array([x[0] - x[1], x[0] + x[1]]) - x * (x @ x), (2,))
    >>> found = inventory(ring, n_starts=2)
    >>> [p.type for p in found.rest_points], [round(o.period, 8) for o in found.orbits], found.orbits[0].stable
    (['unstable focus'], [6.28318531], True)
    """
    seen = reduced(field)
    rng = np.random.default_rng(seed)
    given = [start_of(field, start, members=False) for start in starts] if starts is not None else None
    if given is None:
        draws = [np.zeros(seen.size), *(1.5 * rng.standard_normal((max(n_starts - 1, 0), seen.size)))]
        given = [to_parameters(seen, x) for x in draws]
    if seen.size == 2:
        rests = rest_points_in_plane(field, (-WINDOW, WINDOW), (-WINDOW, WINDOW))
        where = f"rest points on a grid over [-{WINDOW:g}, {WINDOW:g}]²"
    else:
        draws = [np.zeros(seen.size), *(3.0 * rng.standard_normal((40, seen.size)))]
        rests = rest_points(field, [to_parameters(seen, x) for x in draws])
        where = "rest points by Newton's iteration from 41 starts"
    orbits: list[Orbit] = []
    family: Orbit | None = None
    for theta in _ends(field, [*given, *_beside(seen, rests, stable=False)]):
        if _settled(seen, theta, rests, orbits):
            continue
        done = outcome(field, theta)
        pass_on_interrupt(done.trajectory)
        if done.kind == "cycle" and done.orbit is not None and done.isolated:
            _keep(seen, orbits, done.orbit)
        elif done.kind == "cycle" and done.orbit is not None:
            family = family or done.orbit
    backwards = _beside(seen, rests, stable=True) if seen.size == 2 and family is None else []
    for orbit in _repelling(field, backwards):
        _keep(seen, orbits, orbit)
    n_back = f" and {len(backwards)} backwards" if backwards else ""
    ways = f"flows from {len(given)} starts and from beside {sum(_unstable(p) for p in rests)} unstable rest points"
    found = tuple(sorted(orbits, key=lambda orbit: orbit.period))
    return Inventory(rests, found, family, f"{where}; {ways}{n_back}")


def _ends(field: VectorField, starts: list[Array]) -> Array | list[Array]:
    """Where the flow is after `AHEAD`, all starts together, roughly; the starts themselves where it does not get there.

    What is judged is the flow from there: most starts end on the same few orbits and rest points.
    """
    if not starts:
        return starts
    run = ensemble(field, np.stack(starts), AHEAD, rtol=1e-7, atol=1e-9, samples=2)
    pass_on_interrupt(run)
    return run.theta[-1] if run.complete else starts


def _settled(seen: VectorField, theta: Array, rests: Iterable[RestPoint], orbits: Iterable[Orbit]) -> bool:
    """Whether theta lies at a rest point or on an orbit that attracts and is known already."""
    x = to_reduced(seen, theta)
    for point in rests:
        if (point.eigenvalues.real < 0).all() and np.abs(to_reduced(seen, point.theta) - x).max() < 1e-4:
            return True
    for orbit in orbits:
        path = _path(seen, orbit)
        if orbit.stable and np.abs(path - x).max(-1).min() < 2e-3 * np.ptp(path, axis=0).max():
            return True
    return False


def _unstable(point: RestPoint) -> bool:
    return bool((point.eigenvalues.real > 0).any())


def _beside(seen: VectorField, rests: Iterable[RestPoint], *, stable: bool) -> list[Array]:
    """Points a little off the rest points that repel (or, `stable`, attract)."""
    tilt = np.where(np.arange(seen.size) % 2, -1.0, 1.0) * 0.05
    chosen = [p for p in rests if _unstable(p) != stable and p.type != "degenerate"]
    return [to_parameters(seen, to_reduced(seen, p.theta) + tilt) for p in chosen]


def _repelling(field: VectorField, starts: Iterable[Array]) -> Iterator[Orbit]:
    """Orbits that the flow backwards ends on, solved for with time running forwards."""
    seen = reduced(field)
    back = Reversed(seen)
    for theta in starts:
        x = to_reduced(seen, theta).reshape(seen.shape)
        with np.errstate(all="ignore"):
            done = outcome(back, x, time=50.0, limit=BACK)
        pass_on_interrupt(done.trajectory)
        if done.kind == "cycle" and done.isolated and done.orbit is not None:
            point = to_parameters(seen, done.orbit.theta[0].ravel())
            orbit = shoot(field, point, done.orbit.period)
            if orbit is not None:
                yield orbit


def _path(seen: VectorField, orbit: Orbit) -> Array:
    """An orbit's points (k, n) in the reduced chart, which does not depend on the gauge of its start."""
    points = seen.from_parameters(orbit.theta) if isinstance(seen, ChartField) else orbit.theta
    return np.asarray(points.reshape(len(points), -1))


def _keep(seen: VectorField, orbits: list[Orbit], orbit: Orbit) -> None:
    """Add an orbit unless it is there already."""
    start = _path(seen, orbit)[0]
    for other in orbits:
        path = _path(seen, other)
        apart = np.abs(path - start).max(-1).min()
        if abs(other.period - orbit.period) <= SAME * orbit.period and apart <= 0.02 * np.ptp(path, axis=0).max():
            return
    orbits.append(orbit)
