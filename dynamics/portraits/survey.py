"""What there is to draw in a plane of a field: rest points, isolated cycles, and a window that shows them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dynamics.fields import ChartField, VectorField, to_parameters, to_reduced
from dynamics.orbits import (
    Limits,
    Orbit,
    RestPoint,
    checked_limits,
    first_return,
    rest_points,
    rest_points_in_plane,
    shoot,
)
from dynamics.portraits import curves
from dynamics.portraits.plane import Coords, View, view
from mdp import Array

SEARCH = 12.0  # rest points are looked for this far from 0 in both coordinates, in nats


@dataclass(frozen=True, eq=False)
class Found:
    """What a portrait is built from: the plane, the rest points, the isolated cycles, and a start asked for."""

    view: View
    rests: tuple[RestPoint, ...]
    cycles: tuple[Orbit, ...]
    start: Array | None


def find(
    field: VectorField,
    *,
    coords: Coords | None = None,
    held: ArrayLike | None = None,
    chart: str = "differences",
    theta0: ArrayLike | None = None,
    cycles: Sequence[Orbit] | None = None,
    search: str | None = "cycles",
) -> Found:
    """The plane, and the rest points and cycles of the field: `search` is "cycles" (both), "rest" or None (neither).

    Rest points: of a planar field all that a grid over [−12, 12]² sees; of a larger one those that Newton's iteration
    reaches from 17 starts. Cycles: isolated ones that orbits from around the unstable rest points, or from `theta0`,
    end in; in the plane also unstable ones, in which orbits from around the stable rest points end backwards in time.
    `cycles` are orbits already known, found by `dynamics.orbits.limit_sets`, say: no others are then looked for.
    """
    seen = view(field, coords=coords, held=held, chart=chart)
    start = None if theta0 is None else np.asarray(theta0, dtype=float)
    if start is not None and (start.shape != field.shape or not np.isfinite(start).all()):
        raise ValueError(f"theta0 has shape {start.shape}; must be {field.shape}, and finite")
    rests: tuple[RestPoint, ...] = ()
    if search and seen.planar:
        rests = rest_points_in_plane(field, (-SEARCH, SEARCH), (-SEARCH, SEARCH))
    elif search:
        draws = np.random.default_rng(0).normal(scale=2.0, size=(16, seen.seen.size))
        rests = rest_points(field, to_parameters(seen.seen, np.concatenate([seen.held[None], draws])))
    known = tuple(cycles or ())
    if search == "cycles" and cycles is None:
        known = _find_cycles(seen, rests, start)
    if not seen.planar and coords is None and known:  # the two coordinates that move most on a cycle
        widest = np.sort(np.argsort(-np.ptp(path_of(seen, known[0]), axis=0), kind="stable")[:2])
        seen = dataclasses.replace(seen, pick=(int(widest[0]), int(widest[1])))
    if not seen.planar and held is None and rests:
        chief = min(rests, key=lambda p: (not p.type.startswith("stable"), float(np.abs(p.theta).max())))
        seen = dataclasses.replace(seen, held=at_rest(seen, chief))
    return Found(seen, rests, known, start)


def at_rest(seen: View, point: RestPoint) -> Array:
    """A rest point's coordinates (n,)."""
    return to_reduced(seen.seen, point.theta)


def path_of(seen: View, orbit: Orbit) -> Array:
    """An orbit's coordinates (k, n) over one period."""
    flat = seen.seen.from_parameters(orbit.theta) if isinstance(seen.seen, ChartField) else orbit.theta
    return np.asarray(flat.reshape(len(flat), -1))


def _find_cycles(seen: View, rests: Sequence[RestPoint], start: Array | None) -> tuple[Orbit, ...]:
    """The isolated cycles in which orbits end that start beside rest points, or at the start asked for.

    Forwards from beside what repels; in the plane also backwards from beside what attracts: a cycle there encloses a
    rest point that is no saddle.
    """
    repelling = [p for p in rests if p.type.startswith(("unstable", "saddle,", "saddle-focus"))]
    attracting = [p for p in rests if p.type.startswith("stable")] if seen.planar else []
    tilt = np.where(np.arange(seen.seen.size) % 2, -1.0, 1.0)
    found: list[Orbit] = []
    for way, sources in ((1.0, repelling), (-1.0, attracting)):
        starts = [at_rest(seen, p) + far * tilt for p in sources for far in (0.05, 0.5, 1.5)]
        if start is not None and way > 0:
            starts.append(to_reduced(seen.seen, start))
        if not starts:
            continue
        for path in _traced(seen, np.array(starts), way):
            orbit = _at_end(seen, path, rests, found)
            if orbit is not None and not any(_on(seen, other, path_of(seen, orbit)[0]) for other in found):
                found.append(orbit)
    return tuple(found)


def _traced(seen: View, starts: Array, way: float) -> list[Array]:
    """Paths from starts (m, n) along the field (`way` 1) or against it (−1), in steps of 0.06 nats."""
    return curves.trace(
        lambda x: way * seen.velocity_of(x),
        starts,
        scale=np.full(seen.seen.size, 9.0),
        inside=lambda x: np.asarray((np.abs(x) < 15).all(-1)),
        length=12.0,
    )


def _at_end(seen: View, path: Array, rests: Sequence[RestPoint], found: Sequence[Orbit]) -> Orbit | None:
    """The isolated cycle that a path (k, n) ends in, unless it is among those found; None when it ends elsewhere."""
    end = path[-1]
    if len(path) < 40 or np.abs(end).max() > 14 or any(_on(seen, orbit, end) for orbit in found):
        return None
    if any(np.abs(at_rest(seen, point) - end).max() < 1e-3 for point in rests):
        return None
    period = first_return(seen.velocity_of, end)
    if period is None:
        return None
    orbit = shoot(seen.field, to_parameters(seen.seen, end), period, rtol=1e-10, tol=1e-9, points=401)
    if orbit is None or (np.abs(orbit.multipliers - 1) < 1e-4).any() or not _on(seen, orbit, end, within=0.25):
        return None
    return orbit


def _on(seen: View, orbit: Orbit, x: Array, within: float = 0.02) -> bool:
    points = path_of(seen, orbit)
    size = np.linalg.norm(np.ptp(points, axis=0))
    return bool(np.linalg.norm(points - x, axis=-1).min() < within * size)


def window(*found: Found, xlim: Limits | None = None, ylim: Limits | None = None) -> tuple[Limits, Limits]:
    """A window that holds the rest points, the cycles and the starts of all that was found, with room around them."""
    seen = found[0].view
    given = (
        None if xlim is None else checked_limits(xlim, "xlim"),
        None if ylim is None else checked_limits(ylim, "ylim"),
    )
    chosen = ((0.0, 1.0), (0.0, 1.0)) if seen.chart == "probabilities" else _around(found)
    return given[0] or chosen[0], given[1] or chosen[1]


def _around(found: Sequence[Found]) -> tuple[Limits, Limits]:
    marks = [np.zeros((0, 2))]
    for one in found:
        marks += [one.view.project(at_rest(one.view, point))[None] for point in one.rests]
        marks += [one.view.project(path_of(one.view, orbit)) for orbit in one.cycles]
        if one.start is not None:
            marks.append(one.view.project(to_reduced(one.view.seen, one.start))[None])
    points = np.concatenate(marks)
    if not len(points):
        points = np.zeros((1, 2))
    low, high = points.min(0), points.max(0)
    size = high - low
    if any(one.cycles for one in found):  # what there is fills about half of the window
        room = np.maximum(0.35 * size, 0.12 * size.max())
    else:
        room = np.maximum(0.4 * size, 2.0 if len(points) > 1 else 3.0)
    low, high = low - room, high + room
    unit = 10 ** np.floor(np.log10(high - low)) / 10
    low, high = (np.floor(low / unit) * unit).round(9), (np.ceil(high / unit) * unit).round(9)
    return (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))
