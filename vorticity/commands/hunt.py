"""The command `hunt`: searches MDPs that cycle, on all cores, and goes on where it was killed.

The folder holds `hunt.jsonl`, a line that says what is hunted and one line a finished draw, and the finds as MDP files.
A find is written before the line of its draw: whoever is killed in between does that draw again and writes the same
file. Draws are independent, so any number of processes in any order gives the same finds.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vorticity.runs import runner
from vorticity.text import options, render

if TYPE_CHECKING:
    from dynamics.hunt import Hunt, Report

Json = dict[str, Any]
LOG = "hunt.jsonl"
COUNTS = ("drawn", "rest_points", "repel", "looked_at", "wander", "undecided")


@click.command()
@click.option("--states", type=click.IntRange(1, 32), required=True, help="How many states.")
@click.option("--actions", type=click.IntRange(2, 32), required=True, help="How many actions.")
@options.rule_option
@options.reward_option
@options.alpha_option
@options.control_option
@click.option("--observations", metavar="0,1,0", help="The observation of each state (default: its own).")
@click.option("--family", metavar="F", default="random", help="random (default) or graph: deterministic transitions.")
@click.option("--discount", metavar="G", default="0.99", help="The discount (default 0.99).")
@click.option(
    "--goal",
    metavar="WHAT",
    default="mild",
    help="What to climb to: mild (default), teacher, rewards, discount, cycle, or none: look at what is drawn.",
)
@click.option("--count", type=click.IntRange(1, 10**12), help="MDPs to draw, in draws of 2000 (default 20000).")
@click.option("--minutes", metavar="M", callback=options.positive, help="Begin no draw after so long.")
@click.option("--jobs", type=click.IntRange(1, 1024), help="Processes (default: all cores).")
@click.option("--out", "-o", metavar="DIR", default="vorticity-hunt", help="Where to (default vorticity-hunt).")
@options.seed_option
@options.json_option
def hunt(
    states: int,
    actions: int,
    rule: str,
    reward: bool,
    alpha: Fraction,
    control: str | None,
    observations: str | None,
    family: str,
    discount: str,
    goal: str,
    count: int | None,
    minutes: float | None,
    jobs: int | None,
    out: str,
    seed: int,
    as_json: bool,
) -> None:
    """Search for MDPs that cycle.

    Random MDPs, each with a rest point in closed form (rewards are solved for); of those that repel, the best is
    climbed to --goal, written in small fractions, and kept when its flow ends on an isolated cycle. Finds go to DIR as
    MDP files. The same command again goes on where it stopped, or was killed. A rule that cannot cycle says so.

    \b
    Examples:
      vorticity hunt --states 2 --actions 2 --rule on-policy --reward --goal none --count 20000
      vorticity hunt --states 1 --actions 3 --rule entropy-bonus --reward --goal none --count 2000 --out finds
      vorticity hunt --states 3 --actions 2 --rule n-distill --reward
    """
    from dynamics.hunt import GOALS, SIZE
    from mdp import nearest

    # Plain texts and numbers, for they go to other processes; a rule's formulas may hold what cannot.
    asked = Asked(states, actions, rule, reward, str(alpha), control, observations, family, discount, seed)
    wanted = asked.hunt()
    if goal not in ("none", *GOALS):
        raise ValueError(f"--goal: {nearest(goal, ['none', *GOALS])} (known: none, {', '.join(GOALS)})")
    never = wanted.never()
    settings = _settings(wanted, rule, goal)
    if never is not None:
        answer: Json = settings | {"never": never, "finds": []}
        _tell(answer, as_json)
        return
    place = Path(out)
    done = _opened(place, settings)
    draws = -(-(count or (20_000 if minutes is None else 10**12)) // SIZE)
    todo = (k for k in range(draws) if k not in done)
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    stopped = False
    with (place / LOG).open("a", encoding="utf-8") as log, render.progress("hunting") as tell:
        started, before = time.monotonic(), len(done)
        try:
            for line in _reports(asked, goal, todo, place, jobs or os.cpu_count() or 1, deadline):
                done[line["draw"]] = line
                log.write(json.dumps(line) + "\n")
                log.flush()
                if tell is not None:
                    share = len(done) / draws
                    if deadline is not None and minutes is not None:
                        share = max(share, (time.monotonic() - started) / (60 * minutes))
                    tell(min(share, 1.0))
        except KeyboardInterrupt:
            stopped = True
    if stopped:
        render.note(f"interrupted after {len(done) - before} draws; the same command goes on from there")
    lines = [done[k] for k in sorted(done) if k < draws]
    totals = {name: sum(line[name] for line in lines) for name in COUNTS}
    best = max((line["growth"] for line in lines), default=None)
    finds = [line["find"] for line in lines if line["find"] is not None]
    _tell(settings | {"never": None, "draws": len(lines)} | totals | {"growth": best, "finds": finds}, as_json)


@dataclass(frozen=True)
class Asked:
    """What is hunted, as the options say it."""

    states: int
    actions: int
    rule: str
    reward: bool
    alpha: str
    control: str | None
    observations: str | None
    family: str
    discount: str
    seed: int

    def hunt(self) -> Hunt:
        """The hunt; ValueError for what cannot be hunted."""
        from dynamics.hunt import Hunt
        from mdp import rational

        labels = None
        if self.observations is not None:
            parts = [part.strip() for part in self.observations.split(",")]
            if not all(part.isascii() and part.isdigit() and len(part) < 4 for part in parts):
                raise ValueError(
                    f"--observations is {self.observations!r}; must be one whole number a state, as in 0,1,0"
                )
            labels = tuple(int(part) for part in parts)
        return Hunt(
            options.load_rule(self.rule),
            self.states,
            self.actions,
            reward=self.reward,
            control=self.control,
            alpha=Fraction(self.alpha),
            observation=labels,
            family=self.family,
            discount=rational(self.discount, "--discount"),
            seed=self.seed,
        )


def _settings(wanted: Hunt, rule: str, goal: str) -> Json:
    """What is hunted, as the log's first line says it."""
    return {
        "rule": rule,
        "states": wanted.states,
        "actions": wanted.actions,
        "reward": wanted.reward,
        "alpha": str(wanted.alpha),
        "control": wanted.template.control,
        "observations": None if wanted.observation is None else list(wanted.observation),
        "family": wanted.family,
        "discount": str(wanted.discount),
        "goal": goal,
        "seed": wanted.seed,
    }


def _opened(place: Path, settings: Json) -> dict[int, Json]:
    """The draws that the folder's log has done; a new log where there is none. ValueError for another hunt's folder."""
    place.mkdir(parents=True, exist_ok=True)
    path = place / LOG
    if not path.exists():
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps({"hunt": settings}) + "\n", encoding="utf-8")
        fresh.replace(path)
        return {}
    held_bytes = path.read_bytes()
    if not held_bytes.endswith(b"\n"):  # killed in the middle of a line: that draw is done again
        held_bytes = held_bytes[: held_bytes.rfind(b"\n") + 1]
        os.truncate(path, len(held_bytes))
    try:
        first, *rest = (json.loads(line) for line in held_bytes.splitlines())
        held = first["hunt"]
        done = {int(line["draw"]): line for line in rest}
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path}: not the log of a hunt; give another --out, or remove it") from None
    if held != settings:
        key = next((k for k in settings if held.get(k) != settings[k]), "hunt")
        there, here = held.get(key), settings.get(key)
        raise ValueError(f"{place}: holds a hunt with {key} {there!r}, not {here!r}; give another --out")
    return done


def one(asked: Asked, goal: str, k: int, place: str) -> Json:
    """One draw: its line of the log, its find written to the folder."""
    from dynamics.hunt import run_draw
    from mdp import io

    report: Report = run_draw(asked.hunt(), k, goal=goal)
    line = report.to_json()
    if report.find is not None:
        name = asked.rule.rpartition(":")[2]
        path = Path(place) / f"{name}-{asked.states}x{asked.actions}-{k:06d}.json"
        io.write(report.find.mdp, path)
        line["find"] = {"file": path.name} | line["find"]
    return line


def _reports(
    asked: Asked, goal: str, todo: Iterator[int], place: Path, jobs: int, deadline: float | None
) -> Iterator[Json]:
    """The lines of the draws as they are finished, by one process or several."""

    def more() -> Iterator[int]:
        for k in todo:
            if deadline is not None and time.monotonic() > deadline:
                return
            yield k

    if jobs == 1:
        for k in more():
            yield one(asked, goal, k, str(place))
        return
    for _, line in runner.processes(
        partial(_drawn, asked, goal, str(place)),
        more(),
        jobs,
        name=lambda k: f"draw {k}",
        died="a process of the hunt was killed; the same command goes on from where it was",
    ):
        yield line


def _drawn(asked: Asked, goal: str, place: str, k: int) -> Json:
    return one(asked, goal, k, place)


def _tell(answer: Json, as_json: bool) -> None:
    if as_json:
        render.print_json(answer)
        return
    what = (
        f"{answer['rule']}{' + R' if answer['reward'] else ''}, {answer['states']} states, {answer['actions']} actions"
    )
    if answer["never"] is not None:
        print(f"{what}: no MDP cycles: {answer['never']}")
        return
    finds = answer["finds"]
    headers = ["find", "period", "peak to peak (log-odds)", "bits", "from 0", "growth"]
    rows = [
        [
            find["file"],
            f"{find['period']:.8g}",
            ", ".join(f"{x:.4g}" for x in find["amplitude"]),
            render.number(find["bits"], 6),
            find["from_zero"],
            render.number(find["growth"], 3),
        ]
        for find in sorted(finds, key=lambda find: float(find["bits"]))
    ]
    if rows:
        render.table(headers, rows)
    print(
        f"{what}, seed {answer['seed']}: {answer['drawn']} MDPs drawn, {answer['rest_points']} rest points, "
        f"{answer['repel']} repel, {answer['wander']} of {answer['looked_at']} looked at wander, "
        f"largest growth {render.number(answer['growth'], 3)}; cycles found: {len(finds)}, "
        f"undecided: {answer['undecided']}; numerical, not proved"
    )
