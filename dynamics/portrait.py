"""Phase portraits with matplotlib: each function draws one layer of a `Geometry` on given axes and returns its artists.

    picture = portrait(field)             # finds what there is to draw, draws it, returns figure, axes and artists
    save(picture.figure, "swirl.svg")     # the same bytes every time

Colours are Okabe and Ito's, which readers who see fewer colours can tell apart; what differs in colour differs in
shape or line too. Nothing here changes matplotlib's settings outside of its own calls, and pyplot is not used.
"""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.quiver import Quiver
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from dynamics import geometry as plan
from dynamics import survey
from dynamics.cycles import Orbit, reduced
from dynamics.layout import AXES, BELOW, columns, layout
from dynamics.layout import SERIES as SERIES_TALL
from dynamics.plane import Coords, name_of, view
from dynamics.shapes import Geometry, Limits, eigenvalue_text, heads, only, shafts
from dynamics.vector import VectorField
from mdp.policy import Array

INK, GREY, PALE = "#222222", "#5B6770", "#A9B4BC"
ORANGE, SKY, GREEN, BLUE, VERMILLION, PURPLE = "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7"
SERIES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, INK)
STYLE: Any = {
    "font.family": ["DejaVu Sans"],
    "font.size": 11.5,
    "axes.titlesize": 13,
    "axes.labelsize": 12.5,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.facecolor": "white",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.fontsize": 11,
    "legend.frameon": False,
    "path.simplify": True,
    "text.usetex": False,
    "svg.hashsalt": "vorticity",
    "svg.fonttype": "path",
    "pdf.compression": 6,
}
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
FORMATS = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None},
}


@dataclass(frozen=True, eq=False)
class Picture:
    """A drawn portrait: figure, axes, what was drawn, the artists of each layer, and the axes of a time series."""

    figure: Figure
    ax: Axes
    geometry: Geometry
    artists: Mapping[str, list[Artist]]
    series_ax: Axes | None = None

    def _repr_png_(self) -> bytes:
        return rendered(self.figure, ".png")


@contextmanager
def style() -> Iterator[None]:
    """The settings of these pictures, for the time of a `with` block."""
    with mpl.rc_context(STYLE):
        yield


# --- layers -----------------------------------------------------------------------------------------------------------


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
    figure = _figure_of(ax)
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
            label=_plain(name),
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


# --- pictures ---------------------------------------------------------------------------------------------------------

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
        labels = [_plain(name) + (units if name.startswith("log-odds") else "") for name in drawn.labels]
        ax.set_xlabel(labels[0])
        ax.set_ylabel(labels[1])
        if title:
            ax.set_title(_plain(title), pad=9)
        _legend(ax)
    return artists


def _legend(ax: Axes) -> None:
    """The legend below the axes: lines first, then rest points, at most ten entries."""
    handles = [h for h in ax.get_legend_handles_labels()[0] if not str(h.get_label()).startswith("_")]
    points = [h for h in handles if isinstance(h, Line2D) and h.get_linestyle() == "None"]
    ordered = [*(h for h in handles if h not in points), *points][:10]
    if ordered:
        ax.legend(
            handles=ordered, loc="upper center", bbox_to_anchor=(0.5, -BELOW / AXES), borderaxespad=0.0,
            ncols=columns([str(h.get_label()) for h in ordered]), columnspacing=1.6, labelspacing=0.45,
        )  # fmt: skip


def _entries(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def _figure_of(ax: Axes) -> Figure:
    """The figure that axes stand in."""
    figure = ax.get_figure(root=True)
    if not isinstance(figure, Figure):
        raise ValueError("these axes stand in no figure")
    return figure


def portrait(
    field: VectorField,
    ax: Axes | None = None,
    geometry: Geometry | None = None,
    layers: Sequence[str] = plan.DEFAULT,
    *,
    xlim: Limits | None = None,
    ylim: Limits | None = None,
    coords: Coords | None = None,
    held: ArrayLike | None = None,
    chart: str = "differences",
    theta0: ArrayLike | None = None,
    time: float | None = None,
    series: bool = False,
    cycles: Sequence[Orbit] | None = None,
    title: str | None = None,
) -> Picture:
    """The phase portrait of a field, on given axes or in a figure of its own; options as in `dynamics.geometry`.

    >>> from mdp import zoo
    >>> from dynamics.field import Field
    >>> picture = portrait(Field(zoo.load("fig2"), "on-policy", reward=True), layers=["quiver", "rest"])
    >>> picture.ax.get_xlabel(), sorted(picture.artists)
    ('log-odds of R at s0 (nats)', ['quiver', 'rest', 'track'])
    """
    drawn = geometry or plan.geometry(
        field,
        xlim,
        ylim,
        layers,
        coords,
        held=held,
        chart=chart,
        theta0=theta0,
        time=time,
        series=series,
        cycles=cycles,
    )
    named = name_of(field) if title is None else title
    if ax is not None:
        return Picture(_figure_of(ax), ax, drawn, draw(drawn, ax=ax, title=named))
    return figure_of([drawn], [named])[0]


def side_by_side(
    field: VectorField,
    other: VectorField,
    layers: Sequence[str] = plan.DEFAULT,
    *,
    xlim: Limits | None = None,
    ylim: Limits | None = None,
    coords: Coords | None = None,
    held: ArrayLike | None = None,
    chart: str = "differences",
    theta0: ArrayLike | None = None,
    time: float | None = None,
    series: bool = False,
    cycles: tuple[Sequence[Orbit] | None, Sequence[Orbit] | None] = (None, None),
    titles: Sequence[str] | None = None,
) -> tuple[Picture, Picture]:
    """Two portraits on the same axes, in one figure: a rule and its correction. Options as in `portrait`.

    `cycles` are each field's known orbits, None to look for them. Limits that are not given hold what either field
    needs. In a larger system each slice is at a rest point of its own.
    Raises ValueError for fields of different shapes.
    """
    if field.shape != other.shape:
        raise ValueError(f"the fields have shapes {field.shape} and {other.shape}; must be the same")
    first = survey.find(field, coords=coords, held=held, chart=chart, theta0=theta0, cycles=cycles[0])
    second = survey.find(other, coords=coords, held=held, chart=chart, theta0=theta0, cycles=cycles[1])
    if not first.cycles and second.cycles:  # the plane that shows the cycle, whichever of the two has it
        first = dataclasses.replace(first, view=dataclasses.replace(first.view, pick=second.view.pick))
    else:
        second = dataclasses.replace(second, view=dataclasses.replace(second.view, pick=first.view.pick))
    limits = survey.window(first, second, xlim=xlim, ylim=ylim)
    drawn = [plan.compose(one, limits, layers, time=time, series=series) for one in (first, second)]
    made = figure_of(drawn, [name_of(field), name_of(other)] if titles is None else list(titles))
    return made[0], made[1]


def figure_of(drawn: Sequence[Geometry], titles: Sequence[str]) -> list[Picture]:
    """A figure with a portrait per geometry; time series beside a single one, below two."""
    with style():
        figure = Figure(dpi=150)
        made = []
        for one, title in zip(drawn, titles, strict=True):
            ax = figure.add_axes((0, 0, 1, 1))
            artists, other = draw(one, ax=ax, title=title), None
            if len(one.series_t):
                other = figure.add_axes((0, 0, 1, 1))
                if len(drawn) == 1:
                    other.set_box_aspect(1)
                artists["series"] = time_series(one, ax=other)
            made.append(Picture(figure, ax, one, artists, other))
        _arrange(figure, made)
    return made


def _arrange(figure: Figure, made: Sequence[Picture]) -> None:
    """The size of the figure and the places of its axes."""
    series = [picture.series_ax for picture in made if picture.series_ax is not None]
    plan_of = layout(
        len(made),
        [_entries(picture.ax) for picture in made],
        [_entries(ax) for ax in series],
        bar=any(picture.artists.get("curl") for picture in made),
        title=any(picture.ax.get_title() for picture in made),
        note=_note([picture.geometry.note for picture in made]),
    )
    size = np.array([plan_of.width, plan_of.height] * 2)
    figure.set_size_inches(plan_of.width, plan_of.height)
    places = [*zip([picture.ax for picture in made], plan_of.portraits, strict=True)]
    for ax, place in [*places, *zip(series, plan_of.series, strict=True)]:
        ax.set_position(tuple(np.array(place) / size))
    if len(series) > 1:
        ends = np.array([ax.get_ylim() for ax in series])
        for ax in series:
            ax.set_ylim(ends[:, 0].min(), ends[:, 1].max())
    figure.text(
        0.5, 0.08 / plan_of.height, _plain("\n".join(plan_of.notes)), ha="center", va="bottom", fontsize=10, color=GREY
    )


def rearrange(pictures: Sequence[Picture]) -> None:
    """Legends and places anew, after something was added to the axes of the pictures of one figure."""
    figure = pictures[0].figure
    for text in list(figure.texts):
        text.remove()
    with style():
        for picture in pictures:
            _legend(picture.ax)
        _arrange(figure, pictures)


def _note(slices: Sequence[str]) -> str:
    """What of the pictures is a slice, and where."""
    if not any(slices):
        return ""
    where = (
        slices[0]
        if len(set(slices)) == 1
        else ", ".join(f"{text} ({side})" for text, side in zip(slices, ("left", "right"), strict=False))
    )
    return (
        f"Arrows, nullclines and colours: slice at {where}. Orbits, cycles and rest points: all coordinates, projected."
    )


def _plain(text: str) -> str:
    """Text that matplotlib does not read as mathematics."""
    return text.replace("$", r"\$")


def redraw(picture: Picture, field: VectorField, *, title: str | None = None) -> Picture:
    """Moves the arrows and nullclines of a picture to another field on the same plane and window, quickly.

    The layers that are not arrows or nullclines belong to the old field and are removed; so is the legend.
    Raises ValueError when the picture has neither, or the field is of another size.
    """
    old = picture.geometry
    if not ("quiver" in picture.artists or "nullclines" in picture.artists):
        raise ValueError("the picture has neither arrows nor nullclines to redraw")
    if reduced(field).size != len(old.held):
        raise ValueError(f"the field has {reduced(field).size} coordinates; the picture's has {len(old.held)}")
    seen = dataclasses.replace(view(field, chart=old.chart), pick=old.pick, held=old.held)
    side = round(np.sqrt(len(old.arrows_at))) or 24
    _at, arrows, lines = plan.slice_of(seen, (old.xlim, old.ylim), side)
    shown = {"quiver", "nullclines"} & set(old.layers)
    drawn = dataclasses.replace(old, arrows=arrows, nullclines=lines, labels=seen.labels)
    drawn = only(drawn, [name for name in old.layers if name in shown])
    for name, made in picture.artists.items():
        for artist in made if name not in ("quiver", "nullclines", "series") else ():
            artist.remove()
    for artist in picture.artists.get("quiver", []):
        cast(Quiver, artist).set_UVC(*shafts(drawn))
    for artist, paths in zip(picture.artists.get("nullclines", []), drawn.nullclines, strict=False):
        cast(LineCollection, artist).set_segments(list(paths))
    with style():
        picture.ax.set_title(_plain(name_of(field) if title is None else title), pad=9)
    kept = {name: made for name, made in picture.artists.items() if name in shown}
    return Picture(picture.figure, picture.ax, drawn, kept, picture.series_ax)


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG, SVG or PDF, by the suffix: the same bytes every time, without dates or names.

    Raises ValueError for another suffix, OSError where the place cannot be written.
    """
    path = Path(path)
    path.write_bytes(rendered(figure, checked_suffix(path)))


def checked_suffix(path: Path) -> str:
    """The suffix of a figure's file.

    >>> checked_suffix(Path("figure.jpg"))
    Traceback (most recent call last):
    ValueError: figure.jpg: has the suffix '.jpg'; a figure is saved as .png, .svg or .pdf
    """
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"{path}: has the suffix {path.suffix!r}; a figure is saved as .png, .svg or .pdf")
    return path.suffix.lower()


def rendered(figure: Figure, suffix: str) -> bytes:
    """The bytes of the figure's file."""
    held = io.BytesIO()
    with style():
        figure.savefig(held, format=suffix[1:], metadata=FORMATS[suffix])
    if suffix != ".svg":
        return held.getvalue()
    # A hundredth of a point is finer than anybody sees; matplotlib's six decimals double the file.
    return re.sub(rb"(\d\.\d\d)\d+", rb"\1", held.getvalue())
