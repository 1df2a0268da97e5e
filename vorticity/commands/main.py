"""The command `vorticity`: reads options, calls the rooms, prints answers.

Exit codes: 0 done, 2 bad input or an unwritable output (one line on standard error, no traceback), 130 interrupted,
141 when the reader of a pipe has left. Rooms are imported inside the commands, so that `vorticity --help` stays quick.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper

import click

from vorticity import __version__, check_names
from vorticity.commands import (
    bifurcation,
    choose,
    compare,
    curl,
    cycles,
    field,
    flow,
    hunt,
    portrait,
    reproduce,
    rules,
    sweep,
    tour,
    verify,
    zoo,
)
from vorticity.text import render


class Group(click.Group):
    """A group whose commands are listed in the order written and whose unknown names suggest the nearest."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands and not args[0].startswith("-"):
            from mdp import nearest

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


for command in (
    rules.rules,
    zoo.zoo,
    zoo.show,
    field.field,
    curl.curl,
    flow.flow,
    compare.compare,
    portrait.portrait,
    cycles.cycles,
    bifurcation.bifurcation,
    hunt.hunt,
    reproduce.reproduce,
    sweep.sweep,
    verify.verify,
    verify.check,
    choose.choose,
    tour.tour,
):
    cli.add_command(command)


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
        check_names()
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
    except ImportError as error:
        return _refuse(str(error))
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
