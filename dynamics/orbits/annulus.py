"""Annuli of the plane between nested periodic orbits, and the limit set of all that starts in one.

Round a rest point the flow of a planar field crosses a ray once a turn. The return map s -> P(s) on the ray, s the
distance from the rest point, has the periodic orbits as its fixed points; between two neighbouring ones P(s) − s keeps
its sign, and every orbit of the ring goes to the end that the sign points at. Outside of the largest orbit, one turn
of an orbit that comes back closer, with the piece of the ray between its ends, encloses a region that cannot be left.
The signs are taken at sampled points, so a ring is evidence as good as its samples, not a proof.
Source: Guckenheimer and Holmes, *Nonlinear Oscillations*, section 1.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.spatial import cKDTree

from dynamics.fields import VectorField, reduced, to_parameters, to_reduced
from dynamics.motion import ensemble
from dynamics.orbits.equilibria import RestPoint
from dynamics.orbits.periodic import Orbit, shoot
from mdp import Array

DIRECTIONS, SAMPLES = 24, 12  # rays tried round a rest point, and points of the ray looked at in every ring
BEYOND = (1.01, 1.03, 1.07, 1.12, 1.2, 1.3, 1.45, 1.7, 2.0, 2.5)  # how far outside of the largest orbit, of its radius
CROSSED = 0.02  # sine of the least angle between the flow and a ray that may serve
MOVED = 1e-6  # a share of the distance; a return that moves less says nothing
RIM = 1e-4  # a share of an orbit's size; closer to it, a point is on neither side

Goal = RestPoint | Orbit


@dataclass(frozen=True, eq=False)
class Annulus:
    """The points inside the closed polygon `outer` (n, 2) and outside of `inner`: all go to `goal`.

    `inner` is a closed polygon, or the rest point (1, 2) in the middle, which itself goes nowhere where it repels.
    """

    inner: Array
    outer: Array
    goal: Goal

    def holds(self, points: Array) -> Array:
        """Which of the points (k, 2) lie in the ring, its rims left out."""
        found, room = encloses(self.outer, points), RIM * np.ptp(self.outer, axis=0).max()
        if len(self.inner) > 1:
            found &= ~encloses(self.inner, points)
        elif isinstance(self.goal, RestPoint):
            return np.asarray(found & (distance(self.outer, points) > room))
        for rim in (self.outer, self.inner):
            if found.any():
                found[found] = distance(rim, points[found]) > room
        return found


def encloses(polygon: Array, points: Array) -> Array:
    """Which of the points (k, 2) lie inside a closed polygon (n, 2): a line to the right crosses it an odd number of
    times.

    >>> square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1], [0, 0]])
    >>> encloses(square, np.array([[0.5, 0.5], [1.5, 0.5]])).tolist()
    [True, False]
    """
    inside = np.zeros(len(points), dtype=bool)
    near = np.flatnonzero(((points >= polygon.min(0)) & (points <= polygon.max(0))).all(1))
    for some in np.array_split(near, max(1, len(near) * len(polygon) // 2_000_000 + 1)):
        x, y = points[some].T[..., None]
        (ax, ay), (bx, by) = polygon[:-1].T, polygon[1:].T
        spans = (ay > y) != (by > y)
        with np.errstate(all="ignore"):
            right = x < ax + (y - ay) * (bx - ax) / (by - ay)
        inside[some] = (spans & right).sum(1) % 2 == 1
    return inside


def distance(path: Array, points: Array) -> Array:
    """The distance (k,) of points (k, n) to a path (m, n): to the two segments at the nearest of its corners.

    >>> distance(np.array([[0.0, 0], [1, 0], [2, 0]]), np.array([[0.5, 0.25]])).tolist()
    [0.25]
    """
    if len(path) == 1:
        return np.asarray(np.linalg.norm(points - path, axis=1))
    nearest = cKDTree(path).query(points)[1]
    found = np.full(len(points), np.inf)
    for first in (np.maximum(nearest - 1, 0), np.minimum(nearest, len(path) - 2)):
        a, chord = path[first], path[first + 1] - path[first]
        length = np.maximum((chord**2).sum(1), 1e-300)
        share = np.clip(((points - a) * chord).sum(1) / length, 0.0, 1.0)
        found = np.minimum(found, np.linalg.norm(points - a - share[:, None] * chord, axis=1))
    return found


@dataclass(frozen=True, eq=False)
class _Ray:
    """A ray from a rest point that the flow crosses one way; `radii` (k,) is where it meets the orbits round it."""

    centre: Array
    along: Array
    radii: Array

    @property
    def across(self) -> Array:
        return np.array([-self.along[1], self.along[0]])


def annuli(
    field: VectorField, rests: Sequence[RestPoint], orbits: Sequence[Orbit]
) -> tuple[tuple[Annulus, ...], tuple[Orbit, ...]]:
    """The rings round each rest point of a planar field between the orbits that enclose it alone.

    Also the orbits that were not among those given and that the return map gave away by a change of sign.

    >>> from vorticity import rest_point
    >>> from vorticity import FunctionField
    >>> def turn(x):
    ...     return np.stack([-x[..., 1], x[..., 0]], -1) + x * (1 - (x**2).sum(-1, keepdims=True))
    >>> round_one = FunctionField(turn, (2,), vectorised=True, analytic=True)
    >>> known = [rest_point(round_one, [0.1, 0.0])], [shoot(round_one, [1.0, 0.0], 6.28, points=101)]
    >>> inside, outside = annuli(round_one, *known)[0]
    >>> inside.goal is outside.goal is known[1][0], inside.holds(np.array([[0.5, 0.0], [0.0, 1.2]])).tolist()
    (True, [True, False])
    """
    seen = reduced(field)
    places = np.array([to_reduced(seen, point.theta) for point in rests]).reshape(-1, 2)
    loops = [_flat(seen, orbit) for orbit in orbits]
    made: list[Annulus] = []
    new: list[Orbit] = []
    for k, point in enumerate(rests):
        round_it = [j for j, loop in enumerate(loops) if (encloses(loop, places) == (np.arange(len(rests)) == k)).all()]
        chain = sorted(round_it, key=lambda j: float(np.ptp(loops[j], axis=0).max()))
        if chain:
            found, missed = _round(
                field, seen, places[k], point, [orbits[j] for j in chain], [loops[j] for j in chain], places
            )
            made += found
            new += missed
    return tuple(made), tuple(new)


def _flat(seen: VectorField, orbit: Orbit) -> Array:
    return np.array([to_reduced(seen, theta) for theta in orbit.theta])


def _round(
    field: VectorField,
    seen: VectorField,
    centre: Array,
    point: RestPoint,
    orbits: list[Orbit],
    loops: list[Array],
    places: Array,
) -> tuple[list[Annulus], list[Orbit]]:
    """The rings round one rest point, the orbits given from the inside out."""
    ray = _ray(seen, centre, loops)
    if ray is None:
        return [], []
    ends = [0.0, *ray.radii]
    inner = [a + (b - a) * np.linspace(0.02, 0.98, SAMPLES) for a, b in pairwise(ends)]
    beyond = ends[-1] * np.array(BEYOND)
    s = np.concatenate([*inner, beyond])
    period = max(orbit.period for orbit in orbits)
    came, paths = _turn(seen, ray, s, period)
    sign = np.sign(came - s) * (np.abs(came - s) > MOVED * s)  # NaN where an orbit does not come back in time
    goals: list[Goal] = [point, *orbits]
    polygons = [centre[None], *loops]
    made, new = [], []
    for k, start in enumerate(range(0, SAMPLES * len(orbits), SAMPLES)):
        part = slice(start, start + SAMPLES)
        ways = [goals[k], goals[k + 1]] if (sign[part] == 1).all() else [goals[k + 1], goals[k]]
        if np.abs(sign[part].sum()) != SAMPLES:  # of both signs, or an orbit that does not come back
            new += _hidden(field, seen, ray, s[part], sign[part], orbits[k].period)
        elif _attracts(ways[1]) and not _attracts(ways[0]):  # else an orbit hides between the samples and an end
            made.append(Annulus(polygons[k], polygons[k + 1], ways[1]))
    outside = sign[-len(BEYOND) :]
    last = int(np.argmax(outside != -1)) if (outside != -1).any() else len(BEYOND)
    for j in range(last, 0, -1):  # the largest turn that comes back closer and has no other rest point inside
        polygon = paths[len(s) - len(BEYOND) + j - 1]
        if _attracts(orbits[-1]) and encloses(polygon, places).sum() == 1:
            made.append(Annulus(loops[-1], polygon, orbits[-1]))
            break
    return made, new


def _attracts(goal: Goal) -> bool:
    return goal.stable if isinstance(goal, Orbit) else bool((goal.eigenvalues.real < 0).all())


def _ray(seen: VectorField, centre: Array, loops: list[Array]) -> _Ray | None:
    """Of some rays the one that the flow crosses most squarely, out to the largest orbit; None where none will do."""
    best, found = CROSSED, None
    for angle in 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS:
        along = np.array([np.cos(angle), np.sin(angle)])
        across = np.array([-along[1], along[0]])
        meets = [_meets(loop - centre, along, across) for loop in loops]
        if any(len(place) != 1 for place in meets):
            continue
        radii = np.array([place[0] for place in meets])
        if (np.diff(radii, prepend=0.0) <= 0).any():
            continue
        line = centre + np.linspace(0.01, 1.01, 60)[:, None] * radii[-1] * along
        velocity = seen(line.reshape(-1, *seen.shape)).reshape(-1, 2)
        sine = velocity @ across / np.linalg.norm(velocity, axis=1)
        squarely = max(sine.min(), -sine.max())  # positive where the flow crosses the ray one way only
        if squarely > best:
            best, found = squarely, _Ray(centre, along, radii)
    return found


def _meets(loop: Array, along: Array, across: Array) -> Array:
    """Distances at which a ray from 0 meets a closed path."""
    height, far = loop @ across, loop @ along
    at = np.flatnonzero((height[:-1] < 0) != (height[1:] < 0))
    share = height[at] / (height[at] - height[at + 1])
    crossing = far[at] + share * (far[at + 1] - far[at])
    return np.asarray(crossing[crossing > 0])


def _turn(seen: VectorField, ray: _Ray, s: Array, period: float) -> tuple[Array, list[Array]]:
    """Where orbits from s (k,) on the ray come back to it (NaN: not within three periods), and their closed turns."""
    starts = ray.centre + s[:, None] * ray.along
    path = ensemble(seen, starts.reshape(-1, *seen.shape), 3 * period, samples=1501).theta.reshape(-1, len(s), 2)
    away = path - ray.centre
    angle = np.unwrap(np.arctan2(away[..., 1], away[..., 0]), axis=0)
    turned = np.abs(angle - angle[0]) >= 2 * np.pi
    came, closed = np.full(len(s), np.nan), []
    for k in range(len(s)):
        j = int(np.argmax(turned[:, k]))
        closed.append(np.concatenate([path[:j, k], path[:1, k]]))
        if j:
            came[k] = (_onto(seen, ray, path[j, k]) - ray.centre) @ ray.along
    return came, closed


def _onto(seen: VectorField, ray: _Ray, x: Array) -> Array:
    """A point near the ray moved along the flow onto it, by steps of Runge and Kutta's method."""

    def velocity(at: Array) -> Array:
        return np.asarray(seen(at.reshape(seen.shape))).ravel()

    for _ in range(4):
        h = -((x - ray.centre) @ ray.across) / (velocity(x) @ ray.across)
        a = velocity(x)
        b = velocity(x + h / 2 * a)
        c = velocity(x + h / 2 * b)
        x = x + h / 6 * (a + 2 * b + 2 * c + velocity(x + h * c))
    return x


def _hidden(field: VectorField, seen: VectorField, ray: _Ray, s: Array, sign: Array, period: float) -> list[Orbit]:
    """Orbits solved for at the changes of sign of the return map."""
    found = []
    for k in np.flatnonzero(sign[:-1] * sign[1:] < 0):
        start = ray.centre + (s[k] + s[k + 1]) / 2 * ray.along
        orbit = shoot(field, to_parameters(seen, start), period)
        if orbit is not None:
            found.append(orbit)
    return found
