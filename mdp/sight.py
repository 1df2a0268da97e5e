"""Observations of the cells of a grid through a window: equal where all that lies within reach is of equal kinds."""

from __future__ import annotations

import numpy as np

from mdp.policies import Array

WALL = 0  # the kind of a cell off the grid


def observations(kind: Array, cells: Array, sight: int) -> Array:
    """One observation for each of some cells, (len(cells),): equal where all cells within reach are of equal kinds.

    `kind` (size, size) holds the kind of every cell, an integer of at least 0, `WALL` for walls; what lies off the grid
    looks like a wall. A window of sight r shows the (2r + 1)² cells at a Chebyshev distance of at most r; at 0 a cell
    sees its own kind only. Observations are numbered 0..O−1 by first appearance among `cells` (raster indices). A
    wider window never merges what a narrower one told apart, and r = size − 1 tells all cells that are no walls
    apart: the set of those is finite, so it is no shifted copy of itself.
    Raises ValueError when sight is not an integer of at least 0.

    >>> observations(np.ones((3, 3), dtype=int), np.arange(9), 1).tolist()
    [0, 1, 2, 3, 4, 5, 6, 7, 8]
    >>> observations(np.ones((4, 4), dtype=int), np.arange(16), 1)[[5, 6, 9, 10]].tolist()
    [4, 4, 4, 4]
    """
    if isinstance(sight, bool) or not isinstance(sight, (int, np.integer)) or sight < 0:
        raise ValueError(f"sight is {sight!r}; must be an integer of at least 0")
    if sight >= len(kind) - 1 > 0:
        return np.arange(len(cells))
    reach = int(sight)
    padded = np.pad(kind, reach, constant_values=WALL)
    width = 2 * reach + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, (width, width))
    seen = windows.reshape(kind.size, width * width)[cells]
    _, first, label = np.unique(seen, axis=0, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[label.ravel()]
