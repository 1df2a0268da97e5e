"""The command `choose`: the paper's decision tree, and what every rule does on the MDP beside it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vorticity.text import options, render

if TYPE_CHECKING:
    from mdp import MDP


@click.command()
@click.argument("model", metavar="[MDP]", required=False)
@click.option("--outside/--inside", default=None, help="Will it be evaluated outside the teacher's states?")
@click.option("--improve/--copy", default=None, help="Is improvement over the teacher wanted, over speed?")
@click.option("--strong/--weak", default=None, help="Is the teacher strong?")
@click.option("--values/--no-values", default=None, help="Are the teacher's values V known?")
@options.teacher_option
@options.alpha_option
@click.option("--no-measure", is_flag=True, help="The tree alone: run nothing.")
@click.option("--starts", metavar="N", type=click.IntRange(1, 100), help="Starts of a rule without guarantee (4).")
@click.option("--seed", metavar="N", type=click.IntRange(0), help="Seed of the starts but the first, zero (default 0).")
@click.option("--limit", metavar="T", callback=options.time, help="Longest time of a flow, in the time of F (5000).")
@click.option("-o", "--output", metavar="FIG", help="Draw the evidence: .png, .svg or .pdf.")
@options.json_option
def choose(
    model: str | None,
    teacher: str | None,
    alpha: Fraction,
    no_measure: bool,
    starts: int | None,
    seed: int | None,
    limit: float | None,
    output: str | None,
    as_json: bool,
    **given: bool | None,
) -> None:
    """Which rule to use: a decision tree, and every rule ranking.

    With an MDP, what follows from it is derived, with the numbers, unless an option says otherwise. What is still
    missing is asked on a terminal; where nobody can be asked, every wish is answered. Then every rule is run, with and
    without reward, and ranked by what guarantees it, what it reaches, speed and variance, beside the tree's advice.
    Without an MDP the tree answers alone. Ctrl-C ranks what is there.

    \b
    Examples:
      vorticity choose --outside --copy
      vorticity choose chain --json
      vorticity choose swirl --outside --improve -o swirl.png
      vorticity choose corridor --teacher softmax:0.1 --copy --no-measure
    """
    from dynamics.choice import LIMIT, STARTS, choose, known
    from vorticity.text import tree

    options_of_measuring = {"--starts": starts, "--seed": seed, "--limit": limit, "--output": output}
    named = [name for name, value in options_of_measuring.items() if value is not None] + ["--alpha"] * (alpha != 1)
    if model is None and teacher is not None:
        raise ValueError("--teacher is given without an MDP; it is a teacher's policy on one")
    if named and (model is None or no_measure):
        why = "without an MDP" if model is None else "with --no-measure"
        raise ValueError(f"{named[0]} is given {why}; it is about what is measured on one")
    if output is not None:
        options.check_output(output, (".png", ".svg", ".pdf"))
    world = None if model is None else options.load_mdp(model, teacher)
    if world is not None and not no_measure:
        _measured_choice(world, given, alpha, (starts or STARTS, seed or 0, limit or LIMIT), output, as_json)
        return
    found = tree.facts(world, given, tree.asker())
    advice = choose(known(found))
    answer = tree.to_json(world, found, advice)
    if as_json:
        render.print_json(answer)
    else:
        print(tree.text(answer, advice))


def _measured_choice(
    world: MDP,
    given: dict[str, bool | None],
    alpha: Fraction,
    run: tuple[int, int, float],
    output: str | None,
    as_json: bool,
) -> None:
    """`choose MDP`: the tree's advice, then the evidence."""
    from vorticity.text import ranking, tree

    starts, seed, limit = run
    cases = ranking.cases(world, given, tree.asker())
    if not as_json and len(cases) == 1 and cases[0].advice is not None:
        advice = cases[0].advice
        print(tree.text(tree.to_json(world, cases[0].found, advice), advice), end="\n\n")
    render.note(f"running every rule on {world.name or 'this MDP'}, each flow to time {limit:g} at most")
    with render.progress("measuring") as tell:
        answer = ranking.measure(world, cases, tell, alpha=alpha, starts=starts, seed=seed, limit=limit)
    if as_json:
        render.print_json(ranking.to_json(world, answer))
    else:
        ranking.show(world, answer)
    if output is not None:
        ranking.write_picture(answer, world.name or "the MDP", Path(output))
        render.note(f"written: {output}")
    if not answer.complete:
        raise KeyboardInterrupt
