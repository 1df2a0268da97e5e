"""What the iteration theta_{k+1} = theta_k + eta F(theta_k) does, and whether that is an artefact of the step.

An iteration may oscillate where the ODE rests: beyond `dynamics.learners.step_size`'s limit a rest point gives birth to
periodic points or to an invariant circle, and a family of closed orbits becomes an outward spiral at every step. Such
answers belong to the step, not to the rule. They are told from true cycles by what the ODE does from the same place,
and by smaller steps: an artefact shrinks with the step to nothing, a true cycle's size tends to that of the ODE's
orbit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dynamics.fields import ChartField, VectorField, reduced, to_reduced
from dynamics.learners.iteration import iterated
from dynamics.learners.step_size import limit_at
from dynamics.motion import Progress, iterate
from dynamics.orbits import Orbit, Outcome, outcome, peak_to_peak
from mdp import Array

LARGE = 64  # coordinates beyond which the step limit comes without its third derivatives
MOST_STEPS, MOST_MORE = 10_000, 20_000  # steps of each comparison with a smaller step size
ODE_TIME, ODE_STEPS = 4_000.0, 20_000  # how long the ODE is followed for the comparison


def discrete_outcome(
    field: VectorField,
    theta0: ArrayLike,
    eta: float,
    n_steps: int = 20_000,
    *,
    limit: int = 160_000,
    progress: Progress | None = None,
) -> Outcome:
    """What the iteration with step size `eta` from theta0 (*shape) does: `n_steps` steps, then as many as it takes.

    Kinds as in `dynamics.orbits.outcomes.outcome`; times and periods count steps. Rest needs the zero's multipliers
    1 + eta·lambda inside the unit circle and a quadratic Lyapunov function that falls from step to step. A cycle is a
    set of at most 16 points visited in turn (evidence `form` "period k"), or an invariant circle (`form` "invariant
    circle", `period` then being the steps a turn). An iteration that turns without closing is "undecided", and the
    evidence gives its steps and its growth by turn.
    At rest the evidence holds `step_limit`: the step size eta* below which this rest point attracts, and what appears
    beyond it. For a cycle, a turning iteration or one that diverged it holds `artefact_of_step`: True (the ODE rests
    or runs on a family of closed orbits, and smaller steps agree), False (the ODE has a cycle of the size that smaller
    steps tend to, or diverges too), None (not told), with `artefact_reason`, and the sizes seen, `amplitude_by_step`:
    pairs of a step size and the largest peak-to-peak coordinate of the reduced chart.
    Raises ValueError as `dynamics.motion.flows.iterate`.

    >>> from vorticity import FunctionField
    >>> halve = FunctionField(lambda x: -x, (1,))
    >>> discrete_outcome(halve, [1.0], 0.5, 100).evidence["step_limit"]["eta"]
    2.0
    >>> flips = discrete_outcome(FunctionField(lambda x: x - x**3, (1,)), [0.3], 1.1, 500)
    >>> flips.evidence["form"], flips.evidence["artefact_of_step"]
    ('period 2', True)
    """
    found = iterated(field, theta0, eta, n_steps, limit=limit, progress=progress)
    if found.kind == "rest":
        seen = reduced(field)
        found.evidence["step_limit"] = limit_at(field, found.at, normal_form=seen.size <= LARGE).to_json()
    elif found.kind == "diverged" or (found.trajectory.complete and found.kind in ("cycle", "undecided")):
        found.evidence.update(_artefact(field, found, eta, n_steps))
    return found


def _artefact(field: VectorField, found: Outcome, eta: float, n_steps: int) -> dict[str, Any]:
    """The facts about whether a motion is an artefact of its step size."""
    spirals = "growth_by_turn" in found.evidence and found.kind == "undecided"
    start = found.trajectory.theta[-1 if found.kind == "cycle" else 0]
    ode = outcome(field, start, limit=ODE_TIME, most_steps=ODE_STEPS)
    n_steps = min(n_steps, MOST_STEPS)
    if found.kind == "diverged":
        verdict = _beside_divergence(field, ode, eta, start, n_steps)
    elif ode.kind == "rest":
        verdict = _beside_rest(field, ode, found, eta, start, n_steps)
    elif ode.kind == "cycle" and ode.isolated and found.kind == "cycle":
        verdict = _beside_cycle(field, ode, found, eta, start, n_steps)
    elif ode.kind == "cycle" and not ode.isolated and spirals and ode.orbit is not None:
        verdict = _beside_family(field, ode.orbit, eta, start)
    else:
        verdict = None, f"the ODE from here: {ode.kind}", []
    artefact, reason, sizes = verdict
    return {
        "artefact_of_step": artefact,
        "artefact_reason": reason,
        "amplitude_by_step": [[step, size] for step, size in sizes],
        "ode": ode.kind,
    }


Verdict = tuple[bool | None, str, list[tuple[float, float]]]


def amplitude(field: VectorField, found: Outcome) -> float:
    """The largest peak-to-peak coordinate, in the reduced chart, over the last quarter of a trajectory; 0 at rest.

    Of an ODE's periodic orbit, over the orbit.

    >>> from vorticity import FunctionField
    >>> field = FunctionField(lambda x: x - x**3, (1,))
    >>> round(amplitude(field, iterated(field, [0.3], 1.1)), 6)
    0.301511
    """
    seen = reduced(field)
    if found.kind == "rest":
        return 0.0
    if found.orbit is not None:
        theta = found.orbit.theta
        return float(peak_to_peak(seen.from_parameters(theta) if isinstance(seen, ChartField) else theta).max())
    late = found.trajectory.theta[-max(len(found.trajectory.theta) // 4, 1) :]
    return float(np.ptp([to_reduced(seen, theta) for theta in late], axis=0).max())


def _smaller(field: VectorField, start: Array, eta: float, n_steps: int) -> Outcome:
    return iterated(field, start, eta, n_steps, limit=MOST_MORE)


def _beside_rest(field: VectorField, ode: Outcome, found: Outcome, eta: float, start: Array, n_steps: int) -> Verdict:
    """The ODE rests: does the iteration from the same place rest too, once the step is small enough?"""
    limit = limit_at(field, ode.at, normal_form=False).eta
    if found.kind == "undecided" and (limit is None or eta <= limit):
        return None, "the ODE rests here, and the iteration, which gave no verdict, may yet", []
    steps = [eta / 2, eta / 4]
    if limit is not None and limit <= eta / 4:
        steps.append(0.9 * limit)
    sizes = [(eta, amplitude(field, found))]
    for step in steps:
        tried = _smaller(field, start, step, n_steps)
        sizes.append((step, amplitude(field, tried)))
        if tried.kind == "rest" and np.abs(tried.at - ode.at).max() < 1e-5:
            return True, f"the ODE rests here, and so does the iteration with the step {step:.6g}", sizes
    return None, f"the ODE rests here, but the iteration does not at steps down to {steps[-1]:.6g}", sizes


def _beside_cycle(field: VectorField, ode: Outcome, found: Outcome, eta: float, start: Array, n_steps: int) -> Verdict:
    """The ODE has an attracting cycle: do the sizes tend to its size as the step is halved twice?"""
    sizes = [(eta, amplitude(field, found))]
    for step in (eta / 2, eta / 4):
        sizes.append((step, amplitude(field, _smaller(field, start, step, n_steps))))
    true = amplitude(field, ode)
    errors = [abs(size - true) / true for _, size in sizes]
    if errors[2] <= max(0.75 * errors[1], 1e-3) and errors[2] < 0.2:
        return False, f"the ODE has a cycle of size {true:.6g}, to which the sizes tend as the step shrinks", sizes
    return None, f"the ODE has a cycle of size {true:.6g}, but the sizes do not tend to it", sizes


def _beside_family(field: VectorField, orbit: Orbit, eta: float, start: Array) -> Verdict:
    """The ODE runs on one of a family of closed orbits: is the iteration's growth by turn proportional to the step?

    Growth is the logarithm of the farthest distance from the orbit's mean in the second of the ODE's turns over that
    in the first, from the same start.
    """
    seen = reduced(field)
    middle = np.mean([to_reduced(seen, theta) for theta in orbit.theta[:-1]], axis=0)
    growths = []
    for step in (eta, eta / 2):
        turn = int(np.clip(round(orbit.period / step), 4, MOST_MORE))
        theta = iterate(field, start, step, 2 * turn).theta
        away = np.linalg.norm([to_reduced(seen, one) - middle for one in theta], axis=1)
        growths.append(float(np.log(away[turn:].max() / away[:turn].max())))
    said = f"growth by turn {growths[0]:.3g} at the step {eta:.6g}, {growths[1]:.3g} at {eta / 2:.6g}"
    if growths[0] > 0 and 0.35 < growths[1] / growths[0] < 0.65:
        return True, f"the ODE runs on a closed orbit of a family; {said}", []
    return None, f"the ODE runs on a closed orbit of a family; {said}: not proportional to the step", []


def _beside_divergence(field: VectorField, ode: Outcome, eta: float, start: Array, n_steps: int) -> Verdict:
    """The iteration leaves every bound: does the ODE, and do smaller steps?"""
    if ode.kind == "diverged":
        return False, "the ODE diverges too", []
    if ode.kind == "rest":
        limit = limit_at(field, ode.at, normal_form=False).eta
        step = min(eta / 4, 0.9 * limit) if limit is not None else eta / 4
        tried = _smaller(field, start, step, n_steps)
        if tried.kind == "rest" and np.abs(tried.at - ode.at).max() < 1e-5:
            return True, f"the ODE rests here, and so does the iteration with the step {step:.6g}", [(step, 0.0)]
    if ode.kind == "cycle" and not ode.isolated:
        return True, "the ODE runs on a closed orbit of a family, and does not diverge", []
    return None, f"the ODE from here: {ode.kind}", []
