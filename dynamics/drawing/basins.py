"""Basins of attraction behind a phase portrait: a pale colour for each attractor, hatched grey where undecided."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D

from dynamics.drawing.layers import cycle_name
from dynamics.drawing.portraits import Picture, rearrange
from dynamics.drawing.style import GREY, INK, style
from dynamics.fields import VectorField, to_reduced
from dynamics.motion import Progress
from dynamics.orbits import Inventory
from dynamics.portraits import UNDECIDED, Basins, basins, view
from mdp import Array

FILLS = ("#CFE5F4", "#FBE3B5", "#EFD3E4", "#BFE5D8", "#F4F0B2", "#F3CDB6")  # pale Okabe–Ito, apart in lightness too
HATCH = "////"


def shade(seen: Basins, *, ax: Axes) -> list[Artist]:
    """The basins as cells of colour behind everything, with legend entries, and repelling orbits dashed.

    More attractors than there are colours share them in turn.
    """
    edges = [_edges(seen.x), _edges(seen.y)]
    colours = np.array([to_rgba("#EDEFF1"), *(to_rgba(FILLS[k % len(FILLS)]) for k in range(len(seen.attractors)))])
    made: list[Artist] = [
        ax.imshow(
            colours[seen.label], extent=(*edges[0][[0, -1]], *edges[1][[0, -1]]), origin="lower", aspect="auto",
            interpolation="nearest", zorder=0,
        )
    ]  # fmt: skip
    for k, attractor in enumerate(seen.attractors):
        if (seen.label == k + 1).any():
            made += ax.fill([np.nan], [np.nan], color=colours[k + 1], label=f"to: {attractor.name}")
    if seen.undecided:
        made.append(ax.add_collection(_hatched(seen, edges), autolim=False))
    return [*made, *_repelling(seen, ax)]


def _edges(centres: Array) -> Array:
    half = (centres[1] - centres[0]) / 2
    return np.append(centres - half, centres[-1] + half)


def _hatched(seen: Basins, edges: Sequence[Array]) -> PolyCollection:
    """The cells of the starts that are undecided."""
    rows, columns = np.nonzero(seen.label == UNDECIDED)
    left, right = edges[0][columns], edges[0][columns + 1]
    low, high = edges[1][rows], edges[1][rows + 1]
    corners = np.stack([np.stack(pair, -1) for pair in ((left, low), (right, low), (right, high), (left, high))], 1)
    return PolyCollection(
        list(corners), facecolors="#E3E6E9", edgecolors=GREY, linewidths=0, hatch=HATCH, zorder=0.5, label="undecided"
    )


def _repelling(seen: Basins, ax: Axes) -> list[Artist]:
    """The unstable orbits that are known, dashed: in the plane they part the basins."""
    made: list[Artist] = []
    drawn = {str(line.get_label()).partition(" (")[0] for line in ax.lines if isinstance(line, Line2D)}
    for orbit in seen.found.orbits:
        name = cycle_name(orbit.period, False)
        if not orbit.stable and name.partition(" (")[0] not in drawn:
            path = seen.plane.project(np.array([to_reduced(seen.plane.seen, theta) for theta in orbit.theta]))
            made += ax.plot(*path.T, color=INK, linestyle=(0, (4, 2)), linewidth=1.8, zorder=4.8, label=name)
    return made


def add_basins(
    pictures: Sequence[Picture],
    fields: Sequence[VectorField],
    known: Sequence[Inventory],
    *,
    n: int = 60,
    progress: Progress | None = None,
) -> tuple[Basins, ...]:
    """The basins behind the portraits of one figure, in the planes and windows drawn.

    `fields` are the fields drawn, `known` what is known of each. Legends and places are made anew.
    Raises ValueError where the background is taken by the curl.
    """
    found = []
    for k, (picture, field, held) in enumerate(zip(pictures, fields, known, strict=True)):
        drawn = picture.geometry
        if "curl" in drawn.layers:
            raise ValueError("the layer curl and the basins both colour the background; draw one of them")
        plane = dataclasses.replace(view(field, chart=drawn.chart), pick=drawn.pick, held=drawn.held)
        tell = None if progress is None else _part(progress, k, len(pictures))
        found.append(basins(plane, drawn.xlim, drawn.ylim, n, found=held, progress=tell))
        with style():
            shade(found[-1], ax=picture.ax)
    rearrange(pictures)
    return tuple(found)


def _part(progress: Progress, k: int, count: int) -> Progress:
    return lambda share: progress((k + share) / count)
