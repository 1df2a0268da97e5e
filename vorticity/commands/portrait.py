"""The command `portrait`: a rule's phase portrait as a file, alone or beside another rule on the same axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vorticity.text import options, render
from vorticity.text.options import Setting

if TYPE_CHECKING:
    from dynamics.drawing import Picture
    from dynamics.fields import Field
    from dynamics.orbits import Inventory
    from dynamics.portraits import Basins, Geometry

Json = dict[str, Any]


def _limits(_context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[float, float] | None:
    """Two numbers, "A,B", the smaller first; None where the option was not given."""
    if text is None:
        return None
    from mdp import rational

    name, parts = f"--{parameter.name}", text.split(",")
    if len(parts) != 2:
        raise ValueError(f"{name} is {text!r}; must be two numbers, as in -3,3")
    low, high = (float(rational(part.strip(), name)) for part in parts)
    if not low < high:
        raise ValueError(f"{name} is {text!r}; the first number must be the smaller")
    return low, high


@click.command()
@options.mdp_argument
@options.rule_option
@click.option("-o", "--output", metavar="FIG", required=True, help="Where the figure goes: .png, .svg or .pdf.")
@options.field_options
@click.option("--with", "other", metavar="R2", help="Another rule, beside it on the same axes.")
@click.option(
    "--layers",
    metavar="L,..",
    help="Some of quiver, nullclines, rest, orbits, cycle, separatrices, curl (default: all but curl).",
)
@click.option("--xlim", metavar="A,B", callback=_limits, help="Ends of the horizontal axis (default: what there is).")
@click.option("--ylim", metavar="A,B", callback=_limits, help="Ends of the vertical axis.")
@click.option("--coords", metavar="A,B", help="Two states, or state:action, of a larger system, as in s0,s2.")
@click.option(
    "--chart",
    type=click.Choice(["differences", "probabilities"]),
    default="differences",
    help="Axes: log-odds against the first action (differences, default) or probabilities.",
)
@click.option("--theta0", metavar="FILE|random|zero", help="Draw the orbit from there too, as in `flow`.")
@options.seed_option
@click.option("--series", is_flag=True, help="The coordinates against time as well (from zero without --theta0).")
@click.option(
    "--time", metavar="T", callback=options.positive, help="How long that orbit is followed, in the time of F."
)
@click.option("--data", metavar="FILE", help="What is drawn, as arrays: .npz or .json (with --with: FILE and FILE-2).")
@click.option("--prove", is_flag=True, help="Prove that the cycles exist; rings that trap them are dotted.")
@click.option("--basins", is_flag=True, help="Colour the starts by where they end; hatched: undecided.")
@options.json_option
def portrait(
    model: str,
    rule: str,
    output: str,
    setting: Setting,
    other: str | None,
    layers: str | None,
    theta0: str | None,
    seed: int,
    data: str | None,
    prove: bool,
    basins: bool,
    as_json: bool,
    **shown: Any,
) -> None:
    """A phase portrait, as a picture.

    Arrows, nullclines, rest points with their eigenvalues, integrated orbits, cycles and separatrices, in two
    coordinates; of a larger system those that move most, or --coords. The legend says of each cycle whether it is
    numerical or, with --prove, proved. The same command writes the same bytes.

    \b
    Examples:
      vorticity portrait swirl --rule reverse-kl --reward --with reverse-kl-corrected -o swirl.png
      vorticity portrait corridor-cycle --rule on-policy --reward --coords s0,s2 --layers orbits,cycle -o corridor.pdf
      vorticity portrait swirl --rule reverse-kl --reward --prove -o proved.png
      vorticity portrait swirl --rule reverse-kl --reward --alpha 0.9916 --basins -o basins.png
      vorticity portrait fig2 --rule on-policy --reward --layers quiver,curl,rest -o fig2.svg --data fig2.json
    """
    _check_outputs(output, data)
    world = options.load_mdp(model, setting.teacher)
    rules = [rule] if other is None else [rule, other]
    fields = [options.load_field(world, name, setting) for name in rules]
    start = None if theta0 is None else options.start(theta0, fields[0].shape, seed)
    pictures, ends = _drawn(fields, layers, shown | {"theta0": start}, basins, prove)
    written = _written(pictures, Path(output), data)
    if as_json:
        common = {"mdp": world.name, "reward": setting.reward, "alpha": float(setting.alpha)}
        sides: list[Json] = [
            {"rule": name, "control": field.control} | _facts(picture.geometry)
            for name, field, picture in zip(rules, fields, pictures, strict=True)
        ]
        sides = (
            [side | {"basins": _basins_json(seen)} for side, seen in zip(sides, ends, strict=True)] if ends else sides
        )
        render.print_json(common | {"files": [str(path) for path in written], "portraits": sides})
    else:
        for field, picture in zip(fields, pictures, strict=True):
            render.say(_sentence(field, picture.geometry))
        for field, seen in zip(fields, ends, strict=False):
            render.say(_basins_sentence(field, seen))
        print(f"written: {', '.join(str(path) for path in written)}")
    render.notes(text for field in fields for text in field.warnings)


def _check_outputs(output: str, data: str | None) -> None:
    """Refuse files of another kind, and folders that are not there, before anything is computed."""
    options.check_output(output, (".png", ".svg", ".pdf"))
    if data is not None:
        options.check_output(data, (".npz", ".json"))


def _drawn(
    fields: Sequence[Field], layers: str | None, shown: Json, shaded: bool, prove: bool
) -> tuple[list[Picture], tuple[Basins, ...]]:
    """The portraits of one figure and, where they are wanted, the basins behind them."""
    from dynamics.drawing import portraits
    from dynamics.portraits import compose

    names = compose.DEFAULT if layers is None else tuple(name.strip() for name in layers.split(","))
    compose.checked_layers(names)
    if shaded and "curl" in names:
        raise ValueError("--basins and the layer curl both colour the background; give one of them")
    known = []
    if shaded or prove:
        from dynamics.orbits import inventory

        known = [inventory(field) for field in fields]
        cycles = [held.orbits for held in known]
        shown = shown | {"cycles": cycles[0] if len(fields) == 1 else tuple(cycles)}
    if len(fields) == 1:
        made = [portraits.portrait(fields[0], layers=names, **shown)]
    else:
        made = list(portraits.side_by_side(fields[0], fields[1], names, **shown))
    if prove and "cycle" in names:
        made = portraits.figure_of(
            [_told(*row) for row in zip(made, fields, known, strict=True)], [x.ax.get_title() for x in made]
        )
    if not shaded:
        return made, ()
    from dynamics.drawing import add_basins

    with render.progress("basins") as tell:
        return made, add_basins(made, fields, known, progress=tell)


def _told(picture: Picture, field: Field, known: Inventory) -> Geometry:
    """The geometry of a picture, its cycles proved where they can be, with the rings of the proofs."""
    import numpy as np

    from dynamics.portraits import view
    from proofs.cycles import Annulus, prove_cycle

    drawn = picture.geometry
    proofs = [prove_cycle(field, orbit) for orbit in known.orbits]
    plane = replace(view(field, chart=drawn.chart), pick=drawn.pick, held=drawn.held)
    rings = [proof.ring for proof in proofs if isinstance(proof.ring, Annulus)]
    sides = [side for ring in rings for side in (ring.outer, ring.inner)]
    regions = tuple(plane.project(np.concatenate([side, side[:1]])) for side in sides)
    status = tuple(proof.status if proof.status == "proved" else "numerical" for proof in proofs)
    return replace(drawn, status=status, regions=regions)


def _basins_json(seen: Basins) -> Json:
    """Where starts end, for JSON: `label` (rows upwards, columns along x) is 0 where undecided, else 1 + an index."""
    goals = zip(seen.attractors, seen.shares, strict=True)
    return {
        "x": seen.x,
        "y": seen.y,
        "label": seen.label,
        "attractors": [{"kind": goal.kind, "name": goal.name, "share": share} for goal, share in goals],
        "undecided": seen.undecided,
        "time": seen.time,
    }


def _basins_sentence(field: Field, seen: Basins) -> str:
    from dynamics.portraits import name_of

    goals = zip(seen.attractors, seen.shares, strict=True)
    parts = [f"{100 * share:.1f} % to the {goal.name}" for goal, share in goals if share]
    parts.append(f"{seen.undecided} undecided after a time of {seen.time:g}")
    return f"{name_of(field)}: of {seen.label.size} starts {'; '.join(parts)} (numerical, not proved)"


def _written(pictures: Sequence[Picture], output: Path, data: str | None) -> list[Path]:
    """The files, written: the figure, and what is drawn."""
    from dynamics.drawing import save

    save(pictures[0].figure, output)
    if data is None:
        return [output]
    path = Path(data)
    paths = [path, path.with_name(f"{path.stem}-2{path.suffix}")][: len(pictures)]
    for picture, place in zip(pictures, paths, strict=True):
        picture.geometry.save(place)
    return [output, *paths]


def _facts(drawn: Geometry) -> Json:
    """What the portrait shows, for JSON: points are in the coordinates of the axes."""
    points = zip(drawn.rest_at, drawn.rest_types, drawn.rest_eigenvalues, strict=True)
    return {
        "axes": drawn.labels,
        "chart": drawn.chart,
        "layers": drawn.layers,
        "xlim": drawn.xlim,
        "ylim": drawn.ylim,
        "slice_at": drawn.note or None,
        "rest_points": [{"at": at, "type": kind, "eigenvalues": values} for at, kind, values in points],
        "cycles": [
            {"period": period, "status": status} for period, status in zip(drawn.periods, drawn.status, strict=True)
        ],
    }


def _sentence(field: Field, drawn: Geometry) -> str:
    """The same in a line."""
    from dynamics.portraits import name_of

    points = [f"{kind} at ({x:.6g}, {y:.6g})" for (x, y), kind in zip(drawn.rest_at, drawn.rest_types, strict=True)]
    found = [*points, *(f"cycle of period {t:.8g} ({how})" for t, how in zip(drawn.periods, drawn.status, strict=True))]
    sought = {"rest", "cycle"} & set(drawn.layers)
    nothing = "no rest point and no cycle found in the window" if sought else "drawn"
    return f"{name_of(field)}: {'; '.join(found) or nothing}"
