"""Is a rule's field the gradient of anything? Decided by proof, by a witness, or left undecided, saying why.

*Gradient*: the row's formulas satisfy the identity of theory T2 (for every MDP), or the curl is zero as a rational
function (for this MDP, all theta; `proofs.exact.fields`), or, on larger models, modulo random primes with a stated
error below 2^-60 (`proofs.exact.points`). *Not a gradient*: at one rational policy the curl is not zero, exactly, or by
a ball that excludes zero where logarithms enter. `routes` takes every route that applies, which the tests hold against
one another; what shares nothing with any of them is the checker (`proofs.checker`).
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dynamics.fields import Field
from dynamics.rules import Rule, control_kind, is_zero, split, structural_potential, teacher_better, uses
from mdp import Array, random, to_dict
from proofs.exact import explain
from proofs.exact.arithmetic import rationals
from proofs.exact.fields import MANY_DIGITS, exact_field, generic
from proofs.exact.points import (
    Witness,
    exp_theta,
    has_logarithms,
    identity_test,
    is_rational,
    point_test,
    setting,
    witness,
)

LARGEST_FUNCTIONS = 5  # parameters less gauge, and states, up to which the rational-function field answers in a second
LARGEST_EXACT = 160  # logits up to which a witness is a rational; beyond, a ball
LARGEST_POINT = 80  # logits up to which the whole curl is evaluated at a random rational point
LARGEST = 2_400  # logits up to which the curl is formed at all
LARGEST_CHECKED = 240  # logits up to which a potential that a theorem gives is checked again unasked
LARGEST_GENERIC = ((1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (2, 2), (2, 3))  # (states, actions) for all MDPs at once
LARGEST_MEASURED = 2_000  # parameters up to which the Jacobian's n² floats are computed just to be measured
LINE_INTEGRAL = "∫₀¹ theta·F(tau theta) dtau, the line integral from 0 (the curl vanishes and R^n has no holes)"


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
    method: str
    kind: str | None = None  # of potential: "episode", "fixed", "line", as certificates name it

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain JSON values."""
        return asdict(self)


def decide(field: Field, *, seed: int = 0) -> Verdict:
    """Decide whether `field` is a gradient field: "gradient", "not-gradient" or "undecided".

    *gradient* comes with a potential, for all theta, and `holds_for` says for which MDPs; `error_bound` is 0 for a
    proof, and the probability of error where the curl was tested modulo random primes. *not-gradient* comes with a
    witness: a strictly positive rational policy (O, A), a pair of coordinates i, j and the non-zero
    `∂F_i/∂theta_j − ∂F_j/∂theta_i` in full logits, exact, or a decimal and its `ball` where logarithms enter.
    *undecided* says why. `asymmetry` is `‖J − J^T‖/‖J‖`, the largest at 8 random parameters (seeded); None where the
    Jacobian is too large to be computed for its own sake.
    Raises ValueError for formulas that are defined nowhere.
    Source: theory T1 (curl) and T2 (correction); the paper, Theorems 1 and 2.

    >>> from mdp import zoo
    >>> decide(Field(zoo.load("swirl"), "n-distill")).verdict
    'gradient'
    >>> decide(Field(zoo.load("swirl"), "reverse-kl")).witness["value"]
    '7.2064957902969047947'
    """
    started = time.perf_counter()
    measured = _measure(field, seed)
    try:
        found = _decide(field, seed)
    except ZeroDivisionError:
        raise ValueError(f"rule {field.rule.id!r}: its formulas divide by 0 at every policy") from None
    return Verdict(seconds=time.perf_counter() - started, asymmetry=measured, **found)


def _decide(field: Field, seed: int) -> dict[str, Any]:
    text = structural_potential(field.effective_rule, field.control)
    if text is not None:
        return _by_theorem(field, text, seed)
    if _gated_loss_under_fixed_control(field):
        plain = "Σ_s d_q(s) [total(q*Q*log_p) - alpha*l](s), q fixed, the gate held as it is"
        reason = "visits do not depend on the student; across the gate, where the loss jumps, there is no potential"
        return _found("gradient", "every theta on one side of the value gate", reason, "theorem", potential=plain)
    size = field.mdp.n_states * field.mdp.n_actions
    if size > LARGEST:
        return _undecided(f"{size} logits are too many to form the curl (at most {LARGEST})")
    if size <= LARGEST_EXACT or field.problem.gated:
        shown = witness(field, seed)
    elif not is_rational(field):
        shown = witness(field, seed, in_balls=True)
    else:  # ask cheaply first; a witness in balls is the proof
        shown = None if identity_test(field, seed).zero else witness(field, seed, in_balls=True)
    if shown is not None:
        return _refuted(field, shown, seed)
    if field.problem.gated:
        return _undecided("at no policy tried is the gate open and the curl other than zero")
    return _vanishing(field, seed)


def _found(verdict: str, holds_for: str, reason: str, method: str, **more: Any) -> dict[str, Any]:
    blank = {"potential": None, "witness": None, "error_bound": 0.0, "kind": None}
    return blank | {"verdict": verdict, "holds_for": holds_for, "reason": reason, "method": method} | more


def _undecided(reason: str) -> dict[str, Any]:
    return _found("undecided", "this MDP, at the parameters tried", reason, "none", error_bound=None)


def _by_theorem(field: Field, text: str, seed: int) -> dict[str, Any]:
    """The row proves a potential for every MDP; on a small one it is checked by differentiation as well."""
    fixed = control_kind(field.rule, field.control) == "fixed"
    reason = (
        "the visits and action values do not depend on the student"
        if fixed
        else "the reward of the next state makes up for what the loss leaves out (T2)"
    )
    method = "theorem"
    if is_small(field):
        exact = exact_field(field)
        if not exact.climbs(exact.potential()):
            raise ArithmeticError(f"rule {field.rule.id!r}: the potential {text} does not differentiate to the field")
        method += ", checked by differentiating the potential on this MDP"
    elif field.mdp.n_states * field.mdp.n_actions <= LARGEST_CHECKED and is_rational(field):
        test = identity_test(field, seed)
        if not test.zero:
            raise ArithmeticError(f"rule {field.rule.id!r}: a theorem says gradient and the curl is not zero")
        method += ", checked modulo random primes on this MDP" if test.decided else ""
    kind = "fixed" if fixed else "episode"
    return _found("gradient", "every theta, every MDP and every linear Phi", reason, method, potential=text, kind=kind)


def _gated_loss_under_fixed_control(field: Field) -> bool:
    rule = field.effective_rule
    return (
        uses(rule.loss, teacher_better)
        and not uses(rule.reward, teacher_better)
        and control_kind(rule, field.control) == "fixed"
        and not split(rule).depends_on_student
    )


def _refuted(field: Field, shown: Witness, seed: int) -> dict[str, Any]:
    known = field.lyapunov()
    reason = f"{explain.why_not(field, shown.i, shown.j, seed)}; not a gradient does not mean that it cycles"
    method = "ball arithmetic at a rational policy" if is_ball(shown.value) else "exact value at a rational policy"
    return _found(
        "not-gradient",
        "this MDP, near the witness's theta, where the gate is open"
        if field.problem.gated
        else "this MDP, at the witness's theta, and so at almost every theta",
        reason if known is None else f"{reason}: {known}",
        method,
        witness=witness_json(field, shown),
    )


def _vanishing(field: Field, seed: int) -> dict[str, Any]:
    """No witness was found: prove that the curl is zero, or test it."""
    if not is_rational(field):
        return _undecided(f"no policy tried shows a curl other than zero, and {MANY_DIGITS}")
    small = is_small(field)
    if small:
        place = exact_field(field).first_curl()
        method, bound = "rational functions: the curl is zero", 0.0
    else:
        test = identity_test(field, seed)
        if not test.decided:
            return _undecided("the curl vanishes modulo random primes, but of too high a degree for a small error")
        place = None if test.zero else (0, 0)
        method, bound = f"identity testing modulo {test.rounds} random primes", test.error_bound
    if place is not None:
        return _undecided("no policy tried shows a curl other than zero, and it is not zero in free logarithms")
    reason = explain.why_gradient(field, seed)
    holds = "every theta, this MDP" + ("" if small else f", but for a probability of error below {bound:.1e}")
    text, kind = LINE_INTEGRAL, "line"
    rule = field.effective_rule
    if is_zero(rule.reward) and field.student.observation is not None and explain.visits_are_constant(field, seed):
        text = f"Σ_s d(s) [-alpha*({rule.loss_text})](s), d the visits of any policy"
    return _found("gradient", holds, reason, method, potential=text, kind=kind, error_bound=bound)


def decide_all(rule: Rule, states: int, actions: int, *, control: str | None = None, seed: int = 0) -> Verdict:
    """The same question about *every* MDP of a size at once (tabular student, any alpha).

    "gradient": the curl is zero as a rational function of the policy, of P (rows of any sum), R, start, discount,
    alpha and teacher, so for all of them. "not-gradient": it is not zero on one of them, which is shown, so on almost
    all (the others make a set of measure zero). Raises ValueError for sizes beyond `LARGEST_GENERIC`, and for rules
    with a value gate, which have no rational field.

    >>> from vorticity import TABLE
    >>> decide_all(TABLE["n-distill"], 2, 2).holds_for
    'every theta, every MDP of 2 states and 2 actions'
    """
    started = time.perf_counter()
    if (states, actions) not in LARGEST_GENERIC:
        known = ", ".join(f"{s}x{a}" for s, a in LARGEST_GENERIC)
        raise ValueError(f"all MDPs of {states} states and {actions} actions: must be one of {known}")
    template = random.episodic(seed, states, actions, discount="9/10")
    field = Field(template, rule, control=control)
    if field.problem.gated:
        raise ValueError(f"rule {rule.id!r} has a value gate, which is no rational function of theta")
    size = f"MDP of {states} state{'s' * (states > 1)} and {actions} action{'s' * (actions > 1)}"
    shown = witness(field, seed)
    try:
        every = generic(states, actions, {"rule": rule, "control": control})[0] if shown is None else None
        vanishes = every is not None and every.first_curl() is None
    except ZeroDivisionError:
        raise ValueError(f"rule {rule.id!r}: its formulas divide by 0 at every policy") from None
    if shown is not None:
        found = _refuted(field, shown, seed)
        found |= {"holds_for": f"almost every {size}: the witness is for one of them, `mdp`"}
        found["witness"] |= {"mdp": to_dict(template)}
    elif not vanishes:
        found = _undecided("no policy tried shows a curl other than zero, and it is not zero in free logarithms")
    else:
        text = structural_potential(rule, control)
        method = "rational functions in the policy and in every number of the MDP: the curl is zero"
        reason = "the curl vanishes identically, whatever the MDP's numbers are"
        found = _found("gradient", f"every theta, every {size}", reason, method, potential=text or LINE_INTEGRAL)
    return Verdict(seconds=time.perf_counter() - started, asymmetry=_measure(field, seed), **found)


def is_small(field: Field) -> bool:
    """Whether the rational-function field answers in about a second."""
    free = field.size - (field.shape[0] if field.student.observation is not None else 0)
    cells = field.mdp.n_states * field.mdp.n_actions
    return free <= LARGEST_FUNCTIONS and cells <= 12 and not field.problem.gated and is_rational(field)


def routes(field: Field, seed: int = 0) -> dict[str, str]:
    """The verdict of every applicable route, each by itself: they must agree.

    `theorem` (the row's identity), `functions` (rational functions), `point` (exact at random rational generators),
    `identity` (modulo random primes), `witness` (a rational policy, exact or in balls).

    >>> from mdp import zoo
    >>> sorted(set(routes(Field(zoo.load("chain"), "on-policy")).values()))
    ['not-gradient']
    """
    found = {}
    word = {True: "gradient", False: "not-gradient"}
    if structural_potential(field.effective_rule, field.control) is not None:
        found["theorem"] = "gradient"
    if not field.problem.gated and is_rational(field):
        if is_small(field):
            found["functions"] = word[exact_field(field).first_curl() is None]
        tests = {"identity": identity_test(field, seed)}
        if field.mdp.n_states * field.mdp.n_actions <= LARGEST_POINT:
            tests["point"] = point_test(field, seed)
        found |= {name: word[test.zero] for name, test in tests.items() if test.decided}
    if witness(field, seed) is not None:
        found["witness"] = "not-gradient"
    return found


def is_ball(value: Any) -> bool:
    """Whether a witness's value is a ball rather than a rational."""
    return hasattr(value, "rad")


def ball_json(value: Any) -> dict[str, list[int]]:
    """A ball as exact integers: {"mid": [m, e], "rad": [m, e]}, each m · 2^e."""
    return {"mid": _dyadic(value.mid()), "rad": _dyadic(value.rad())}


def _dyadic(x: Any) -> list[int]:
    mantissa, exponent = x.man_exp()
    return [int(mantissa), int(exponent)]


def witness_json(field: Field, shown: Witness) -> dict[str, Any]:
    """The witness of the command's JSON; `theta` stands for the policy where parameters are general features."""
    ball = is_ball(shown.value)
    answer: dict[str, Any]
    if field.student.observation is None:
        answer = {
            "policy": None,
            "exp_theta": [str(x) for x in exp_theta(field, shown.point)],
            "i": [shown.i],
            "j": [shown.j],
        }
    else:
        n_actions = field.shape[1]
        answer = {
            "policy": [[str(x) for x in row] for row in shown.point],
            "i": [shown.i // n_actions, shown.i % n_actions],
            "j": [shown.j // n_actions, shown.j % n_actions],
        }
    answer["value"] = shown.value.str(20, radius=False) if ball else str(shown.value)
    answer["ball"] = ball_json(shown.value) if ball else None
    return answer


def exact_curl(field: Field, table: Array) -> Array:
    """`∂F_i/∂theta_j − ∂F_j/∂theta_i` at the policy `table` (O, A) of `Fraction`s, exactly, shape (n, n).

    For tabular and observed students and rules whose field holds no logarithms. Raises ValueError for others.

    >>> from fractions import Fraction
    >>> from mdp import zoo
    >>> half = np.array([[Fraction(1, 2)] * 2] * 2, dtype=object)
    >>> exact_curl(Field(zoo.load("swirl"), "on-policy"), half)[0, 2] != 0
    True
    """
    if field.student.observation is None:
        raise ValueError(
            "the student's parameters are not rows of logits, so a table of probabilities is no point of it"
        )
    if has_logarithms(field):
        raise ValueError(f"rule {field.rule.id!r} takes logarithms, so its field at a rational policy is not rational")
    return setting(field, rationals()).curl(table)


def _measure(field: Field, seed: int) -> float | None:
    """The largest asymmetry at a few random parameters; None where the Jacobian is too large, or nowhere finite."""
    if field.size > LARGEST_MEASURED:
        return None
    theta = np.random.default_rng(seed).normal(size=(8, *field.shape))
    with np.errstate(all="ignore"):  # a formula of one's own need not be defined everywhere
        seen = [float(field.asymmetry(one)) for one in theta]
    return max((x for x in seen if np.isfinite(x)), default=None)
