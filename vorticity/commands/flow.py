"""The command `flow`: a trajectory, and what it did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vorticity.text import options, render
from vorticity.text.options import Setting
from vorticity.text.outcomes import brief, sentence

if TYPE_CHECKING:
    pass

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

    from dynamics.learners import discrete_outcome, stochastic_outcome
    from dynamics.orbits import outcome
    from dynamics.rules import label

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
