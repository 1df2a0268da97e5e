"""The commands `zoo` and `show`: the named MDPs, and one MDP drawn as text."""

from __future__ import annotations

import click

from vorticity.text import options, render

ZOO = ("name", "states", "actions", "observations", "discount", "size", "summary", "source")


@click.command()
@options.json_option
def zoo(as_json: bool) -> None:
    """The named MDPs, each with its source.

    One with a size (cells, arms, ...) is built at any other as NAME:N, as in corridor:5.

    \b
    Examples:
      vorticity zoo
      vorticity zoo --json
    """
    from mdp import zoo

    facts = []
    for entry in zoo.entries():
        model = entry.build()
        sizes = (model.n_states, model.n_actions, model.n_observations, model.discount)
        values = (entry.name, *sizes, entry.size or None, entry.summary, entry.source)
        facts.append(dict(zip(ZOO, values, strict=True)))
    if as_json:
        render.print_json({"zoo": facts})
        return
    render.table(ZOO, [[render.cell(value) for value in fact.values()] for fact in facts])


@click.command()
@options.mdp_argument
@options.teacher_option
@options.json_option
def show(model: str, teacher: str | None, as_json: bool) -> None:
    """One MDP, drawn as text; --json: as a file.

    Where each action leads and what it pays, the teacher, and what some policies earn. With --json it is printed in the
    format of MDP files, to start one of your own from.

    \b
    Examples:
      vorticity show corridor-cycle
      vorticity show swirl --teacher softmax:0.5
      vorticity show swirl --json > mine.json
    """
    from mdp import io
    from vorticity.text import describe

    world = options.load_mdp(model, teacher)
    if as_json:
        render.print_json(io.to_dict(world))
    else:
        print(describe.text(world))
