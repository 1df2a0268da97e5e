"""The command `vorticity`: reads options, calls the rooms, prints answers.

Exit codes: 0 done, 2 bad input or an unwritable output (one line on standard error, no traceback), 130 interrupted,
141 when the reader of a pipe has left. Rooms are imported inside the commands, so that `vorticity --help` stays quick.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vorticity import (
    __version__,
    bifurcation,
    choose,
    curl,
    cycles,
    draw,
    hunt,
    motion,
    options,
    render,
    reproduce,
    sweep,
    verify,
)
from vorticity.options import Setting

if TYPE_CHECKING:
    from dynamics.field import Field
    from dynamics.rules import Rule
    from mdp.model import MDP
    from vorticity.tour import Row, Story

MEASURED = ("asymmetry", "verdict", "paper", "teacher rests?")
LARGE = 4000  # parameters up to which a Jacobian is formed unasked: 128 MB
ZOO = ("name", "states", "actions", "observations", "discount", "size", "summary", "source")
Json = dict[str, Any]


class Group(click.Group):
    """A group whose commands are listed in the order written and whose unknown names suggest the nearest."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands and not args[0].startswith("-"):
            from mdp.reading import nearest

            ctx.fail(f"command: {nearest(args[0], self.commands)}")
        return super().resolve_command(ctx, args)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(__version__, "-V", "--version", prog_name="vorticity", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Is this policy-distillation update the gradient of anything, and if not, does it swirl?

    MDP is the name of one in the zoo (`vorticity zoo`) or a JSON or NPZ file; RULE is a row of `vorticity rules`.
    With --json a command prints one JSON object; notes go to standard error.

    \b
    Examples:
      vorticity tour
      vorticity rules --reward
      vorticity curl swirl --rule reverse-kl --reward
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@cli.command()
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
    from vorticity.tour import reference, survey

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
            [row.rule, row.control, TABLE[row.rule].loss_text, TABLE[row.rule].reward_text, *_measured(row)]
            for row in rows
        ],
        title=f"measured on {world.name}{' +R' if setting.reward else ''}",
    )
    _remarks(rows)


def _facts(rule: Rule) -> Json:
    names = ("id", "title", "source", "loss_text", "reward_text", "needs_full_support", "note")
    return {name: getattr(rule, name) for name in names} | {"paper_gradient": dict(rule.gradient)}


def _measured(row: Row) -> list[str]:
    """The columns asymmetry, verdict, paper, teacher rests?"""
    word = {True: "yes", False: "no", None: "-"}
    paper = word[row.expected_gradient] + ("" if row.agrees is not False else "  CONTRADICTED")
    rests = word[row.teacher_rests] + (
        f" ({render.number(row.teacher_residual, 2)})" if row.teacher_rests is False else ""
    )
    return [render.number(row.asymmetry, 2), row.verdict or "-", paper, rests]


def _remarks(rows: Iterable[Row]) -> None:
    rows = list(rows)
    for row in rows:
        if row.refused:
            render.note(f"{row.mdp}, {row.rule}: {row.refused}")
    if any(row.symmetric is False for row in rows):
        render.note(curl.NOT_A_CYCLE)
    for rule, words in {row.rule: row.lyapunov for row in rows if row.symmetric is False and row.lyapunov}.items():
        render.note(f"{rule}: {words}")


@cli.command()
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


@cli.command()
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
    from vorticity import describe

    world = options.load_mdp(model, teacher)
    if as_json:
        render.print_json(io.to_dict(world))
    else:
        print(describe.text(world))


@cli.command()
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

    from vorticity import describe

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


OWN_FILES = (
    draw.portrait,
    cycles.cycles,
    bifurcation.bifurcation,
    hunt.hunt,
    reproduce.reproduce,
    sweep.sweep,
    verify.verify,
    verify.check,
    choose.choose,
)
for command in (curl.curl, *motion.COMMANDS, *OWN_FILES):
    cli.add_command(command)


@cli.command()
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
    from proofs.verify import to_json
    from vorticity.tour import MDPS, PAIRS, draw, story, survey

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
            [[row.rule, row.control, *_measured(row)] for row in here],
            title=f"{world.name}{' + R' if setting.reward else ''}{own}",
        )
        print()
    _count(rows)
    _remarks(rows)
    print()
    verify.show(proved)
    checked = list(verify.reports(str(path) for _, path in proved if path is not None))
    print(f"{sum(one['valid'] for one in checked)} of {len(checked)} certificates valid, re-checked independently")
    print(f"written to {place}: {', '.join(path.name for path in written)}")


def _told(one: Story) -> list[list[str]]:
    return [
        [one.mdp, side.rule, motion.sentence(side.outcome), render.number(side.expected_return, 5)]
        for side in one.sides
    ]


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


def run(args: Sequence[str] | None) -> int:
    """Parse and run; click's own way of stopping early (help, version) becomes an exit code."""
    if "_VORTICITY_COMPLETE" in os.environ:  # a shell asks what may come next
        cli.main(prog_name="vorticity")
    try:
        with cli.make_context("vorticity", list(sys.argv[1:] if args is None else args)) as context:
            cli.invoke(context)
        return 0
    except click.exceptions.Exit as stop:
        return stop.exit_code


def main(args: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code. Whatever is wrong with the input becomes one line on standard error.

    >>> main(["--version"])
    vorticity 0.1.0
    0
    """
    if sys.stdout is None or sys.stderr is None:  # closed by the shell, as in >&-
        nowhere = open(os.devnull, "w")  # noqa: SIM115  (for as long as the process lives)
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without Unicode is no reason to fail
    try:
        with warnings.catch_warnings(record=True) as caught:
            code = run(args)
            sys.stdout.flush()
        for text in dict.fromkeys(str(warning.message) for warning in caught):
            render.note(text)
        return code
    except BrokenPipeError:
        return _discard_output(141)
    except KeyboardInterrupt:
        return _refuse("interrupted", 130)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "vorticity"
        return _refuse(f"{error.format_message().rstrip('.')}; see `{where} --help`")
    except click.ClickException as error:
        return _refuse(error.format_message())
    except OSError as error:
        place = f"{error.filename}: " if error.filename is not None else "standard output: "
        return _discard_output(_refuse(f"{place}{error.strerror or error}"))
    except MemoryError:
        return _refuse("not enough memory for this MDP")
    except (ValueError, ArithmeticError, RecursionError) as error:
        return _refuse(str(error))


def _refuse(message: str, code: int = 2) -> int:
    print(f"vorticity: error: {render.clean(message)}", file=sys.stderr)
    return code


def _discard_output(code: int) -> int:
    """Nobody reads standard output any more: let the interpreter's last flush go nowhere, quietly."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code
