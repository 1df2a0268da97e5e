"""The command `compare`: a rule beside another."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from vorticity.text import options, render
from vorticity.text.options import Setting
from vorticity.text.outcomes import brief

if TYPE_CHECKING:
    from dynamics.choice import AlphaRange, Side


@click.command()
@options.mdp_argument
@options.rule_option
@click.option("--with", "other", metavar="RULE", required=True, help="The rule to set beside it.")
@options.field_options
@options.theta0_option
@options.seed_option
@click.option("--alphas", metavar="A,B", default="0.1,10", help="Where to look for cycles in alpha (default 0.1,10).")
@click.option("--no-alphas", is_flag=True, help="Leave the search over alpha out.")
@options.json_option
def compare(
    model: str,
    rule: str,
    other: str,
    setting: Setting,
    theta0: str,
    seed: int,
    alphas: str,
    no_alphas: bool,
    as_json: bool,
) -> None:
    """A rule beside another: its correction, say.

    Outcome, return, KL to the teacher under the teacher's and the student's states, time to settle, asymmetry on
    the way, and the alphas for which each cycles (from the same start; numerical, and said to be so).

    \b
    Examples:
      vorticity compare corridor-cycle --rule on-policy --with n-distill --reward
      vorticity compare swirl --rule reverse-kl --with reverse-kl-corrected --reward --alphas 0.5,2
    """
    from dynamics.choice import alpha_range, side

    low, high = _interval(alphas)
    world = options.load_mdp(model, setting.teacher)
    sides, ranges = [], []
    for name in (rule, other):
        field = options.load_field(world, name, setting)
        at = options.start(theta0, field.shape, seed)
        sides.append(side(field, at))
        if not no_alphas:
            with render.progress(f"alphas of {name}") as tell:
                ranges.append(alpha_range(field, at, lowest=low, highest=high, progress=tell))
        for warning in field.warnings:
            render.note(f"{name}: {warning}")
    if as_json:
        shown = [one.to_json() for one in sides]
        for entry, found in zip(shown, ranges, strict=False):
            entry["alpha_range"] = found.to_json()
        render.print_json({"mdp": world.name, "reward": setting.reward, "alpha": float(setting.alpha), "sides": shown})
        return
    render.table(
        ["", *(one.rule for one in sides)], comparison(sides, ranges), title=f"{world.name}, alpha {setting.alpha}"
    )


def comparison(sides: list[Side], ranges: list[AlphaRange]) -> list[list[str]]:
    """The rows of the comparison's table."""
    rows: list[tuple[str, Callable[[Side], str]]] = [
        ("outcome", lambda one: one.outcome.kind),
        ("period", lambda one: render.number(one.outcome.period, 10)),
        ("isolated", lambda one: "-" if one.outcome.isolated is None else "yes" if one.outcome.isolated else "no"),
        ("peak to peak (logits)", lambda one: brief(one.outcome.amplitude.tolist(), 5)),
        ("at, or last", lambda one: brief(one.outcome.at.tolist(), 5)),
        ("gradient, by its row", lambda one: "yes" if one.gradient else "no potential known"),
        ("return (a cycle's mean)", lambda one: render.number(one.expected_return, 6)),
        ("KL to teacher, teacher's states", lambda one: render.number(one.kl_teacher_states, 5)),
        ("KL to teacher, student's states", lambda one: render.number(one.kl_student_states, 5)),
        ("settled by (time of F)", lambda one: render.number(one.settled_by, 6)),
        ("asymmetry on the way: mean", lambda one: render.number(one.asymmetry[0], 3)),
        ("asymmetry on the way: largest", lambda one: render.number(one.asymmetry[1], 3)),
    ]
    table = [[name, *(show(one) for one in sides)] for name, show in rows]
    if ranges:
        table.append(["alphas that cycle", *map(_range_text, ranges)])
    return table


def _range_text(found: AlphaRange) -> str:
    if found.proved_none:
        return "none: a gradient"
    if not found.intervals:
        open_ones = sum(kind == "undecided" for _, kind in found.tried)
        return f"none of {len(found.tried)} tried" + (f", {open_ones} undecided" if open_ones else "")
    texts = []
    for (low, high), (below, above) in zip(found.intervals, found.edges, strict=True):
        left = f"{below:.4g} < " if below is not None else ""
        right = f" < {above:.4g}" if above is not None else ""
        texts.append(f"{left}[{low:.4g}, {high:.4g}]{right}")
    open_ones = sum(kind == "undecided" for _, kind in found.tried)
    return "; ".join(texts) + (f" ({open_ones} of {len(found.tried)} tried undecided)" if open_ones else "")


def _interval(text: str) -> tuple[float, float]:
    from mdp import rational

    ends = [float(rational(part.strip(), "--alphas")) for part in text.split(",")]
    if len(ends) != 2 or not 0 < ends[0] < ends[1]:
        raise ValueError(f"--alphas is {text!r}; must be two numbers A,B with 0 < A < B")
    return ends[0], ends[1]
