"""The layers of a phase portrait: each function draws one of a `Geometry` on given axes and returns its artists."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from dynamics.drawing.layout import AXES, BELOW, columns
from dynamics.drawing.layout import SERIES as SERIES_TALL
from dynamics.drawing.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALE,
    PURPLE,
    SERIES,
    VERMILLION,
    figure_that_holds,
    plain,
    style,
)
from dynamics.portraits import Geometry, eigenvalue_text, heads, shafts
from mdp import Array

NULLCLINES = ((ORANGE, "-"), (GREEN, (0, (5, 1.6))))
MARKERS = {  # what the type begins with: marker, and whether it is filled
    "stable node": ("s", True),
    "stable": ("o", True),
    "unstable node": ("s", False),
    "unstable": ("o", False),
    "saddle": ("X", True),
    "centre": ("P", False),
    "degenerate": ("^", False),
}
CURL = LinearSegmentedColormap.from_list("curl", ["#C9B7DE", "#FFFFFF", "#F6D3AC"])


def quiver(drawn: Geometry, *, ax: Axes) -> list[Artist]:
    """Arrows along the field; their length grows with the 0.3th power of the speed, so that slow regions still show."""
    if not len(drawn.arrows_at):
        return []
    side = round(np.sqrt(len(drawn.arrows_at)))
    u, v = shafts(drawn)
    arrows = ax.quiver(
        *drawn.arrows_at.T, u, v, angles="xy", scale_units="width", scale=side / 0.85, pivot="middle", units="width",
        width=0.0026, headwidth=4.2, headlength=4.6, headaxislength=4.2, minlength=0.4, color=PALE, zorder=1,
    )  # fmt: skip
    return [arrows]


def nullclines(drawn: Geometry, *, ax: Axes) -> list[Artist]:
    """The curves on which one coordinate is at rest: the horizontal one in orange, the vertical one dashed in green."""
    made: list[Artist] = []
    for paths, (colour, dashes), name in zip(drawn.nullclines, NULLCLINES, "xy", strict=True):
        lines = LineCollection(
            list(paths),
            colors=colour,
            linestyles=[dashes],
            linewidths=2.2,
            zorder=2,
            label=f"nullcline: {name} at rest",
        )
        made.append(ax.add_collection(lines, autolim=False))
    return made


def orbits(drawn: Geometry, *, ax: Axes) -> list[Artist]:
    """Integrated orbits of the field, with arrow heads in the direction of time."""
    if not drawn.orbits:
        return []
    lines = LineCollection(list(drawn.orbits), colors=GREY, linewidths=1.15, zorder=3, label="orbits")
    return [
        ax.add_collection(lines, autolim=False),
        *_heads(drawn, drawn.orbits, GREY, ax, clear_of=[*drawn.cycles, *drawn.rest_at[:, None]]),
    ]


def cycle(drawn: Geometry, *, ax: Axes) -> list[Artist]:
    """Isolated closed orbits, thick, with period and status; unstable ones dashed. Regions of proofs dotted."""
    made: list[Artist] = []
    for path, period, stable, status in zip(drawn.cycles, drawn.periods, drawn.stable, drawn.status, strict=True):
        name = cycle_name(period, stable, status)
        dashes = "-" if stable else (0, (2.5, 1.2))
        made += ax.plot(
            *path.T, color=BLUE, linewidth=3.6, linestyle=dashes, zorder=5, label=name, solid_joinstyle="round"
        )
    for k, path in enumerate(drawn.regions):
        name = (
            "_" if k else "proved: a cycle lies inside" if len(drawn.regions) == 1 else "proved: a cycle lies between"
        )
        made += ax.plot(*path.T, color=INK, linewidth=1.6, linestyle=(0, (1, 1.4)), zorder=5.2, label=name)
    return [*made, *_heads(drawn, drawn.cycles, BLUE, ax, size=1.5)]


def cycle_name(period: float, stable: bool, status: str = "numerical") -> str:
    """What a legend calls a cycle.

    >>> cycle_name(6.28318, False)
    'unstable cycle, period 6.2832 (numerical)'
    """
    return f"{'' if stable else 'unstable '}cycle, period {period:.5g} ({status})"


def separatrices(drawn: Geometry, *, ax: Axes) -> list[Artist]:
    """The orbits into and out of saddles."""
    if not drawn.separatrices:
        return []
    lines = LineCollection(
        list(drawn.separatrices), colors=PURPLE, linewidths=2.0, linestyles=[(0, (6, 1, 1.2, 1))], zorder=4,
        label="separatrices of the saddle",
    )  # fmt: skip
    return [
        ax.add_collection(lines, autolim=False),
        *_heads(drawn, drawn.separatrices, PURPLE, ax, size=1.2, clear_of=[*drawn.rest_at[:, None]]),
    ]


def rest_points(drawn: Geometry, *, ax: Axes) -> list[Artist]:
    """Rest points: filled where stable, open where not, X for saddles, with the eigenvalues in the legend."""
    made: list[Artist] = []
    told: set[str] = set()
    rows = zip(drawn.rest_at, drawn.rest_types, drawn.rest_eigenvalues, drawn.rest_inside, strict=True)
    for (x, y), kind, values, inside in rows:
        marker, filled = next(mark for name, mark in MARKERS.items() if kind.startswith(name))
        name = kind if inside else f"{kind}, projected"
        text = eigenvalue_text(values)
        name += f"{': ' if len(name) + len(text) <= 28 else chr(10)}λ = {text}"
        made += ax.plot(
            x, y, marker, markersize=11, color=INK, markerfacecolor=INK if filled else "white",
            markeredgecolor="white" if filled else INK, markeredgewidth=1.2 if filled else 2.0, linestyle="none",
            zorder=7, label="_" if name in told else name,
        )  # fmt: skip
        told.add(name)
    return made


def track(drawn: Geometry, *, ax: Axes) -> list[Artist]:
    """The orbit from the start that was asked for, with a dot where it starts."""
    if not len(drawn.track):
        return []
    made: list[Artist] = [
        *ax.plot(*drawn.track.T, color=VERMILLION, linewidth=1.9, zorder=4.5, label="from the start given")
    ]
    return [*made, *ax.plot(*drawn.track[0], "o", color=VERMILLION, markersize=6, zorder=6)]


def shading(drawn: Geometry, *, ax: Axes) -> list[Artist]:
    """The curl of the plane, relative to the Jacobian, as a soft background with a colour bar."""
    if not drawn.curl.size:
        return []
    top = float(np.nanmax(np.abs(drawn.curl), initial=0.0))
    top = top if top > 1e-9 else 1.0
    image = ax.imshow(
        np.ma.masked_invalid(drawn.curl), extent=(*drawn.curl_x[[0, -1]], *drawn.curl_y[[0, -1]]), origin="lower",
        aspect="auto", interpolation="bilinear", cmap=CURL, vmin=-top, vmax=top, zorder=0,
    )  # fmt: skip
    figure = figure_that_holds(ax)
    place = ax.inset_axes((1.035, 0.0, 0.035, 1.0))
    bar = figure.colorbar(image, cax=place, ticks=MaxNLocator(5))
    bar.set_label(r"curl   $(\partial_j F_i - \partial_i F_j)\,/\,\Vert J\Vert$", labelpad=2)
    place.tick_params(length=2, pad=2)
    for spine in place.spines.values():
        spine.set_visible(False)
    return [image, place]


def time_series(drawn: Geometry, *, ax: Axes) -> list[Artist]:
    """Every coordinate against time (the time of F), at most seven of them."""
    made: list[Artist] = []
    dashes = ("-", (0, (6, 1.5)), (0, (2, 1)), (0, (6, 1, 1.2, 1)))
    for k, name in enumerate(drawn.series_names[: len(SERIES)]):
        made += ax.plot(
            drawn.series_t,
            drawn.series[:, k],
            color=SERIES[k],
            linestyle=dashes[k % 4],
            linewidth=2.0,
            label=plain(name),
        )
    ax.set_xlabel("time (of F)")
    ax.set_ylabel(_quantity(drawn))
    ax.margins(x=0)
    ax.grid(color="#E6EAED", linewidth=0.7)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    drop = BELOW / (AXES if ax.get_box_aspect() else SERIES_TALL)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -drop), ncols=columns(drawn.series_names), borderaxespad=0.0)
    return made


def _quantity(drawn: Geometry) -> str:
    if drawn.chart == "probabilities":
        return "probability"
    return "log-odds (nats)" if drawn.labels[0].startswith("log-odds") else "coordinates"


def _heads(
    drawn: Geometry, paths: Sequence[Array], colour: str, ax: Axes, *, size: float = 1.0, clear_of: Sequence[Array] = ()
) -> list[Artist]:
    """Arrow heads on paths, in the direction of time."""
    at, along = heads(drawn, paths, clear_of)
    if not len(at):
        return []
    length = 0.13 * size  # inches
    made = ax.quiver(
        *at.T, *along.T, angles="xy", scale_units="inches", scale=1 / length, units="inches", width=length / 5,
        headwidth=4.2, headlength=5, headaxislength=4.2, minlength=0, pivot="middle", color=colour, zorder=5.5,
        edgecolor="white", linewidth=0.7 if size > 1.4 else 0.0,
    )  # fmt: skip
    return [made]


DRAW = {
    "curl": shading,
    "quiver": quiver,
    "nullclines": nullclines,
    "orbits": orbits,
    "separatrices": separatrices,
    "cycle": cycle,
    "rest": rest_points,
}


def draw(drawn: Geometry, *, ax: Axes, title: str = "") -> dict[str, list[Artist]]:
    """All layers of a geometry on some axes, with labels, and a legend below that covers nothing."""
    with style():
        artists = {name: DRAW[name](drawn, ax=ax) for name in drawn.layers}
        artists["track"] = track(drawn, ax=ax)
        if len(drawn.edge):
            artists["edge"] = [*ax.plot(*drawn.edge.T, color=GREY, linewidth=1.0, zorder=1)]
        ax.set_xlim(drawn.xlim)
        ax.set_ylim(drawn.ylim)
        ax.set_box_aspect(1)
        units = " (nats)" if drawn.chart == "differences" else ""
        labels = [plain(name) + (units if name.startswith("log-odds") else "") for name in drawn.labels]
        ax.set_xlabel(labels[0])
        ax.set_ylabel(labels[1])
        if title:
            ax.set_title(plain(title), pad=9)
        legend(ax)
    return artists


def legend(ax: Axes) -> None:
    """The legend below the axes: lines first, then rest points, at most ten entries."""
    handles = [h for h in ax.get_legend_handles_labels()[0] if not str(h.get_label()).startswith("_")]
    points = [h for h in handles if isinstance(h, Line2D) and h.get_linestyle() == "None"]
    ordered = [*(h for h in handles if h not in points), *points][:10]
    if ordered:
        ax.legend(
            handles=ordered, loc="upper center", bbox_to_anchor=(0.5, -BELOW / AXES), borderaxespad=0.0,
            ncols=columns([str(h.get_label()) for h in ordered]), columnspacing=1.6, labelspacing=0.45,
        )  # fmt: skip


def entries(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]
