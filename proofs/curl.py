"""Is a rule's field the gradient of anything? Decided where it can be decided exactly, measured where it cannot.

Two exact answers are possible here. *Gradient*: the row's formulas satisfy the identity of theory T2, which proves a
potential for every MDP (`dynamics.rules.structural_potential`). *Not a gradient*: at one rational policy the exact
Jacobian, computed in fractions by the same formulas as the floats, has an antisymmetric part that is not zero. Where
neither applies the verdict is *undecided* and the asymmetry is measured in floats.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from dynamics import update
from dynamics.field import Field
from dynamics.formula import Formula, log_p, log_t, parts
from dynamics.rules import control_kind, split, structural_potential
from mdp.policy import Array, Policy

# Exact Jacobians grow with (S·A)² fractions; beyond this many logits the floats are asked instead.
LARGEST_EXACT = 48
TRIES = 6
# Beyond this many parameters the Jacobian's n² floats are not computed just to be measured.
LARGEST_MEASURED = 2_000


@dataclass(frozen=True)
class Verdict:
    """What `decide` found: see there. `to_json` gives the object the command prints."""

    verdict: str
    potential: str | None
    witness: dict[str, Any] | None
    holds_for: str
    error_bound: float | None
    seconds: float
    asymmetry: float | None
    reason: str

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain JSON values."""
        return asdict(self)


def decide(field: Field, *, seed: int = 0) -> Verdict:
    """Decide whether `field` is a gradient field: "gradient", "not-gradient" or "undecided".

    *gradient* comes with a potential, exactly, for every MDP and every theta. *not-gradient* comes with a witness: a
    strictly positive rational policy (O, A), a pair of coordinates i, j and the exact, non-zero
    `∂F_i/∂theta_j − ∂F_j/∂theta_i` in full logits. *undecided* says why. `asymmetry` is `‖J − J^T‖/‖J‖`, the largest
    at 8 random parameters (seeded); None where the Jacobian is too large to be computed for its own sake.
    Source: theory T1 (curl) and T2 (correction); the paper, Theorems 1 and 2.

    >>> from mdp import zoo
    >>> decide(Field(zoo.load("swirl"), "n-distill")).verdict
    'gradient'
    """
    started = time.perf_counter()
    measured = _measure(field, seed)

    def verdict(kind: str, holds_for: str, reason: str, **found: Any) -> Verdict:
        bound = None if kind == "undecided" else 0.0
        seconds = time.perf_counter() - started
        return Verdict(kind, found.get("potential"), found.get("witness"), holds_for, bound, seconds, measured, reason)

    potential = structural_potential(field.effective_rule, field.control)
    if potential is not None:
        route = (
            "the visits and action values do not depend on the student"
            if control_kind(field.rule, field.control) == "fixed"
            else "the reward of the next state makes up for what the loss leaves out (T2)"
        )
        return verdict("gradient", "every theta, every MDP and every linear Phi", route, potential=potential)
    obstacle = _obstacle(field)
    if obstacle is None:
        witness = _search(field, seed)
        if witness is not None:
            reason = "the curl at the witness is not zero; not a gradient does not mean that it cycles"
            return verdict("not-gradient", "this MDP", _with_lyapunov(field, reason), witness=witness)
        obstacle = f"the exact curl is 0 at {TRIES} rational policies, which proves nothing about the others"
    return verdict("undecided", "this MDP, at the parameters tried", obstacle)


def _measure(field: Field, seed: int) -> float | None:
    """The largest asymmetry at a few random parameters."""
    if field.size > LARGEST_MEASURED:
        return None
    theta = np.random.default_rng(seed).normal(size=(8, *field.shape))
    return max(float(field.asymmetry(one)) for one in theta)


def _with_lyapunov(field: Field, reason: str) -> str:
    known = field.lyapunov()
    return reason if known is None else f"{reason}: {known}"


def _obstacle(field: Field) -> str | None:
    """Why no exact witness can be computed for this field, or None."""
    n_logits = field.mdp.n_states * field.mdp.n_actions
    if n_logits > LARGEST_EXACT:
        return f"{n_logits} logits are too many for an exact Jacobian (at most {LARGEST_EXACT})"
    if field.student.observation is None:
        return "a witness is a table of probabilities, which general features do not have"
    terms = split(field.effective_rule)
    slope = field.effective_rule.loss.gradient
    evaluated = [
        *_with_derivatives(slope),
        *_with_derivatives(terms.now),
        *_with_derivatives(terms.action),
        terms.state,
        terms.state.gradient,
    ]
    if any(part in (log_p, log_t) or part.op == "log" for x in evaluated for part in parts(x)):
        return "logarithms enter the field, so that its value at a rational policy is not rational"
    return None


def _with_derivatives(x: Formula) -> list[Formula]:
    own, couplings = x.bend
    return [x, own, *(one for pair in couplings for one in pair)]


def _search(field: Field, seed: int) -> dict[str, Any] | None:
    """The first rational policy whose exact curl is not zero, as the witness of the command's JSON."""
    rng = np.random.default_rng(seed)
    for _ in range(TRIES):
        table = _rational_policy(rng, field.shape)
        curl = exact_curl(field, table)
        if (curl != 0).any():
            i, j = np.argwhere(curl != 0)[0]
            n_actions = field.shape[1]
            return {
                "policy": [[str(x) for x in row] for row in table],
                "i": [int(i) // n_actions, int(i) % n_actions],
                "j": [int(j) // n_actions, int(j) % n_actions],
                "value": str(curl[i, j]),
            }
    return None


def exact_curl(field: Field, table: Array) -> Array:
    """`∂F_i/∂theta_j − ∂F_j/∂theta_i` at the policy `table` (O, A) of `Fraction`s, exactly, shape (n, n).

    For tabular and observed students and rules whose field holds no logarithms. Raises ValueError for others.

    >>> from mdp import zoo
    >>> half = np.array([[Fraction(1, 2)] * 2] * 2, dtype=object)
    >>> exact_curl(Field(zoo.load("swirl"), "on-policy"), half)[0, 2] != 0
    True
    """
    mdp, observation = field.mdp, field.student.observation
    if observation is None:
        raise ValueError(
            "the student's parameters are not rows of logits, so a table of probabilities is no point of it"
        )
    student = table[observation]
    teacher = mdp.exact.teacher if mdp.exact.teacher is not None else np.full_like(student, Fraction(1, mdp.n_actions))
    nothing = np.full_like(student, None)
    problem = field.exact_problem(Policy(teacher, nothing), log=_no_logarithm)
    in_logits = update.jacobian(problem, Policy(student, nothing))
    # Rows that share an observation add up: sum the blocks of the logits' Jacobian over states, exactly.
    n_states, n_actions = student.shape
    index = (observation[:, None] * n_actions + np.arange(n_actions)).ravel()
    jacobian = np.full((field.size, field.size), Fraction(0), dtype=object)
    for row in range(n_states * n_actions):
        np.add.at(jacobian[index[row]], index, in_logits[row])
    return np.asarray(jacobian - jacobian.T)


def _no_logarithm(x: Array) -> Array:
    raise ValueError("a rational number has no rational logarithm")


def _rational_policy(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """A strictly positive policy with small denominators, as an object array of `Fraction`s."""
    weights = rng.integers(1, 5, size=shape)
    table = np.empty(shape, dtype=object)
    for index in np.ndindex(*shape):
        table[index] = Fraction(int(weights[index]), int(weights[index[:-1]].sum()))
    return table
