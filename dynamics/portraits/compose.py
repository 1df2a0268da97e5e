"""What a phase portrait draws, computed: arrows, nullclines, orbits, separatrices, curl, around what a survey found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dynamics.fields import VectorField, to_reduced
from dynamics.motion import flow
from dynamics.orbits import Limits, Orbit, RestPoint, rest_points_in_plane
from dynamics.portraits import curves
from dynamics.portraits.arrays import Geometry, Paths
from dynamics.portraits.plane import Coords, View
from dynamics.portraits.survey import SEARCH, Found, at_rest, find, path_of, window
from mdp import Array, nearest

LAYERS = ("curl", "quiver", "nullclines", "orbits", "separatrices", "cycle", "rest")
DEFAULT = ("quiver", "nullclines", "orbits", "separatrices", "cycle", "rest")
ARROWS = 22  # a side
REFINE = 4  # nullclines are taken from a grid this much finer than the arrows


def geometry(
    field: VectorField,
    xlim: Limits | None = None,
    ylim: Limits | None = None,
    layers: Sequence[str] = DEFAULT,
    coords: Coords | None = None,
    *,
    held: ArrayLike | None = None,
    chart: str = "differences",
    theta0: ArrayLike | None = None,
    time: float | None = None,
    series: bool = False,
    cycles: Sequence[Orbit] | None = None,
    arrows: int = ARROWS,
) -> Geometry:
    """What a portrait of `field` shows in a window of two of its coordinates.

    `layers` are among curl, quiver, nullclines, orbits, separatrices, cycle, rest; `coords`, `held` and `chart`
    ("differences": log-odds, or "probabilities") choose the plane, see `dynamics.portraits.plane.view`. Limits left out
    are chosen from the rest points within 12 nats of 0 and, with orbits or cycles among the layers, the cycles. In a
    larger system the other coordinates are held at a rest point, if one is found, else at 0; arrows, nullclines and
    curl are then those of the slice; orbits, cycles and rest points are of the whole system, projected. `theta0`
    (*shape) adds the orbit from there, for `time` (time of F); `series` its coordinates against time (from 0, if there
    is no `theta0`); `cycles` are orbits already known.
    Raises ValueError for an unknown layer, a bad limit or coordinate, or a field with a single coordinate.

    >>> from vorticity import FunctionField
    >>> turning = FunctionField(lambda x: np.array([x[1], -x[0]]), (2,))
    >>> found = geometry(turning, (-2, 2), (-1, 1), ["nullclines", "rest"])
    >>> found.rest_types, [len(paths) for paths in found.nullclines]
    (('centre (linear)',), [1, 1])
    """
    layers = checked_layers(layers)
    given = xlim is not None and ylim is not None
    search = None if given and not {"cycle", "rest", "orbits", "separatrices"} & set(layers) else "rest"
    if cycles is None and ("cycle" in layers or ("orbits" in layers and not given)):
        search = "cycles"
    found = find(field, coords=coords, held=held, chart=chart, theta0=theta0, cycles=cycles, search=search)
    return compose(found, window(found, xlim=xlim, ylim=ylim), layers, time=time, series=series, arrows=arrows)


def checked_layers(layers: Sequence[str]) -> tuple[str, ...]:
    """The layers in the order in which they are drawn.

    >>> checked_layers(["rest", "quiver"])
    ('quiver', 'rest')
    """
    for name in layers:
        if name not in LAYERS:
            raise ValueError(f"layers: {nearest(name, LAYERS)}; must be among {', '.join(LAYERS)}")
    return tuple(name for name in LAYERS if name in layers)


# --- what is drawn ----------------------------------------------------------------------------------------------------


def compose(
    found: Found,
    limits: tuple[Limits, Limits],
    layers: Sequence[str] = DEFAULT,
    *,
    time: float | None = None,
    series: bool = False,
    arrows: int = ARROWS,
) -> Geometry:
    """The layers of what was found, in a window (xlim, ylim); see `geometry`."""
    layers = checked_layers(layers)
    if arrows < 2:
        raise ValueError(f"{arrows} arrows a side; must be at least 2")
    seen, rests = found.view, found.rests
    if seen.planar and seen.chart == "differences" and rests and np.abs(limits).max() > SEARCH:
        rests = rest_points_in_plane(seen.field, *(limits if seen.pick == (0, 1) else limits[::-1]))
    drawn: dict[str, Any] = {
        "xlim": limits[0],
        "ylim": limits[1],
        "labels": seen.labels,
        "chart": seen.chart,
        "layers": layers,
        "note": _note(seen),
        "pick": seen.pick,
        "held": seen.held,
        "edge": _edge(seen),
    }
    if {"quiver", "nullclines"} & set(layers):
        at, velocity, lines = slice_of(seen, limits, arrows)
    else:
        at, velocity, lines = np.empty((0, 2)), np.empty((0, 2)), ((), ())
    shown = slice(None) if "quiver" in layers else slice(0)
    drawn |= {"arrows_at": at[shown], "arrows": velocity[shown]}
    drawn["nullclines"] = lines if "nullclines" in layers else ((), ())
    drawn |= _rest_arrays(seen, rests if "rest" in layers else (), limits)
    drawn |= _curve_arrays(seen, layers, rests, found.cycles, limits)
    drawn |= _curl_arrays(seen, limits if "curl" in layers else None)
    drawn |= _series_arrays(found, time, series)
    return Geometry(**drawn)


def slice_of(seen: View, limits: tuple[Limits, Limits], arrows: int) -> tuple[Array, Array, tuple[Paths, Paths]]:
    """Places (m, 2) and velocities (m, 2) of a grid of arrows, and both nullclines, from one call of the field.

    Nullclines are contours of the components divided by p(1 − p), with which they vanish at the simplex's boundary.
    """
    import contourpy

    x, y = (_points(seen, ends, arrows * REFINE + 1) for ends in limits)
    grid = np.stack(np.meshgrid(x, y), -1)
    velocity = seen.velocity(grid)
    paths: list[Paths] = []
    for k in (0, 1):
        level = velocity[..., k] / _shrinking(seen, grid[..., k])
        size = np.abs(level).max(initial=0.0, where=np.isfinite(level))
        level = np.ma.masked_invalid(np.where(np.abs(level) < 1e-13 * size, 0.0, level))
        lines = contourpy.contour_generator(x, y, level).lines(0.0)
        paths.append(tuple(np.asarray(line) for line in lines))
    few = slice(REFINE // 2, None, REFINE)
    return grid[few, few].reshape(-1, 2), velocity[few, few].reshape(-1, 2), (paths[0], paths[1])


def _points(seen: View, ends: Limits, count: int) -> Array:
    """Equally spaced points of an axis; a chart of probabilities stays off the edges of the simplex."""
    low, high = ends
    if seen.chart == "probabilities":
        low, high = max(low, 1e-4), min(high, 1 - 1e-4)
    return np.linspace(low, high, count)


def _shrinking(seen: View, u: Array) -> Array:
    """The positive factor p(1 − p) of a component, squared where the component is that of p itself."""
    if seen.rows is None:
        return np.ones_like(u)
    if seen.chart == "probabilities":
        return np.asarray((u * (1 - u)) ** 2)
    return np.asarray(0.25 / np.cosh(np.clip(u, -300, 300) / 2) ** 2)


def _edge(seen: View) -> Array:
    """The edge of the simplex where both coordinates are probabilities of one row: x + y = 1 − the others."""
    if seen.chart == "differences" or seen.rows is None or seen.pick[0] // seen.rows[1] != seen.pick[1] // seen.rows[1]:
        return np.empty((0, 2))
    row = seen.pick[0] // seen.rows[1]
    others = [k for k in range(row * seen.rows[1], (row + 1) * seen.rows[1]) if k not in seen.pick]
    free = 1 - float(seen.probabilities(seen.held)[others].sum())
    return np.array([[0.0, free], [free, 0.0]])


def _note(seen: View) -> str:
    """Where the plane is a slice of a larger system: the other coordinates; nothing for a planar field."""
    if seen.planar:
        return ""
    others = [k for k in range(seen.seen.size) if k not in seen.pick]
    values = seen.all_drawn(seen.held)
    told = ", ".join(f"{seen.names[k]} = {values[k]:.4g}" for k in others[:3]).replace("-0", "−0")
    more = f" and {len(others) - 3} more" if len(others) > 3 else ""
    return f"{told}{more}"


def _rest_arrays(seen: View, rests: Sequence[RestPoint], limits: tuple[Limits, Limits]) -> dict[str, Any]:
    points = [(seen.project(at_rest(seen, p)), p) for p in rests]
    points = [(u, p) for u, p in points if all(low <= c <= high for c, (low, high) in zip(u, limits, strict=True))]
    others = [k for k in range(seen.seen.size) if k not in seen.pick]
    inside = [np.allclose(at_rest(seen, p)[others], seen.held[others], atol=1e-6) for _, p in points]
    return {
        "rest_at": np.array([u for u, _ in points]).reshape(-1, 2),
        "rest_types": tuple(p.type for _, p in points),
        "rest_eigenvalues": np.array([p.eigenvalues for _, p in points], dtype=complex).reshape(-1, seen.seen.size),
        "rest_inside": np.array(inside, dtype=bool),
    }


def _curve_arrays(
    seen: View,
    layers: tuple[str, ...],
    rests: Sequence[RestPoint],
    cycles: Sequence[Orbit],
    limits: tuple[Limits, Limits],
) -> dict[str, Any]:
    """Orbits, separatrices and cycles, projected."""
    low, high = np.array(limits).T
    room = (0.02 if seen.planar else 1.0) * (high - low)
    bound = 7.0 if seen.chart == "probabilities" else 40.0
    scale = _scale(seen, limits)

    def inside(x: Array) -> Array:
        u = seen.project(x)
        return np.asarray(((u > low - room) & (u < high + room)).all(-1) & (np.abs(x) < bound).all(-1))

    found: dict[str, Any] = {"orbits": (), "separatrices": (), "cycles": (), "periods": (), "stable": (), "status": ()}
    if "cycle" in layers:
        found["cycles"] = tuple(seen.project(path_of(seen, orbit)) for orbit in cycles)
        found["periods"] = tuple(orbit.period for orbit in cycles)
        found["stable"] = tuple(orbit.stable for orbit in cycles)
        found["status"] = ("numerical",) * len(cycles)
    if "separatrices" in layers and seen.planar:
        paths = []
        for x in (at_rest(seen, point) for point in rests if point.type == "saddle"):
            if inside(x[None])[0]:
                jacobian = seen.seen.jacobian(x.reshape(seen.seen.shape))
                paths += curves.separatrices(seen.velocity_of, jacobian, x, scale=scale, inside=inside)
        found["separatrices"] = tuple(seen.project(path) for path in paths)
    if "orbits" in layers:
        starts = _orbit_starts(seen, rests, limits)
        most = 4.0 if seen.planar else 2.2
        paths = curves.trace(seen.velocity_of, starts, scale=scale, inside=inside, length=most)
        if seen.planar:
            backward = curves.trace(lambda x: -seen.velocity_of(x), starts, scale=scale, inside=inside, length=most)
            paths = [curves.joined(*pair, scale) for pair in zip(backward, paths, strict=True)]
            on_page = [(seen.project(path) - low) / (high - low) for path in paths]
            paths = [paths[k] for k in curves.spread(on_page, (seen.project(starts) - low) / (high - low))]
        found["orbits"] = tuple(seen.project(path) for path in paths if len(path) * curves.STEP > 0.15)
    return found


def _scale(seen: View, limits: tuple[Limits, Limits]) -> Array:
    """The length of the window in every coordinate, (n,)."""
    if seen.chart == "probabilities":
        return np.full(seen.seen.size, 8.0)
    widths = [high - low for low, high in limits]
    scale = np.full(seen.seen.size, max(widths))
    scale[list(seen.pick)] = widths
    return scale


def _orbit_starts(seen: View, rests: Sequence[RestPoint], limits: tuple[Limits, Limits]) -> Array:
    """Points (m, n) next to what repels and over the window; of a larger system a few over the window."""
    low, high = np.array(limits).T
    if not seen.planar:
        spots = np.array([[0.2, 0.2], [0.8, 0.8], [0.2, 0.8], [0.8, 0.2], [0.5, 0.12], [0.5, 0.88]])
        return seen.lift(low + (high - low) * spots)
    near = [seen.project(at_rest(seen, p)) + 0.02 * (high - low) for p in rests if p.type.startswith("unstable")]
    side = np.linspace(0.03, 0.97, 9)
    grid = low + (high - low) * np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    starts = seen.lift(np.concatenate([np.array(near).reshape(-1, 2), grid]))
    return np.asarray(starts[np.isfinite(starts).all(-1)])


def _curl_arrays(seen: View, limits: tuple[Limits, Limits] | None, count: int = 49) -> dict[str, Any]:
    if limits is None:
        return {"curl_x": np.empty(0), "curl_y": np.empty(0), "curl": np.empty((0, 0))}
    x, y = (_points(seen, ends, count) for ends in limits)
    return {"curl_x": x, "curl_y": y, "curl": seen.curl(np.stack(np.meshgrid(x, y), -1))}


def _series_arrays(found: Found, time: float | None, series: bool) -> dict[str, Any]:
    """The orbit from the start asked for (zero, for a series without one), integrated in the time of F."""
    seen, start = found.view, found.start
    if start is None and not series:
        return {"track": np.empty((0, 2)), "series_t": np.empty(0), "series": np.empty((0, 0)), "series_names": ()}
    span = time if time is not None else (8 * found.cycles[0].period if found.cycles else 200.0)
    begin = np.zeros(seen.field.shape) if start is None else start
    # The first moves are the quickest: finer samples there keep the drawn track smooth.
    samples = np.union1d(np.linspace(0, span, 2001), np.geomspace(1e-6 * span, span, 600))
    run = flow(seen.field, begin, span, rtol=1e-9, atol=1e-11, samples=samples)
    x = np.stack([to_reduced(seen.seen, theta) for theta in run.theta])
    kept = slice(None) if time is not None or found.cycles else slice(_settled(x))
    return {
        "track": seen.project(x)[kept] if start is not None else np.empty((0, 2)),
        "series_t": run.t[kept] if series else np.empty(0),
        "series": seen.all_drawn(x)[kept] if series else np.empty((0, 0)),
        "series_names": seen.names if series else (),
    }


def _settled(x: Array) -> int:
    """How many states to show: up to twice the time after which nothing moves by a hundredth of the whole range."""
    moved = np.abs(x - x[-1]).max(-1) > 0.01 * np.ptp(x, axis=0).max()
    last = int(np.flatnonzero(moved)[-1]) if moved.any() else 0
    return min(len(x), max(2 * last, 50))
