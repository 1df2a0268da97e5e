"""The command `field`: the expected update at given parameters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vorticity.text import options, render
from vorticity.text.options import Setting

if TYPE_CHECKING:
    from dynamics.fields import Field
    from mdp import MDP

Json = dict[str, Any]


LARGE = 4000  # parameters up to which a Jacobian is formed unasked: 128 MB


@click.command()
@options.mdp_argument
@options.rule_option
@click.option("--at", metavar="FILE", help="A JSON file holding the parameters, (O, A) (default: all zero).")
@click.option("--jacobian", "with_jacobian", is_flag=True, help="Print the Jacobian too.")
@options.field_options
@options.json_option
def field(
    model: str,
    rule: str,
    at: str | None,
    with_jacobian: bool,
    setting: Setting,
    as_json: bool,
) -> None:
    """The expected update at given parameters.

    Exact expectation, the student's policy, and the field's asymmetry; with --jacobian its derivative too.
    FILE holds an (O, A) array, one row an observation, one column an action, or {"theta": array}.

    \b
    Examples:
      vorticity field swirl --rule on-policy
      vorticity field fig2 --rule n-distill --reward --at theta.json --jacobian
      vorticity field swirl --rule er --control mix:0.5 --json
    """
    import numpy as np

    from vorticity.text import describe

    world = options.load_mdp(model, setting.teacher)
    flow = options.load_field(world, rule, setting)
    theta = np.zeros(flow.shape) if at is None else options.read_theta(Path(at), flow.shape)
    answer: Json = {"theta": theta, "field": flow(theta), "policy": flow.policy(theta).p, "jacobian": None}
    if with_jacobian:
        answer["jacobian"] = flow.jacobian(theta)
    small = theta.size <= LARGE
    answer["asymmetry"] = float(flow.asymmetry(theta)) if small else None
    if as_json:
        render.print_json(_common(world, rule, flow, setting.reward) | answer)
    else:
        print(describe.field(world, answer))
    render.notes(flow.warnings)
    if not small:
        render.note(f"asymmetry left out: {theta.size} parameters; it is measured up to {LARGE}")


def _common(world: MDP, rule: str, flow: Field, reward: bool) -> Json:
    return {"mdp": world.name, "rule": rule, "control": flow.control, "reward": reward, "alpha": float(flow.alpha)}
