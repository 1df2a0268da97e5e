"""The command `rules`: the table of update rules, with what is measured of each and what the paper says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from vorticity.commands.curl import NOT_A_CYCLE
from vorticity.text import options, render
from vorticity.text.options import Setting

if TYPE_CHECKING:
    from dynamics.rules import Rule
    from vorticity.runs.tour import Row

Json = dict[str, Any]
MEASURED = ("asymmetry", "verdict", "paper", "teacher rests?")


@click.command()
@click.option("--on", "model", metavar="MDP", help="Measure on this MDP (default: a random one, 4 states, 3 actions).")
@options.field_options
@options.seed_option
@options.json_option
def rules(model: str | None, setting: Setting, seed: int, as_json: bool) -> None:
    """The table of rules: loss, reward, gradient or not.

    What each rule follows, whether it is a gradient field on this MDP (decided, as by `vorticity curl`), what the paper
    says, and the size of the field at the teacher. Asymmetry is the largest ‖J - Jᵀ‖/‖J‖ at random parameters.

    \b
    Examples:
      vorticity rules
      vorticity rules --control teacher
      vorticity rules --on swirl --reward --json
    """
    from dynamics.rules import TABLE
    from vorticity.runs.tour import reference, survey

    world = reference(seed) if model is None else options.load_mdp(model)
    if setting.teacher is not None:
        world = options.with_teacher(world, setting.teacher)
    rows = survey([world], **options.field_arguments(setting), seed=seed)
    if as_json:
        facts = [_facts(TABLE[row.rule]) | row.to_json() for row in rows]
        render.print_json({"mdp": world.name, "seed": seed, "rules": facts})
        return
    render.table(
        ["rule", "control", "loss", "reward", *MEASURED],
        [
            [row.rule, row.control, TABLE[row.rule].loss_text, TABLE[row.rule].reward_text, *measured(row)]
            for row in rows
        ],
        title=f"measured on {world.name}{' +R' if setting.reward else ''}",
    )
    remarks(rows)


def _facts(rule: Rule) -> Json:
    names = ("id", "title", "source", "loss_text", "reward_text", "needs_full_support", "note")
    return {name: getattr(rule, name) for name in names} | {"paper_gradient": dict(rule.gradient)}


def measured(row: Row) -> list[str]:
    """The columns asymmetry, verdict, paper, teacher rests?"""
    word = {True: "yes", False: "no", None: "-"}
    paper = word[row.expected_gradient] + ("" if row.agrees is not False else "  CONTRADICTED")
    rests = word[row.teacher_rests] + (
        f" ({render.number(row.teacher_residual, 2)})" if row.teacher_rests is False else ""
    )
    return [render.number(row.asymmetry, 2), row.verdict or "-", paper, rests]


def remarks(rows: Iterable[Row]) -> None:
    rows = list(rows)
    for row in rows:
        if row.refused:
            render.note(f"{row.mdp}, {row.rule}: {row.refused}")
    if any(row.symmetric is False for row in rows):
        render.note(NOT_A_CYCLE)
    for rule, words in {row.rule: row.lyapunov for row in rows if row.symmetric is False and row.lyapunov}.items():
        render.note(f"{rule}: {words}")
