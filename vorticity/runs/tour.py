"""The tour: rules that cycle beside their corrections, and every rule: what is measured, what the paper says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.choice import Side, side
from dynamics.fields import Field
from dynamics.rules import TABLE, Rule, expected_gradient
from mdp import MDP, random, zoo
from proofs.exact import decide

MDPS = ("swirl", "fig2", "corridor-cycle", "aliased-cycle")
POINTS = 16
AT_REST = 1e-9  # a field at the teacher smaller than this, relative to what makes it up, is rounding
# (MDP, a rule that cycles on it with reward, its correction): claims C4, C5, C2 and C1.
PAIRS = (
    ("swirl", "reverse-kl", "reverse-kl-corrected"),
    ("aliased-cycle", "on-policy", "n-distill"),
    ("corridor-cycle", "on-policy", "n-distill"),
    ("fig2", "on-policy", "n-distill"),
)
STARTS = {"fig2": -2.0}  # log-odds of the second action; 0 elsewhere (on fig2 that is the centre itself)


@dataclass(frozen=True)
class Row:
    """One rule on one MDP. `refused` says why the rule has no field there; then nothing was measured."""

    mdp: str
    rule: str
    control: str
    reward: bool
    alpha: float
    asymmetry: float | None  # largest ‖J − J^T‖/‖J‖ over the random parameters
    symmetric: bool | None  # whether that is 0 as far as floats can tell; None where they cannot
    expected_gradient: bool | None  # what the paper says of (rule, control); None where it says nothing
    teacher_residual: float | None  # largest |F| at the teacher; None where no student equals it
    verdict: str | None = None  # "gradient", "not-gradient" or "undecided", as `proofs.exact.curl` decides it here
    lyapunov: str | None = None  # a function known to fall along the flow, in words
    refused: str | None = None

    @property
    def teacher_rests(self) -> bool | None:
        """Whether the field vanishes at the teacher."""
        return None if self.teacher_residual is None else self.teacher_residual < AT_REST

    @property
    def agrees(self) -> bool | None:
        """Whether the measurement fits the paper.

        "Not a gradient" is said of MDPs in general: a rule that is one on this one does not contradict it.
        """
        if self.symmetric is None or self.expected_gradient is None:
            return None
        seen = self.symmetric and self.verdict != "not-gradient"
        return seen or not self.expected_gradient

    def to_json(self) -> dict[str, Any]:
        """The row with everything derived from it."""
        derived = {"agrees": self.agrees, "teacher_rests": self.teacher_rests}
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
    blank = Row(model.name, rule.id, q, reward, float(alpha), None, None, expected_gradient(rule, q), None)
    try:
        field = Field(model, rule, control=control, alpha=alpha, reward=reward)
        thetas = 1.5 * np.random.default_rng(seed).standard_normal((points, *field.shape))
        worst = float(np.max([field.asymmetry(theta) for theta in thetas]))  # one by one: Jacobians are large
        return replace(
            blank,
            asymmetry=worst if np.isfinite(worst) else None,
            symmetric=field.is_symmetric(thetas),
            teacher_residual=field.teacher_residual(),
            verdict=decide(field, seed=seed).verdict,
            lyapunov=field.lyapunov(),
        )
    except (ValueError, ArithmeticError) as error:
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


@dataclass(frozen=True, eq=False)
class Story:
    """One pair of the tour: what the rule and its correction, both + R, do on an MDP from the same start."""

    mdp: str
    theta0: NDArray[np.float64]
    fields: tuple[Field, Field]
    sides: tuple[Side, Side]

    @property
    def as_said(self) -> bool:
        """Whether the uncorrected rule cycles and the corrected one comes to rest, or runs to the boundary."""
        first, second = (one.outcome.kind for one in self.sides)
        return first == "cycle" and second in ("rest", "boundary")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        sides = [one.to_json() for one in self.sides]
        return {"mdp": self.mdp, "theta0": self.theta0.tolist(), "as_said": self.as_said, "sides": sides}


def story(name: str, rule: str, correction: str) -> Story:
    """Run a rule and its correction, both with reward, on an MDP of the zoo.

    >>> story("swirl", "reverse-kl", "reverse-kl-corrected").as_said
    True
    """
    model = zoo.load(name)
    fields = (Field(model, rule, reward=True), Field(model, correction, reward=True))
    theta0 = np.zeros(fields[0].shape)
    theta0[:, 1] = STARTS.get(name, 0.0)
    return Story(name, theta0, fields, (side(fields[0], theta0), side(fields[1], theta0)))


def draw(told: Story, path: Path) -> None:
    """The pair's portraits side by side, with the trajectories from the story's start, into a file."""
    from dynamics.drawing import portraits

    first, second = ([one.outcome.orbit] if one.outcome.isolated and one.outcome.orbit else [] for one in told.sides)
    made, _ = portraits.side_by_side(*told.fields, theta0=told.theta0, cycles=(first, second))
    portraits.save(made.figure, path)
