"""The command `tour`: the main job in a minute."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vorticity.commands import verify
from vorticity.commands.rules import MEASURED, measured, remarks
from vorticity.text import options, render
from vorticity.text.options import Setting
from vorticity.text.outcomes import sentence

if TYPE_CHECKING:
    from vorticity.runs.tour import Row, Story

Json = dict[str, Any]


@click.command()
@click.option("-o", "--out", metavar="DIR", default="vorticity-tour", help="Where to (default vorticity-tour).")
@click.option("--no-pictures", is_flag=True, help="Numbers only.")
@options.field_options
@options.seed_option
@options.json_option
def tour(
    out: str,
    no_pictures: bool,
    setting: Setting,
    seed: int,
    as_json: bool,
) -> None:
    """The main job in a minute: cycle, correction, proof, picture.

    On four MDPs a rule with reward cycles and its correction comes to rest (on fig2: runs to the boundary); then every
    rule on each, beside what the sources say (the options are those of this table); then the claims that are proved,
    with certificates, re-checked. "Not a gradient" is said of MDPs in general: a rule may be one on some of them
    without contradicting it. Portraits, numbers and certificates go to DIR.

    \b
    Examples:
      vorticity tour
      vorticity tour --out somewhere --reward --seed 1
      vorticity tour --no-pictures --json
    """
    from proofs.claims import to_json
    from vorticity.runs.tour import MDPS, PAIRS, draw, story, survey

    worlds = [options.load_mdp(name, setting.teacher) for name in MDPS]
    place = Path(out)
    place.mkdir(parents=True, exist_ok=True)
    stories, written = [], []
    with render.progress("touring") as tell:
        for k, pair in enumerate(PAIRS):
            stories.append(story(*pair))
            if not no_pictures:
                written.append(place / f"{pair[0]}.svg")
                draw(stories[-1], written[-1])
            if tell is not None:
                tell((k + 1) / (len(PAIRS) + 2))
        rows = survey(worlds, **options.field_arguments(setting), seed=seed)
        if tell is not None:
            tell((len(PAIRS) + 1) / (len(PAIRS) + 2))
        proved = verify.proved(verify.writable(place / "certificates"), seed)
    written += [path for _, path in proved if path is not None]
    told = [one.to_json() for one in stories]
    answer = {"seed": seed, "stories": told, "rows": [row.to_json() for row in rows]}
    answer["claims"] = [to_json(*one) for one in proved]
    written.append(place / "numbers.json")
    written[-1].write_text(render.json_text(answer) + "\n", encoding="utf-8")
    if as_json:
        render.print_json(answer | {"written": [str(path) for path in written]})
        return
    render.table(["MDP", "rule", "what it does", "return"], [line for one in stories for line in _told(one)])
    print()
    for world in worlds:
        here = [row for row in rows if row.mdp == world.name]
        own = ", the MDP's own loss in place of the cross-entropy" if world.loss is not None else ""
        render.table(
            ["rule", "control", *MEASURED],
            [[row.rule, row.control, *measured(row)] for row in here],
            title=f"{world.name}{' + R' if setting.reward else ''}{own}",
        )
        print()
    _count(rows)
    remarks(rows)
    print()
    verify.show(proved)
    checked = list(verify.reports(str(path) for _, path in proved if path is not None))
    print(f"{sum(one['valid'] for one in checked)} of {len(checked)} certificates valid, re-checked independently")
    print(f"written to {place}: {', '.join(path.name for path in written)}")


def _told(one: Story) -> list[list[str]]:
    return [[one.mdp, side.rule, sentence(side.outcome), render.number(side.expected_return, 5)] for side in one.sides]


def _count(rows: Sequence[Row]) -> None:
    """How many of the measured rows fit, and how many of the "no" ones were seen to be none."""
    seen = [row for row in rows if row.symmetric is not None and row.expected_gradient is not None]
    yes = [row for row in seen if row.expected_gradient]
    no = [row for row in seen if not row.expected_gradient]
    print(
        f"{sum(bool(row.symmetric) for row in yes)} of {len(yes)} rows said to be gradients are symmetric; "
        f"{sum(not row.symmetric for row in no)} of {len(no)} said not to be are asymmetric here; "
        f"{len(rows) - len(seen)} not measured"
    )
