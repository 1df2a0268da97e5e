"""Orbits as curves: traced by arc length, cut where they close, spread over a window; separatrices.

Dividing a field by its own speed leaves its orbits as they are, and every one of them can be followed in equal steps,
however slowly it is run through. Classical Runge–Kutta steps of 1/125 of the window keep the error per turn below what
can be drawn; closed orbits stay closed. Periods and time series are not taken from here: they use the field itself, and
periodic orbits are solved for in `dynamics.orbits.periodic`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.spatial import cKDTree

from mdp import Array

Velocity = Callable[[Array], Array]  # flat points (..., n) to velocities (..., n)
Inside = Callable[[Array], Array]  # flat points (m, n) to booleans (m,)
STEP = 1 / 125  # of a window, per Runge–Kutta step
CLOSED = 1e-3  # of a window: an orbit that comes this close to itself is cut there


def trace(
    velocity: Velocity, starts: Array, *, scale: Array, inside: Inside, length: float, step: float = STEP
) -> list[Array]:
    """The orbits (k, n) of the field from starts (m, n), followed for an arc length in units of `scale` (n,).

    An orbit ends where `inside` is false, where it closes, or at a rest point: where the field turns by more than 45°
    within a step, steps are quartered, and below 1/64 it has arrived. All are stepped together, so that the field is
    called on batches.

    >>> circle = lambda x: np.stack([-x[..., 1], x[..., 0]], -1)
    >>> (path,) = trace(circle, np.array([[1.0, 0.0]]), scale=np.ones(2), inside=lambda x: x[:, 0] < 9, length=20.0)
    >>> bool(np.abs(np.hypot(*path.T) - 1).max() < 1e-8), 6.28 < len(path) * STEP < 6.31
    (True, True)
    """

    def direction(x: Array) -> Array:
        moved = velocity(x)
        speed = np.linalg.norm(moved / scale, axis=-1, keepdims=True)
        return np.asarray(np.divide(moved, speed, out=np.zeros_like(moved), where=speed > 0))

    starts = np.asarray(starts, dtype=float)
    rounds = 2 * int(np.ceil(length / step))
    points = np.empty((rounds + 1, *starts.shape))
    points[0], ends = starts, np.zeros(len(starts), dtype=int)
    with np.errstate(all="ignore"):
        first = direction(starts)
        alive = np.flatnonzero(np.isfinite(first).all(-1) & (first != 0).any(-1))
        x, first = starts[alive], first[alive]
        h, gone = np.full((len(alive), 1), step), np.zeros(len(alive))
        for k in range(1, rounds + 1):
            second = direction(x + h / 2 * first)
            third = direction(x + h / 2 * second)
            fourth = direction(x + h * third)
            there = x + h / 6 * (first + 2 * second + 2 * third + fourth)
            ahead = direction(there)
            turn = (first * ahead / scale**2).sum(-1)
            good = (turn > 0.7) & np.isfinite(there).all(-1)
            x, first = np.where(good[:, None], there, x), np.where(good[:, None], ahead, first)
            gone += np.where(good, h[:, 0], 0.0)
            ends[alive[good]] += 1
            points[ends[alive], alive] = x
            h = np.where(good[:, None], np.minimum(h * np.where(turn > 0.98, 2, 1)[:, None], step), h / 4)
            going = inside(x) & (h[:, 0] > step / 65) & (gone < length)
            if k % 125 == 0:
                going &= [_closes(points[: ends[i] + 1, i] / scale, step) is None for i in alive]
            alive, x, first, h, gone = alive[going], x[going], first[going], h[going], gone[going]
            if not len(alive):
                break
    paths = (points[: end + 1, i] for i, end in enumerate(ends))
    return [path[: _closes(path / scale, step)] for path in paths]


def _closes(path: Array, step: float) -> int | None:
    """How many points until a path runs along its own earlier course, within CLOSED; None if it never does."""
    reached = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=-1))])
    if reached[-1] < 20 * step:
        return None
    kept = np.unique(np.floor(reached / (0.7 * step)), return_index=True)[1][1:]  # fine steps near rest points thinned
    kept = kept[kept < len(path) - 1]
    pairs = kept[cKDTree(path[kept]).query_pairs(0.6 * step, output_type="ndarray")]
    early, late = pairs[reached[pairs[:, 1]] - reached[pairs[:, 0]] > 20 * step].T
    along = path[early + 1] - path[early - 1]
    gap = path[late] - path[early]
    size = np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-300)
    across = gap - (gap * along).sum(-1, keepdims=True) / size**2 * along
    heading = ((path[late + 1] - path[late - 1]) * along).sum(-1) > 0
    near = (np.linalg.norm(across, axis=-1) < CLOSED) & heading
    return int(late[near].min()) + 2 if near.any() else None


def separatrices(
    velocity: Velocity, jacobian: Array, saddle: Array, *, scale: Array, inside: Inside, length: float = 3.0
) -> list[Array]:
    """The orbits (k, 2) into and out of a planar saddle, each from 1e-4 of the window along its eigenvector.

    Those that lead in are followed backwards in time and returned in the order of time.

    >>> paths = separatrices(lambda x: x * [1.0, -1.0], np.diag([1.0, -1.0]), np.zeros(2), scale=np.ones(2),
    ...                      inside=lambda x: (np.abs(x) < 1).all(-1))
    >>> len(paths), bool(np.abs(paths[0][:, 1]).max() < 1e-9)
    (4, True)
    """
    values, vectors = np.linalg.eig(jacobian)
    found: list[Array] = []
    for k in np.argsort(-values.real):
        along = vectors[:, k].real
        along = 1e-4 * along / np.linalg.norm(along / scale)
        ways = np.stack([saddle + along, saddle - along])
        if values[k].real > 0:
            found += trace(velocity, ways, scale=scale, inside=inside, length=length)
        else:
            backward = trace(lambda x: -velocity(x), ways, scale=scale, inside=inside, length=length)
            found += [path[::-1] for path in backward]
    return found


def joined(backward: Array, forward: Array, scale: Array) -> Array:
    """One orbit (k, n) from its halves, in the order of time; the forward half alone where it comes back."""
    back = np.linalg.norm((forward[25:] - forward[0]) / scale, axis=-1) < STEP
    return forward if back.any() else np.concatenate([backward[:0:-1], forward])


def spread(paths: Sequence[Array], starts: Array, *, apart: float = 0.1, most: int = 12) -> list[int]:
    """Which orbits (k, 2) to draw: the first, then always the one whose start (m, 2) is farthest from those chosen.

    In units of the window; ends when no start is `apart` from all of them. Short orbits are left out.

    >>> lines = [np.array([[0.0, y], [0.5, y], [1.0, y]]) for y in (0.0, 0.04, 0.5, 1.0)]
    >>> spread(lines, np.array([path[1] for path in lines]))
    [0, 3, 2]
    """
    lengths = [np.linalg.norm(np.diff(path, axis=0), axis=-1).sum() for path in paths]
    left = [k for k, length in enumerate(lengths) if length > 0.15]
    gaps = np.full(len(paths), np.inf)
    chosen: list[int] = []
    while left and len(chosen) < most:
        best = max(left, key=lambda k: gaps[k])
        if gaps[best] < apart:
            break
        chosen.append(best)
        left.remove(best)
        gaps = np.minimum(gaps, cKDTree(paths[best]).query(starts)[0])
    return chosen
