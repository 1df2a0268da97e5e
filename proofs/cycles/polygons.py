"""Polygons with vertices on a fine grid, (N, 2) whole numbers, anticlockwise: exact answers about which way and where.

Whole numbers up to 2^29 in size: every cross product then fits into 64 bits, so that nothing here is rounded.
"""

from __future__ import annotations

import numpy as np

from mdp import Array
from proofs.enclosures import Interval

BITS = 22  # the grid is 2^-BITS
LARGEST = 1 << 29


def on_grid(points: Array) -> Array:
    """Points (N, 2) rounded to the grid, as whole numbers. Raises ValueError beyond ±2^7.

    >>> on_grid(np.array([[0.5, -1.0]])).tolist() == [[1 << 21, -(1 << 22)]]
    True
    """
    scaled = np.rint(np.asarray(points, dtype=float) * 2.0**BITS)
    if not (np.abs(scaled) <= LARGEST).all():
        raise ValueError(f"polygon reaches {np.abs(points).max():g}; vertices must lie within ±{LARGEST >> BITS}")
    return scaled.astype(np.int64)


def off_grid(vertices: Array) -> Array:
    """Vertices as doubles, exactly."""
    return np.asarray(vertices / 2.0**BITS)


def rectangle(box: Interval) -> Array:
    """The corners of a box (2,), moved outward to the grid."""
    lo, hi = np.floor(box.lo * 2.0**BITS) - 1, np.ceil(box.hi * 2.0**BITS) + 1
    if not (np.abs(lo) <= LARGEST).all() or not (np.abs(hi) <= LARGEST).all():
        raise ValueError(f"box reaches {max(-box.lo.min(), box.hi.max()):g}; must lie within ±{LARGEST >> BITS}")
    return np.array([[lo[0], lo[1]], [hi[0], lo[1]], [hi[0], hi[1]], [lo[0], hi[1]]], dtype=np.int64)


def area(vertices: Array) -> int:
    """Twice the signed area, positive for anticlockwise polygons.

    >>> area(np.array([[0, 0], [2, 0], [2, 1]]))
    2
    """
    ahead = np.roll(vertices, -1, axis=0)
    return sum(int(a) for a in _cross(vertices, ahead))


def is_simple(vertices: Array) -> bool:
    """Whether edges meet only in the vertices that consecutive ones share.

    >>> bow = np.array([[0, 0], [2, 2], [2, 0], [0, 2]])
    >>> is_simple(bow), is_simple(bow[[0, 2, 1, 3]])
    (False, True)
    """
    n = len(vertices)
    ahead = np.roll(vertices, -1, axis=0)
    edge = ahead - vertices
    turn, on = _cross(edge, np.roll(edge, -1, axis=0)), (edge * np.roll(edge, -1, axis=0)).sum(1)
    if n < 3 or (edge == 0).all(1).any() or ((turn == 0) & (on < 0)).any():
        return False
    meets = _meets(vertices, ahead, vertices, ahead)
    i, j = np.nonzero(meets)
    return bool((np.minimum((i - j) % n, (j - i) % n) <= 1).all())


def is_inside(inner: Array, outer: Array) -> bool:
    """Whether a simple polygon lies in the interior of another.

    >>> big = np.array([[0, 0], [9, 0], [9, 9], [0, 9]])
    >>> is_inside(big // 9 + 4, big), is_inside(big + 3, big), is_inside(big + 20, big)
    (True, False, False)
    """
    if _meets(inner, np.roll(inner, -1, axis=0), outer, np.roll(outer, -1, axis=0)).any():
        return False
    return _holds(outer, inner[0])


def is_outside(one: Array, other: Array) -> bool:
    """Whether two simple polygons have no point in common.

    >>> square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    >>> is_outside(square + 2, square), is_outside(4 * square - 1, square), is_outside(square + 1, square)
    (True, False, False)
    """
    if _meets(one, np.roll(one, -1, axis=0), other, np.roll(other, -1, axis=0)).any():
        return False
    return not _holds(other, one[0]) and not _holds(one, other[0])


def _holds(polygon: Array, point: Array) -> bool:
    """Whether a point that is on no edge lies inside: a ray to the right crosses an odd number of edges."""
    a, b = polygon, np.roll(polygon, -1, axis=0)
    spans = (a[:, 1] > point[1]) != (b[:, 1] > point[1])
    side = _cross(b - a, point - a)
    left = np.where(b[:, 1] > a[:, 1], side > 0, side < 0)
    return bool((spans & left).sum() % 2)


def _meets(a: Array, b: Array, c: Array, d: Array) -> Array:
    """Which closed segments a–b (N, 2) meet which closed segments c–d (M, 2): (N, M)."""
    rows = [_meets_all(a[i], b[i], c, d) for i in range(len(a))]
    return np.array(rows)


def _meets_all(a: Array, b: Array, c: Array, d: Array) -> Array:
    apart = (np.minimum(a, b) > np.maximum(c, d)).any(1) | (np.minimum(c, d) > np.maximum(a, b)).any(1)
    here = np.sign(_cross(b - a, c - a)) * np.sign(_cross(b - a, d - a))
    there = np.sign(_cross(d - c, a - c)) * np.sign(_cross(d - c, b - c))
    return np.asarray(~apart & (here <= 0) & (there <= 0))


def _cross(x: Array, y: Array) -> Array:
    return np.asarray(x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0])
