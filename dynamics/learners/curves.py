"""A tabular student that follows exact expected updates step by step, and what is measured of it on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dynamics.fields import Field
from dynamics.fields import update as eq1
from mdp import Array, Policy, evaluation, kl, policy

PER = ("episode", "step")


@dataclass(frozen=True)
class Curve:
    """What was measured after `update` updates, equally long lists.

    `steps`: expected steps in the world so far, one episode an update; `returns` J of the student; `kl_teacher` and
    `kl_student`: `Σ_s d(s) KL(pi(s)‖pi_theta(s)) / Σ_s d(s)`, d the visits of the teacher, of the student (nats a
    step).
    """

    update: tuple[int, ...]
    steps: tuple[float, ...]
    returns: tuple[float, ...]
    kl_teacher: tuple[float, ...]
    kl_student: tuple[float, ...]


def moments_of_measurement(updates: int) -> list[int]:
    """0, 1, 2, ... and then about 12 % apart, up to `updates`.

    >>> moments_of_measurement(12)
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    """
    found = [0]
    while found[-1] < updates:
        found.append(min(max(found[-1] + 1, round(found[-1] * 1.12)), updates))
    return found


def learn(field: Field, *, eta: float, updates: int, horizon: int, target: float | None, per: str = "episode") -> Curve:
    """Follow `theta += eta F(theta)` from theta = 0, F being eq. (1); with `per="step"`, F / Σ_s d_q(s).

    `per="step"` is the mean over the steps of the episodes of the control policy instead of the sum over an episode.
    Ends after `updates` updates, or from `horizon` on as soon as the return is at least `target`.
    Raises ValueError for another `per`.

    >>> from mdp import zoo
    >>> field = Field(zoo.load("chain"), "on-policy")
    >>> learn(field, eta=1.0, updates=50, horizon=5, target=None).kl_student[-1] < 1e-4
    True
    """
    if per not in PER:
        raise ValueError(f"per is {per!r}; must be 'episode' or 'step'")
    marks = set(moments_of_measurement(updates)) | {horizon}
    teacher = policy(np.asarray(field.mdp.teacher))
    theirs = evaluation.visits(field.mdp, teacher.p)
    theta, steps, rows = np.zeros(field.shape), 0.0, []
    for k in range(updates + 1):
        student = field.policy(theta)
        at = eq1.evaluate(field.problem, student)
        if k in marks:
            own = (
                at.d if field.control == "student" else evaluation.chain(field.mdp, student.p).visits(field.mdp.initial)
            )
            rows.append((k, steps, *measure(field, student, own, teacher, theirs)))
            if k >= horizon and target is not None and rows[-1][2] >= target:
                break
        length = float(at.d.sum())
        scale = eta / length if per == "step" else eta
        theta = theta + scale * field.student.pull_back(eq1.weighted(at.d, at.local))
        steps += length
    columns = list(zip(*rows, strict=True))
    return Curve(*(tuple(column) for column in columns))


def measure(field: Field, student: Policy, own: Array, teacher: Policy, theirs: Array) -> tuple[float, float, float]:
    """J, and the mean KL(pi‖pi_theta) under the teacher's visits `theirs` and the student's `own`."""
    gap = np.maximum(kl(teacher, student), 0.0)  # rounding may leave it just below
    J = float(evaluation.visit_return(own, student.p, field.mdp.R))
    return J, float(evaluation.visit_mean(theirs, gap)), float(evaluation.visit_mean(own, gap))
