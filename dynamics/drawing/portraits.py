"""Phase portraits with matplotlib: what there is to see of a field, drawn and arranged in a figure.

picture = portrait(field)             # finds what there is to draw, draws it, returns figure, axes and artists
save(picture.figure, "swirl.svg")     # the same bytes every time
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.quiver import Quiver
from numpy.typing import ArrayLike

from dynamics.drawing.layers import draw, entries, legend, time_series
from dynamics.drawing.layout import layout
from dynamics.drawing.style import GREY, figure_that_holds, plain, rendered, save, style
from dynamics.fields import VectorField, reduced
from dynamics.orbits import Limits, Orbit
from dynamics.portraits import Coords, Geometry, compose, name_of, only, shafts, survey, view

__all__ = ["Picture", "figure_of", "portrait", "rearrange", "redraw", "rendered", "save", "side_by_side"]


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


def portrait(
    field: VectorField,
    ax: Axes | None = None,
    geometry: Geometry | None = None,
    layers: Sequence[str] = compose.DEFAULT,
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
    """The phase portrait of a field, on given axes or in a figure of its own.

    Options as in `dynamics.portraits.arrays`.

    >>> from mdp import zoo
    >>> from vorticity import Field
    >>> picture = portrait(Field(zoo.load("fig2"), "on-policy", reward=True), layers=["quiver", "rest"])
    >>> picture.ax.get_xlabel(), sorted(picture.artists)
    ('log-odds of R at s0 (nats)', ['quiver', 'rest', 'track'])
    """
    drawn = geometry or compose.geometry(
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
        return Picture(figure_that_holds(ax), ax, drawn, draw(drawn, ax=ax, title=named))
    return figure_of([drawn], [named])[0]


def side_by_side(
    field: VectorField,
    other: VectorField,
    layers: Sequence[str] = compose.DEFAULT,
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
    drawn = [compose.compose(one, limits, layers, time=time, series=series) for one in (first, second)]
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
        [entries(picture.ax) for picture in made],
        [entries(ax) for ax in series],
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
        0.5, 0.08 / plan_of.height, plain("\n".join(plan_of.notes)), ha="center", va="bottom", fontsize=10, color=GREY
    )


def rearrange(pictures: Sequence[Picture]) -> None:
    """Legends and places anew, after something was added to the axes of the pictures of one figure."""
    figure = pictures[0].figure
    for text in list(figure.texts):
        text.remove()
    with style():
        for picture in pictures:
            legend(picture.ax)
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
    _at, arrows, lines = compose.slice_of(seen, (old.xlim, old.ylim), side)
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
        picture.ax.set_title(plain(name_of(field) if title is None else title), pad=9)
    kept = {name: made for name, made in picture.artists.items() if name in shown}
    return Picture(picture.figure, picture.ax, drawn, kept, picture.series_ax)
