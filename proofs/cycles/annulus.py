"""Where a periodic orbit of the plane is, proved (method A: a ring between two polygons that traps it).

The flow crosses every closed edge of both polygons strictly, into the ring (round an attracting orbit; out of it round
a repelling one, where time may be turned), and the ring holds no rest point: by Poincaré and Bendixson it holds a
periodic orbit, which goes round the inner polygon since inside it there would be no rest point to go round.
The polygons are closed orbits of the field turned by a small angle, left and right: the flow crosses them at that
angle everywhere, and closed orbits of turned fields lie on either side of the true one.
Source: Guckenheimer and Holmes, *Nonlinear Oscillations*, theorem 1.8.1; Duff, *Limit-cycles and rotated vector
fields*, Ann. of Math. 57, 1953.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dynamics.fields import ChartField, VectorField
from dynamics.orbits import Orbit
from mdp import Array
from proofs.certificates import Refusal, field_of, point_json
from proofs.cycles import polygons
from proofs.cycles.planar import unfit
from proofs.cycles.rest_points import RestProof, certified_rest_points
from proofs.enclosures import Interval, System, along_segments, of, system

ANGLE = 0.06  # radians at which the flow crosses the polygons, where it can be had
HALVINGS = 6  # how often it is halved where it cannot
MOST_EDGES = 3000
DEEPEST = 10  # how often an edge is halved before it counts as not seen
COARSE = 0.08  # radians that an edge turns at most while the polygon is sought
EDGES = 48  # a polygon has at least about so many
ROUNDS = 12  # of Newton's iteration for a polygon


@dataclass(frozen=True, eq=False)
class Annulus:
    """A ring between two polygons, doubles (N, 2), that holds a periodic orbit.

    `crossing` is "inward" (into the ring, through both) or "outward"; `rest` lists the rest points in the outer
    polygon's bounding box, none of which is in the ring.
    """

    system: System
    outer: Array
    inner: Array
    crossing: str
    rest: RestProof

    kind = "annulus"

    def __str__(self) -> str:
        return (
            f"a periodic orbit in a ring of {len(self.outer)} and {len(self.inner)} edges, "
            f"crossed {self.crossing}, proved"
        )

    def fact(self) -> dict[str, Any]:
        """The fact of a certificate. Raises ValueError for a system that is no field of an MDP."""
        return {
            "kind": self.kind,
            "field": field_of(self.system),
            "outer": point_json(self.outer),
            "inner": point_json(self.inner),
            "crossing": self.crossing,
        }


def annulus(field: VectorField | System, orbit: Orbit, angle: float = ANGLE) -> Annulus | Refusal:
    """A ring about a numerical periodic orbit of a planar field (`dynamics.orbits.periodic.shoot`), proved to hold one.

    A smaller `angle` gives a narrower ring of more edges. Raises ValueError for fields that cannot be enclosed.

    >>> from proofs.enclosures.systems import from_function
    >>> from vorticity import shoot
    >>> from vorticity import FunctionField
    >>> ring = lambda x, y: [x - y - x * (x * x + y * y), x + y - y * (x * x + y * y)]
    >>> orbit = shoot(FunctionField(lambda z: np.array(ring(*z)), (2,)), [1.0, 0.1], 6.0)
    >>> annulus(from_function("ring", 2, ring), orbit).crossing
    'inward'
    """
    at = field if isinstance(field, System) else system(field)
    reason = unfit(at)
    if reason is not None:
        return Refusal(reason)
    path = _path(at, orbit)
    stable = attracts(at, path, orbit.period)
    if stable is None:
        return Refusal("the orbit neither attracts nor repels as far as numbers show")
    crossing = "inward" if stable else "outward"
    found: list[Array] = []
    for name, side in (("outer", 1), ("inner", -1)):
        tries = (turned_orbit(at, path, side if stable else -side, angle / 2**k) for k in range(HALVINGS))
        polygon = next((polygon for polygon in tries if polygon is not None), None)
        if polygon is None:
            return Refusal(f"no {name} polygon that the flow crosses strictly was found")
        found.append(polygon)
    return ring(at, found[0], found[1], crossing)


def ring(field: VectorField | System, outer: Array, inner: Array, crossing: str = "inward") -> Annulus | Refusal:
    """The proof that the ring between two polygons, (N, 2), anticlockwise, holds a periodic orbit.

    Vertices are rounded to a grid of 2^-22. Raises ValueError for polygons that reach beyond ±128.
    """
    at = field if isinstance(field, System) else system(field)
    reason = unfit(at)
    if reason is not None:
        return Refusal(reason)
    if crossing not in ("inward", "outward"):
        raise ValueError(f"crossing is {crossing!r}; must be 'inward' or 'outward'")
    grids = polygons.on_grid(outer), polygons.on_grid(inner)
    for name, grid in zip(("outer", "inner"), grids, strict=True):
        if not polygons.is_simple(grid) or polygons.area(grid) <= 0:
            return Refusal(f"the {name} polygon is not simple and anticlockwise")
    if not polygons.is_inside(grids[1], grids[0]):
        return Refusal("the inner polygon does not lie inside the outer one")
    outer, inner = polygons.off_grid(grids[0]), polygons.off_grid(grids[1])
    for name, vertices, side in (("outer", outer, 1), ("inner", inner, -1)):
        leak = crosses(at, vertices, side if crossing == "inward" else -side)
        if leak is not None:
            return Refusal(f"the flow {leak} the {name} polygon, where it should cross {crossing}")
    rest = certified_rest_points(at, np.stack([outer.min(0), outer.max(0)], 1))
    if not rest.complete:
        return Refusal(f"rest points in the ring: {rest}")
    for point in rest.points:
        place = polygons.rectangle(point.box)
        if not polygons.is_inside(place, grids[1]) and not polygons.is_outside(place, grids[0]):
            return Refusal(
                f"a rest point at {np.round(point.box.mid, 6).tolist()} is not seen to lie in the hole, or outside"
            )
    return Annulus(at, outer, inner, crossing, rest)


def crosses(at: System, vertices: Array, side: int) -> str | None:
    """None where F · (left normal of the edge) has the sign `side` on every closed edge; else what is wrong."""
    start, end = vertices.T, np.roll(vertices, -1, axis=0).T
    edge = end - start
    normal = of(np.stack([-edge[1], edge[0]]) * side)
    low, high = np.zeros(start.shape[1]), np.ones(start.shape[1])
    for _ in range(DEEPEST):
        speed = along_segments(at, start, end, low, high, normal)
        if (speed.hi <= 0).any():
            return "does not cross an edge of"
        left = ~(speed.lo > 0)
        if not left.any():
            return None
        middle = (low + high) / 2
        low, high = np.concatenate([low[left], middle[left]]), np.concatenate([middle[left], high[left]])
        start, end = np.tile(start[:, left], 2), np.tile(end[:, left], 2)
        normal = Interval(np.tile(normal.lo[:, left], 2), np.tile(normal.hi[:, left], 2))
    return "is not seen to cross every edge of"


# --- where the polygons are -------------------------------------------------------------------------------------------


def _path(at: System, orbit: Orbit) -> Array:
    """The orbit's points (N, 2) in the system's coordinates, without the last, which is the first."""
    theta = orbit.theta[:-1]
    if isinstance(at.floats, ChartField):
        theta = at.floats.from_parameters(theta)
    return np.asarray(theta.reshape(len(theta), 2))


def attracts(at: System, path: Array, period: float) -> bool | None:
    """Whether ∫ div F dt over the orbit is negative, in ordinary numbers; None where it is 0 as far as they go."""
    J = at.floats.jacobian(path.reshape(-1, *at.floats.shape))
    rate = float(np.trace(J, axis1=-2, axis2=-1).mean() * period)
    return None if abs(rate) < 1e-6 else rate < 0


def turned_orbit(at: System, path: Array, side: int, angle: float) -> Array | None:
    """A polygon (N, 2) near a closed orbit whose edges the flow crosses at about `angle`, leftwards (side 1) or not.

    From the orbit itself the angle is raised in steps, each polygon found from the one before.
    """
    if not _turns_left(path):
        path = path[::-1]
    forward = 1 if (np.sum((np.roll(path, -1, axis=0) - path) * at.sampled(path.T).T, 1)).mean() > 0 else -1
    turn = -side * forward
    found, reached, step = path, 0.0, angle / 8
    while reached < angle:
        aim = min(angle, reached + step)
        nearer = _newton(at, _spread(found, COARSE), turn * aim)
        if nearer is not None:
            found, reached, step = nearer, aim, 1.5 * step
        elif step > angle / 32:
            step /= 2
        else:
            return None
    for share in (1.0, 0.7, 0.4):
        nearer = _newton(at, _spread(found, min(share * angle, COARSE)), turn * angle)
        if nearer is not None and _seems_crossed(at, nearer, side):
            return nearer
    return None


def _turns_left(path: Array) -> bool:
    ahead = np.roll(path, -1, axis=0)
    return bool((path[:, 0] * ahead[:, 1] - path[:, 1] * ahead[:, 0]).sum() > 0)


def _spread(curve: Array, angle: float) -> Array:
    """An even number of points of a closed curve: so many that no edge turns by more than about `angle`."""
    edge = np.roll(curve, -1, axis=0) - curve
    ahead = np.roll(edge, -1, axis=0)
    turn = np.abs(np.arctan2(edge[:, 0] * ahead[:, 1] - edge[:, 1] * ahead[:, 0], (edge * ahead).sum(1)))
    turn = (turn + np.roll(turn, 1)) / 2  # a vertex's turn belongs to both its edges
    length = np.linalg.norm(edge, axis=1)
    density = 1.5 * turn / angle + EDGES * length / length.sum()
    grown = np.concatenate([[0.0], np.cumsum(density)])
    n = 2 * int(np.ceil(grown[-1] / 2))
    places = np.interp(np.arange(n) / n * grown[-1], grown, np.arange(len(curve) + 1))
    closed = np.concatenate([curve, curve[:1]])
    return np.stack([np.interp(places, np.arange(len(closed)), closed[:, i]) for i in range(2)], 1)


def _newton(at: System, start: Array, turn: float) -> Array | None:
    """The polygon near `start`, its vertices moved along their normals, whose edges are parallel to the field at their
    middles, turned by `turn`; None where Newton's iteration does not find it."""
    n = len(start)
    if n > MOST_EDGES:
        return None
    tangent = np.roll(start, -1, axis=0) - np.roll(start, 1, axis=0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], 1) / np.linalg.norm(tangent, axis=1)[:, None]
    size = float(np.ptp(start, axis=0).max())
    cos, sin = np.cos(turn), np.sin(turn)

    def residual(shift: Array) -> Array:
        vertices = start + shift[:, None] * normal
        ahead = np.roll(vertices, -1, axis=0)
        F = at.sampled(((vertices + ahead) / 2).T)
        F = F / np.linalg.norm(F, axis=0)
        edge = (ahead - vertices).T
        return np.asarray(edge[0] * (sin * F[0] + cos * F[1]) - edge[1] * (cos * F[0] - sin * F[1]))

    shift, h = np.zeros(n), 1e-6 * size
    even = np.arange(n) % 2 == 0
    for _ in range(ROUNDS):
        now = residual(shift)
        if not np.isfinite(now).all() or np.abs(shift).max() > 0.2 * size:
            return None
        slopes = [(residual(shift + h * mask) - residual(shift - h * mask)) / (2 * h) for mask in (even, ~even)]
        change = _cyclic(np.where(even, *slopes), np.where(even, *slopes[::-1]), -now)
        shift = shift + change
        if np.abs(change).max() < 1e-7 * size:
            return polygons.off_grid(polygons.on_grid(start + shift[:, None] * normal))
    return None


def _cyclic(mine: Array, next_one: Array, right: Array) -> Array:
    """x of mine_i x_i + next_i x_{i+1} = right_i round a closed chain, in the direction in which errors shrink.

    >>> _cyclic(np.array([2.0, 2.0]), np.array([1.0, 1.0]), np.array([4.0, 5.0])).tolist()
    [1.0, 2.0]
    """
    if np.log(np.abs(mine)).sum() > np.log(np.abs(next_one)).sum():  # x_i from x_{i+1}: the chain the other way round
        turned = _cyclic(next_one[::-1], mine[::-1], right[::-1])
        return np.roll(turned[::-1], 1)
    slope, level = (-mine / next_one).tolist(), (right / next_one).tolist()
    total, grown = 0.0, 1.0
    for a, b in zip(slope, level, strict=True):
        total, grown = a * total + b, a * grown
    x = [total / (1 - grown)]
    for a, b in zip(slope[:-1], level[:-1], strict=True):
        x.append(a * x[-1] + b)
    return np.array(x)


def _seems_crossed(at: System, vertices: Array, side: int) -> bool:
    """Whether the flow crosses every edge the right way at five points of it."""
    start, edge = vertices, np.roll(vertices, -1, axis=0) - vertices
    for t in np.linspace(0, 1, 5):
        F = at.sampled((start + t * edge).T).T
        if not (side * (edge[:, 0] * F[:, 1] - edge[:, 1] * F[:, 0]) > 0).all():
            return False
    return True
