"""What there is to draw in a plane of a field: rest points, isolated cycles, and a window that shows them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dynamics import orbits as curves
from dynamics.charts import ChartField
from dynamics.cycles import Orbit, to_parameters, to_reduced
from dynamics.equilibria import RestPoint, checked_limits, rest_points, rest_points_in_plane
from dynamics.plane import Coords, View, view
from dynamics.shapes import Limits
from dynamics.vector import VectorField
from mdp.policy import Array

SEARCH = 12.0  # rest points are looked for this far from 0 in both coordinates, in nats


@dataclass(frozen=True, eq=False)
class Found:
    """What a portrait is built from: the plane, the rest points, the isolated cycles, and a start asked for."""

    view: View
    rests: tuple[RestPoint, ...]
    loops: tuple[curves.Loop, ...]
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
    end in.
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
    loops = [_known(seen, orbit) for orbit in cycles or ()]
    if search == "cycles" and cycles is None:
        loops = _find_cycles(seen, rests, start)
    if not seen.planar and coords is None and loops:  # the two coordinates that move most on a cycle
        widest = np.sort(np.argsort(-np.ptp(loops[0].points, axis=0), kind="stable")[:2])
        seen = dataclasses.replace(seen, pick=(int(widest[0]), int(widest[1])))
    if not seen.planar and held is None and rests:
        chief = min(rests, key=lambda p: (not p.type.startswith("stable"), float(np.abs(p.theta).max())))
        seen = dataclasses.replace(seen, held=at_rest(seen, chief))
    return Found(seen, rests, tuple(loops), start)


def at_rest(seen: View, point: RestPoint) -> Array:
    """A rest point's coordinates (n,)."""
    return to_reduced(seen.seen, point.theta)


def _find_cycles(seen: View, rests: Sequence[RestPoint], start: Array | None) -> list[curves.Loop]:
    """The isolated cycles that orbits from near what repels, and from the start asked for, end in.

    In the plane a cycle encloses a rest point that is no saddle. Unstable cycles, around stable ones, are not sought.
    """
    repelling = [p for p in rests if p.type.startswith("unstable") or p.type.startswith("saddle with")]
    tilt = np.where(np.arange(seen.seen.size) % 2, -1.0, 1.0)
    starts = [at_rest(seen, p) + far * tilt for p in repelling for far in (0.05, 0.5, 1.5)]
    if start is not None:
        starts.append(to_reduced(seen.seen, start))
    if not starts:
        return []
    scale = np.full(seen.seen.size, 9.0)  # steps of 0.06 nats
    paths = curves.trace(
        seen.velocity_of,
        np.array(starts),
        scale=scale,
        inside=lambda x: np.asarray((np.abs(x) < 15).all(-1)),
        length=12.0,
    )
    found: list[curves.Loop] = []
    for path in paths:
        end = path[-1]
        if len(path) < 40 or np.abs(end).max() > 14 or any(_on(loop, end) for loop in found):
            continue
        loop = curves.cycle(seen.velocity_of, end)
        if loop is not None and not any(_on(other, loop.points[0]) for other in found):
            found.append(loop)
    return found


def _on(loop: curves.Loop, x: Array) -> bool:
    size = np.linalg.norm(np.ptp(loop.points, axis=0))
    return bool(np.linalg.norm(loop.points - x, axis=-1).min() < 0.02 * size)


def _known(seen: View, orbit: Orbit) -> curves.Loop:
    """An orbit from `dynamics.cycles.shoot`, in the coordinates drawn."""
    flat = seen.seen.from_parameters(orbit.theta) if isinstance(seen.seen, ChartField) else orbit.theta
    return curves.Loop(orbit.period, flat.reshape(len(flat), -1), orbit.stable)


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
        marks += [one.view.project(loop.points) for loop in one.loops]
        if one.start is not None:
            marks.append(one.view.project(to_reduced(one.view.seen, one.start))[None])
    points = np.concatenate(marks)
    if not len(points):
        points = np.zeros((1, 2))
    low, high = points.min(0), points.max(0)
    size = high - low
    if any(one.loops for one in found):  # what there is fills about half of the window
        room = np.maximum(0.35 * size, 0.12 * size.max())
    else:
        room = np.maximum(0.4 * size, 2.0 if len(points) > 1 else 3.0)
    low, high = low - room, high + room
    unit = 10 ** np.floor(np.log10(high - low)) / 10
    low, high = (np.floor(low / unit) * unit).round(9), (np.ceil(high / unit) * unit).round(9)
    return (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))
