"""The command `reproduce`: the paper's figures, their tables and verdicts, every result kept as soon as it is there."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vorticity.runs import runner
from vorticity.text import options, render, report

if TYPE_CHECKING:
    from dynamics.experiments import Summary
    from vorticity.runs.store import Store

Row = dict[str, Any]

PAPER = {  # what `all` runs: the paper's figures and its trade-off
    "fig1": "the decision tree's advice against measurement",
    "fig2": "the cycle and its corrections",
    "fig3": "teacher- against student-driven on random grid worlds (Fig. 3 and 7)",
    "fig4": "ER against EER as the number of actions grows",
    "fig5": "critics: Monte-Carlo, TD(1), TD(0)",
    "fig6": "the corridor with a good and an adversarial teacher",
    "tradeoff": "the teacher acts in a share of the steps: speed against fidelity (E2)",
}
OURS = {
    "critics": "does a wrong critic change what is descended?",
    "baselines": "the teacher's V as a baseline",
    "optimisers": "which optimisers create or destroy cycles",
    "aliasing": "what survives when states look alike: grid worlds with a window of sight",
}
FILE = "results.sqlite"
Tell = Callable[[str, int, int], None]  # figure, finished cases, all cases


def _figure(_context: click.Context, _parameter: click.Parameter, text: str) -> str:
    known = [*PAPER, *OURS, "all"]
    if text not in known:
        from mdp import nearest

        raise ValueError(f"FIGURE: {nearest(text, known)} (known: {', '.join(known)})")
    return text


@click.command()
@click.argument("figure", metavar="FIGURE", callback=_figure)
@click.option("--full", is_flag=True, help="The paper's size: hours, not minutes.")
@click.option(
    "-o", "--out", metavar="DIR", default="vorticity-reproduce", help="Where to (default vorticity-reproduce)."
)
@click.option("--resume", is_flag=True, help="Go on with the results that DIR holds.")
@click.option("--show", is_flag=True, help="Run nothing: what DIR holds so far, of a run at work too.")
@click.option("--jobs", metavar="N", type=click.IntRange(1, 1024), help="Processes (default: one for each core).")
@click.option("--no-pictures", is_flag=True, help="Tables only.")
@options.json_option
def reproduce(
    figure: str, full: bool, out: str, resume: bool, show: bool, jobs: int | None, no_pictures: bool, as_json: bool
) -> None:
    """The paper's figures: tables, pictures, verdicts.

    FIGURE is fig1 to fig6 (fig3 is 7 as well), tradeoff, all of these (all), or an experiment of ours: critics,
    baselines, optimisers, aliasing. Expectations are exact where the paper sampled, and sampled where that is the
    point. What differs from the paper, and how each verdict is reached, is said in dynamics/experiments/. Every case's
    rows go to one SQLite file, DIR/results.sqlite, when it is finished: kill it at any moment, --resume goes on.
    Tables, pictures and verdicts are in DIR/FIGURE.md. Small by default, minutes for all; --full takes the paper's
    size and hours.

    \b
    Examples:
      vorticity reproduce fig2
      vorticity reproduce all --out small
      vorticity reproduce tradeoff --jobs 1 --no-pictures --json
    """
    from vorticity.runs import store

    names = list(PAPER) if figure == "all" else [figure]
    place = Path(out)
    if show:
        store.must_hold(place / FILE)
    else:
        place.mkdir(parents=True, exist_ok=True)
    answers = []
    with store.opened(place / FILE) as kept:
        plan = {name: _module(name).cases(full) for name in names}
        of = {name: len(cases) for name, cases in plan.items()}
        if show:
            plan = _so_far(kept, plan)
        else:
            store.begin(kept, plan, resume, named=True)
            with _telling(plan) as tell:
                try:
                    run_cases(kept, plan, jobs or os.cpu_count() or 1, tell)
                except KeyboardInterrupt:
                    render.note(f"{kept.path}: what was finished is kept; --resume goes on")
                    raise
        for name, cases in plan.items():
            rows = store.rows(kept, name, cases)
            found = _summary(name, rows)
            picture = None if no_pictures else _drawn(name, rows, found, place)
            sizes = {"cases": len(cases), "of": of[name], "complete": len(cases) == of[name], "rows": len(rows)}
            answers.append(_answer(name, found, sizes, picture) | {"seconds": store.seconds(kept, name, cases)})
            if not as_json:
                _show(answers[-1])
    written = place / f"{figure}.md"
    written.write_text(report.markdown(answers, f"vorticity reproduce {figure}{' --full' * full}"), encoding="utf-8")
    if as_json:
        render.print_json({"file": str(place / FILE), "full": full, "figures": answers, "report": str(written)})
        return
    if len(answers) > 1:
        verdicts = [[one["figure"], one["title"], report.verdict(one)] for one in answers]
        render.table(["figure", "what", "verdict"], verdicts)
    print(f"figure by figure: {written}; every row: {place / FILE}")


def _module(name: str) -> Any:
    return import_module(f"dynamics.experiments.{name}")


def _so_far(kept: Store, plan: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """The finished cases of the figures that have any."""
    from vorticity.runs import store

    found = {name: [case for case in cases if store.is_finished(kept, name, case)] for name, cases in plan.items()}
    found = {name: cases for name, cases in found.items() if cases}
    if not found:
        raise ValueError(f"{kept.path}: holds no finished case of {', '.join(plan)} of this size yet")
    for name, cases in found.items():
        render.note(f"{name}: {len(cases)} of {len(plan[name])} cases are finished")
    return found


def _summary(name: str, rows: list[Row]) -> Summary:
    """The experiment's summary. Raises ValueError, naming the figure, where the cases so far do not make one."""
    try:
        found: Summary = _module(name).summary(rows)
    except (ValueError, LookupError) as error:
        raise ValueError(f"{name}: these cases do not make a table: {error}") from error
    return found


# --- running ----------------------------------------------------------------------------------------------------------


def run_cases(kept: Store, plan: dict[str, list[Row]], jobs: int, tell: Tell) -> None:
    """Run the cases that are not in the store yet, on `jobs` processes of one BLAS thread each, and keep each result.

    Only this process writes. Raises ValueError, naming the case, when one fails; what was finished before is kept.
    """
    from vorticity.runs import store

    of = {name: len(cases) for name, cases in plan.items()}
    counts = {name: sum(store.is_finished(kept, name, case) for case in cases) for name, cases in plan.items()}
    for name in plan:
        tell(name, counts[name], of[name])
    missing = (
        (name, case) for name, cases in plan.items() for case in cases if not store.is_finished(kept, name, case)
    )
    for (name, case), (rows, seconds) in runner.processes(
        _work,
        missing,
        jobs,
        name=lambda task: f"{task[0]}, case {store.case_key(task[1])}",
        died="a process died (out of memory?); --resume goes on",
    ):
        store.add(kept, name, case, rows, seconds)
        counts[name] += 1
        tell(name, counts[name], of[name])


def _work(task: tuple[str, Row]) -> tuple[list[Row], float]:
    """One case of a figure, in another process: its rows in JSON's types, and the core-seconds it took."""
    name, case = task
    start = time.thread_time()  # of this core: waiting for it is no work, and workers have one thread
    rows = [render.jsonable(row) for row in _module(name).run(case)]
    return rows, time.thread_time() - start


# --- telling ----------------------------------------------------------------------------------------------------------


@contextmanager
def _telling(plan: dict[str, list[Row]]) -> Iterator[Tell]:
    """Progress bars with the time left on a terminal, a note now and then elsewhere; all on standard error."""
    if not sys.stderr.isatty():
        yield _notes(plan)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, speed_estimate_period=600) as bar:
        total = bar.add_task("all", total=sum(map(len, plan.values()))) if len(plan) > 1 else None
        tasks = {name: bar.add_task(name, total=len(cases), start=len(plan) == 1) for name, cases in plan.items()}
        state = dict.fromkeys(plan, 0)

        def tell(name: str, done: int, _: int) -> None:
            state[name] = done
            if done:
                bar.start_task(tasks[name])
            bar.update(tasks[name], completed=done)
            if total is not None:
                bar.update(total, completed=sum(state.values()))

        yield tell


def _notes(plan: dict[str, list[Row]]) -> Tell:
    """A line each half minute: what is done of the figure at hand and of all, and about how long the rest takes."""
    left = runner.pace()
    state: dict[str, int] = {}
    whole, before = sum(map(len, plan.values())), 0

    def tell(name: str, done: int, of: int) -> None:
        nonlocal before
        before += done if name not in state else 0  # what was there when this run began
        state[name] = done
        ready = sum(state.values())
        seconds = left(ready - before, whole - ready)
        if seconds is not None:
            render.note(f"{name}: {done} of {of} cases; {ready} of {whole} in all, about {seconds:.0f} s left")

    return tell


def _drawn(name: str, rows: list[Row], found: Summary, place: Path) -> Path | None:
    """The figure's file, or None for an experiment that has no picture."""
    from dynamics.drawing import FIGURES, save

    if name not in FIGURES:
        return None
    path = place / f"{name}.png"
    save(FIGURES[name](rows, found), path)
    return path


def _answer(name: str, found: Summary, sizes: Row, picture: Path | None) -> Row:
    """A figure's part of the answer; whether the finding `holds` is said of a complete run only, else `so_far`."""
    told = (_module(name).__doc__ or "").split("\n\n")
    claim = next((" ".join(part.split()) for part in told if part.startswith("Claim")), None)
    return {
        "figure": name,
        "title": (PAPER | OURS)[name],
        "claim": claim,
        "finding": found.finding,
        "holds": found.holds if sizes["complete"] else None,
        "so_far": found.holds,
        "table": found.table,
        **sizes,
        "picture": None if picture is None else str(picture),
    }


def _show(answer: Row) -> None:
    title = f"{answer['figure']}: {answer['title']}; {answer['cases']} cases, {answer['rows']} rows"
    render.table(*report.rows(answer["table"]), title=title)
    if answer["claim"]:
        render.say(answer["claim"])
    render.say(f"{answer['figure']}: {report.verdict(answer)}. {answer['finding']}")
    if answer["picture"]:
        render.say(f"written: {answer['picture']}")
    print()
