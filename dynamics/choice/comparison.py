"""A rule beside its correction: what each does from the same start, and for which alpha each cycles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dynamics.fields import Field
from dynamics.motion import pass_on_interrupt
from dynamics.orbits import Outcome, divergences, mean_return, outcome
from dynamics.rules import label, structural_potential
from mdp import Array


@dataclass(frozen=True, eq=False)
class Side:
    """What one rule did: see `side`."""

    rule: str
    control: str
    gradient: bool
    outcome: Outcome
    expected_return: float | None
    kl_teacher_states: float | None
    kl_student_states: float | None
    settled_by: float | None
    asymmetry: tuple[float, float]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "rule": self.rule,
            "control": self.control,
            "gradient": self.gradient,
            "outcome": self.outcome.to_json(),
            "return": self.expected_return,
            "kl_teacher_states": self.kl_teacher_states,
            "kl_student_states": self.kl_student_states,
            "settled_by": self.settled_by,
            "asymmetry_mean": self.asymmetry[0],
            "asymmetry_largest": self.asymmetry[1],
        }


def side(field: Field, theta0: ArrayLike, **options: Any) -> Side:
    """Run one rule's flow from theta0 and sum up: outcome and what the student is worth where it ends.

    Return `J = rho·V` and `Σ_s d(s) KL(pi(s)‖pi_theta(s)) / Σ_s d(s)` in nats a step, with d the visits of the
    teacher, then of the student; over a cycle all three are averages over one period. `settled_by` is when it is within
    1e-6 of rest (extrapolated where the outcome says so), `asymmetry` the mean and the largest ‖J − J^T‖/‖J‖ met.
    `gradient` says whether a potential is known for every MDP. `options` go to `dynamics.orbits.outcomes.outcome`.

    >>> from mdp import zoo
    >>> side(Field(zoo.load("swirl"), "reverse-kl-corrected", reward=True), np.zeros((2, 2))).outcome.kind
    'rest'
    """
    found = outcome(field, theta0, **options)
    pass_on_interrupt(found.trajectory)
    late = found.orbit.theta[:-1] if found.orbit is not None else found.at[None]
    student = field.policy(late)
    along = field.asymmetry(_thinned(found.trajectory.theta, 60))
    return Side(
        label(field.rule),
        field.control,
        structural_potential(field.effective_rule, field.control) is not None,
        found,
        mean_return(field, student),
        *divergences(field, student),
        found.evidence.get("settled_by"),
        (float(along.mean()), float(along.max())),
    )


def _thinned(theta: Array, most: int) -> Array:
    return np.asarray(theta[np.unique(np.linspace(0, len(theta) - 1, most).astype(int))])


@dataclass(frozen=True)
class AlphaRange:
    """Alphas tried, what happened at each, and the intervals in which the flow cycles.

    `tried` pairs each alpha with a kind ("undecided" near the ends, where cycles are weak); `intervals` are (lowest,
    highest) alphas seen to cycle, without a gap among those tried; `edges` are the nearest alphas tried outside, None
    where the search's own range ends. `proved_none` says that no search was made because the rule is a gradient, whose
    flow cannot cycle.
    """

    tried: tuple[tuple[float, str], ...]
    intervals: tuple[tuple[float, float], ...]
    edges: tuple[tuple[float | None, float | None], ...]
    proved_none: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "tried": [list(one) for one in self.tried],
            "intervals": [list(one) for one in self.intervals],
            "edges": [list(one) for one in self.edges],
            "proved_none": self.proved_none,
        }


def alpha_range(
    field: Field,
    theta0: ArrayLike,
    *,
    lowest: float = 0.1,
    highest: float = 10.0,
    grid: int = 11,
    bisections: int = 6,
    limit: float = 3200.0,
    progress: Callable[[float], None] | None = None,
) -> AlphaRange:
    """For which alpha does the flow from theta0 cycle? A geometric grid and the field's own, edges bisected.

    Numerical: an interval between two alphas tried may hide what happens inside. A rule with a known potential is not
    searched. Raises ValueError unless 0 < lowest < highest.

    >>> from mdp import zoo
    >>> alpha_range(Field(zoo.load("swirl"), "n-distill", reward=True), np.zeros((2, 2))).proved_none
    True
    """
    if not 0 < lowest < highest:
        raise ValueError(f"alpha from {lowest} to {highest}; must be positive and increase")
    # Asked at weight 1: with alpha 0 nothing of the rule is left, which says nothing about other weights.
    if structural_potential(replace(field.effective_rule, alpha=Fraction(1)), field.control) is not None:
        return AlphaRange((), (), (), proved_none=True)
    own = field.rule.alpha
    base = replace(field.rule, alpha=Fraction(1))
    kinds: dict[float, str] = {}
    work = grid + 2 * bisections

    def kind(alpha: float) -> str:
        if alpha not in kinds:
            probe = Field(field.mdp, base, control=field.control, alpha=alpha, student=field.student)
            found = outcome(probe, theta0, limit=limit)
            pass_on_interrupt(found.trajectory)
            kinds[alpha] = found.kind
            if progress is not None:
                progress(min(len(kinds) / work, 1.0))
        return kinds[alpha]

    alphas = [float(f"{alpha:.4g}") for alpha in np.geomspace(lowest, highest, grid)]
    alphas = sorted({*alphas, float(own)} if lowest <= own <= highest else set(alphas))
    for alpha in alphas:
        kind(alpha)
    for low, high in pairwise(alphas):
        if (kinds[low] == "cycle") != (kinds[high] == "cycle"):
            for _ in range(bisections):
                middle = float(f"{np.sqrt(low * high):.6g}")
                if (kind(middle) == "cycle") == (kinds[low] == "cycle"):
                    low = middle
                else:
                    high = middle
    ordered = sorted(kinds)
    intervals: list[tuple[float, float]] = []
    edges: list[float | None] = []
    for k, alpha in enumerate(ordered):
        if kinds[alpha] != "cycle":
            continue
        if k and kinds[ordered[k - 1]] == "cycle":
            intervals[-1] = (intervals[-1][0], alpha)
        else:
            intervals.append((alpha, alpha))
            edges.append(ordered[k - 1] if k else None)
    uppers = [next((a for a in ordered if a > high), None) for _, high in intervals]
    return AlphaRange(tuple((a, kinds[a]) for a in ordered), tuple(intervals), tuple(zip(edges, uppers, strict=True)))
