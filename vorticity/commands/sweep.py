"""The command `sweep`: outcomes over MDPs, rules and parameters, on all cores or a cluster.

Every case is kept as it comes. Nothing here grows with their number: cases are made one by one, whether one is finished
is asked of the store, and rows are read back one by one into tallies.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vorticity.runs import runner
from vorticity.text import options, render

if TYPE_CHECKING:
    from vorticity.runs.store import Store
    from vorticity.runs.sweep import Axis, Sweep

Row = dict[str, Any]

FIGURE = "sweep"  # the name of its rows in the store
FILE = "results.sqlite"
LINES = "results.csv"
PICTURE = "sweep.png"
WORDS = {"mdp": "MDP", "teacher": "teacher", "rule": "rule", "reward": "+R", "alpha": "alpha", "control": "control"}


@click.command()
@click.argument("path", metavar="FILE.toml", type=click.Path(path_type=Path))
@click.option("-o", "--out", metavar="DIR", default="vorticity-sweep", help="Where to (default vorticity-sweep).")
@click.option("--resume", is_flag=True, help="Go on with the results that DIR holds.")
@click.option("--show", is_flag=True, help="Run nothing: what DIR holds so far, of a run at work too.")
@click.option("--count", is_flag=True, help="Run nothing: how many cases, and of what.")
@click.option("--jobs", metavar="N", type=click.IntRange(1, 1024), help="Processes (default: one for each core).")
@click.option("--scheduler", metavar="ADDRESS", help="Run on the Dask cluster of this scheduler, tcp://HOST:PORT.")
@click.option("--no-pictures", is_flag=True, help="Tables only.")
@options.json_option
def sweep(
    path: Path,
    out: str,
    resume: bool,
    show: bool,
    count: bool,
    jobs: int | None,
    scheduler: str | None,
    no_pictures: bool,
    as_json: bool,
) -> None:
    """What updates do over many MDPs and parameters.

    FILE.toml lists MDPs, random families, teachers, rules, alphas, controls, starts (docs/cases.md); everything that
    is a list multiplies out. Every case's outcome goes to DIR/results.sqlite when it is finished, and all of them to
    DIR/results.csv at the end: kill it at any moment, --resume goes on. A file that has changed since adds its new
    cases. Runs on all cores; with --scheduler on a cluster of machines (pip install 'vorticity[cluster]').

    \b
    Examples:
      vorticity sweep docs/sweeps/alpha.toml --count
      vorticity sweep docs/sweeps/families.toml --count --json
    """
    from vorticity.runs import store, sweep_file

    if scheduler is not None and jobs is not None:
        raise ValueError("--jobs counts processes of this machine; with --scheduler the cluster's workers do the work")
    if show and count:
        raise ValueError("--show and --count both run nothing; give one of them")
    asked = sweep_file.read(path)
    if count:
        _tell_count(path, asked, as_json)
        return
    place = Path(out)
    if show:
        store.must_hold(place / FILE)
    else:
        place.mkdir(parents=True, exist_ok=True)
    with store.opened(place / FILE) as kept:
        if show:
            if all(asked.place(row) is None for row in store.stream(kept, FIGURE)):
                raise ValueError(f"{kept.path}: holds no finished case of {path} yet")
        else:
            _begin(kept, asked, resume)
            run(kept, asked, jobs or os.cpu_count() or 1, scheduler)
        answer = {"file": str(kept.path), "sweep": str(path), "title": asked.title, "cases": asked.size}
        answer |= _answer(kept, asked, place)
    answer["picture"] = None if no_pictures else _drawn(answer, place)
    if as_json:
        render.print_json(answer)
    else:
        _tell(answer, path)


def _begin(kept: Store, asked: Sweep, resume: bool) -> None:
    """Raise ValueError where the results of a sweep would be mixed with a new run unasked; say what has changed."""
    from vorticity.runs import store

    store.begin(kept, [FIGURE], resume)
    old = store.count(kept, FIGURE)
    before = store.note(kept, FIGURE, asked.definition())
    if old and before != asked.definition():
        left = sum(asked.place(row) is None for row in store.stream(kept, FIGURE))
        render.note(f"{kept.path}: begun with another file; {old - left} of its {old} finished cases are in this one")


def run(kept: Store, asked: Sweep, jobs: int, scheduler: str | None = None) -> None:
    """Run the cases that are not in the store yet, and keep each as it is finished. Only this process writes."""
    from vorticity.runs import store
    from vorticity.runs import sweep as cases

    skipped = 0

    def missing() -> Iterator[cases.Parcel]:
        nonlocal skipped
        for case in asked.cases():
            if store.is_finished(kept, FIGURE, case):
                skipped += 1
            else:
                yield asked.parcel(case)

    def name(parcel: cases.Parcel) -> str:
        return f"case {store.case_key(parcel[0])}"

    done = 0
    with _telling(asked.size) as tell:
        if scheduler is None:
            died = "a process died (out of memory?); --resume goes on"
            found = runner.processes(cases.work, missing(), jobs, name=name, died=died)
        else:
            from vorticity.runs import cluster

            found = cluster.cluster(cases.work, missing(), scheduler, name=name, note=render.note)
        try:
            for (case, _), (row, seconds) in found:
                store.add(kept, FIGURE, case, [row], seconds)
                done += 1
                tell(done + skipped, done)
        except KeyboardInterrupt:
            render.note(f"{kept.path}: {done} cases were finished and are kept; --resume goes on")
            raise
        finally:
            found.close()


@contextmanager
def _telling(total: int) -> Iterator[Callable[[int, int], None]]:
    """Takes how many cases are there, and how many of these this run did: a bar on a terminal, else notes."""
    left = runner.pace()
    with render.progress(f"{total} cases") as bar:

        def tell(ready: int, done: int) -> None:
            if bar is not None:
                bar(ready / total)
            elif (seconds := left(done, total - ready)) is not None:
                render.note(f"{ready} of {total} cases, about {seconds:.0f} s left")

        yield tell


# --- the answer -------------------------------------------------------------------------------------------------------


def _answer(kept: Store, asked: Sweep, place: Path) -> Row:
    """One pass over the rows: the lines of DIR/results.csv, and the table."""
    from dynamics.experiments import MEASURED, Tally
    from vorticity.runs import store
    from vorticity.runs import sweep as cases

    names = [cases.labels(axis) for axis in asked.axes]
    shown = [k for k, labels in enumerate(names) if len(set(labels)) > 1]
    tallies: dict[tuple[str, ...], Tally] = {}
    order: dict[tuple[str, ...], tuple[int, ...]] = {}
    keys = [key for filled in cases.AXES.values() for key in filled]
    hashes = [key for key in keys if key.endswith("_sha256")]
    columns = ["case"]
    for key in keys:
        columns += cases.PARAMETERS if key == "parameters" else [] if key in hashes else [key]
    columns += [*MEASURED, *hashes]
    rows, fresh = 0, place / f"{LINES}.{os.getpid()}.new"
    reasons: dict[str, str] = {}
    with fresh.open("w", encoding="utf-8", newline="") as file:
        lines = csv.DictWriter(file, columns, extrasaction="ignore")
        lines.writeheader()
        for row in store.stream(kept, FIGURE):
            found = asked.place(row)
            if found is None:  # of another sweep
                continue
            number, spans = found
            rows += 1
            if row["reason"] is not None:
                reasons.setdefault(row["outcome"], row["reason"])
            lines.writerow({key: _cell(x) for key, x in (row | row.get("parameters", {}) | {"case": number}).items()})
            group = tuple(names[k][spans[k]] for k in shown)
            world = json.dumps([row.get(key) for key in cases.AXES["mdp"]], sort_keys=True)
            tallies.setdefault(group, Tally()).add(row, world)
            order[group] = min(order.get(group, spans), spans)
    fresh.replace(place / LINES)
    for kind, reason in reasons.items():
        render.note(f"{kind}: {sum(tally.kinds[kind] for tally in tallies.values())} cases; one of them: {reason}")
    axes = [asked.axes[k].name for k in shown]
    table = [
        dict(zip(axes, group, strict=True)) | tallies[group].line()
        for group in sorted(tallies, key=lambda one: order[one])
    ]
    return {"rows": rows, "axes": axes, "table": table, "lines": str(place / LINES)}


def _cell(x: Any) -> Any:
    """What a line of a CSV file holds: lists as JSON, nothing for None."""
    if isinstance(x, bool):
        return "true" if x else "false"
    return json.dumps(x) if isinstance(x, (list, dict)) else x


def _drawn(answer: Row, place: Path) -> str | None:
    from dynamics.drawing import draw_sweep, save

    if not answer["rows"]:
        return None
    save(draw_sweep(answer["table"], answer["axes"], answer["title"] or Path(answer["sweep"]).stem), place / PICTURE)
    return str(place / PICTURE)


def _tell_count(path: Path, asked: Sweep, as_json: bool) -> None:
    if as_json:
        sizes = {axis.name: axis.size for axis in asked.axes}
        render.print_json({"sweep": str(path), "title": asked.title, "cases": asked.size, "axes": sizes})
        return
    render.table(["axis", "values", "which"], [[axis.name, str(axis.size), _which(axis)] for axis in asked.axes])
    print(f"{asked.size} cases: the product, the last axis fastest")


def _which(axis: Axis, most: int = 6) -> str:
    from vorticity.runs.sweep import labels

    texts = [
        label if span.seeds is None else f"{label} (seeds {span.seeds.start} to {span.seeds.stop - 1})"
        for label, span in zip(labels(axis), axis.spans, strict=True)
    ]
    return ", ".join(texts[:most]) + (f", and {len(texts) - most} more" if len(texts) > most else "")


def _tell(answer: Row, path: Path) -> None:
    from dynamics.experiments import ALL_KINDS

    table, axes = answer["table"], answer["axes"]
    counted = [kind for kind in ALL_KINDS if any(line[kind] for line in table)]
    several = any(line["cases"] != line["worlds"] + line["refused"] + line["failed"] for line in table)
    headers = [*(WORDS.get(axis, axis) for axis in axes), "cases", *(["MDPs"] if several else []), *counted]
    headers += ["cycles, 95 %", "return, 95 %", "settles (median)"]
    lines = [
        [
            *(line[axis] for axis in axes),
            str(line["cases"]),
            *([str(line["worlds"])] if several else []),
            *(str(line[kind]) for kind in counted),
            _between(line["share"], line["share_low"], line["share_high"]) if line["worlds"] > 1 else "-",
            _between(line["return"], line["return_low"], line["return_high"]),
            render.number(line["settled_by"], 3),
        ]
        for line in table
    ]
    title = f"{answer['title'] or path}: {answer['rows']} of {answer['cases']} cases"
    render.table(headers, lines, title=title)
    print("intervals: over MDPs; they say what another draw of random MDPs would bring, and nothing of MDPs by name")
    for key in ("picture", "lines"):
        if answer[key]:
            render.say(f"written: {answer[key]}")
    print(f"every row: {answer['file']}")


def _between(x: float | None, low: float | None, high: float | None) -> str:
    if x is None or low is None or high is None:
        return render.number(x, 3)
    return f"{x:.3g} [{low:.3g}, {high:.3g}]"
