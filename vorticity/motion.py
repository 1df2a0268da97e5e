"""The commands that move: `flow` and `compare`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vorticity import options, render
from vorticity.options import Setting

if TYPE_CHECKING:
    from dynamics.compare import AlphaRange, Side
    from dynamics.outcome import Outcome

Json = dict[str, Any]
MOST_SAMPLES = 2_001  # states of a trajectory that --json prints


@click.command()
@options.mdp_argument
@options.rule_option
@options.field_options
@options.theta0_option
@options.seed_option
@click.option("--time", metavar="T", callback=options.time, help="How long at least, in the time of F (default 200).")
@click.option("--discrete", metavar="ETA", callback=options.positive, help="Iterate with this step size instead.")
@click.option(
    "--steps", metavar="N", type=click.IntRange(1, 10**8), help="Steps of --discrete (default 20000; sampled: 2000)."
)
@click.option("--sampled", metavar="N", type=click.IntRange(1, 10**6), help="Each step from N sampled trajectories.")
@click.option("--save", metavar="FILE", help="Keep the whole trajectory: .npz, .csv or .json.")
@options.json_option
def flow(
    model: str,
    rule: str,
    setting: Setting,
    theta0: str,
    seed: int,
    time: float | None,
    discrete: float | None,
    steps: int | None,
    sampled: int | None,
    save: str | None,
    as_json: bool,
) -> None:
    """A trajectory, and what it did.

    Rest, cycle, boundary (which policies became deterministic), diverged or undecided, with the evidence. It runs for
    --time and then as long as the verdict needs, up to time 20000 (of --discrete: 160000 steps). Ctrl-C keeps what
    is there. With --sampled the steps of --discrete follow the mean of N single-trajectory estimates of the update,
    and are held against the exact steps.

    \b
    Examples:
      vorticity flow swirl --rule reverse-kl --reward
      vorticity flow corridor-cycle --rule n-distill --reward --theta0 random --seed 3
      vorticity flow fig2 --rule on-policy --reward --discrete 0.01 --steps 50000 --save orbit.csv
      vorticity flow bandit:4 --rule er --discrete 0.1 --steps 500 --sampled 1
    """
    import numpy as np

    from dynamics.discrete import discrete_outcome
    from dynamics.outcome import outcome
    from dynamics.rules import label
    from dynamics.stochastic import stochastic_outcome

    if steps is not None and discrete is None:
        raise ValueError("--steps counts the steps of --discrete ETA, which is not given; use --time for the ODE")
    if time is not None and discrete is not None:
        raise ValueError("--time belongs to the ODE; with --discrete give --steps")
    if sampled is not None and discrete is None:
        raise ValueError("--sampled draws the steps of --discrete ETA, which is not given")
    if save is not None and Path(save).suffix not in (".npz", ".csv", ".json"):
        raise ValueError(f"--save {save}: a trajectory is saved as .npz, .csv or .json")
    world = options.load_mdp(model, setting.teacher)
    field = options.load_field(world, rule, setting)
    at = options.start(theta0, field.shape, seed)
    with render.progress("integrating") as tell:
        if discrete is None:
            found = outcome(field, at, time=time or 200.0, progress=tell)
        elif sampled is not None:
            rng = np.random.default_rng(seed)
            found = stochastic_outcome(field, at, discrete, steps or 2000, rng, batch=sampled, progress=tell)
        else:
            n_steps = steps or 20_000
            found = discrete_outcome(field, at, discrete, n_steps, limit=max(160_000, n_steps), progress=tell)
    if save is not None:
        found.trajectory.save(save)
    if as_json:
        last = len(found.trajectory.t) - 1
        kept = sorted({*range(0, last, max(1, -(-last // MOST_SAMPLES))), last})
        thin = {"t": found.trajectory.t[kept], "theta": found.trajectory.theta[kept]}
        render.print_json({"outcome": found.to_json(), **thin})
    else:
        render.say(f"{label(field.rule)} on {world.name}: {sentence(found, discrete)}")
        render.table(["evidence", ""], [[key, brief(value)] for key, value in found.evidence.items()])
    render.notes(field.warnings)
    if as_json and found.trajectory.note:
        render.note(found.trajectory.note)


def sentence(found: Outcome, discrete: float | None = None) -> str:
    """The outcome in one sentence."""
    unit = "steps" if discrete is not None else "time of F"
    facts = found.evidence
    beyond = _beside_the_ode(facts)
    if found.kind == "cycle":
        family = {True: ", isolated", False: ", one of a family of closed orbits", None: ""}[found.isolated]
        sizes = facts.get("amplitude_log_odds", found.amplitude.tolist())
        what = "log-odds" if "amplitude_log_odds" in facts else "parameters"
        if facts.get("form") == "invariant circle":
            turns = f"an invariant circle, {found.period:.7g} steps a turn"
        elif discrete is not None:
            turns = f"period {found.period:.0f}: {found.period:.0f} points visited in turn"
        else:
            turns = f"period {found.period:.10g} ({unit}){family}"
        return f"cycle, {turns}; peak-to-peak {what} {brief(sizes)}{beyond}"
    if found.kind == "rest":
        when = f"{'will be ' if facts.get('extrapolated') else ''}there by {facts['settled_by']:.6g} ({unit})"
        return f"rest at theta = {brief(found.at.tolist())}, {when}{beyond}"
    if found.kind == "boundary":
        pure = ", ".join(f"{s} → {a}" for s, a in facts["deterministic"].items())
        return f"runs to the boundary of the simplex; deterministic: {pure or 'no state as a whole'}"
    return ("diverged" if found.kind == "diverged" else f"undecided: {facts.get('note', 'see the evidence')}") + beyond


BORN = {
    ("flip", "supercritical"): "beyond it two points in turn attract",
    ("flip", "subcritical"): "its basin shrinks to nothing there, bounded by two repelling points",
    ("Neimark–Sacker", "supercritical"): "beyond it an invariant circle attracts",
    ("Neimark–Sacker", "subcritical"): "its basin shrinks to nothing there, bounded by a repelling circle",
}


def _beside_the_ode(facts: Json) -> str:
    """What the evidence of an iteration says of the step: the largest that rests, or whether this is an artefact."""
    limit = facts.get("step_limit")
    if limit is not None and limit["eta"] is not None:
        born = BORN.get((limit["kind"], limit["criticality"]))
        said = f"{limit['kind']}{'; ' + born if born else ''}"
        return f"; this point attracts for steps below eta* = {limit['eta']:.8g} ({said})"
    if "artefact_of_step" not in facts:
        return ""
    verdict = {
        True: "an artefact of the step size",
        False: "not an artefact of the step size",
        None: "whether that is an artefact of the step size is not told",
    }[facts["artefact_of_step"]]
    return f"; {verdict}: {facts['artefact_reason']}"


def brief(value: Any, digits: int = 7) -> str:
    """A value in few digits, lists within brackets."""
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} → {brief(one, digits)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        shown = ", ".join(brief(one, digits) for one in value[:12])
        return f"[{shown}{', …' if len(value) > 12 else ''}]"
    return str(value)


@click.command()
@options.mdp_argument
@options.rule_option
@click.option("--with", "other", metavar="RULE", required=True, help="The rule to set beside it.")
@options.field_options
@options.theta0_option
@options.seed_option
@click.option("--alphas", metavar="A,B", default="0.1,10", help="Where to look for cycles in alpha (default 0.1,10).")
@click.option("--no-alphas", is_flag=True, help="Leave the search over alpha out.")
@options.json_option
def compare(
    model: str,
    rule: str,
    other: str,
    setting: Setting,
    theta0: str,
    seed: int,
    alphas: str,
    no_alphas: bool,
    as_json: bool,
) -> None:
    """A rule beside another: its correction, say.

    Outcome, return, KL to the teacher under the teacher's and the student's states, time to settle, asymmetry on
    the way, and the alphas for which each cycles (from the same start; numerical, and said to be so).

    \b
    Examples:
      vorticity compare corridor-cycle --rule on-policy --with n-distill --reward
      vorticity compare swirl --rule reverse-kl --with reverse-kl-corrected --reward --alphas 0.5,2
    """
    from dynamics.compare import alpha_range, side

    low, high = _interval(alphas)
    world = options.load_mdp(model, setting.teacher)
    sides, ranges = [], []
    for name in (rule, other):
        field = options.load_field(world, name, setting)
        at = options.start(theta0, field.shape, seed)
        sides.append(side(field, at))
        if not no_alphas:
            with render.progress(f"alphas of {name}") as tell:
                ranges.append(alpha_range(field, at, lowest=low, highest=high, progress=tell))
        for warning in field.warnings:
            render.note(f"{name}: {warning}")
    if as_json:
        shown = [one.to_json() for one in sides]
        for entry, found in zip(shown, ranges, strict=False):
            entry["alpha_range"] = found.to_json()
        render.print_json({"mdp": world.name, "reward": setting.reward, "alpha": float(setting.alpha), "sides": shown})
        return
    render.table(
        ["", *(one.rule for one in sides)], comparison(sides, ranges), title=f"{world.name}, alpha {setting.alpha}"
    )


def comparison(sides: list[Side], ranges: list[AlphaRange]) -> list[list[str]]:
    """The rows of the comparison's table."""
    rows: list[tuple[str, Callable[[Side], str]]] = [
        ("outcome", lambda one: one.outcome.kind),
        ("period", lambda one: render.number(one.outcome.period, 10)),
        ("isolated", lambda one: "-" if one.outcome.isolated is None else "yes" if one.outcome.isolated else "no"),
        ("peak to peak (logits)", lambda one: brief(one.outcome.amplitude.tolist(), 5)),
        ("at, or last", lambda one: brief(one.outcome.at.tolist(), 5)),
        ("gradient, by its row", lambda one: "yes" if one.gradient else "no potential known"),
        ("return (a cycle's mean)", lambda one: render.number(one.expected_return, 6)),
        ("KL to teacher, teacher's states", lambda one: render.number(one.kl_teacher_states, 5)),
        ("KL to teacher, student's states", lambda one: render.number(one.kl_student_states, 5)),
        ("settled by (time of F)", lambda one: render.number(one.settled_by, 6)),
        ("asymmetry on the way: mean", lambda one: render.number(one.asymmetry[0], 3)),
        ("asymmetry on the way: largest", lambda one: render.number(one.asymmetry[1], 3)),
    ]
    table = [[name, *(show(one) for one in sides)] for name, show in rows]
    if ranges:
        table.append(["alphas that cycle", *map(_range_text, ranges)])
    return table


def _range_text(found: AlphaRange) -> str:
    if found.proved_none:
        return "none: a gradient"
    if not found.intervals:
        open_ones = sum(kind == "undecided" for _, kind in found.tried)
        return f"none of {len(found.tried)} tried" + (f", {open_ones} undecided" if open_ones else "")
    texts = []
    for (low, high), (below, above) in zip(found.intervals, found.edges, strict=True):
        left = f"{below:.4g} < " if below is not None else ""
        right = f" < {above:.4g}" if above is not None else ""
        texts.append(f"{left}[{low:.4g}, {high:.4g}]{right}")
    open_ones = sum(kind == "undecided" for _, kind in found.tried)
    return "; ".join(texts) + (f" ({open_ones} of {len(found.tried)} tried undecided)" if open_ones else "")


def _interval(text: str) -> tuple[float, float]:
    from mdp.numbers import rational

    ends = [float(rational(part.strip(), "--alphas")) for part in text.split(",")]
    if len(ends) != 2 or not 0 < ends[0] < ends[1]:
        raise ValueError(f"--alphas is {text!r}; must be two numbers A,B with 0 < A < B")
    return ends[0], ends[1]


COMMANDS: tuple[click.Command, ...] = (flow, compare)
