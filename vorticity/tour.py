"""Every rule on some MDPs, side by side: what was measured, and what the paper says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from dynamics.field import Field
from dynamics.rules import TABLE, Rule, expected_gradient
from mdp import random, zoo
from mdp.model import MDP

MDPS = ("swirl", "fig2", "corridor-cycle", "aliased-cycle")
POINTS = 16
SYMMETRIC = 1e-10  # an asymmetry below this is rounding: symbolic zeros come out at 1e-16 to 1e-13
AT_REST = 1e-9  # a field smaller than this at the teacher is rounding


@dataclass(frozen=True)
class Row:
    """One rule on one MDP. `refused` says why the rule has no field there; then nothing was measured."""

    mdp: str
    rule: str
    control: str
    reward: bool
    alpha: float
    asymmetry: float | None  # largest ‖J − J^T‖/‖J‖ over the random parameters
    expected_gradient: bool | None  # what the paper says of (rule, control); None where it says nothing
    teacher_residual: float | None  # largest |F| at the teacher; None where no student equals it
    lyapunov: str | None = None  # a function known to fall along the flow, in words
    refused: str | None = None

    @property
    def symmetric(self) -> bool | None:
        """Whether the Jacobian was symmetric, to rounding, at every point tried."""
        return None if self.asymmetry is None else self.asymmetry < SYMMETRIC

    @property
    def teacher_rests(self) -> bool | None:
        """Whether the field vanishes at the teacher."""
        return None if self.teacher_residual is None else self.teacher_residual < AT_REST

    @property
    def agrees(self) -> bool | None:
        """Whether the measurement fits the paper.

        "Not a gradient" is said of MDPs in general: a rule that is symmetric on this one does not contradict it.
        """
        if self.symmetric is None or self.expected_gradient is None:
            return None
        return self.symmetric or not self.expected_gradient

    def to_json(self) -> dict[str, Any]:
        """The row with everything derived from it."""
        derived = {"symmetric": self.symmetric, "agrees": self.agrees, "teacher_rests": self.teacher_rests}
        return asdict(self) | derived


def reference(seed: int = 0) -> MDP:
    """A random episodic MDP of 4 states and 3 actions, on which no rule is special.

    >>> reference(1).name
    'random MDP 1'
    """
    return random.episodic(seed, states=4, actions=3).replace(name=f"random MDP {seed}")


def row(
    model: MDP,
    rule: Rule,
    *,
    control: str | None = None,
    alpha: Fraction | int = 1,
    reward: bool = False,
    seed: int = 0,
    points: int = POINTS,
) -> Row:
    """Measure one rule on one MDP, at `points` random parameters (normal, standard deviation 1.5).

    >>> from dynamics.rules import get
    >>> row(zoo.load("swirl"), get("on-policy")).symmetric, row(zoo.load("swirl"), get("n-distill")).symmetric
    (False, True)
    """
    q = rule.control if control is None else control
    blank = Row(model.name, rule.id, q, reward, float(alpha), None, expected_gradient(rule, q), None)
    try:
        field = Field(model, rule, control=control, alpha=alpha, reward=reward)
        thetas = 1.5 * np.random.default_rng(seed).standard_normal((points, *field.shape))
        worst = float(np.max([field.asymmetry(theta) for theta in thetas]))  # one by one: Jacobians are large
        return replace(
            blank,
            asymmetry=worst if np.isfinite(worst) else None,
            teacher_residual=field.teacher_residual(),
            lyapunov=field.lyapunov(),
        )
    except ValueError as error:
        return replace(blank, refused=str(error))


def survey(models: Iterable[MDP], rules: Sequence[Rule] | None = None, **settings: Any) -> list[Row]:
    """Every rule (of the table, unless given) on every MDP; `settings` are those of `row`."""
    chosen = list(TABLE.values()) if rules is None else rules
    return [row(model, rule, **settings) for model in models for rule in chosen]


def tour(**settings: Any) -> list[Row]:
    """The whole table on the four MDPs of the tour.

    >>> rows = tour(points=2)
    >>> len(rows) == len(MDPS) * len(TABLE), [r.rule for r in rows if r.agrees is False]
    (True, [])
    """
    return survey([zoo.load(name) for name in MDPS], **settings)
