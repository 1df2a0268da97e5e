"""The command `curl`: gradient or not, with potential or witness, and its certificate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vorticity.text import options, render
from vorticity.text.options import Setting

if TYPE_CHECKING:
    from proofs.exact import Verdict

NOT_A_CYCLE = "not a gradient does not mean that it cycles, and curl depends on the metric: the flow decides"
Json = dict[str, Any]


@click.command()
@options.mdp_argument
@options.rule_option
@options.field_options
@click.option("--certificate", metavar="FILE", help="Write the verdict as a certificate, for `vorticity check`.")
@options.json_option
def curl(
    model: str,
    rule: str,
    setting: Setting,
    certificate: str | None,
    as_json: bool,
) -> None:
    """Is the field a gradient? Potential or witness.

    Decided for all theta: a gradient comes with its potential, a field that is none with a rational policy at which
    two derivatives differ, exactly; with why, in one sentence. Else undecided, saying what stands in the way.
    MDP may be all:SxA: every MDP of S states and A actions at once (up to 2x3 or 1x4).

    \b
    Examples:
      vorticity curl swirl --rule reverse-kl --reward
      vorticity curl swirl --rule n-distill --json
      vorticity curl chain --rule on-policy --certificate chain.json
      vorticity curl all:2x2 --rule n-distill --reward
    """
    from dynamics.rules import label
    from proofs.certificates import curl_fact
    from proofs.exact import decide
    from vorticity.text import describe

    if model.startswith("all:"):
        _curl_of_all(model, rule, setting, certificate, as_json)
        return
    world = options.load_mdp(model, setting.teacher)
    flow = options.load_field(world, rule, setting)
    verdict = decide(flow)
    if certificate is not None:
        where = f"{label(flow.rule)} on {world.name or 'this MDP'}, control {flow.control},"
        _write_certificate(curl_fact(flow, verdict), where, verdict, Path(certificate))
    if as_json:
        render.print_json(verdict.to_json())
    else:
        print(f"{label(flow.rule)} on {world.name}, control {flow.control}, alpha {setting.alpha}: {verdict.verdict}")
        print(describe.verdict(verdict))
    render.notes(flow.warnings)
    if verdict.verdict == "undecided" and (verdict.asymmetry or 0) > 0.001:  # "not-gradient" says so itself
        render.note(NOT_A_CYCLE)


def _curl_of_all(model: str, rule: str, setting: Setting, certificate: str | None, as_json: bool) -> None:
    """`curl all:SxA`: every MDP of that size at once."""
    from dynamics.rules import REWARD
    from proofs.certificates import generic_fact
    from proofs.exact import decide_all
    from vorticity.text import describe

    if setting.teacher is not None or setting.alpha != 1:
        raise ValueError(f"{model} means every teacher and every alpha; --teacher and --alpha do not apply")
    states, _, actions = model[4:].partition("x")
    if not (states.isascii() and states.isdigit() and actions.isascii() and actions.isdigit()):
        raise ValueError(f"MDP {model!r}; must be all:SxA, as in all:2x2")
    row = options.load_rule(rule)
    size = int(states), int(actions)
    verdict = decide_all(row + REWARD if setting.reward else row, *size, control=setting.control)
    if certificate is not None:
        fact = generic_fact(row, *size, verdict, reward=setting.reward, control=setting.control)
        _write_certificate(fact, f"{rule} on every MDP of size {model[4:]}", verdict, Path(certificate))
    if as_json:
        render.print_json(verdict.to_json())
    else:
        print(f"{rule}{' + R' if setting.reward else ''} on every MDP of size {model[4:]}: {verdict.verdict}")
        print(describe.verdict(verdict))


def _write_certificate(fact: Json | None, where: str, verdict: Verdict, path: Path) -> None:
    from proofs.certificates import certificate, write

    if fact is None:
        raise ValueError(f"{path}: the verdict {verdict.verdict!r} ({verdict.method}) leaves nothing to certify")
    what = {"gradient": "is a gradient field", "not-gradient": "is not a gradient field"}[verdict.verdict]
    write(
        certificate("curl", f"{where} {what}: {verdict.holds_for}", "proved", [fact], verdict.reason, verdict.method),
        path,
    )
